"""Where a track makes sense again behind bytes that make none.

A guess at a place is judged by how many events in a row can be read from
there: the right place reads on, a wrong one soon meets a status where data
must be, or the other way round.
"""

from typing import NamedTuple

DATA_BYTES = {0x80: 2, 0x90: 2, 0xA0: 2, 0xB0: 2, 0xC0: 1, 0xD0: 1, 0xE0: 2}
SYSTEM_BYTES = {0xF1: 1, 0xF2: 2, 0xF3: 1}
END_OF_TRACK = 0x2F

SURE = 6
"""Events in a row that make a place sure."""
SIZES = {0x00: 2, 0x20: 1, 0x21: 1, 0x51: 3, 0x54: 5, 0x58: 4, 0x59: 2}
"""Lengths of metas that have one."""
_LONG = 1 << 21
"""Ticks of a delta time that make a place unlikely."""
NEAR = 4
"""Bytes behind a wrong data byte at which an event may begin."""
_REAL_TIME = range(0xF8, 0xFF)
"""System messages that may stand anywhere, even inside others."""
_WRONG, _ENDED = -1, -2
"""In place of a position: no event stands there; the track has ended."""


class Place(NamedTuple):
  """Where to go on, and whether a delta time is there, or only a status."""

  position: int
  has_delta: bool


def number(chunk: bytes, position: int, longest: int = 4) -> tuple[int, int]:
  """Returns a variable-length number and the position behind it.

  The position is -1 if the number takes more than `longest` bytes.

  Raises:
    IndexError: The bytes end inside it.
  """
  value = 0
  for place in range(position, position + longest):
    byte = chunk[place]
    value = value << 7 | byte & 0x7F
    if byte < 0x80:
      return value, place + 1
  return 0, -1


def score(chunk: bytes, position: int, running: int) -> int:
  """Returns how many events, at most `SURE`, can be read from a place.

  An end of the track just where the bytes end makes it sure.

  Args:
    chunk: The events of a track.
    position: Where a delta time would begin.
    running: Status that holds there; 0 asks for one.
  """
  events = 0
  while events < SURE:
    if position == len(chunk):
      return SURE if events else 0
    try:
      position, running = _event(chunk, position, running)
    except IndexError:
      return events
    if position < 0:
      return SURE if position == _ENDED else events
    events += 1
  return events


def _event(chunk: bytes, position: int, running: int) -> tuple[int, int]:
  """Returns where the next event begins, and the status that holds there."""
  if chunk[position] < 0x80:
    return _behind_delta(chunk, position + 1, running)
  delta, position = number(chunk, position)
  if position < 0 or delta >= _LONG:
    return _WRONG, 0
  return _behind_delta(chunk, position, running)


def _behind_delta(chunk: bytes, position: int, running: int) -> tuple[int, int]:
  status = chunk[position]
  if status < 0xF0:
    if status >= 0x80:
      running, position = status, position + 1
    elif not running:
      return _WRONG, 0
    after = position + DATA_BYTES[running & 0xF0]
    if max(chunk[position], chunk[after - 1]) > 0x7F:
      return _WRONG, 0
    return after, running
  if status not in (0xF0, 0xF7, 0xFF):
    return _WRONG, 0
  kind = chunk[position + 1] if status == 0xFF else -1
  size, start = number(chunk, position + 1 + (status == 0xFF))
  if kind == END_OF_TRACK and size == 0:
    return (_ENDED if start == len(chunk) else start), running
  if start < 0 or kind > 0x7F or start + size > len(chunk):
    return _WRONG, 0
  if SIZES.get(kind, size) not in (size, 0):
    return _WRONG, 0
  return start + size, running


def _surest(chunk: bytes, position: int, running: int) -> int:
  """Returns `score`, and more if no running status is needed for it."""
  if score(chunk, position, 0) >= SURE:
    return SURE + 1
  return score(chunk, position, running)


