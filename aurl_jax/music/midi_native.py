"""Reading tracks by compiled loops: what `midi_events` and `midi_split` do.

The loops of `music.midi_mend` read what is as it must be and mend what is
often wrong, and ask `midi_events.Reader` to read each event that is wrong in
another way; so a broken track is read as fast as it is sound. Loading them
takes as long as reading megabytes without them, so they are loaded when so
much has been read.
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
_FAULTS = 256
"""Faults that the loop writes down before they are told."""
_WORDS = (
  ('ticks', '{} ticks would pass the limit; taken for 0'),
  ('running_status', 'taken from the last channel event'),
  ('data_byte', 'the event left out'),
  ('data_byte', 'taken for {}'),
  ('system_message', 'inside an event; passed over'),
  ('system_message', 'passed over'),
  ('data_byte', 'taken for {} and {}'),
)
"""Code and action of the faults of `music.midi_mend`, and of the one that
names two bytes of data."""
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


@functools.cache
def mender() -> ModuleType:
  """Returns `music.midi_mend`, which is loaded at the first call."""
  from aurl_jax.music import midi_mend

  return midi_mend


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
    self._most = min(limits.events, _NEVER)
    self._bounds = np.array([MAX_TICKS, longest, _NEVER, self._most, 0])
    # No event takes less than two bytes, no meta less than four.
    self._ticks = np.empty(min(len(chunk) // 2, limits.events) + 1, np.int64)
    self._words = np.empty(len(self._ticks), np.int32)
    size = min(len(chunk) // 4, limits.events) + 1
    self._metas = np.empty((size, 4), np.int64)
    self._faults = np.empty((_FAULTS, 4), np.int64)
    self._state = np.zeros(9, np.int64)

  def _ahead(self, position: int) -> int:
    loops, scan, state = mender(), scanner(), self._state
    self._take_odd()
    told = int(state[scan.TOLD])
    state[:6] = (
      position, self.tick, self.running,
      bool(self.running) and not self.cancelled, self.open >= 0,
      self.events.end,
    )  # fmt: skip
    # `Reader.run` counts what it holds so, behind an event that is odd.
    held = META_WEIGHT * (len(self.events.metas) - told) + 1
    self._bounds[loops.METAS] = self._most - held
    state[loops.FAULTS] = 0
    why = loops.read(
      self._data, state, self._bounds, self._ticks, self._words, self._metas,
      self._faults,
    )  # fmt: skip
    (
      position, self.tick, self.running, sure, _, end, count, now, faults,
    ) = state.tolist()  # fmt: skip
    if faults:
      self._tell_faults(faults)
    self.events.end, self.cancelled = end, not sure
    held = count + META_WEIGHT * now
    if why == scan.FULL or held > self.limits.events:
      self.limits.check('events', held)
    for tick, kind, start, stop in self._metas[told:now].tolist():
      self.events.metas.append((tick, kind, self.chunk[start:stop]))
    return -1 if why == scan.ENDED else position

  def _tell_faults(self, count: int) -> None:
    """Tells of what the loop mended."""
    faults = self._faults[:count]
    if self._count_faults(faults[:, 0]):
      return
    taken = mender().TAKEN
    for what, position, first, second in faults.tolist():
      is_pair = what == taken and second >= 0
      code, action = _WORDS[-1 if is_pair else what]
      self._tell(code, position, action.format(first, second))

  def _count_faults(self, kinds: np.ndarray) -> bool:
    """Counts faults that need not be told one by one; False for others."""
    log = self.issues
    found = [
      (_WORDS[what][0], count)
      for what, count in enumerate(np.bincount(kinds).tolist())
      if count
    ]
    is_room = log.total + len(kinds) <= self.limits.faults
    if not is_room or not all(log.counts(code) for code, _ in found):
      return False
    for code, count in found:
      log.count(code, count)
    return True

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
