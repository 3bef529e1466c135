"""What happens beside the notes: the tables of events, texts and tracks.

Tables are structured arrays, sorted by tick (then track, if they have one),
of the dtypes below. `music.notes` hands all names out.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

TEMPO = np.dtype([('tick', np.int64), ('microseconds', np.int64)])
"""Microseconds a quarter note, as in the MIDI file (500,000 is 120 bpm)."""
METER = np.dtype(
  [('tick', np.int64), ('numerator', np.int64), ('denominator', np.int64)]
)
KEY = np.dtype([('tick', np.int64), ('fifths', np.int64), ('minor', np.bool_)])
"""Sharps of the signature (flats negative, -7..7) and the mode."""
CONTROL = np.dtype(
  [
    ('tick', np.int64),
    ('track', np.int64),
    ('number', np.int64),
    ('value', np.int64),
  ]
)
"""MIDI control changes (64 is the sustain pedal), values 0..127."""
BEND = np.dtype([('tick', np.int64), ('track', np.int64), ('value', np.int64)])
"""Pitch bends, -8192..8191."""

TEXT_KINDS = frozenset({'lyric', 'marker', 'chord'})

DEFAULT_TEMPO = 500_000
DEFAULT_METER = (4, 4)

TABLES: dict[str, np.dtype] = {
  'tempos': TEMPO,
  'meters': METER,
  'keys': KEY,
  'controls': CONTROL,
  'bends': BEND,
}
"""Event table -> its dtype."""


class Text(NamedTuple):
  """A word at a tick; `track` -1 belongs to the whole piece.

  `kind` is one of `lyric`, `marker`, `chord`; a chord's text is its symbol.
  """

  tick: int
  track: int
  kind: str
  text: str


class Track(NamedTuple):
  """What holds for a whole track: its name, MIDI program and drum flag."""

  name: str = ''
  program: int = 0
  is_drum: bool = False


def sort_columns(*columns: np.ndarray) -> list[np.ndarray]:
  """Sorts rows by columns of whole numbers >= 0, the first one foremost.

  All columns go into one int64, which sorts several times faster than
  `np.lexsort`; rows that need more bits take the slow way.

  Args:
    *columns: [n] int64 each.

  Returns:
    The columns, their rows in order.

  Raises:
    ValueError: A number is negative.
  """
  bits = [int(np.bitwise_or.reduce(column)) for column in columns]
  if min(bits) < 0:
    raise ValueError('onset, duration, pitch, velocity, track: one is below 0')
  widths = [value.bit_length() for value in bits]
  if sum(widths) > 63:
    order = np.lexsort(columns[::-1])
    return [column[order] for column in columns]
  key = columns[0]
  for column, width in zip(columns[1:], widths[1:], strict=True):
    key = (key << width) | column
  # Real columns come as sorted runs, which the stable sort only merges.
  key = np.sort(key, kind='stable')
  parts = []
  for width in widths[:0:-1]:
    parts.append(key & ((1 << width) - 1))
    key >>= width
  return [key, *parts[::-1]]


def as_table(rows: Any, dtype: np.dtype) -> np.ndarray:
  """Returns `rows` as a read-only array of `dtype`, sorted, stable.

  By tick and then by track: what happens on several tracks at once has no
  order, what happens on one track has.
  """
  if not isinstance(rows, np.ndarray):
    rows = [tuple(row) for row in rows]
  table = sort_table(np.array(rows, dtype=dtype).reshape(-1))
  table.setflags(write=False)
  return table


def sort_table(table: np.ndarray) -> np.ndarray:
  """Returns an event table sorted by tick and then by track, stable."""
  keys = sort_keys(table)
  if len(table) < 2 or is_sorted(*keys):
    return table
  if (
    len(keys) > 1 and 0 <= table['tick'].min() <= table['tick'].max() < 1 << 40
  ):
    # One key for both: sorted runs, one a track, are merged faster so.
    keys = [keys[0] << 23 | keys[1] & 0x7FFFFF]
  if len(keys) > 1:
    return table.take(np.lexsort(keys[::-1]))
  # Indexing copies field by field and takes twenty times as long.
  return table.take(keys[0].argsort(kind='stable'))


def sort_keys(table: np.ndarray) -> list[np.ndarray]:
  """Returns the columns that an event table is sorted by."""
  names = table.dtype.names or ()
  return [table[name] for name in ('tick', 'track') if name in names]


def is_sorted(*columns: np.ndarray) -> bool:
  """Whether rows ascend, the first column foremost."""
  ties: np.ndarray | None = None
  for column in columns:
    if ties is None:
      step = column[1:] - column[:-1]
    else:
      step = column[ties + 1] - column[ties]
    if (step < 0).any():
      return False
    equal = np.flatnonzero(step == 0)
    ties = equal if ties is None else ties[equal]
    if not len(ties):
      break
  return True


def note_columns(
  columns: Iterable[np.ndarray], tracks: Sequence[Track]
) -> dict[str, np.ndarray]:
  """Returns the columns of notes by name, those of their tracks included.

  Args:
    columns: Onset, track, pitch, duration and velocity, [n] each, as
      `sort_columns` gives them.
    tracks: The tracks.
  """
  names = ('onset', 'track', 'pitch', 'duration', 'velocity')
  named = dict(zip(names, columns, strict=True))
  return named | of_tracks(named['track'], tracks)


def of_tracks(
  track: np.ndarray, tracks: Sequence[Track]
) -> dict[str, np.ndarray]:
  """Returns the columns `program` and `is_drum` of notes, [n] each.

  Args:
    track: [n] int64, index into `tracks`; one that is too large is cut.
    tracks: The tracks.
  """
  programs = np.array([t.program for t in tracks] or [0], np.int64)
  drums = np.array([t.is_drum for t in tracks] or [False], np.bool_)
  return {
    'program': programs.take(track, mode='clip'),
    'is_drum': drums.take(track, mode='clip'),
  }
