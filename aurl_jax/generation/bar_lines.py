"""Where bars stand in ids, and when they begin in the music.

`Tokenizer.decode` tells nothing behind the last note: neither a meter nor a
tempo, nor how long a bar is that is cut short by what follows. So a note is
put behind the bar line that is asked about, and looked for. Axes: `t` steps,
`f` fields.
"""

import dataclasses
import functools

import numpy as np
from jaxtyping import Int

from aurl_jax.music.notes import Notes, Track
from aurl_jax.tokens.grid import VOICES, VoiceGrid
from aurl_jax.tokens.tokenizer import Tokenizer

_PROGRAM = 127
"""Of the note: a gunshot, whose track shifts no other's number."""


@dataclasses.dataclass(frozen=True)
class BarLines:
  """Looks for bars of a tokenization that has some.

  Attributes:
    tokenizer: Of the ids.
  """

  tokenizer: Tokenizer

  def edges(self, ids: Int[np.ndarray, 't f']) -> Int[np.ndarray, ' m']:
    """Returns the step at which each bar begins, and that behind the last."""
    ends = np.flatnonzero(self.tokenizer.is_end(ids))
    stop = int(ends[0]) if len(ends) else len(ids)
    return np.append(self.tokenizer.bar_steps(ids), stop)

  def complete(self, ids: Int[np.ndarray, 't f']) -> int:
    """Returns how many bars have a bar line behind them."""
    begun = self.tokenizer.bar_steps(ids)
    # Where a step of its own tells the meter, that may still be missing.
    told = self._told and len(begun) and int(begun[-1]) == len(ids) - 1
    return max(0, len(begun) - 1 - bool(told))

  def before(self, ids: Int[np.ndarray, 't f'], bar: int) -> tuple[Notes, int]:
    """Returns the music before a bar, and the tick at which that begins.

    Tempos and meters are told up to there; notes may sound beyond it, and a
    note at that tick is not of the music.

    Args:
      ids: With all bars before it.
      bar: Counted from 0.
    """
    edges = self.edges(ids)
    stop, after = int(edges[min(bar, len(edges) - 1)]), self._after
    if bar < len(edges) - 1 and not self._frames:
      stop, after = self._behind(ids, stop), after[1:]
    notes = self.tokenizer.decode(np.concatenate([ids[:stop], after]))
    return notes, int(notes.onset[-1])

  @property
  def _frames(self) -> bool:
    return isinstance(self.tokenizer, VoiceGrid)

  @property
  def _told(self) -> bool:
    """Whether a bar's meter is a step of its own."""
    return not self._frames and 'meter' in self.tokenizer.codec.fields[0].starts

  def _behind(self, ids: np.ndarray, bar: int) -> int:
    """Returns the step behind a bar's event and its meter."""
    stop = bar + 1
    if self._told and stop < len(ids):
      stop += bool(self.tokenizer.codec.holds('meter', ids[stop, 0]))
    return stop

  @functools.cached_property
  def _after(self) -> Int[np.ndarray, 't f']:
    """The steps of a bar with a note, or of a cell with notes."""
    voices = np.arange(VOICES)
    columns = {'onset': 0, 'duration': 1, 'pitch': 60 - voices, 'track': voices}
    track = Track(program=_PROGRAM)
    found = self.tokenizer.encode(
      Notes.build(4, columns, tracks=[track] * VOICES)
    )
    found = found[self.tokenizer.bar_steps(found)[0] : -1]
    if self._frames:
      return found[:1]
    holds = self.tokenizer.codec.holds
    other = holds('meter', found[:, 0]) | holds('tempo', found[:, 0])
    return found[~other]
