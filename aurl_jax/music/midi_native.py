"""Reading tracks by compiled loops: what `midi_events` and `midi_split` do.

The loops of `music.midi_scan` read what is as it must be, and ask
`midi_events.Reader` to read each event that is not; so a broken track is
read as fast as it is sound. Loading them takes as long as reading megabytes
without them, so they are loaded when so much has been read.
"""

import functools
from types import ModuleType

import numpy as np

from aurl_jax.music.midi_chunks import (
  LIMITS,
  MAX_TICKS,
  META_WEIGHT,
  Limits,
  Log,
)
from aurl_jax.music.midi_events import Reader, longest_delta
from aurl_jax.music.midi_split import Played

_LOAD = 1.2
"""CPU seconds that loading takes, compiled code being on disk."""
_NEVER = 1 << 62
_spent = 0.0


def pays(size: int, cost: float) -> bool:
  """Whether the loops are loaded, or should be now.

  As with skis that are rented until the rent has reached their price, no
  process spends over twice the time of the best choice.

  Args:
    size: Bytes that are to be read.
    cost: CPU seconds that a byte costs without the loops.
  """
  global _spent
  _spent += size * cost
  return _spent > _LOAD


@functools.cache
def kernels() -> ModuleType:
  """Returns `music.midi_kernels`, which is loaded at the first call."""
  from aurl_jax.music import midi_kernels

  return midi_kernels


@functools.cache
def scanner() -> ModuleType:
  """Returns `music.midi_scan`, which is loaded at the first call."""
  from aurl_jax.music import midi_scan

  return midi_scan


class NativeReader(Reader):
  """Reads a track; what the compiled loop cannot read, as `Reader` does.

  Metas that `Notes` has no place for are passed over.
  """

  def __init__(
    self,
    chunk: bytes,
    where: str,
    ticks_per_beat: int,
    issues: Log,
    remarks: Log,
    limits: Limits = LIMITS,
  ) -> None:
    longest = longest_delta(ticks_per_beat)
    super().__init__(chunk, where, longest, issues, remarks, limits)
    self._data = np.frombuffer(chunk, np.uint8)
    self._bounds = np.array([MAX_TICKS, longest, _NEVER])
    # No event takes less than two bytes, no meta less than four.
    self._ticks = np.empty(min(len(chunk) // 2, limits.events) + 1, np.int64)
    self._words = np.empty(len(self._ticks), np.int32)
    size = min(len(chunk) // 4, limits.events) + 1
    self._metas = np.empty((size, 4), np.int64)
    self._state = np.zeros(8, np.int64)

  def _ahead(self, position: int) -> int:
    loops, state = scanner(), self._state
    self._take_odd()
    state[:6] = (
      position, self.tick, self.running,
      bool(self.running) and not self.cancelled, self.open >= 0,
      self.events.end,
    )  # fmt: skip
    told = int(state[loops.TOLD])
    why = loops.scan(
      self._data, len(self.chunk), state, self._bounds, self._ticks,
      self._words, self._metas,
    )  # fmt: skip
    position, self.tick, self.running, sure, _, end, count, now = state.tolist()
    self.events.end, self.cancelled = end, not sure
    held = count + META_WEIGHT * now
    if why == loops.FULL or held > self.limits.events:
      self.limits.check('events', held)
    for tick, kind, start, stop in self._metas[told:now].tolist():
      self.events.metas.append((tick, kind, self.chunk[start:stop]))
    return -1 if why == loops.ENDED else position

  def _resume(self, position: int) -> int:
    return scanner().resume(self._data, position)

  def _take_odd(self) -> None:
    """Moves what `Reader` has read to the tables."""
    count = int(self._state[6])
    for tick, status, first, second in self.events.channel:
      if count == len(self._ticks):
        self.limits.check('events', count + 1)
      self._ticks[count] = tick
      self._words[count] = status << 16 | first << 8 | second
      count += 1
    self._state[6] = count
    self.events.channel.clear()

  def played(self) -> Played:
    """Returns what the track plays, once it has run."""
    self._take_odd()
    loops, count = kernels(), int(self._state[6])
    words = self._words[:count]
    work = loops.new_work(words)
    loops.split(work, self._ticks[:count], words, self.events.end)
    keys = work.keys[1 : work.keys[0] + 1].tolist()
    return Played(
      work.notes,
      work.changes,
      [(key >> 7, key & 0x7F) for key in keys],
      int(work.totals[loops.NEVER_ENDED]),
    )
