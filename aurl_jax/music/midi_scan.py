"""Events of sound tracks and where broken ones go on, compiled by Numba.

`scan` walks over the events of a track as `music.midi_events` does, and
stops in front of the first one that is not as it must be: that one is for
`midi_events`. `resume` is that of `music.midi_resync`. The tests hold both to
their twins in Python. Importing this takes a second, so only
`music.midi_native` and `music.midi_whole` do, where it pays.
"""

import inspect
from collections.abc import Callable
from typing import Any

import numba
import numpy as np

from aurl_jax.music.midi_resync import SIZES, SURE

ENDED, ODD, FULL, LATER = 0, 1, 2, 3
"""Why `scan` stopped: at the end of the track, in front of an event that is
not as it must be, as the tables are full, as the next event is too late."""
POSITION, TICK, RUNNING, HOLDS, OPEN, LAST, COUNT, TOLD = range(8)
"""Places in the state of `scan`: where the next event begins, tick, running
status, whether that holds, whether an exclusive event waits for its rest,
tick of the last event, messages and metas in the tables."""
LATEST, LONGEST, STOP = range(3)
"""Places in its bounds."""
_END = 0x2F
_KEPT = (0x03, 0x05, 0x06, 0x51, 0x54, 0x58, 0x59)
"""Metas that `Notes` has a place for, or that must be checked."""
signed: Any = np.int64
"""Makes a byte a number that may be below zero, as Numba counts."""
_SIZED, _LENGTHS = tuple(SIZES), tuple(SIZES.values())
WRONG, PAST_END = -1, -2
_LONG = 1 << 21
"""As in `midi_resync`."""


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
  """Compiles a function at its first call; keeps the code on disk if it can.

  What wraps a function to check its arguments cannot be compiled.
  """
  bare = inspect.unwrap(function)
  try:
    return numba.njit(cache=True, nogil=True)(bare)
  except RuntimeError:  # no folder that can be written to
    return numba.njit(nogil=True)(bare)


@compiled
def number(data: np.ndarray, position: int, end: int) -> tuple[int, int]:
  """As `midi_resync.number`, but -1, too, where the bytes end inside it."""
  value = 0
  for place in range(position, min(position + 4, end)):
    byte = signed(data[place])
    value = (value << 7) | (byte & 0x7F)
    if byte < 0x80:
      return value, place + 1
  return 0, -1


@compiled
def _payload(
  data: np.ndarray, place: int, end: int, is_open: int
) -> tuple[int, int, int]:
  """Returns type, start and end of a meta or exclusive event.

  The end is -1 where the event is not as it must be, and the type -1 for an
  exclusive event.
  """
  kind, start = -1, place + 1
  if data[place] not in (0xF0, 0xF7, 0xFF):
    return 0, 0, -1
  if data[place] == 0xFF:
    if start == end:
      return 0, 0, -1
    kind, start = signed(data[start]), start + 1
  size, start = number(data, start, end)
  after = start + size
  if kind == _END:
    return kind, start, end if start > 0 and place + 3 >= end else -1
  if start < 0 or after > end:
    return 0, 0, -1
  is_whole = size > 0 and data[after - 1] == 0xF7
  if kind < 0 and (is_open or (data[place] == 0xF0 and not is_whole)):
    return 0, 0, -1
  return kind, start, after


@compiled
def _message(data: np.ndarray, place: int, end: int, running: int) -> int:
  """Returns status, data 1 and data 2 as one number, and -1 if it is none."""
  status = signed(data[place])
  if status < 0x80:
    status = running
  else:
    place += 1
  if place + two(status) >= end or status == 0:
    return -1
  first, second = signed(data[place]), signed(0)
  if two(status):
    second = signed(data[place + 1])
  if (first | second) > 0x7F:
    return -1
  return status << 16 | first << 8 | second


@compiled
def two(status: int) -> int:
  """1 for a message with two bytes of data, 0 for one with a single one."""
  return 0 if 0xC0 <= status < 0xE0 else 1


@compiled
def _behind_delta(
  data: np.ndarray, position: int, end: int, tick: int, bounds: np.ndarray
) -> tuple[int, int]:
  """Returns the tick and the place behind a delta time; -1 if it is odd."""
  delta, place = number(data, position, end)
  now = tick + delta
  if place == end or delta > bounds[LONGEST] or now > bounds[LATEST]:
    return now, -1
  return now, place


