"""The fast reader: symusic, and a proof that it lost nothing.

symusic drops events without a word: notes that never end, controls on
channels without notes, tracks that only name an instrument. But it cannot
hide them from a count. Whatever the delta times and the running status, a
channel message puts a fixed number of bytes below 128 into its track: one
closes the delta time, one or two are data. So if

    bytes below 128 = 3 * (2 * notes + controls + bends) + 2 * programs
                      + those of the meta and exclusive events

then symusic's answer accounts for every event, and it is taken; otherwise
`music.midi_parts` reads the file exactly. The count is one numpy pass over
the bytes. Metas and programs are found by their bytes; where a file is
built so that these cannot be told apart, the sum does not come out.
"""

import bisect
import dataclasses
from typing import Any

import numpy as np
import symusic

from aurl_jax.music import notes as notes_lib
from aurl_jax.music.midi_chunks import MAX_TICKS, Layout, ends_itself
from aurl_jax.music.midi_parts import as_text
from aurl_jax.music.notes import Notes, Text, Track

_NAME, _LYRIC, _MARKER, _END, _TEMPO, _METER, _KEY = (
  0x03, 0x05, 0x06, 0x2F, 0x51, 0x58, 0x59
)  # fmt: skip
_SIZES = {_TEMPO: 3, _METER: 4, _KEY: 2, _END: 0}
_EXCLUSIVE = -1
_KINDS = frozenset({*range(10), 0x20, 0x21, 0x54, 0x7F, *_SIZES})
"""Types of metas in use; others are taken for part of a delta time."""
_NONE = np.zeros(0, np.int64)
_SPECIAL = np.zeros(256, np.bool_)
_SPECIAL[[*range(0xC0, 0xD0), 0xF0, 0xFF]] = True
"""Bytes that may be program changes, exclusive events or metas."""
_PAD = bytes(16)
"""Behind the data, so that a parser that looks ahead finds zeros."""


class _Unsure(Exception):
  """What is here must be read exactly."""


@dataclasses.dataclass
class _Tally:
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
  programs: set[tuple[int, int, int]] = dataclasses.field(
    default_factory=set
  )
  payloads: list[tuple[int, int]] = dataclasses.field(default_factory=list)
  texts: list[Text] = dataclasses.field(default_factory=list)
  title: str = ''


def read_fast(layout: Layout) -> Notes | None:
  """Returns the piece, or None where symusic cannot be proved right."""
  if not layout.sound:
    return None
  array = np.frombuffer(layout.data, np.uint8)
  try:
    tally = _tally(layout, array)
    score = symusic.Score.from_midi(layout.data + _PAD)
  except (_Unsure, RuntimeError, ValueError, IndexError):
    return None
  low = sum(
    end - start - np.count_nonzero(array[start:end] & 0x80)
    for start, end in layout.spans
  )
  return _convert(layout, tally, score, int(low))


def _tally(layout: Layout, array: np.ndarray) -> _Tally:
  """Finds the metas and program changes.

  Raises:
    _Unsure: Something stands here that needs the exact reader.
  """
  data, tally = layout.data, _Tally()
  special = np.flatnonzero(_SPECIAL.take(array)).tolist()
  for track, (start, end) in enumerate(layout.spans):
    if not ends_itself(data, end):
      raise _Unsure
    after = _walk_head(data, track, start, end, tally)
    first = bisect.bisect_left(special, after)
    for place in special[first : bisect.bisect_left(special, end)]:
      if place >= after:
        after = _take(data, track, place, end, tally)
  _check_ticks(array, tally.payloads)
  return tally


def _check_ticks(
  array: np.ndarray, payloads: list[tuple[int, int]]
) -> None:
  """Raises _Unsure unless no tick can pass the limit.

  One high byte gives a delta time below 2**14, two of them below 2**21;
  four bytes are for the exact reader.
  """
  high = array.view(np.int8) < 0
  pairs = high[1:] & high[:-1]
  for place in np.flatnonzero(pairs[1:] & pairs[:-1]).tolist():
    # Three in a row are harmless if one belongs to the payload of a meta.
    index = bisect.bisect_right(payloads, (place + 2, len(array))) - 1
    if index < 0 or payloads[index][1] <= place:
      raise _Unsure
  ones, twos = int(np.count_nonzero(high)), int(np.count_nonzero(pairs))
  if (ones << 14) + (twos << 21) + (len(array) << 7) > MAX_TICKS:
    raise _Unsure


def _walk_head(
  data: bytes, track: int, start: int, end: int, tally: _Tally
) -> int:
  """Reads a track up to its first event that is no meta or program.

  Returns:
    The byte at which that event's delta time starts; `end` if there is none.
  """
  position, tick, name = start, 0, b''
  texts, programs = [], 0
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
    if status != 0xFF:
      if texts:
        raise _Unsure  # symusic does not tell whose texts they are
      name.decode()  # symusic mends what is no UTF-8 in silence
      return position
    position = _take(data, track, after, end, tally, head=True)
    kind = data[after + 1]
    if kind in (_NAME, _LYRIC, _MARKER):
      payload = data[_number(data, after + 2)[0] : position]
      if kind == _NAME:
        name = payload
      else:
        texts.append(as_text(tick, -1, kind == _LYRIC, payload.decode()))
  if programs:
    raise _Unsure  # an empty track, which symusic drops
  if track == 0:
    tally.title = name.decode()
  tally.texts += texts
  return end


