"""Rounding a piece to a `Grid`: pure, whole columns at a time.

`quantise` is idempotent. What the grid cannot hold is rounded by these
rules:

- A beat gets `grid.cells_per_beat` ticks. Onsets and durations go to the
  nearest cell, halves up; a duration lasts at least one cell and then
  becomes the nearest of `grid.durations`, the shorter of two as near.
- Velocities become the middle of their bin, tempos the nearest bin by
  ratio (the slower of two as near), meters `grid.nearest_meter`.
- Of the tempos, meters and chords in a cell the last one counts; a tempo
  and a meter always stand at cell 0 (120 bpm and 4/4 if none is given);
  those that change nothing, and those at or after the last note's end, are
  left out.
- An instrument is the drums (whose program becomes 0) or a program. Only
  tracks with notes stay, ordered by instrument, drums last, then as they
  were; beyond `grid.voices` an instrument's tracks join its last one. With
  `grid.program` all tracks are of that one instrument.
- Chords stay if `grid.chords`, as labels of `music.chords` without bass; a
  symbol that cannot be read becomes the triad it begins with, or is left
  out (`chords.unreadable` names them).
- Track names, keys, controls, bends, lyrics, markers and the title go.

`music.transform` hands both functions out, beside the other transforms.
Axis: `n` notes.
"""

import functools

import numpy as np

from aurl_jax.music import chords as chords_lib
from aurl_jax.music import notes as notes_lib
from aurl_jax.music.grid import Grid
from aurl_jax.music.notes import Notes, Text, Track

_SAFE_TICKS = 1 << 40
"""Below it no product of `to_cells` passes 63 bits (cells < 2**15)."""


def quantise(notes: Notes, grid: Grid) -> Notes:
  """Rounds a piece to the values of a grid, by the rules above.

  Args:
    notes: Any piece, [n] notes.
    grid: What to round to.

  Returns:
    [n] notes; equal (track, pitch, onset) are kept (see `merge_equal`).
    A piece without notes becomes empty, without tempo or meter.
  """
  if not len(notes):
    return Notes.build(grid.cells_per_beat)
  track, tracks = _instruments(notes, grid)
  onset = to_cells(notes.onset, notes.ticks_per_beat, grid.cells_per_beat)
  length = to_cells(notes.duration, notes.ticks_per_beat, grid.cells_per_beat)
  duration = _nearest_durations(grid).take(length, mode='clip')
  velocity = _velocities(grid).take(notes.velocity)
  end = int((onset + duration).max())
  columns = notes_lib.sort_columns(
    onset, track, notes.pitch, duration, velocity
  )
  return Notes.trusted(
    ticks_per_beat=grid.cells_per_beat,
    **notes_lib.note_columns(columns, tracks),
    tracks=tracks,
    tempos=_tempos(notes, grid, end),
    meters=_meters(notes, grid, end),
    texts=_chords(notes, grid, end) if grid.chords else (),
    title='',
    **_NO_EVENTS,
  )


def merge_equal(notes: Notes) -> tuple[Notes, int]:
  """Merges notes of equal (track, pitch, onset) into the longest of them.

  Of those as long, the loudest stays.

  Returns:
    The piece, and how many notes went.
  """
  if len(notes) < 2:
    return notes, 0
  last = np.ones(len(notes), np.bool_)
  # Notes are sorted by duration and velocity last, so the last one wins.
  np.logical_or.reduce(
    [
      notes.onset[1:] != notes.onset[:-1],
      notes.pitch[1:] != notes.pitch[:-1],
      notes.track[1:] != notes.track[:-1],
    ],
    out=last[:-1],
  )
  gone = len(notes) - int(last.sum())
  if not gone:
    return notes, 0
  return notes.replace(**{k: getattr(notes, k)[last] for k in _COLUMNS}), gone


def to_cells(
  ticks: np.ndarray, ticks_per_beat: int, cells_per_beat: int
) -> np.ndarray:
  """Returns `(2 * ticks * cells + tpb) // (2 * tpb)`, int64, exactly.

  The nearest cell to each tick; a half goes to the later one.
  """
  ticks = np.asarray(ticks, np.int64)
  if ticks_per_beat == cells_per_beat:
    return ticks
  whole = np.zeros((), np.int64)
  if ticks.size and ticks.max() >= _SAFE_TICKS:
    beats, ticks = np.divmod(ticks, ticks_per_beat)
    whole = beats * cells_per_beat
  twice = ticks * (2 * cells_per_beat) + ticks_per_beat
  return whole + twice // (2 * ticks_per_beat)