def data_bytes(
  chunk: bytes, position: int, after: int, status: int
) -> tuple[bytes, int]:
  """Reads the data of a message in which a byte is above 127.

  Either the byte is wrong and the event ends `after` it as it should; or it
  is a real-time message inside the event; or bytes are lost, and an event
  begins at it or a little later. A pitch loses its highest bit, so that it
  is one that may have been meant; what tells how much becomes 127.

  Returns:
    The data, none if the event is lost, and where the next one begins.
  """
  best = _surest(chunk, after, status)
  is_pitch = status < 0xB0
  first, *more = chunk[position:after]
  capped = [first & 0x7F if is_pitch else first, *more]
  found = bytes(min(byte, 0x7F) for byte in capped), after
  if best > SURE or _next_alike(chunk, after):
    return found
  rest = bytes(b for b in chunk[position : after + 1] if b not in _REAL_TIME)
  if len(rest) == after - position and rest.isascii():
    alone = _surest(chunk, after + 1, status)
    if alone > best:
      best, found = alone, (rest, after + 1)
  if best >= SURE:
    return found
  for place in range(position, min(after + NEAR, len(chunk))):
    lost = score(chunk, place, 0)
    if lost > best:
      best, found = lost, (b'', place)
  return found


def _next_alike(chunk: bytes, position: int) -> bool:
  """Whether an event with wrong data follows, and behind it all is sure."""
  try:
    _, position = number(chunk, position)
    status = chunk[position]
  except IndexError:
    return False
  if position < 0 or not 0x80 <= status < 0xF0:
    return False
  return score(chunk, position + 1 + DATA_BYTES[status & 0xF0], 0) >= SURE


def behind(chunk: bytes, position: int, running: int) -> Place:
  """Returns where to go on behind a system message.

  - a delta time begins there: the message was an event of its own;
  - the rest of an event begins there, from its status on: the message
    stands between it and its delta time;
  - a delta time begins after data bytes: the status of a channel message
    was spoilt.

  A place from which events can be read that name their status wins over one
  that needs `running`; data bytes belong to a status that means nothing
  rather than to one that has none.

  Args:
    chunk: The events of a track.
    position: That of the message.
    running: Status that holds there; 0 for none.
  """
  status = chunk[position]
  after = min(position + 1 + SYSTEM_BYTES.get(status, 0), len(chunk))
  plain = Place(after, True)
  if after == len(chunk) or score(chunk, after, 0) >= SURE:
    return plain
  if _rest(chunk, after, running) >= SURE:
    return Place(after, False)
  runs = score(chunk, after, running)
  if runs >= SURE and (status == 0xF6 or status in _REAL_TIME):
    return plain
  best = runs if runs < SURE else 0
  for place in range(position + 2, min(position + NEAR, len(chunk))):
    if chunk[place - 1] > 0x7F:
      break
    found = score(chunk, place, 0)
    if found > best:
      plain, best = Place(place, True), found
  return plain


def _rest(chunk: bytes, position: int, running: int) -> int:
  """Returns how many events can be read from where one lacks its delta."""
  status = chunk[position]
  if status < 0x80 or (status < 0xF0 and running and (status ^ running) & 0xF):
    return 0  # a delta time rather than a message of another channel
  try:
    after, running = _behind_delta(chunk, position, running)
  except IndexError:
    return 0
  if after < 0:
    return SURE if after == _ENDED else 0
  return SURE if after == len(chunk) else score(chunk, after, running)


def resume(chunk: bytes, position: int) -> int:
  """Returns the first sure place from `position` on, -1 for none.

  It begins with a status of its own: among text or other data, what reads
  on by running status is found everywhere. Its delta time has at most two
  bytes: a third is rather the last of what made no sense.
  """
  for place in range(position, len(chunk) - 2):
    is_long = chunk[place] & chunk[place + 1] & 0x80
    if not is_long and score(chunk, place, 0) >= SURE:
      return place
  return -1
