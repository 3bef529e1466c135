"""From the events of tracks to `Notes`: pairs notes, splits channels.

The exact and slow twin of what `music.midi_fast` takes from symusic. Both
split a track alike: one `Track` for each channel and program in it.
"""

import collections
import dataclasses
import math

import numpy as np

from aurl_jax.music import cut, transform
from aurl_jax.music.midi_chunks import MAX_TICKS, Layout, Log, Section
from aurl_jax.music.midi_events import Events, read_events
from aurl_jax.music.notes import Notes, Text, Track

DRUM_CHANNEL = 9
CHORD_PREFIX = 'chord:'
"""A marker that begins so holds a chord symbol."""

_NAME, _LYRIC, _MARKER, _TEMPO, _METER, _KEY = 3, 5, 6, 0x51, 0x58, 0x59
OFFSET = 0x54
"""The meta that tells a time by hour, minute, second and frame."""
_MOST_TICKS_PER_BEAT = 32767
_OFFSET_LIMITS = (24, 60, 60, 30, 100)


@dataclasses.dataclass
class Part:
  """What one channel plays with one program, in one track of the file."""

  notes: list[tuple[int, int, int, int]] = dataclasses.field(
    default_factory=list
  )
  controls: list[tuple[int, int, int]] = dataclasses.field(default_factory=list)
  bends: list[tuple[int, int]] = dataclasses.field(default_factory=list)

  def take(self, other: 'Part') -> None:
    """Moves what another part holds here."""
    self.controls += other.controls
    self.bends += other.bends
    other.controls, other.bends = [], []

  @property
  def events(self) -> int:
    """How many controls and bends there are."""
    return len(self.controls) + len(self.bends)


_Start = tuple[int, int, int]
"""Tick, velocity and program of a note that sounds."""


class Splitter:
  """Pairs the notes of one track and sorts them by channel and program.

  A note belongs to the program that holds when it begins, and the first end
  of a pitch belongs to the first start, both as in symusic. Controls and
  bends that come before any note of their program has ended wait for it.
  """

  def __init__(self) -> None:
    self.parts: dict[tuple[int, int], Part] = {}
    self._waiting = collections.defaultdict[int, Part](Part)
    self._program = [0] * 16
    self._open: dict[tuple[int, int], collections.deque[_Start]] = {}

  def run(self, events: Events) -> int:
    """Takes in a whole track; returns how many notes never ended."""
    for tick, status, first, second in events.channel:
      kind, channel = status & 0xF0, status & 0x0F
      if kind == 0x90 and second:
        queue = self._open.setdefault((channel, first), collections.deque())
        queue.append((tick, second, self._program[channel]))
      elif kind in (0x80, 0x90):
        self._end(tick, channel, first)
      elif kind == 0xC0:
        self._program[channel] = first
      elif kind == 0xB0:
        self._now(channel).controls.append((tick, first, second))
      elif kind == 0xE0:
        value = (first | second << 7) - 8192
        self._now(channel).bends.append((tick, value))
    return self._finish(events.end)

  def _end(self, tick: int, channel: int, pitch: int) -> None:
    queue = self._open.get((channel, pitch))
    if not queue:
      return
    onset, velocity, program = queue.popleft()
    key = channel, program
    part = self.parts.get(key)
    if part is None:
      part = self.parts[key] = Part()
      part.take(self._waiting[channel])
    part.notes.append((onset, tick - onset, pitch, velocity))

  def _now(self, channel: int) -> Part:
    part = self.parts.get((channel, self._program[channel]))
    return self._waiting[channel] if part is None else part

  def _finish(self, end: int) -> int:
    never_ended = 0
    for (channel, pitch), queue in self._open.items():
      while queue:
        never_ended += 1
        self._end(end, channel, pitch)
    for channel, waiting in self._waiting.items():
      if waiting.events:
        keys = [key for key in self.parts if key[0] == channel]
        key = keys[-1] if keys else (channel, self._program[channel])
        self.parts.setdefault(key, Part()).take(waiting)
    return never_ended