@compiled
def _keep(row: np.ndarray, tick: int, kind: int, start: int, end: int) -> None:
  """Writes down a meta."""
  row[0], row[1], row[2], row[3] = tick, kind, start, end


@compiled
def _load(state: np.ndarray) -> tuple[int, int, int, int, int, int, int, int]:
  """Returns the state as numbers."""
  return (
    state[0], state[1], state[2], state[3],
    state[4], state[5], state[6], state[7],
  )  # fmt: skip


@compiled
def scan(
  data: np.ndarray,
  end: int,
  state: np.ndarray,
  bounds: np.ndarray,
  ticks: np.ndarray,
  words: np.ndarray,
  metas: np.ndarray,
) -> int:
  """Reads events until one is odd; returns why it stopped.

  Args:
    data: [bytes] uint8, of which the track takes those up to `end`.
    end: Where the track ends.
    state: [8] int64, and `bounds` [3] int64: by the names above.
    bounds: Last tick, longest delta time, first tick that is too late.
    ticks: [c] int64, of messages.
    words: [c] int32, status << 16 | data 1 << 8 | data 2 of these.
    metas: [m, 4] int64, takes tick, type, start and end of metas.
  """
  position, tick, running, sure, _, last, count, told = _load(state)
  code = ODD
  while position < end:
    now, place = _behind_delta(data, position, end, tick, bounds)
    if place < 0:
      break
    if now >= bounds[STOP] or count == len(ticks) or told == len(metas):
      code = LATER if now >= bounds[STOP] else FULL
      break
    status = signed(data[place])
    if status < 0xF0:
      word = _message(data, place, end, running if sure else 0)
      if word < 0:
        break
      ticks[count], words[count], running, sure = now, word, word >> 16, 1
      position = place + (status >= 0x80) + 1 + two(running)
      count += 1
    else:
      kind, start, after = _payload(data, place, end, state[OPEN])
      if after < 0:
        break
      if kind in _KEPT:
        _keep(metas[told], now, kind, start, after)
        told += 1
      position, sure, code = after, 0, ENDED if kind == _END else ODD
    tick = last = now
  state[:OPEN] = np.array((position, tick, running, sure))
  state[LAST : TOLD + 1] = np.array((last, count, told))
  return code


@compiled
def _step(data: np.ndarray, position: int, running: int) -> tuple[int, int]:
  """As `midi_resync._event`; where bytes are missing, no event stands."""
  delta, place = number(data, position, len(data))
  if place < 0 or place == len(data) or delta >= _LONG:
    return WRONG, 0
  return step_rest(data, place, running)


@compiled
def step_rest(data: np.ndarray, place: int, running: int) -> tuple[int, int]:
  """As `midi_resync._behind_delta`; where bytes are missing, as `_step`."""
  end, status = len(data), signed(data[place])
  if status < 0xF0:
    if status < 0x80 and not running:
      return WRONG, 0
    word = _message(data, place, end, running)
    if word < 0:
      return WRONG, 0
    return place + (status >= 0x80) + 1 + two(word >> 16), word >> 16
  is_meta = status == 0xFF
  if status not in (0xF0, 0xF7, 0xFF) or place + 1 + is_meta >= end:
    return WRONG, 0
  size, start = number(data, place + 1 + is_meta, end)
  kind = signed(data[place + 1]) if is_meta else -1
  if start < 0 or kind > 0x7F or start + size > end:
    return WRONG, 0
  if kind == _END and size == 0:
    return (PAST_END if start == end else start), running
  if kind in _SIZED and size != _size_of(kind):
    return WRONG, 0
  return start + size, running


@compiled
def _size_of(kind: int) -> int:
  """Returns the length of a meta that has one."""
  for index in range(len(_SIZED)):
    if _SIZED[index] == kind:
      return _LENGTHS[index]
  return 0


@compiled
def score(data: np.ndarray, position: int, running: int) -> int:
  """As `midi_resync.score`."""
  events = 0
  while events < SURE:
    if position == len(data):
      return SURE if events else 0
    position, running = _step(data, position, running)
    if position < 0:
      return SURE if position == PAST_END else events
    events += 1
  return events


@compiled
def resume(data: np.ndarray, position: int) -> int:
  """As `midi_resync.resume`."""
  for place in range(position, len(data) - 2):
    is_long = data[place] & data[place + 1] & 0x80
    if not is_long and score(data, place, 0) >= SURE:
      return place
  return -1
