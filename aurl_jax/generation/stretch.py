"""`Stretch`: ids of a piece as a list of bars, which can be put anywhere.

A bar of a list is plain: its own step tells no meter, and no tempo stands in
it, so that it may be copied, left out or cut apart; one meter and one tempo
hold for all. Of `compound`. Axes: `t` steps, `f` fields.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from aurl_jax.tokens import events
from aurl_jax.tokens.compound import Compound
from aurl_jax.tokens.infill_parts import Track

Bar = Int[np.ndarray, '_ f']


@dataclasses.dataclass(frozen=True, eq=False)
class Stretch:
  """Takes pieces apart into bars, and puts bars together.

  Attributes:
    tokenizer: Of the ids.
    opening: int32 `[t, f]`, what a piece begins with (`generation.opening`):
      BOS, controls of the piece, the bar that tells the meter, the tempo.
  """

  tokenizer: Compound
  opening: Int[np.ndarray, 't f']

  def blank(self) -> Bar:
    """Returns a bar in which nothing stands."""
    codec = self.tokenizer.codec
    step = np.zeros((1, len(codec.fields)), np.int32)
    step[0, 0] = codec.id('bar')
    step[0, events.POSITION] = codec.id('whole', 0, events.POSITION)
    step[0, events.VALUE] = codec.id('same', 0, events.VALUE)
    return step

  def bars(self, ids: Int[np.ndarray, 't f']) -> list[Bar]:
    """Returns the bars of ids, plain; what is before the first is left out."""
    codec = self.tokenizer.codec
    drop = self.tokenizer.is_end(ids) | codec.holds('tempo', ids[:, 0])
    ids = ids[~drop]
    # What is filled in may repeat a note that has stayed.
    place = ids[:, [0, *range(events.POSITION, events.DURATION)]]
    notes = codec.holds('note', ids[1:, 0])
    again = notes & (place[1:] == place[:-1]).all(axis=1)
    ids = ids[np.append(True, ~again)]
    found = np.split(ids, self.tokenizer.bar_steps(ids))[1:]
    return [np.concatenate([self.blank(), bar[1:]]) for bar in found]

  def join(
    self, bars: Sequence[Bar], *, end: bool = False
  ) -> Int[np.ndarray, 't f']:
    """Returns the ids of bars in a row, from BOS; with `end`, to EOS.

    Without bars it is the opening.
    """
    if not bars:
      return self.opening
    codec = self.tokenizer.codec
    first = bars[0]
    kinds = codec.holds('control', first[:, 0]) if self._controls else None
    told = 1 + (0 if kinds is None else int(kinds.sum()))
    begun = int(self.tokenizer.bar_steps(self.opening)[0]) + 1
    head, behind = self.opening[:begun], self.opening[begun:]
    parts = [head, first[1:told], behind, first[told:]]
    parts += bars[1:]
    if end:
      eos = np.zeros((1, len(codec.fields)), np.int32)
      eos[0, 0] = codec.id('eos')
      parts.append(eos)
    return np.concatenate(parts).astype(np.int32)

  def count(self, bar: Bar, track: Track) -> int:
    """Returns how many notes a track has in a bar."""
    codec = self.tokenizer.codec
    program = codec.id('program', track[0], events.VALUE)
    voice = codec.id('voice', track[1], events.VOICE)
    rows = bar[codec.holds('note', bar[:, 0])]
    found = rows[:, [events.VALUE, events.VOICE]] == [program, voice]
    return int(found.all(axis=1).sum())

  def closed(self, bar: Bar, cells: int) -> Bar:
    """Returns a bar as the last of a piece.

    Notes of its second half are left out, where there are others, and those
    that begin last ring to its end. So end songs: in the second half of its
    last bar five of six of POP909 have no onset (721 of the train split).

    Args:
      bar: A plain bar.
      cells: How long it is.
    """
    codec = self.tokenizer.codec
    notes = codec.holds('note', bar[:, 0])
    place = codec.fields[events.POSITION].values[bar[:, events.POSITION]]
    early = notes & (2 * place < cells)
    if not early.any():
      return bar
    last = int(place[early].max())
    table = self.tokenizer.grid.durations
    index = int(np.searchsorted(table, cells - last, side='right')) - 1
    found = bar.copy()
    rings = early & (place == last)
    length = codec.id('duration', index, events.DURATION)
    found[rings, events.DURATION] = length
    return found[early | ~notes]

  @property
  def _controls(self) -> bool:
    return 'control' in self.tokenizer.codec.fields[0].starts

  def fitting(self, bars: Sequence[Bar], steps: int) -> int:
    """Returns how many of the last bars fit into so many steps."""
    # The opening has the step of the first bar.
    room, count = steps - len(self.opening) + 1, 0
    for bar in reversed(bars):
      room -= len(bar)
      if room < 0:
        break
      count += 1
    return count

  def around(
    self, bars: Sequence[Bar], first: int, last: int, steps: int
  ) -> tuple[int, int]:
    """Returns the stretch about some bars that fits: its first bar, its end.

    A third of what is left beside them goes to what follows, if there is as
    much.

    Args:
      bars: Of the piece.
      first: Of the bars in the middle, the first one.
      last: One past the last one.
      steps: What there is room for.
    """
    own = sum(len(bar) for bar in bars[first:last]) + len(self.opening) + 1
    after = self.fitting(bars[: last - 1 : -1], (steps - own) // 3)
    stop = last + after
    left = steps - own - sum(len(bar) for bar in bars[last:stop])
    return first - self.fitting(bars[:first], max(0, left)), stop