@dataclasses.dataclass
class Assembly:
  """Collects the tracks of a section and builds its piece.

  Attributes:
    layout: The file.
    section: Where its tracks lie.
    first: Number of its first track in the file.
  """

  layout: Layout
  section: Section
  first: int = 0
  tracks: list[Track] = dataclasses.field(default_factory=list)
  parts: list[Part] = dataclasses.field(default_factory=list)
  tempos: list[tuple[int, int]] = dataclasses.field(default_factory=list)
  meters: list[tuple[int, int, int]] = dataclasses.field(default_factory=list)
  keys: list[tuple[int, int, bool]] = dataclasses.field(default_factory=list)
  texts: list[Text] = dataclasses.field(default_factory=list)
  title: str = ''

  def add(self, index: int) -> None:
    """Takes in one track chunk of the section."""
    start, end = self.section.spans[index]
    where = f'track {self.first + index}'
    events = read_events(
      self.layout.data[start:end],
      where,
      self.section.ticks_per_beat,
      self.layout.issues,
      self.layout.remarks,
    )
    splitter = Splitter()
    never_ended = splitter.run(events)
    if never_ended:
      self._note(
        'never_ended', where, f'{never_ended} notes ended at tick {events.end}'
      )
    track = len(self.tracks) if events.channel else -1
    payload = self._read_metas(events, track, where)
    if events.channel or index == 0:
      name = self._decode(payload, where)
      if events.channel:
        self._add_tracks(splitter.parts, events, name)
      else:
        self.title = name

  def notes(self) -> Notes:
    """Returns the piece."""
    rows = [
      (*note, track)
      for track, part in enumerate(self.parts)
      for note in part.notes
    ]
    names = ('onset', 'duration', 'pitch', 'velocity', 'track')
    table = np.array(rows, np.int64).reshape(-1, len(names))
    columns = dict(zip(names, table.T, strict=True))
    tempos = [(0, self.section.micros)] if self.section.micros else self.tempos
    return Notes.build(
      self.section.ticks_per_beat,
      columns,
      tracks=self.tracks,
      texts=self.texts,
      title=self.title,
      tempos=tempos,
      meters=self.meters,
      keys=self.keys,
      controls=[
        (tick, track, *rest)
        for track, part in enumerate(self.parts)
        for tick, *rest in part.controls
      ],
      bends=[
        (tick, track, value)
        for track, part in enumerate(self.parts)
        for tick, value in part.bends
      ],
    )

  def _add_tracks(
    self, parts: dict[tuple[int, int], Part], events: Events, name: str
  ) -> None:
    if not parts:
      # Nothing sounds here, but the instrument is named: an empty track.
      named = [
        (status & 0x0F, program)
        for _, status, program, _ in events.channel
        if status & 0xF0 == 0xC0
      ]
      parts = {key: Part() for key in named[:1] or [(0, 0)]}
    for (channel, program), part in sorted(
      parts.items(), key=lambda item: item[0]
    ):
      self.tracks.append(Track(name, program, channel == DRUM_CHANNEL))
      self.parts.append(part)

  def _read_metas(self, events: Events, track: int, where: str) -> bytes:
    """Takes in tempos, meters, keys and texts; returns the track's name."""
    name = b''
    for tick, kind, payload in events.metas:
      place = f'{where}, tick {tick}'
      if kind == _NAME:
        name = payload
      elif kind in (_LYRIC, _MARKER):
        text = self._decode(payload, place)
        self.texts.append(as_text(tick, track, kind == _LYRIC, text))
      elif kind == _TEMPO:
        self._tempo(tick, payload, place)
      elif kind == _METER:
        self._meter(tick, payload, place)
      elif kind == _KEY:
        self._key(tick, payload, place)
      elif kind == OFFSET and not is_offset(payload):
        self._note('smpte_offset', place, f'{payload.hex()} left out')
    return name

  def _decode(self, payload: bytes, where: str) -> str:
    try:
      return payload.decode('utf-8')
    except UnicodeDecodeError:
      action = 'not UTF-8; read as Latin-1'
      self.layout.remarks.tell('text_encoding', where, action)
      return payload.decode('latin-1')

  def _tempo(self, tick: int, payload: bytes, where: str) -> None:
    micros = int.from_bytes(payload)
    if len(payload) != 3 or not micros:
      self._note('tempo', where, f'{payload.hex()} is no tempo; left out')
    elif self.section.micros:
      action = 'means nothing where film frames are counted; left out'
      self.layout.remarks.tell('smpte_tempo', where, action)
    else:
      self.tempos.append((tick, micros))

  def _meter(self, tick: int, payload: bytes, where: str) -> None:
    if len(payload) < 2 or payload[1] > 15 or not payload[0]:
      self._note('meter', where, f'{payload.hex()} is no meter; left out')
    else:
      bar = 4 * self.section.ticks_per_beat * payload[0]
      if bar >> payload[1] == 0:
        action = f'{payload[0]}/{1 << payload[1]} is less than a tick; kept'
        self.layout.remarks.tell('short_bar', where, action)
      self.meters.append((tick, payload[0], 1 << payload[1]))

  def _key(self, tick: int, payload: bytes, where: str) -> None:
    fifths = int.from_bytes(payload[:1], signed=True)
    if len(payload) != 2 or abs(fifths) > 7 or payload[1] > 1:
      self._note('key', where, f'{payload.hex()} is no key; left out')
    else:
      self.keys.append((tick, fifths, bool(payload[1])))

  def _note(self, code: str, where: str, action: str) -> None:
    self.layout.issues.tell(code, where, action)


