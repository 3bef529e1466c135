"""Tracks whose events are often wrong, mended in the compiled loop itself.

`read` goes on behind `midi_scan.scan` where an event is wrong in one of the
ways that come in thousands: data above 127, a time past the limit, a status
left out, a message that has no place in a file. It does with these what
`midi_events` does, which the tests hold it to, and writes down what is to be
told; all else is left to `midi_events`. Numba keeps compiled code by the date
of this file alone: whoever changes `midi_scan` or `midi_kernels_resync` must
touch this one, too.
"""

import numpy as np

from aurl_jax.music.midi_chunks import META_WEIGHT
from aurl_jax.music.midi_kernels_resync import behind, data_bytes
from aurl_jax.music.midi_scan import (
  COUNT,
  HOLDS,
  LAST,
  LATEST,
  LONGEST,
  ODD,
  POSITION,
  RUNNING,
  TICK,
  TOLD,
  compiled,
  number,
  scan,
  signed,
  two,
)

LATE, RAN_ON, LEFT_OUT, TAKEN, INSIDE, SYSTEM = range(6)
"""What is to be told, in the order of `midi_native`'s wording: a delta
time taken for 0, a running status that was cancelled, wrong data left out or
taken for other data, a system message inside an event or in place of one."""
FAULTS = 8
"""Place in the state of `read`, behind those of `scan`: faults in the table."""
EVENTS, METAS = 3, 4
"""Places in its bounds, behind those of `scan`: most messages and metas, most
metas, both as `Limits.events` counts them."""
_MOST_FAULTS = 3
"""Of an event."""


@compiled
def _tell(
  state: np.ndarray,
  faults: np.ndarray,
  what: int,
  position: int,
  first: int,
  second: int,
) -> None:
  """Writes down a fault."""
  row = faults[state[FAULTS]]
  row[0], row[1], row[2], row[3] = what, position, first, second
  state[FAULTS] += 1


@compiled
def _message(
  data: np.ndarray,
  place: int,
  tick: int,
  state: np.ndarray,
  ticks: np.ndarray,
  words: np.ndarray,
  faults: np.ndarray,
) -> bool:
  """As `midi_events.Reader._message`; False if the bytes end inside."""
  status = signed(data[place])
  if status >= 0x80:
    place += 1
  else:
    status = state[RUNNING]
    if not state[HOLDS]:
      _tell(state, faults, RAN_ON, place, 0, 0)
  after = place + 1 + two(status)
  if after > len(data):
    return False
  first, second = signed(data[place]), signed(-1)
  if two(status):
    second = signed(data[place + 1])
  if first > 0x7F or second > 0x7F:
    first, second, next_ = data_bytes(data, place, after, status)
    what = LEFT_OUT if first < 0 else INSIDE if next_ > after else TAKEN
    _tell(state, faults, what, place, first, second)
    after = next_
  state[POSITION], state[TICK], state[RUNNING] = after, tick, status
  state[HOLDS] = 1
  if first >= 0:
    ticks[state[COUNT]] = state[LAST] = tick
    words[state[COUNT]] = status << 16 | first << 8 | max(second, 0)
    state[COUNT] += 1
  return True


@compiled
def _event(
  data: np.ndarray,
  state: np.ndarray,
  bounds: np.ndarray,
  ticks: np.ndarray,
  words: np.ndarray,
  faults: np.ndarray,
) -> bool:
  """As `midi_events.Reader._event`; False if that must read it.

  The state is as before, then, but for the faults.
  """
  position, tick, running = state[POSITION], state[TICK], state[RUNNING]
  delta, place = number(data, position, len(data))
  if place < 0 or place == len(data):
    return False
  if tick + delta > bounds[LATEST]:
    _tell(state, faults, LATE, position, delta, 0)
  elif delta > bounds[LONGEST]:
    return False
  else:
    tick += delta
  status = signed(data[place])
  if status < 0xF0:
    if status < 0x80 and not running:
      return False
    return _message(data, place, tick, state, ticks, words, faults)
  if status in (0xF0, 0xF7, 0xFF):
    return False
  _tell(state, faults, SYSTEM, place, 0, 0)
  place, has_delta = behind(data, place, running)
  if not has_delta:
    if data[place] >= 0xF0:
      return False
    return _message(data, place, tick, state, ticks, words, faults)
  state[POSITION], state[TICK], state[HOLDS], state[LAST] = place, tick, 0, tick
  return True


@compiled
def read(
  data: np.ndarray,
  state: np.ndarray,
  bounds: np.ndarray,
  ticks: np.ndarray,
  words: np.ndarray,
  metas: np.ndarray,
  faults: np.ndarray,
) -> int:
  """As `scan`, but reads on behind what it can mend; returns why it stopped.

  Args:
    data: [bytes] uint8, the track.
    state: [9] int64, and `bounds` [5] int64: by the names above.
    bounds: Those of `scan`, and what is above.
    ticks: [c] int64, as `words` and `metas` those of `scan`.
    words: [c] int32.
    metas: [m, 4] int64.
    faults: [f, 4] int64, takes what is to be told, in order: what it is,
      where, and two numbers that belong to it.
  """
  end = len(data)
  while True:
    why = scan(data, end, state, bounds, ticks, words, metas)
    if why != ODD or state[POSITION] >= end or state[COUNT] == len(ticks):
      return why
    held, kept = META_WEIGHT * state[TOLD], state[FAULTS]
    if held + state[COUNT] > bounds[EVENTS] or held > bounds[METAS]:
      return why
    if kept + _MOST_FAULTS > len(faults):
      return why
    if not _event(data, state, bounds, ticks, words, faults):
      state[FAULTS] = kept
      return why
