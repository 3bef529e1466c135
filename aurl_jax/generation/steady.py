"""`Steady`: no other meter and no other tempo than were asked for.

A bar that is to have another meter or tempo than the one before it tells so
where it begins. Axes: `r` rows of the wishes, and more for bars that no wish
is about, as in `seats`; `v` ids of a field.
"""

import dataclasses
import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

from aurl_jax.generation.frame import Frame, Kept, Table
from aurl_jax.music import time
from aurl_jax.music.notes import DEFAULT_TEMPO, Notes
from aurl_jax.tokens.codec import Codec
from aurl_jax.tokens.grammar import Scalar, lookup

_KINDS = ('bar', 'tempo', 'position', 'note', 'chord', 'pedal')


class SteadyState(NamedTuple):
  """Where a row of a batch stands; -1 stands for none.

  Attributes:
    bars: Bars that have begun.
    meter: Index of the meter in force.
    tempo: Bin of the tempo in force.
    fresh: Whether the open bar has nothing with a place yet.
    last: Index of the range of the last step's first id.
  """

  bars: Scalar
  meter: Scalar
  tempo: Scalar
  fresh: Bool[Array, '']
  last: Scalar


@functools.partial(
  jax.tree_util.register_dataclass,
  data_fields=['meters', 'tempos', 'span'],
  meta_fields=['codec'],
)
@dataclasses.dataclass(frozen=True, kw_only=True)
class Steady:
  """The constraint for `compound` and `remi`.

  A pytree: other meters and tempos need no other program.

  Attributes:
    meters: int32 `[r]`, indices of meters; -1 leaves one open.
    tempos: int32 `[r]`, bins of tempos; likewise.
    span: int32 `[3]`: rows, bars before the wishes, bars with wishes.
    codec: The vocabulary.
  """

  meters: Any
  tempos: Any
  span: Any
  codec: Codec

  def init(self) -> SteadyState:
    """Returns the state before any step."""
    none = jnp.int32(-1)
    return SteadyState(jnp.int32(0), none, none, jnp.bool_(False), none)

  def _asked(self, bar: Scalar) -> tuple[Scalar, Scalar]:
    """Returns the meter and the tempo of a bar, -1 where they are open."""
    rows, first, bars = jnp.asarray(self.span)
    told = bar - first
    about = (told >= 0) & (told < bars)
    row = jnp.where(about, told % rows, len(self.meters) - 1)
    return jnp.asarray(self.meters)[row], jnp.asarray(self.tempos)[row]

  def mask(
    self, state: SteadyState, field: int, partial: Int[Array, ' f']
  ) -> Bool[Array, ' v']:
    """Returns the ids that tell no other meter and no other tempo."""
    if len(self.codec.fields) == 1:
      return self._stream(state)
    meter, _ = self._asked(state.bars)
    _, tempo = self._asked(state.bars - 1)
    due = state.fresh & (tempo >= 0) & (tempo != state.tempo)
    if field == 0:
      # Of what has a place, the tempo comes first, and then never again.
      placed = self._of(0, *_KINDS, 'eos')
      times = self._of(0, 'tempo')
      return jnp.where(due, times | ~placed, (tempo < 0) | ~times)
    bar = (meter >= 0) & self.codec.holds('bar', partial[0])
    told = (tempo >= 0) & self.codec.holds('tempo', partial[0])
    wanted = jnp.ones(self.codec.sizes[field], bool)
    same = meter == state.meter
    wanted &= ~bar | ~self._of(field, 'cut')
    wanted &= ~bar | self._is(field, 'meter', jnp.where(same, -1, meter))
    wanted &= ~bar | same | ~self._of(field, 'same')
    wanted &= ~told | self._is(field, 'tempo', tempo)
    return wanted & (~told | self._is(field, 'position', jnp.int32(0)))

  def _stream(self, state: SteadyState) -> Bool[Array, ' v']:
    meter, tempo = self._asked(state.bars - 1)
    told = jnp.bool_(False)
    for name in ('meter', 'cut', 'position'):
      told |= state.last == self._range(name)
    # Behind a bar, or behind its controls.
    turns = state.fresh & ~told & (meter >= 0) & (meter != state.meter)
    due = state.fresh & (tempo >= 0) & (tempo != state.tempo)
    placed = state.last == self._range('position')
    wanted = (meter < 0) | ~self._of(0, 'cut')
    wanted &= (meter < 0) | self._is(0, 'meter', meter)
    wanted &= turns | (meter < 0) | ~self._of(0, 'meter')
    # A first tempo stands at position 0; the position comes first.
    wanted &= ~turns | ~self._of(0, 'position', 'eos', 'bar')
    wanted &= ~due | placed | self._is(0, 'position', jnp.int32(0))
    wanted &= ~due | placed | ~self._of(0, 'bar', 'eos')
    wanted &= ~due | ~placed | ~self._of(0, 'program', 'chord')
    return wanted & self._tempos(tempo, due)

  def _tempos(self, tempo: Scalar, due: Bool[Array, '']) -> Bool[Array, ' v']:
    any_ = self._of(0, 'tempo')
    return (tempo < 0) | jnp.where(due, self._is(0, 'tempo', tempo), ~any_)

  def _of(self, field: int, *names: str) -> Bool[np.ndarray, ' v']:
    """Returns which ids of a field are of some events."""
    ids = np.arange(self.codec.sizes[field])
    part = self.codec.fields[field]
    found: np.ndarray = np.any([part.holds(n, ids) for n in names], axis=0)
    return found

  def _is(self, field: int, event: str, value: Scalar) -> Bool[Array, ' v']:
    """Returns all ids but those of other values of an event."""
    part = self.codec.fields[field]
    return ~self._of(field, event) | (part.values == value)

  def _range(self, event: str) -> int:
    names = [part.event for part in self.codec.fields[0].ranges]
    return names.index(event)

  def advance(self, state: SteadyState, step: Int[Array, ' f']) -> SteadyState:
    """Returns the state after a step."""
    bar = jnp.asarray(self.codec.holds('bar', step[0]))
    told = {'meter': state.meter, 'tempo': state.tempo}
    for f, part in enumerate(self.codec.fields):
      for name in told:
        if part.tells(name):
          now = jnp.asarray(part.holds(name, step[f]))
          told[name] = jnp.where(now, lookup(part.values, step[f]), told[name])
    last = lookup(self.codec.fields[0].kinds, step[0])
    stays = jnp.bool_(False)
    for name in ('bar', 'meter', 'cut', 'position'):
      if len(self.codec.fields) == 1:
        stays |= self.codec.holds(name, step[0])
    control = ~jnp.asarray(self._of(0, *_NOT_CONTROLS))[step[0]]
    fresh = bar | (state.fresh & (stays | control))
    return SteadyState(
      state.bars + bar, told['meter'], told['tempo'], fresh, last
    )