def as_text(tick: int, track: int, is_lyric: bool, text: str) -> Text:
  """Returns the lyric, the marker, or the chord that a marker holds."""
  if is_lyric:
    return Text(tick, track, 'lyric', text)
  if text.startswith(CHORD_PREFIX):
    return Text(tick, track, 'chord', text.removeprefix(CHORD_PREFIX))
  return Text(tick, track, 'marker', text)


def is_offset(payload: bytes) -> bool:
  """Whether five bytes tell hour, minute, second, frame and hundredths."""
  if len(payload) != len(_OFFSET_LIMITS):
    return False
  # The bits above the hour tell the rate of the frames.
  values = (payload[0] & 0x1F, *payload[1:])
  limits = zip(values, _OFFSET_LIMITS, strict=True)
  return payload[0] < 0x80 and all(value < limit for value, limit in limits)


def assemble(layout: Layout) -> Notes:
  """Reads every track of a layout exactly; its logs tell what was found.

  Raises:
    MidiError: The limits of `midi_chunks` are passed.
  """
  pieces: list[Notes] = []
  first = 0
  for section in layout.sections:
    assembly = Assembly(layout, section, first)
    for index in range(len(section.spans)):
      assembly.add(index)
    first += len(section.spans)
    pieces.append(assembly.notes())
  return pieces[0] if len(pieces) == 1 else _joined(pieces, layout.issues)


def _joined(pieces: list[Notes], issues: Log) -> Notes:
  """Returns pieces one after another, in ticks that suit all of them."""
  beat = math.lcm(*(piece.ticks_per_beat for piece in pieces))
  first = pieces[0].ticks_per_beat
  longest = cut.next_bar(pieces[0], whole=True) * beat // first
  if beat > _MOST_TICKS_PER_BEAT or longest > MAX_TICKS:
    beat = first
  kept: list[Notes] = []
  end = 0
  for index, piece in enumerate(pieces):
    where, old = f'piece {index}', piece.ticks_per_beat
    if beat % old:
      action = f'{old} ticks a beat made {beat}, times rounded'
      issues.tell('ticks_per_beat', where, action)
    if old != beat:
      piece = transform.resample(piece, beat)
    end += cut.next_bar(piece, whole=True)
    if end > MAX_TICKS and kept:
      action = 'it and what follows end past the limit; left out'
      issues.tell('ticks', where, action)
      break
    kept.append(piece)
  return cut.concatenate(kept, whole=True)