def _take(
  data: bytes,
  track: int,
  place: int,
  end: int,
  tally: _Tally,
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
  if kind in _SIZES:
    _check_meta(kind, payload, after == end)
    tally.metas[kind] += 1
  elif kind in (_LYRIC, _MARKER) and not head:
    raise _Unsure
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
  raise _Unsure


def _check_meta(kind: int, payload: bytes, at_end: bool) -> None:
  """Raises _Unsure for a value that must be refused, with an issue."""
  sound = len(payload) == _SIZES[kind]
  if kind == _END:
    sound = at_end
  elif sound and kind == _TEMPO:
    sound = payload != b'\0\0\0'
  elif sound and kind == _METER:
    # symusic keeps denominators in eight bits.
    sound = payload[0] > 0 and payload[1] < 8
  elif sound:
    sound = payload[1] < 2 and (payload[0] < 8 or payload[0] > 248)
  if not sound:
    raise _Unsure


def _repeats_controls(tally: _Tally, tracks: list[Any]) -> bool:
  """Whether symusic may have copied controls to a second program.

  It does so when a channel of a track of the file plays two programs.
  """
  named = {(track, channel) for track, channel, _ in tally.programs}
  if len(named) < len(tally.programs):
    return True
  unnamed = sum(track.program == 0 for track in tracks)
  unnamed -= sum(program == 0 for _, _, program in tally.programs)
  return bool(named) and unnamed > 0


def _convert(
  layout: Layout, tally: _Tally, score: Any, low: int
) -> Notes | None:
  """Returns the piece if all bytes are accounted for."""
  tracks = list(score.tracks)
  notes = [track.notes.numpy() for track in tracks]
  controls = [track.controls.numpy() for track in tracks]
  bends = [track.pitch_bends.numpy() for track in tracks]
  counts = [len(part['time']) for part in notes]
  events = sum(len(part['time']) for part in controls + bends)
  if low != tally.low + 3 * (2 * sum(counts) + events):
    return None
  if events and _repeats_controls(tally, tracks):
    return None
  metas = {
    _TEMPO: score.tempos, _METER: score.time_signatures,
    _KEY: score.key_signatures,
  }  # fmt: skip
  if any(len(found) != tally.metas[kind] for kind, found in metas.items()):
    return None
  names = [Track(t.name, t.program, t.is_drum) for t in tracks]
  return Notes.trusted(
    ticks_per_beat=layout.ticks_per_beat,
    **_columns(notes, counts, names),
    tracks=tuple(names),
    texts=tuple(sorted(tally.texts, key=lambda text: text.tick)),
    title=tally.title,
    tempos=_table(metas[_TEMPO], notes_lib.TEMPO, 'mspq'),
    meters=_table(metas[_METER], notes_lib.METER, 'numerator', 'denominator'),
    keys=_table(metas[_KEY], notes_lib.KEY, 'key', 'tonality'),
    controls=_by_track(controls, notes_lib.CONTROL, 'number', 'value'),
    bends=_by_track(bends, notes_lib.BEND, 'value'),
  )


def _columns(
  notes: list[dict[str, np.ndarray]], counts: list[int], tracks: list[Track]
) -> dict[str, np.ndarray]:
  """Returns the columns of all tracks' notes, sorted."""
  index = np.arange(len(counts)).repeat(counts)
  onset, duration, pitch, velocity = (
    np.concatenate([_NONE, *(part[name] for part in notes)])
    for name in ('time', 'duration', 'pitch', 'velocity')
  )
  onset, track, pitch, duration, velocity = notes_lib.sort_columns(
    onset, index, pitch, duration, velocity
  )
  programs = np.array([track.program for track in tracks], np.int64)
  drums = np.array([track.is_drum for track in tracks], np.bool_)
  return {
    'onset': onset,
    'duration': duration,
    'pitch': pitch,
    'velocity': velocity,
    'track': track,
    'program': programs.take(track),
    'is_drum': drums.take(track),
  }


def _table(events: Any, dtype: np.dtype, *fields: str) -> np.ndarray:
  """Returns a list of symusic's events as one of our tables."""
  table = np.empty(len(events), dtype)
  if len(table):
    arrays = events.numpy()
    for ours, theirs in zip(dtype.names, ('time', *fields), strict=True):
      table[ours] = arrays[theirs]
  return table


def _by_track(
  parts: list[dict[str, np.ndarray]], dtype: np.dtype, *fields: str
) -> np.ndarray:
  """Returns the controls or bends of all tracks as one of our tables."""
  used = [track for track, part in enumerate(parts) if len(part['time'])]
  table = np.empty(sum(len(parts[track]['time']) for track in used), dtype)
  start = 0
  for track in used:
    stop = start + len(parts[track]['time'])
    rows = table[start:stop]
    rows['tick'], rows['track'] = parts[track]['time'], track
    for name in fields:
      rows[name] = parts[track][name]
    start = stop
  tick = table['tick']
  if len(used) == 1 and (tick[1:] >= tick[:-1]).all():
    return table
  return notes_lib.sort_table(table)
