"""The outer shape of a MIDI file: its header and where its tracks lie.

After "Standard MIDI Files 1.0" (MIDI Manufacturers Association, RP-001).
Nothing here looks inside a track.
"""

import dataclasses
import struct
from typing import NamedTuple

from aurl_jax.core import errors

MAX_BYTES = 64 << 20
"""Larger files are refused before anything is parsed."""
MAX_TRACKS = 65535
"""More track chunks than a header can declare."""
MAX_TICKS = (1 << 31) - 1
"""The last tick: what the 32 bits of other readers hold."""
MAX_EVENTS = 1 << 23
"""Events (and so notes) in a file."""

_HEADER = struct.Struct('>4sIHHH')
_CHUNK = struct.Struct('>4sI')
_END_OF_TRACK = b'\xff\x2f\x00'


class Issue(NamedTuple):
  """Something wrong in a file, and what was done about it.

  Attributes:
    code: A short stable name, such as `never_ended`.
    where: Place in the file, such as `track 3, tick 960`.
    action: What the reading made of it.
  """

  code: str
  where: str
  action: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Layout:
  """Header fields, and the start and end byte of each track's events.

  Attributes:
    data: The whole file.
    format: 0, 1; or another number, which then is an issue.
    ticks_per_beat: 1..32767.
    spans: (start, end) of what stands inside each `MTrk` chunk.
    issues: What is odd about the outer shape.
    sound: Whether the shape is exactly as the header says, so that other
      readers see the same tracks.
  """

  data: bytes
  format: int
  ticks_per_beat: int
  spans: tuple[tuple[int, int], ...]
  issues: tuple[Issue, ...]

  @property
  def sound(self) -> bool:
    """Whether any reader sees these tracks and no others."""
    return not self.issues


def refuse(code: str, message: str) -> errors.MidiError:
  """Returns the error for bytes that hold no music to save."""
  return errors.MidiError(f'not a readable MIDI file: {message}', code=code)


def layout(data: bytes) -> Layout:
  """Reads the header and finds the tracks.

  Raises:
    MidiError: The bytes are no MIDI file of musical time (codes `empty`,
      `too_large`, `no_header`, `header`, `format_2`, `smpte`, `division`,
      `no_tracks`, `too_many_tracks`).
  """
  if not data:
    raise refuse('empty', 'it has no bytes')
  if len(data) > MAX_BYTES:
    raise refuse('too_large', f'{len(data)} bytes, at most {MAX_BYTES}')
  if not data.startswith(b'MThd'):
    raise refuse('no_header', f'it begins with {data[:4]!r}, not MThd')
  if len(data) < _HEADER.size:
    raise refuse('header', f'the header ends after {len(data)} bytes')
  _, length, format_, count, division = _HEADER.unpack_from(data)
  if length < 6:
    raise refuse('header', f'its header has {length} bytes instead of 6')
  _check_time(format_, division)
  issues = []
  if length > 6:
    issues.append(Issue('header', 'byte 4', f'{length - 6} bytes skipped'))
  if format_ > 2:
    issues.append(Issue('format', 'byte 8', f'format {format_} taken for 1'))
  spans = _spans(data, 8 + length, issues)
  _check_count(format_, count, len(spans), issues)
  return Layout(
    data=data,
    format=format_,
    ticks_per_beat=division,
    spans=tuple(spans),
    issues=tuple(issues),
  )


def _check_time(format_: int, division: int) -> None:
  if format_ == 2:
    raise refuse(
      'format_2', 'format 2 holds several pieces; split it into files'
    )
  if division & 0x8000:
    raise refuse('smpte', 'it counts film frames (SMPTE), not beats')
  if division == 0:
    raise refuse('division', 'a beat has 0 ticks')


def _check_count(
  format_: int, count: int, found: int, issues: list[Issue]
) -> None:
  if not found:
    raise refuse('no_tracks', 'it holds no track (MTrk)')
  if found > MAX_TRACKS:
    raise refuse('too_many_tracks', f'{found} tracks, at most {MAX_TRACKS}')
  if count != found:
    issues.append(
      Issue('track_count', 'byte 10', f'{found} tracks read, {count} declared')
    )
  if format_ == 0 and found > 1:
    issues.append(
      Issue('format', 'byte 8', f'format 0 with {found} tracks taken for 1')
    )


def _spans(
  data: bytes, position: int, issues: list[Issue]
) -> list[tuple[int, int]]:
  """Returns where the events of each track lie; notes what is odd."""
  spans: list[tuple[int, int]] = []
  size = len(data)
  while position < size:
    here = f'byte {position}'
    if size - position < _CHUNK.size or not _is_name(data, position):
      issues.append(
        Issue('trailing_bytes', here, f'{size - position} bytes ignored')
      )
      break
    name, length = _CHUNK.unpack_from(data, position)
    start = position + _CHUNK.size
    position = start + length
    if name != b'MTrk':
      issues.append(Issue('unknown_chunk', here, f'{name!r} skipped'))
      continue
    if position > size:
      missing = f'{position - size} bytes missing; read up to the end'
      issues.append(Issue('truncated', f'track {len(spans)}', missing))
    spans.append((start, min(position, size)))
  return spans


def _is_name(data: bytes, position: int) -> bool:
  """Whether the four bytes look like the name of a chunk."""
  name = data[position : position + 4]
  return name.isalnum() and name.isascii()


def ends_itself(data: bytes, end: int) -> bool:
  """Whether the last bytes before `end` are the end-of-track event."""
  return data.endswith(_END_OF_TRACK, 0, end)
