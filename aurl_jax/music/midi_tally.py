"""What the bytes of a MIDI file tell without being parsed event by event.

Whatever the delta times and the running status, a channel message puts a
fixed number of bytes below 128 into its track: one closes the delta time,
one or two are data. So the number of such bytes, less those of metas,
exclusive events and program changes, is three times the number of notes
on, notes off, controls and bends; `music.midi_fast` compares. Metas and
programs are found by how they look; where a file is built so that these
cannot be told apart from data, the sum does not come out.
"""

import bisect
import dataclasses

import numpy as np

from aurl_jax.music.midi_chunks import MAX_TICKS, Layout, ends_itself
from aurl_jax.music.midi_parts import OFFSET, as_text, is_offset
from aurl_jax.music.notes import Text

TEMPO, METER, KEY = 0x51, 0x58, 0x59
_NAME, _LYRIC, _MARKER, _END = 0x03, 0x05, 0x06, 0x2F
_SIZES = {TEMPO: 3, METER: 4, KEY: 2, _END: 0}
_EXCLUSIVE = -1
_KINDS = frozenset({*range(10), 0x20, 0x21, 0x54, 0x7F, *_SIZES})
"""Types of metas in use; others are taken for part of a delta time."""
_SPECIAL = frozenset({*range(0xC0, 0xD0), 0xF0, 0xFF})
"""Bytes that may be program changes, exclusive events or metas."""


class Unsure(Exception):
  """What is here must be read exactly."""


@dataclasses.dataclass
class Tally:
  """What the bytes themselves tell.

  Attributes:
    low: Bytes below 128 of metas, exclusive events and program changes,
      each with the one that closes its delta time.
    metas: How many there are of the types that symusic keeps.
    programs: (track of the file, channel, program) that are changed to.
    payloads: (start, end) of metas with bytes above 127, ascending.
    texts: Those of tracks without channel messages.
    title: Name of the first track, if it has no channel messages.
  """

  low: int = 0
  metas: dict[int, int] = dataclasses.field(
    default_factory=lambda: dict.fromkeys(_SIZES, 0)
  )
  programs: set[tuple[int, int, int]] = dataclasses.field(default_factory=set)
  payloads: list[tuple[int, int]] = dataclasses.field(default_factory=list)
  texts: list[Text] = dataclasses.field(default_factory=list)
  title: str = ''


def tally_bytes(layout: Layout, array: np.ndarray) -> Tally:
  """Finds the metas and program changes.

  Raises:
    Unsure: Something stands here that needs the exact reader.
  """
  data, tally = layout.data, Tally()
  high = np.flatnonzero(array >= 0xC0).tolist()
  special = [place for place in high if data[place] in _SPECIAL]
  for track, (start, end) in enumerate(layout.spans):
    if not ends_itself(data, end):
      raise Unsure
    after = _walk_head(data, track, start, end, tally)
    first = bisect.bisect_left(special, after)
    for place in special[first : bisect.bisect_left(special, end)]:
      if place >= after:
        after = _take(data, track, place, end, tally)
  _check_ticks(array, tally.payloads)
  return tally


def _check_ticks(array: np.ndarray, payloads: list[tuple[int, int]]) -> None:
  """Raises Unsure unless no tick can pass the limit.

  One high byte gives a delta time below 2**14, two of them below 2**21;
  four bytes are for the exact reader.
  """
  high = array.view(np.int8) < 0
  pairs = high[1:] & high[:-1]
  for place in np.flatnonzero(pairs[1:] & pairs[:-1]).tolist():
    # Three in a row are harmless if one belongs to the payload of a meta.
    index = bisect.bisect_right(payloads, (place + 2, len(array))) - 1
    if index < 0 or payloads[index][1] <= place:
      raise Unsure
  ones, twos = int(np.count_nonzero(high)), int(np.count_nonzero(pairs))
  if (ones << 14) + (twos << 21) + (len(array) << 7) > MAX_TICKS:
    raise Unsure


