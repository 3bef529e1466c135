"""The outer shape of a sound MIDI file: its header and where its tracks lie.

After "Standard MIDI Files 1.0" (MIDI Manufacturers Association, RP-001).
Nothing here looks inside a track; what is not sound is for
`music.midi_salvage`.
"""

import collections
import dataclasses
import struct
from typing import NamedTuple

from aurl_jax.core import errors

MAX_TICKS = (1 << 31) - 1
"""The last tick: what the 32 bits of other readers hold."""
_MOST_TOLD = 20
"""Issues of one kind that are told one by one."""

HEADER = struct.Struct('>4sIHHH')
CHUNK = struct.Struct('>4sI')
_END_OF_TRACK = b'\xff\x2f\x00'


@dataclasses.dataclass(frozen=True)
class Limits:
  """How much a file may hold; checked before anything is built of it.

  Attributes:
    bytes: Of the file.
    tracks: Chunks of tracks; by default what a header can declare.
    pieces: In a file, which is meant for one.
    events: Messages of all tracks; a meta that is kept counts as
      `META_WEIGHT`, as it takes so much more room. A note takes about 100
      bytes while it is read.
    faults: Events that are not as they must be; each takes about 15 us.
  """

  bytes: int = 64 << 20
  tracks: int = 65535
  pieces: int = 1024
  events: int = 1 << 21
  faults: int = 1 << 17

  def check(self, name: str, found: int) -> None:
    """Raises MidiError (`too_many_...`, `too_large`) if a limit is passed."""
    most = getattr(self, name)
    if found > most:
      code = 'too_large' if name == 'bytes' else f'too_many_{name}'
      raise refuse(
        code,
        f'{found:,} {name} or more, at most {most:,}; '
        f'midi.read(..., limits=midi.Limits({name}=...)) allows others',
      )


META_WEIGHT = 8
"""How many messages a meta counts for."""
LIMITS = Limits()
"""Those of a reader that is not told others."""


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


class Log:
  """Issues in their order; of each kind the first, then a number.

  Attributes:
    total: How many there are.
  """

  def __init__(self) -> None:
    self._issues: list[Issue] = []
    self.total = 0
    self._count = collections.Counter[str]()

  def tell(self, code: str, where: str, action: str) -> None:
    """Takes in an issue."""
    self.total += 1
    self._count[code] += 1
    if self._count[code] <= _MOST_TOLD:
      self._issues.append(Issue(code, where, action))

  def counts(self, code: str) -> bool:
    """Whether further issues of a kind are no longer told one by one."""
    return self._count[code] >= _MOST_TOLD

  def count(self, code: str, more: int) -> None:
    """Takes in so many issues of a kind that is only counted."""
    self.total += more
    self._count[code] += more

  @property
  def issues(self) -> tuple[Issue, ...]:
    """All that was told, and how much was not told one by one."""
    more = [
      Issue(code, 'file', f'{count - _MOST_TOLD} more of this kind')
      for code, count in self._count.items()
      if count > _MOST_TOLD
    ]
    return (*self._issues, *more)


Span = tuple[int, int]
"""Start and end byte of what stands inside an `MTrk` chunk."""


class Section(NamedTuple):
  """Tracks that sound together.

  Attributes:
    ticks_per_beat: 1..32767.
    spans: Where their events lie.
    micros: Microseconds of a beat where the file counts film frames, whose
      length no tempo changes; 0 where it counts beats.
  """

  ticks_per_beat: int
  spans: tuple[Span, ...]
  micros: int = 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Layout:
  """What a file holds, track by track.

  Attributes:
    data: The whole file.
    sections: One; more where a file holds several pieces (format 2, or one
      file behind another), which follow each other in time.
    issues: What is wrong with the outer shape, and was mended.
    remarks: What is odd about it, and allowed.
    limits: How much it may hold.
  """

  data: bytes
  sections: tuple[Section, ...]
  limits: Limits = LIMITS
  issues: Log = dataclasses.field(default_factory=Log)
  remarks: Log = dataclasses.field(default_factory=Log)

  @property
  def sound(self) -> bool:
    """Whether any reader sees these tracks and no others."""
    return not (self.issues.issues or self.remarks.issues)

  @property
  def ticks_per_beat(self) -> int:
    """That of the first section, on which all others are put."""
    return self.sections[0].ticks_per_beat

  @property
  def spans(self) -> tuple[Span, ...]:
    """Those of all sections."""
    return tuple(span for section in self.sections for span in section.spans)


def refuse(code: str, message: str) -> errors.MidiError:
  """Returns the error for bytes that hold no music to save."""
  return errors.MidiError(f'not a readable MIDI file: {message}', code=code)


def layout(data: bytes, limits: Limits = LIMITS) -> Layout | None:
  """Finds the tracks of a file whose outer shape is as it says, else None.

  Args:
    data: The whole file.
    limits: How much it may hold.

  Raises:
    MidiError: There is nothing to look at, or too much (codes `empty`,
      `too_large`, `too_many_tracks`).
  """
  if not data:
    raise refuse('empty', 'it has no bytes')
  limits.check('bytes', len(data))
  if len(data) < HEADER.size:
    return None
  name, length, format_, count, division = HEADER.unpack_from(data)
  if (name, length) != (b'MThd', 6) or not 0 < division < 0x8000:
    return None
  spans = _spans(data, count)
  if spans is None or len(spans) != count or count < 1:
    return None
  if format_ > 1 or (format_ == 0 and count > 1):
    return None
  limits.check('tracks', count)
  section = Section(division, tuple(spans))
  return Layout(data=data, sections=(section,), limits=limits)


def _spans(data: bytes, count: int) -> list[Span] | None:
  """Returns where the tracks lie if nothing else is there, and no more."""
  spans: list[Span] = []
  position, size = HEADER.size, len(data)
  while position < size:
    if size - position < CHUNK.size or len(spans) == count:
      return None
    name, length = CHUNK.unpack_from(data, position)
    start = position + CHUNK.size
    position = start + length
    if name != b'MTrk' or position > size:
      return None
    spans.append((start, position))
  return spans


def ends_itself(data: bytes, end: int) -> bool:
  """Whether the last bytes before `end` are the end-of-track event."""
  return data.endswith(_END_OF_TRACK, 0, end)