_NOT_CONTROLS = (
  *('bos', 'eos', 'bar', 'meter', 'cut', 'position', 'tempo', 'chord'),
  *('note', 'pedal', 'program', 'voice', 'pitch', 'drum', 'velocity'),
  *('duration', 'mask', 'fill'),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Meters:
  """Bars have the meter that was asked for; a rule (`frame`).

  Attributes:
    frame: The bars, and their meters.
    name: What reports call it.
  """

  frame: Frame
  name: str = 'meter'

  def narrow(self, table: Table) -> None:
    """Takes out cells beyond the bars' ends."""
    for row in range(self.frame.rows):
      table.onsets[row, self.frame.cells(row) :] = False

  def kept(self, notes: Notes) -> Kept:
    """Returns how many bars have their meter; of silence none is told."""
    if not len(notes):
      return Kept(1.0, 0)
    starts = self.frame.starts(notes)
    beat = self.frame.grid.cells_per_beat
    ticks = notes.ticks_per_beat // beat
    changes = time.meter_changes(notes)
    fits = []
    rows = self.frame.row(np.arange(len(starts))).tolist()
    for start, row in zip((starts * ticks).tolist(), rows, strict=True):
      meter = [change[1:] for change in changes if change[0] <= start][-1]
      if row >= 0:
        fits.append(meter == self.frame.meters[row])
    return Kept.of(np.array(fits, bool))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tempos:
  """Bars have the tempo that was asked for; a rule (`frame`).

  Attributes:
    frame: The bars.
    bins: Of each row, index into the grid's tempos; -1 leaves one open.
    name: What reports call it.
  """

  frame: Frame
  bins: tuple[int, ...]
  name: str = 'tempo'

  def narrow(self, table: Table) -> None:
    """Takes out nothing: tempos are told, not played."""
    del table

  def kept(self, notes: Notes) -> Kept:
    """Returns in how many bars no other tempo holds; silence has none."""
    if not len(notes):
      return Kept(1.0, 0)
    starts = self.frame.starts(notes)
    ticks = notes.ticks_per_beat // self.frame.grid.cells_per_beat
    stops = np.append(starts[1:], notes.end // ticks + 1)
    rows = self.frame.row(np.arange(len(starts)))
    fits = [
      self._holds(notes, start * ticks, stop * ticks, row)
      for start, stop, row in zip(
        starts.tolist(), stops.tolist(), rows.tolist(), strict=True
      )
      if row >= 0
    ]
    return Kept.of(np.array(fits, bool))

  def _holds(self, notes: Notes, start: int, stop: int, row: int) -> bool:
    """Returns whether a bar has its tempo alone."""
    if self.bins[row] < 0:
      return True
    table = notes.tempos
    before = table['microseconds'][table['tick'] <= start]
    first = int(before[-1]) if len(before) else DEFAULT_TEMPO
    inside = (table['tick'] > start) & (table['tick'] < stop)
    found = {first, *table['microseconds'][inside].tolist()}
    return found == {int(self.frame.grid.tempos[self.bins[row]])}
