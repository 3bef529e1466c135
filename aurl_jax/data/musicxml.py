"""Scores in MusicXML (partwise, plain or zipped) -> Notes, as written.

Enough of the format for the embedded corpus, and for what
`music.musicxml_write` writes: parts, voices, chords, ties, keys, meters, and
drums whose instrument names a MIDI pitch. Repeats are not unfolded and grace
notes, which take no time, are left out. Times are whole numbers of 1/10080 of
a quarter note inside this file, which divides evenly by every division in
use.

A measure is what stands between two bar lines of the print, which is not
always a bar of music: a pickup is shorter, and a repeat sign may split a bar
in two. `_bars` puts these together again, so that the meters tell the bars.
"""

import dataclasses
import io
import itertools
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from xml.etree import ElementTree

import numpy as np

from aurl_jax.core.errors import DataError
from aurl_jax.music.notes import Notes, Track

RESOLUTION = 10_080
"""Ticks a quarter note while reading."""
TICKS_PER_BEAT = 480
"""Of the Notes, unless something in the piece needs the full resolution."""
_CONTAINER = 'META-INF/container.xml'
_MOST_BYTES = 64 << 20
"""Of a file in a zip."""
_ENCRYPTED = 1
"""Flag of a file in a zip."""
_STEPS = {'C': 0, 'D': 2, 'E': 4, 'F': 5, 'G': 7, 'A': 9, 'B': 11}


class Sound(NamedTuple):
  """A note head: its measure, tick inside it, duration, pitch, ties."""

  measure: int
  offset: int
  duration: int
  pitch: int
  tied: bool