_COLUMNS = (
  'onset',
  'duration',
  'pitch',
  'velocity',
  'program',
  'track',
  'is_drum',
)
_NO_EVENTS = {
  name: np.zeros(0, notes_lib.TABLES[name])
  for name in ('keys', 'controls', 'bends')
}


@functools.lru_cache(maxsize=64)
def _nearest_durations(grid: Grid) -> np.ndarray:
  """Cells 0..longest -> the nearest duration; past the end: the longest."""
  durations = grid.durations
  cells = np.arange(durations[-1] + 1)
  above = np.searchsorted(durations, cells)
  high, low = durations[above], durations[np.maximum(above - 1, 0)]
  return np.where(cells - low <= high - cells, low, high).clip(1)


@functools.lru_cache(maxsize=64)
def _velocities(grid: Grid) -> np.ndarray:
  """Velocity 0..127 -> the middle of its bin."""
  return grid.velocities[np.arange(128) * grid.velocity_bins // 128]


def _instruments(
  notes: Notes, grid: Grid
) -> tuple[np.ndarray, tuple[Track, ...]]:
  """Returns each note's track after renumbering, and the tracks."""
  used = np.flatnonzero(np.bincount(notes.track)).tolist()
  if grid.program is not None:
    keys = dict.fromkeys(used, (False, grid.program))
  else:
    tracks = notes.tracks
    keys = {
      old: (True, 0) if tracks[old].is_drum else (False, tracks[old].program)
      for old in used
    }
  renumbered = np.zeros(len(notes.tracks), np.int64)
  kept: list[Track] = []
  before, voice = None, 0
  for old in sorted(used, key=lambda old: (keys[old], old)):
    voice = voice + 1 if keys[old] == before else 0
    before = keys[old]
    if voice < grid.voices:
      kept.append(Track(program=before[1], is_drum=before[0]))
    renumbered[old] = len(kept) - 1
  return renumbered.take(notes.track), tuple(kept)


def _last_changes(cells: np.ndarray, values: np.ndarray) -> np.ndarray:
  """Returns the indices of the rows that count, of rows sorted by cell.

  Those are the last of each cell, where it differs from the one before.
  """
  last = np.flatnonzero(np.append(cells[1:] != cells[:-1], True))
  kept = values[last]
  return last[np.append(True, kept[1:] != kept[:-1])]


def _in_force(
  notes: Notes, grid: Grid, end: int, table: np.ndarray, values: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
  """Returns cells and values of what counts; `values` begins at cell 0."""
  cells = to_cells(table['tick'], notes.ticks_per_beat, grid.cells_per_beat)
  cells = np.concatenate([[0], cells])
  rows = _last_changes(cells, values)
  rows = rows[cells[rows] < end]
  return cells[rows], values[rows]


def _tempos(notes: Notes, grid: Grid, end: int) -> np.ndarray:
  given = np.append(notes_lib.DEFAULT_TEMPO, notes.tempos['microseconds'])
  bins = len(grid.tempos) - 1
  nearest = bins - np.searchsorted(grid.tempo_edges, given, side='right')
  cells, index = _in_force(notes, grid, end, notes.tempos, nearest)
  table = np.empty(len(cells), notes_lib.TEMPO)
  table['tick'], table['microseconds'] = cells, grid.tempos[index]
  return table


def _meters(notes: Notes, grid: Grid, end: int) -> np.ndarray:
  rows = zip(
    notes.meters['numerator'].tolist(),
    notes.meters['denominator'].tolist(),
    strict=True,
  )
  nearest = [grid.nearest_meter(*notes_lib.DEFAULT_METER)]
  nearest += [grid.nearest_meter(*row) for row in rows]
  pairs = np.array(nearest, np.int64)
  packed = (pairs[:, 0] << 16) | pairs[:, 1]
  cells, packed = _in_force(notes, grid, end, notes.meters, packed)
  table = np.empty(len(cells), notes_lib.METER)
  table['tick'] = cells
  table['numerator'], table['denominator'] = packed >> 16, packed & 0xFFFF
  return table


def _chords(notes: Notes, grid: Grid, end: int) -> tuple[Text, ...]:
  """Returns one text a change of chord, for the whole piece (track -1)."""
  read = [(text.tick, chords_lib.nearest(text.text)) for text in notes.chords]
  known = [(tick, chord) for tick, chord in read if chord is not None]
  if not known:
    return ()
  ticks = np.array([tick for tick, _ in known], np.int64)
  index = np.array([chord.index for _, chord in known], np.int64)
  cells = to_cells(ticks, notes.ticks_per_beat, grid.cells_per_beat)
  rows = _last_changes(cells, index)
  return tuple(
    Text(int(cells[row]), -1, 'chord', known[row][1].label(bass=False))
    for row in rows[cells[rows] < end]
  )