def _walk_head(
  data: bytes, track: int, start: int, end: int, tally: Tally
) -> int:
  """Reads a track up to its first event that is no meta or program.

  Returns:
    The byte at which that event's delta time starts; `end` if there is none.
  """
  position, tick, name = start, 0, b''
  programs = 0
  texts: list[Text] = []
  while position < end:
    after, delta = _number(data, position)
    tick += delta
    status = data[after]
    if status & 0xF0 == 0xC0 and data[after + 1] < 0x80:
      tally.programs.add((track, status & 0x0F, data[after + 1]))
      tally.low += 2
      programs += 1
      position = after + 2
      continue
    if status not in (0xF0, 0xFF):
      if texts:
        raise Unsure  # symusic does not tell whose texts they are
      name.decode()  # symusic mends what is no UTF-8 in silence
      return position
    position = _take(data, track, after, end, tally, head=True)
    if position == after + 1:
      raise Unsure  # it was not what it seemed
    kind = data[after + 1] if status == 0xFF else _EXCLUSIVE
    if kind in (_NAME, _LYRIC, _MARKER):
      payload = data[_number(data, after + 2)[0] : position]
      if kind == _NAME:
        name = payload
      else:
        texts.append(as_text(tick, -1, kind == _LYRIC, payload.decode()))
  if programs:
    raise Unsure  # an empty track, which symusic drops
  if track == 0:
    tally.title = name.decode()
  tally.texts += texts
  return end


def _take(
  data: bytes,
  track: int,
  place: int,
  end: int,
  tally: Tally,
  head: bool = False,
) -> int:
  """Counts what starts at a byte that looks like a status.

  Returns:
    The first byte behind it.
  """
  status = data[place]
  if data[place - 1] > 0x7F:
    return place + 1  # part of a delta time
  if status < 0xF0:
    if _is_program(data, place):
      tally.programs.add((track, status & 0x0F, data[place + 1]))
      tally.low += 2
    return place + 1
  is_meta = status == 0xFF
  kind = data[place + 1] if is_meta else _EXCLUSIVE
  start, size = _number(data, place + 1 + is_meta)
  after = start + size
  payload = data[start:after]
  if after > end or (is_meta and kind not in _KINDS):
    return place + 1
  if not is_meta and not payload.endswith(b'\xf7'):
    return place + 1
  if kind == OFFSET and not is_offset(payload):
    raise Unsure
  if kind in _SIZES:
    _check_meta(kind, payload, after == end)
    tally.metas[kind] += 1
  elif kind in (_LYRIC, _MARKER) and not head:
    raise Unsure
  if kind != _END and data[_number(data, after)[0]] < 0x80:
    raise Unsure  # running status across a meta, which must be told
  low = size
  if not payload.isascii():
    tally.payloads.append((start, after))
    low = sum(byte < 0x80 for byte in payload)
  # Besides the payload: the ends of the delta time and of the length, and
  # the type of a meta.
  tally.low += 2 + is_meta + low
  return after


def _is_program(data: bytes, place: int) -> bool:
  """Whether 0xC0..0xCF is a program change, not part of a delta time.

  A program and its delta time are followed by a status; a delta time is
  followed by one itself, or by two data bytes.
  """
  next_, second, third, fourth = data[place + 1 : place + 5]
  if next_ > 0x7F:
    return False
  if second < 0x80:
    return third > 0x7F
  return third > 0x7F or fourth > 0x7F


def _number(data: bytes, position: int) -> tuple[int, int]:
  """Returns the position behind a variable-length number, and the number."""
  value = data[position]
  if value < 0x80:
    return position + 1, value
  value = 0
  for place in range(position, position + 4):
    value = value << 7 | data[place] & 0x7F
    if data[place] < 0x80:
      return place + 1, value
  raise Unsure


def _check_meta(kind: int, payload: bytes, at_end: bool) -> None:
  """Raises Unsure for a value that must be refused, with an issue."""
  sound = len(payload) == _SIZES[kind]
  if kind == _END:
    sound = at_end
  elif sound and kind == TEMPO:
    sound = payload != b'\0\0\0'
  elif sound and kind == METER:
    # symusic keeps denominators in eight bits.
    sound = payload[0] > 0 and payload[1] < 8
  elif sound:
    sound = payload[1] < 2 and (payload[0] < 8 or payload[0] > 248)
  if not sound:
    raise Unsure