class Measure(NamedTuple):
  """Ticks that a measure lasts, and the signatures in force."""

  length: int
  meter: tuple[int, int]
  key: tuple[int, bool] | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Part:
  """One staff or voice of a score."""

  name: str
  sounds: tuple[Sound, ...]
  measures: tuple[Measure, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Score:
  """A score as it is printed."""

  title: str
  parts: tuple[Part, ...]


def parse(data: bytes) -> Score:
  """Reads a MusicXML document, or a zip that holds one.

  Raises:
    DataError: The bytes are no partwise MusicXML.
  """
  try:
    root = ElementTree.fromstring(_unzip(data))
    if root.tag != 'score-partwise':
      raise ValueError(f'{root.tag} is no partwise score')
    names = {
      part.get('id'): ' '.join((part.findtext('part-name') or '').split())
      for part in root.iter('score-part')
    }
    drums = {
      which.get('id'): _number(which, 'midi-unpitched') - 1
      for which in root.iter('midi-instrument')
      if which.find('midi-unpitched') is not None
    }
    parts = tuple(
      _part(names.get(part.get('id'), ''), part, drums)
      for part in root.findall('part')
    )
  except (
    ElementTree.ParseError,
    zipfile.BadZipFile,
    zlib.error,
    RuntimeError,
    ArithmeticError,
    KeyError,
    ValueError,
  ) as error:
    raise DataError(f'not MusicXML: {error!r}', code='musicxml') from error
  title = root.findtext('work/work-title') or root.findtext('movement-title')
  return Score(title=(title or '').strip(), parts=parts)


def to_notes(score: Score, tracks: Mapping[int, Track]) -> Notes:
  """Returns the piece that some parts of a score make, one track a part.

  Args:
    score: The score; all its parts tell how long a measure lasts, since a
      part may leave out rests.
    tracks: Index of a part -> its track, in the order of the tracks.

  Raises:
    DataError: The parts do not have the same measures.
  """
  if len({len(part.measures) for part in score.parts}) != 1:
    raise DataError('parts differ in their number of measures', code='measures')
  measures = [
    max(column, key=lambda measure: measure.length)
    for column in zip(*(part.measures for part in score.parts), strict=True)
  ]
  starts = [0, *itertools.accumulate(m.length for m in measures)]
  rows = [
    (onset, duration, pitch, track)
    for track, part in enumerate(tracks)
    for onset, duration, pitch in _join_ties(score.parts[part].sounds, starts)
  ]
  meters = _meters(_bars(starts, measures))
  keys = _changes([(s, m.key) for s, m in zip(starts, measures, strict=False)])
  columns = np.array(rows, np.int64).reshape(-1, 4)
  scale = _scale(columns[:, :2], [tick for tick, *_ in meters])
  return Notes.build(
    RESOLUTION // scale,
    {
      'onset': columns[:, 0] // scale,
      'duration': columns[:, 1] // scale,
      'pitch': columns[:, 2],
      'track': columns[:, 3],
    },
    tracks=tracks.values(),
    meters=[(tick // scale, *meter) for tick, meter in meters],
    keys=[(tick // scale, *key) for tick, key in keys],
    title=score.title,
  )


def _unzip(data: bytes) -> bytes:
  if not data.startswith(b'PK'):
    return data
  with zipfile.ZipFile(io.BytesIO(data)) as archive:
    container = ElementTree.fromstring(_member(archive, _CONTAINER))
    names = [
      e.get('full-path', '')
      for e in container.iter()
      if e.tag.endswith('rootfile')
    ]
    return _member(archive, names[0] if names else '')


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
  """Returns a file of a zip, which is never written anywhere."""
  member = archive.getinfo(name)
  # No more is unpacked than is told here, whatever the file holds.
  if member.file_size > _MOST_BYTES or member.flag_bits & _ENCRYPTED:
    raise ValueError(
      f'{name} has {member.file_size} bytes, more than {_MOST_BYTES}, or is '
      'encrypted'
    )
  return archive.read(member)


def _part(
  name: str, part: ElementTree.Element, drums: Mapping[str | None, int]
) -> Part:
  sounds: list[Sound] = []
  measures: list[Measure] = []
  reader = _Reader(drums)
  for index, measure in enumerate(part.findall('measure')):
    sounds += reader.measure(index, measure)
    measures.append(Measure(reader.length, reader.meter, reader.key))
  return Part(name=name, sounds=tuple(sounds), measures=tuple(measures))


class _Reader:
  """The state that runs through the measures of a part."""

  def __init__(self, drums: Mapping[str | None, int]) -> None:
    self.meter = (4, 4)
    self.key: tuple[int, bool] | None = None
    self.length = 0
    self._drums = drums
    self._scale = 0
    self._cursor = 0
    self._before = 0

  def measure(self, index: int, measure: ElementTree.Element) -> list[Sound]:
    """Returns the sounds of a measure; sets `length`, `meter`, `key`."""
    self._cursor = self.length = 0
    sounds = []
    for element in measure:
      if element.tag == 'attributes':
        self._attributes(element)
      elif element.tag in ('forward', 'backup'):
        move = self._duration(element)
        self._cursor += move if element.tag == 'forward' else -move
      elif element.tag == 'note' and element.find('grace') is None:
        sounds += self._note(index, element)
      self.length = max(self.length, self._cursor)
    return sounds

  def _attributes(self, element: ElementTree.Element) -> None:
    if element.find('divisions') is not None:
      self._scale, rest = divmod(RESOLUTION, _number(element, 'divisions'))
      if rest:
        raise ValueError(f'{RESOLUTION} is no multiple of the divisions')
    if element.find('time/beats') is not None:
      self.meter = (
        _number(element, 'time/beats'),
        _number(element, 'time/beat-type'),
      )
    if element.find('key/fifths') is not None:
      minor = element.findtext('key/mode') == 'minor'
      self.key = (_number(element, 'key/fifths'), minor)

  def _duration(self, element: ElementTree.Element) -> int:
    return _number(element, 'duration') * self._scale

  def _note(self, index: int, element: ElementTree.Element) -> list[Sound]:
    duration = self._duration(element)
    if element.find('chord') is None:
      self._before = self._cursor
      self._cursor += duration
    number = self._pitch(element)
    if number is None:
      return []
    tied = any(tie.get('type') == 'stop' for tie in element.findall('tie'))
    return [Sound(index, self._before, duration, number, tied)]

  def _pitch(self, note: ElementTree.Element) -> int | None:
    """Returns a MIDI pitch; None for a rest or a drum that has none."""
    pitch = note.find('pitch')
    if pitch is not None:
      return (
        12 * (_number(pitch, 'octave') + 1)
        + _STEPS[pitch.findtext('step', '')]
        + _number(pitch, 'alter', '0')
      )
    which = note.find('instrument')
    return None if which is None else self._drums.get(which.get('id'))


def _number(element: ElementTree.Element, path: str, default: str = '') -> int:
  """Returns a whole number; raises ValueError if there is none."""
  return int(element.findtext(path) or default)


def _join_ties(
  sounds: Sequence[Sound], starts: Sequence[int]
) -> list[list[int]]:
  """Returns [onset, duration, pitch] of each note, tied heads as one."""
  rows: list[list[int]] = []
  open_at: dict[tuple[int, int], list[int]] = {}
  for sound in sounds:
    onset = starts[sound.measure] + sound.offset
    row = open_at.pop((onset, sound.pitch), None) if sound.tied else None
    if row is None:
      row = [onset, 0, sound.pitch]
      rows.append(row)
    row[1] += sound.duration
    open_at[onset + sound.duration, sound.pitch] = row
  return rows


class _Bar(NamedTuple):
  start: int
  length: int
  meter: tuple[int, int]


def _bars(starts: Sequence[int], measures: Sequence[Measure]) -> list[_Bar]:
  """Returns bars: measures, those that a repeat sign split made whole."""
  bars: list[_Bar] = []
  for start, measure in zip(starts, measures, strict=False):
    full = _full(measure.meter)
    last = bars[-1] if bars else None
    if (
      last
      and last.meter == measure.meter
      and (last.length < full and last.length + measure.length <= full)
    ):
      bars[-1] = last._replace(length=last.length + measure.length)
    elif measure.length:
      bars.append(_Bar(start, measure.length, measure.meter))
  return bars


def _meters(bars: Sequence[_Bar]) -> list[tuple[int, tuple[int, int]]]:
  """Returns the meter changes; a bar cut short has a meter of its own.

  The last bar is not cut by what follows, so it keeps its meter.
  """
  rows = []
  for bar in bars:
    cut = bar.length != _full(bar.meter) and bar is not bars[-1]
    rows.append((bar.start, _meter_of(bar.length) if cut else bar.meter))
  return _changes(rows)


def _full(meter: tuple[int, int]) -> int:
  return 4 * RESOLUTION * meter[0] // meter[1]


def _meter_of(length: int) -> tuple[int, int]:
  """Returns the meter, in quarters or shorter, whose bar lasts `length`."""
  for unit in (4, 8, 16, 32):
    count, rest = divmod(length * unit, 4 * RESOLUTION)
    if not rest:
      return count, unit
  raise DataError('a measure ends between two 32nds', code='measures')


def _changes(rows: Sequence[tuple]) -> list[tuple]:
  """Returns the rows (tick, value) whose value is new and not None."""
  kept: list[tuple] = []
  for tick, value in rows:
    if value is not None and (not kept or kept[-1][1] != value):
      kept.append((tick, value))
  return kept


def _scale(*ticks: Sequence[int] | np.ndarray) -> int:
  """Returns by what all ticks divide: to 480 a beat, or by 1."""
  scale = RESOLUTION // TICKS_PER_BEAT
  return scale if all(not (np.asarray(t) % scale).any() for t in ticks) else 1
