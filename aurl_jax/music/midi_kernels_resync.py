"""What to make of wrong data and of system messages, compiled by Numba.

`data_bytes` and `behind` are those of `music.midi_resync`; the tests hold
them to these twins in Python. Numba keeps compiled code by the date of this
file alone: whoever changes `midi_scan` must touch this one, too.
"""

import numpy as np

from aurl_jax.music.midi_resync import NEAR, SURE
from aurl_jax.music.midi_scan import (
  WRONG,
  compiled,
  number,
  score,
  signed,
  step_rest,
  two,
)


@compiled
def _surest(data: np.ndarray, position: int, running: int) -> int:
  """As `midi_resync._surest`."""
  if score(data, position, 0) >= SURE:
    return SURE + 1
  return score(data, position, running)


@compiled
def _next_alike(data: np.ndarray, position: int) -> bool:
  """As `midi_resync._next_alike`."""
  _, place = number(data, position, len(data))
  if place < 0 or place == len(data) or not 0x80 <= data[place] < 0xF0:
    return False
  return score(data, place + 2 + two(data[place]), 0) >= SURE


@compiled
def _without_clock(
  data: np.ndarray, position: int, after: int
) -> tuple[int, int]:
  """Returns the data of a message but for a real-time message inside it.

  The first is -1 if there is none inside, or more than one, and the second
  if a message has one byte of data.
  """
  first = second = -1
  for place in range(position, min(after + 1, len(data))):
    byte = signed(data[place])
    if 0xF8 <= byte < 0xFF:
      continue
    if byte > 0x7F or second >= 0 or (first >= 0 and after == position + 1):
      return -1, -1
    first, second = (byte, second) if first < 0 else (first, byte)
  return (-1, -1) if second < 0 and after == position + 2 else (first, second)


@compiled
def data_bytes(
  data: np.ndarray, position: int, after: int, status: int
) -> tuple[int, int, int]:
  """As `midi_resync.data_bytes`.

  Returns:
    Both bytes of data, the second -1 if there is none, the first if the event
    is lost; and where the next event begins.
  """
  best = _surest(data, after, status)
  first, second = signed(data[position]), signed(-1)
  first = min(first & 0x7F if status < 0xB0 else first, 0x7F)
  if after == position + 2:
    second = min(signed(data[position + 1]), 0x7F)
  if best > SURE or _next_alike(data, after):
    return first, second, after
  next_ = after
  clean, other = _without_clock(data, position, after)
  if clean >= 0:
    alone = _surest(data, after + 1, status)
    if alone > best:
      best, first, second, next_ = alone, clean, other, after + 1
  if best >= SURE:
    return first, second, next_
  for place in range(position, min(after + NEAR, len(data))):
    lost = score(data, place, 0)
    if lost > best:
      best, first, second, next_ = lost, signed(-1), signed(-1), place
  return first, second, next_


@compiled
def behind(data: np.ndarray, position: int, running: int) -> tuple[int, bool]:
  """As `midi_resync.behind`."""
  status, end = signed(data[position]), len(data)
  size = 2 if status == 0xF2 else 1 if status in (0xF1, 0xF3) else 0
  after = min(position + 1 + size, end)
  if after == end or score(data, after, 0) >= SURE:
    return after, True
  if _rest(data, after, running) >= SURE:
    return after, False
  best = score(data, after, running)
  if best >= SURE:
    if status == 0xF6 or status >= 0xF8:
      return after, True
    best = 0
  for place in range(position + 2, min(position + NEAR, end)):
    if data[place - 1] > 0x7F:
      break
    found = score(data, place, 0)
    if found > best:
      after, best = place, found
  return after, True


@compiled
def _rest(data: np.ndarray, position: int, running: int) -> int:
  """As `midi_resync._rest`."""
  status = signed(data[position])
  if status < 0x80 or (status < 0xF0 and running and (status ^ running) & 0xF):
    return 0
  after, running = step_rest(data, position, running)
  if after < 0:
    return 0 if after == WRONG else SURE
  return SURE if after == len(data) else score(data, after, running)
