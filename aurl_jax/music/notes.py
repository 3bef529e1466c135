"""`Notes`: one piece of music as a frozen struct of numpy arrays, in ticks.

Axes: `n` notes; each event table has an axis of its own. A tick is
`1 / ticks_per_beat` of a quarter note, which is the beat of MIDI files; all
positions are integers from the start of the piece. The dtypes of the event
tables, `Text` and `Track` are defined in `music.events`.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from aurl_jax.music.events import (
  BEND,
  CONTROL,
  DEFAULT_METER,
  DEFAULT_TEMPO,
  KEY,
  METER,
  TABLES,
  TEMPO,
  TEXT_KINDS,
  Text,
  Track,
  as_table,
  is_sorted,
  note_columns,
  of_tracks,
  sort_columns,
  sort_keys,
  sort_table,
)

__all__ = [
  'BEND',
  'CONTROL',
  'DEFAULT_METER',
  'DEFAULT_TEMPO',
  'KEY',
  'METER',
  'TABLES',
  'TEMPO',
  'TEXT_KINDS',
  'Notes',
  'Text',
  'Track',
  'note_columns',
  'of_tracks',
  'sort_columns',
  'sort_table',
]

_COLUMNS = (
  'onset',
  'track',
  'pitch',
  'duration',
  'velocity',
  'program',
  'is_drum',
)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Notes:
  """A piece of music. Use `Notes.build` to make one from unsorted columns.

  Notes are sorted by onset, then track, pitch, duration, velocity. A note's
  `track` indexes `tracks`, whose program and drum flag are those of all its
  notes; a track may be without notes. Instances compare by value.

  Attributes:
    ticks_per_beat: Ticks in a quarter note, 1..32767.
    onset: [n] int64, ticks, >= 0.
    duration: [n] int64, ticks, >= 0.
    pitch: [n] int64, MIDI pitch 0..127 (60 is middle C).
    velocity: [n] int64, 1..127.
    program: [n] int64, General MIDI program 0..127.
    track: [n] int64, index into `tracks`.
    is_drum: [n] bool; a drum's pitch names the instrument that is struck.
    tracks: One `Track` for each track index.
    tempos: `TEMPO` table. Without a row at tick 0, 120 bpm holds.
    meters: `METER` table. Without a row at tick 0, 4/4 holds.
    keys: `KEY` table.
    controls: `CONTROL` table.
    bends: `BEND` table.
    texts: Lyrics, markers and chord symbols, sorted by tick, then track.
    title: Name of the piece, or ''.

  Raises:
    ValueError: A column or table is out of range, or of another length.
  """

  ticks_per_beat: int
  onset: np.ndarray
  duration: np.ndarray
  pitch: np.ndarray
  velocity: np.ndarray
  program: np.ndarray
  track: np.ndarray
  is_drum: np.ndarray
  tracks: tuple[Track, ...]
  tempos: np.ndarray
  meters: np.ndarray
  keys: np.ndarray
  controls: np.ndarray
  bends: np.ndarray
  texts: tuple[Text, ...] = ()
  title: str = ''

  def __post_init__(self) -> None:
    _check_columns(self)
    _check_tables(self)
    if self.texts:
      _check_texts(self)

  @classmethod
  def build(
    cls,
    ticks_per_beat: int,
    columns: Mapping[str, Any] | None = None,
    *,
    tracks: Iterable[Track] | None = None,
    texts: Iterable[Text] = (),
    title: str = '',
    **tables: Any,
  ) -> 'Notes':
    """Returns Notes from columns in any order.

    Args:
      ticks_per_beat: Ticks in a quarter note.
      columns: `onset`, `duration`, `pitch` and, optionally, `velocity` (64),
        `track` (0); scalars broadcast. None gives no notes.
      tracks: The tracks; by default one piano for each track index used.
      texts: Lyrics, markers, chord symbols.
      title: Name of the piece.
      **tables: Any of `tempos`, `meters`, `keys`, `controls`, `bends`, as
        arrays of their dtypes or as rows.

    Example:
      >>> scale = Notes.build(
      ...   4, {'onset': [4, 0], 'duration': 4, 'pitch': [62, 60]})
      >>> scale.pitch.tolist()
      [60, 62]
    """
    cols = _broadcast(columns or {'onset': [], 'duration': [], 'pitch': []})
    order = ('onset', 'track', 'pitch', 'duration', 'velocity')
    cols = dict(
      zip(order, sort_columns(*(cols[name] for name in order)), strict=True)
    )
    if tracks is None:
      tracks = [Track()] * (int(cols['track'].max(initial=-1)) + 1)
    tracks = tuple(tracks)
    unknown = tables.keys() - TABLES.keys()
    if unknown:
      raise TypeError(f'no table {sorted(unknown)}; tables: {list(TABLES)}')
    return cls(
      ticks_per_beat=int(ticks_per_beat),
      # Tracks that are not there are found, and told, by the checks.
      **of_tracks(cols['track'], tracks),
      tracks=tracks,
      texts=tuple(sorted(texts, key=lambda text: (text.tick, text.track))),
      title=title,
      **cols,
      **{k: as_table(tables.get(k, ()), dtype) for k, dtype in TABLES.items()},
    )

  @classmethod
  def trusted(cls, **fields: Any) -> 'Notes':
    """Returns Notes from all fields, without any check.

    For hot paths whose columns are sorted and in range by how they were
    made; the checks cost as much as quantising. Whoever calls this tests
    its results with `check`.
    """
    notes = object.__new__(cls)
    for value in fields.values():
      if isinstance(value, np.ndarray):
        value.setflags(write=False)
    notes.__dict__.update(fields)
    return notes

  def check(self) -> None:
    """Raises ValueError unless all columns and tables are as they must."""
    self.__post_init__()

  def __len__(self) -> int:
    return len(self.onset)

  @property
  def end(self) -> int:
    """Tick at which the last note ends; 0 without notes."""
    return int((self.onset + self.duration).max(initial=0))

  @property
  def chords(self) -> tuple[Text, ...]:
    """The chord symbols among `texts`."""
    return tuple(text for text in self.texts if text.kind == 'chord')

  def replace(self, **changes: Any) -> 'Notes':
    """Returns a copy with fields replaced; the notes must stay sorted."""
    return dataclasses.replace(self, **changes)

  def __eq__(self, other: object) -> bool:
    if not isinstance(other, Notes):
      return NotImplemented
    return all(
      _same(getattr(self, f.name), getattr(other, f.name))
      for f in dataclasses.fields(self)
    )

  __hash__ = None  # type: ignore[assignment]

  def __repr__(self) -> str:
    return (
      f'Notes({len(self)} notes, {len(self.tracks)} tracks, '
      f'{self.end / self.ticks_per_beat:.1f} beats)'
    )


_RANGES = {
  'onset': (0, 2**62 - 1),
  'duration': (0, 2**62 - 1),
  'pitch': (0, 127),
  'velocity': (1, 127),
  'program': (0, 127),
}
_TABLE_RANGES: dict[str, dict[str, tuple[int, int]]] = {
  'tempos': {'microseconds': (1, 2**24 - 1)},
  'meters': {'numerator': (1, 255), 'denominator': (1, 2**15)},
  'keys': {'fifths': (-7, 7)},
  'controls': {'number': (0, 127), 'value': (0, 127)},
  'bends': {'value': (-8192, 8191)},
}


def _same(a: Any, b: Any) -> bool:
  return np.array_equal(a, b) if isinstance(a, np.ndarray) else a == b


def _broadcast(columns: Mapping[str, Any]) -> dict[str, np.ndarray]:
  full = {'velocity': 64, 'track': 0} | dict(columns)
  names = ('onset', 'duration', 'pitch', 'velocity', 'track')
  unknown = full.keys() - set(names)
  if unknown:
    raise TypeError(f'no column {sorted(unknown)}; columns: {list(names)}')
  arrays = [np.asarray(full[name]) for name in names]
  size = max((len(a) for a in arrays if a.ndim), default=1)
  shaped = [np.broadcast_to(a, (size,)).astype(np.int64) for a in arrays]
  return dict(zip(names, shaped, strict=True))


def _check_range(name: str, values: np.ndarray, low: int, high: int) -> None:
  if len(values) and (values.min() < low or values.max() > high):
    raise ValueError(
      f'{name} must lie in {low}..{high}, found {values.min()}..{values.max()}'
    )


def _in_bits(bits: int, *columns: np.ndarray) -> bool:
  """Whether all values lie in 0..2**bits - 1; one pass over each column.

  The first look at every piece: `_check_range` takes twice as long, and
  only has to say which value is wrong.
  """
  used = [np.bitwise_or.reduce(column, initial=0) for column in columns]
  return not int(np.bitwise_or.reduce(used)) >> bits


def _check_columns(notes: Notes) -> None:
  if not 1 <= notes.ticks_per_beat <= 32767:
    raise ValueError(f'ticks_per_beat {notes.ticks_per_beat} not in 1..32767')
  for name in _COLUMNS:
    column = getattr(notes, name)
    if column.shape != notes.onset.shape or column.ndim != 1:
      raise ValueError(f'{name} has shape {column.shape}, not that of onset')
    column.setflags(write=False)
  if not (
    _in_bits(7, notes.pitch, notes.velocity, notes.program)
    and _in_bits(62, notes.onset, notes.duration)
    and notes.velocity.all()
  ):
    for name, (low, high) in _RANGES.items():
      _check_range(name, getattr(notes, name), low, high)
  _check_range('track', notes.track, 0, len(notes.tracks) - 1)
  if not is_sorted(
    notes.onset, notes.track, notes.pitch, notes.duration, notes.velocity
  ):
    raise ValueError(
      'notes must be sorted by onset, track, pitch, duration, velocity; '
      'use Notes.build'
    )


def _check_tables(notes: Notes) -> None:
  for name, dtype in TABLES.items():
    table = getattr(notes, name)
    if table.dtype != dtype:
      raise ValueError(f'{name} has dtype {table.dtype}, expected {dtype}')
    if not len(table):
      continue
    _check_range(f'{name}.tick', table['tick'], 0, 2**62 - 1)
    if 'track' in (dtype.names or ()):
      _check_range(f'{name}.track', table['track'], 0, len(notes.tracks) - 1)
    if not is_sorted(*sort_keys(table)):
      raise ValueError(f'{name} must be sorted by tick; use Notes.build')
    for column, (low, high) in _TABLE_RANGES[name].items():
      _check_range(f'{name}.{column}', table[column], low, high)


def _check_texts(notes: Notes) -> None:
  places = [(text.tick, text.track) for text in notes.texts]
  if places != sorted(places) or places[0][0] < 0:
    raise ValueError('texts must be sorted by tick >= 0; use Notes.build')
  tracks = {track for _, track in places}
  if min(tracks) < -1 or max(tracks) >= len(notes.tracks):
    raise ValueError(f'texts name a track not in -1..{len(notes.tracks) - 1}')
  kinds = {text.kind for text in notes.texts} - TEXT_KINDS
  if kinds:
    raise ValueError(f'texts are {sorted(TEXT_KINDS)}, not {sorted(kinds)}')
