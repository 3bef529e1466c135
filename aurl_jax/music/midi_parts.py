"""From the tracks of a file to `Notes`, exactly, whatever they hold.

One `Track` comes of each channel and program of a track of the file.
"""

import dataclasses
import math

from aurl_jax.music import cut, midi_native, midi_table, transform
from aurl_jax.music.midi_chunks import (
  MAX_TICKS,
  META_WEIGHT,
  Layout,
  Log,
  Section,
)
from aurl_jax.music.midi_events import read_events, tell_no_end
from aurl_jax.music.midi_split import Played, split
from aurl_jax.music.notes import Notes, Text, Track

DRUM_CHANNEL = 9
CHORD_PREFIX = 'chord:'
"""A marker that begins so holds a chord symbol."""

_NAME, _LYRIC, _MARKER, _TEMPO, _METER, _KEY = 3, 5, 6, 0x51, 0x58, 0x59
OFFSET = 0x54
"""The meta that tells a time by hour, minute, second and frame."""
_MOST_TICKS_PER_BEAT = 32767
_FEW = 64
"""Bytes of a track that is read before compiled loops are called."""
_OFFSET_LIMITS = (24, 60, 60, 30, 100)


@dataclasses.dataclass
class Assembly:
  """Collects the tracks of a section and builds its piece.

  Attributes:
    layout: The file.
    section: Where its tracks lie.
    first: Number of its first track in the file.
    native: Whether compiled loops read it.
    held: Events of the file that were read.
  """

  layout: Layout
  section: Section
  first: int = 0
  native: bool = False
  held: int = 0
  tracks: list[Track] = dataclasses.field(default_factory=list)
  played: list[Played] = dataclasses.field(default_factory=list)
  tempos: list[tuple[int, int]] = dataclasses.field(default_factory=list)
  meters: list[tuple[int, int, int]] = dataclasses.field(default_factory=list)
  keys: list[tuple[int, int, bool]] = dataclasses.field(default_factory=list)
  texts: list[Text] = dataclasses.field(default_factory=list)
  title: str = ''

  def __post_init__(self) -> None:
    self._left = self.layout.limits
    if self.held:
      self._hold(0)

  def add(self, index: int) -> None:
    """Takes in one track chunk of the section."""
    start, end = self.section.spans[index]
    where = f'track {self.first + index}'
    if start == end:
      tell_no_end(where, 0, self.layout.issues, self.layout.limits)
      return
    played, metas, end = self._read(self.layout.data[start:end], where)
    if played.never_ended:
      action = f'{played.never_ended} notes ended at tick {end}'
      self._note('never_ended', where, action)
    track = len(self.tracks) if played.keys else -1
    payload = self.read_metas(metas, track, where)
    if played.keys or index == 0:
      name = self.decode(payload, where)
      if played.keys:
        self._add_tracks(played, name)
      else:
        self.title = name

  def _read(
    self, chunk: bytes, where: str
  ) -> tuple[Played, list[tuple[int, int, bytes]], int]:
    """Returns what a track plays, its metas, and the tick of its end."""
    layout, beat = self.layout, self.section.ticks_per_beat
    logs = layout.issues, layout.remarks
    if self.native and len(chunk) > _FEW:
      reader = midi_native.NativeReader(chunk, where, beat, *logs, self._left)
      reader.run()
      events, played = reader.events, reader.played()
    else:
      events = read_events(chunk, where, beat, *logs, self._left)
      played = split(events)
    held = 2 * played.notes.shape[1] + len(played.changes)
    held += META_WEIGHT * len(events.metas)
    if held:
      self._hold(held)
    return played, events.metas, events.end

  def _hold(self, events: int) -> None:
    """Lessens what the tracks to come may hold."""
    self.held += events
    most = self.layout.limits.events
    self.layout.limits.check('events', self.held)
    self._left = dataclasses.replace(
      self.layout.limits, events=most - self.held
    )

  def notes(self) -> Notes:
    """Returns the piece."""
    tempos = [(0, self.section.micros)] if self.section.micros else self.tempos
    return midi_table.build(
      self.section.ticks_per_beat,
      self.played,
      self.tracks,
      {'tempos': tempos, 'meters': self.meters, 'keys': self.keys},
      texts=self.texts,
      title=self.title,
    )

  def _add_tracks(self, played: Played, name: str) -> None:
    self.played.append(played)
    for channel, program in played.keys:
      self.tracks.append(Track(name, program, channel == DRUM_CHANNEL))

  def read_metas(
    self, metas: list[tuple[int, int, bytes]], track: int, where: str
  ) -> bytes:
    """Takes in tempos, meters, keys and texts; returns the track's name."""
    name = b''
    for tick, kind, payload in metas:
      place = f'{where}, tick {tick}'
      if kind == _NAME:
        name = payload
      elif kind in (_LYRIC, _MARKER):
        text = self.decode(payload, place)
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

  def decode(self, payload: bytes, where: str) -> str:
    """Returns a text; tells if it is not UTF-8."""
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


def assemble(layout: Layout, native: bool = False) -> Notes:
  """Reads every track of a layout exactly; its logs tell what was found.

  Args:
    layout: The file.
    native: Whether to read it by compiled loops, to the same end.

  Raises:
    MidiError: The limits of the layout are passed.
  """
  pieces: list[Notes] = []
  first = held = 0
  for section in layout.sections:
    assembly = Assembly(layout, section, first, native, held)
    for index in range(len(section.spans)):
      assembly.add(index)
    first, held = first + len(section.spans), assembly.held
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
