"""Quantised music as a table of events: what REMI and compound share.

Axes: `e` events in canonical order, and the seven columns below. A table is
int32; -1 marks what an event does not have. Order: by bar, the bar first;
then by position; in a position tempo, chord, notes; notes ascend by
(program, voice, pitch), drums (program 128) last. Quantised `Notes` already
stand in that order, so nothing here sorts what was not mixed up.
"""

import functools

import numpy as np

from aurl_jax.core import errors
from aurl_jax.music import chords as chords_lib
from aurl_jax.music import notes as notes_lib
from aurl_jax.music import time, transform
from aurl_jax.music.grid import Grid
from aurl_jax.music.notes import Notes, Text, Track

KIND, POSITION, VALUE, PITCH, DURATION, VELOCITY, VOICE = range(7)
"""Columns. A bar has its meter in VALUE when it changes and the cells that
are left of it in POSITION when it is cut short; VALUE of the others is the
bin of the tempo, the index of the chord, the program of the note."""
COLUMNS = 7

BAR, TEMPO, CHORD, NOTE = range(4)
"""Kinds of event."""

DRUMS = 128
"""Stands for the drums among the programs."""
MOST_BARS = 1 << 16
"""Longer pieces are broken files: at 120 bpm this is 36 hours of 4/4."""


def quantised(notes: Notes, grid: Grid) -> Notes:
  """Returns the piece on its grid, with equal notes merged.

  Raises:
    TokenError: Longer than `MOST_BARS` bars (code `too_long`), told before
      anything of that length is made.
  """
  last = int(notes.onset.max(initial=0))
  if last > MOST_BARS * grid.bar_beats * notes.ticks_per_beat:
    raise too_long(notes)
  rounded, _ = transform.merge_equal(transform.quantise(notes, grid))
  return rounded


def too_long(notes: Notes) -> errors.TokenError:
  """Returns the error for a piece of over `MOST_BARS` bars."""
  return errors.TokenError(
    f'the piece has over {MOST_BARS} bars (its last note starts at beat '
    f'{int(notes.onset.max()) // notes.ticks_per_beat}); cut it first with '
    'music.transform.slice_bars',
    code='too_long',
  )


@functools.lru_cache(maxsize=64)
def meter_cells(grid: Grid) -> np.ndarray:
  """Returns the cells of a full bar of each meter of the grid, int64."""
  return np.array([grid.meter_cells(*meter) for meter in grid.meters])


@functools.lru_cache(maxsize=64)
def _meter_index(grid: Grid) -> dict[tuple[int, int], int]:
  return {meter: index for index, meter in enumerate(grid.meters)}


@functools.lru_cache(maxsize=64)
def _duration_index(grid: Grid) -> np.ndarray:
  """Cells -> index into `grid.durations`, for cells that stand there."""
  return np.searchsorted(grid.durations, np.arange(grid.durations[-1] + 1))


def meters(notes: Notes, grid: Grid) -> np.ndarray:
  """Returns the index into `grid.meters` of each row of quantised meters."""
  known = _meter_index(grid)
  pairs = zip(
    notes.meters['numerator'].tolist(),
    notes.meters['denominator'].tolist(),
    strict=True,
  )
  return np.array([known[pair] for pair in pairs], np.int64)


def tempos(notes: Notes, grid: Grid) -> np.ndarray:
  """Returns the index into `grid.tempos` of each row of quantised tempos."""
  fastest_first = grid.tempos[::-1]
  ranks = np.searchsorted(fastest_first, notes.tempos['microseconds'])
  return len(fastest_first) - 1 - ranks


def _bars(
  notes: Notes, meter: np.ndarray, grid: Grid, end: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """Returns starts, meter (-1 if as before) and cut (-1 if full) of bars."""
  change = notes.meters['tick']
  full = meter_cells(grid)[meter]
  if (-(-np.diff(change, append=end) // full)).sum() > MOST_BARS:
    raise too_long(notes)
  starts = time.bar_starts(notes, end)
  at = np.searchsorted(starts, change)
  length = np.diff(starts, append=starts[-1] + full[-1])
  in_force = np.repeat(full, np.diff(at, append=len(starts)))
  value = np.full(len(starts), -1)
  value[at] = meter
  return starts, value, np.where(length < in_force, length, -1)


def from_notes(notes: Notes, grid: Grid) -> np.ndarray:
  """Returns the events of quantised, merged notes, int32 `[e, 7]`.

  Raises:
    TokenError: Longer than `MOST_BARS` bars (code `too_long`).
  """
  if not len(notes):
    return np.zeros((0, COLUMNS), np.int32)
  onset, tempo = notes.onset, notes.tempos['tick']
  chord = np.array([text.tick for text in notes.chords], np.int64)
  end = max(
    int(cells[-1])
    for cells in (onset, tempo, chord, notes.meters['tick'])
    if len(cells)
  )
  starts, meter, cut = _bars(notes, meters(notes, grid), grid, end + 1)
  rows = _rows(starts, tempo, chord, onset)
  table = np.full((sum(map(len, rows)), COLUMNS), -1, np.int32)
  table[rows[BAR], VALUE] = meter
  table[rows[TEMPO], VALUE] = tempos(notes, grid)
  table[rows[CHORD], VALUE] = [
    chords_lib.parse(text.text).index for text in notes.chords
  ]
  table[rows[NOTE], VALUE:] = _note_columns(notes, grid)
  for kind, cells in enumerate((starts, tempo, chord, onset)):
    bar = np.searchsorted(starts, cells, side='right') - 1
    table[rows[kind], KIND] = kind
    table[rows[kind], POSITION] = cut if kind == BAR else cells - starts[bar]
  return table


def _rows(
  bar: np.ndarray, tempo: np.ndarray, chord: np.ndarray, onset: np.ndarray
) -> list[np.ndarray]:
  """Returns the rows of each kind in the canonical order, given its cells."""
  cells = (bar, tempo, chord, onset)
  rows = []
  for kind in (BAR, TEMPO, CHORD):
    before = np.arange(len(cells[kind]))
    for other in (BAR, TEMPO, CHORD, NOTE):
      if other != kind and len(cells[other]):
        side = 'right' if other < kind else 'left'
        before = before + np.searchsorted(cells[other], cells[kind], side=side)
    rows.append(before)
  is_note = np.ones(sum(map(len, cells)), np.bool_)
  is_note[np.concatenate(rows)] = False
  return [*rows, np.flatnonzero(is_note)]


def _note_columns(notes: Notes, grid: Grid) -> np.ndarray:
  """Returns the columns VALUE to VOICE of the notes."""
  program = np.array(
    [DRUMS if track.is_drum else track.program for track in notes.tracks]
  )
  voice = np.arange(len(program)) - np.searchsorted(program, program)
  columns = np.empty((len(notes), COLUMNS - VALUE), np.int32)
  columns[:, 0] = program.take(notes.track)
  columns[:, 1] = notes.pitch
  columns[:, 2] = _duration_index(grid).take(notes.duration)
  columns[:, 3] = notes.velocity * grid.velocity_bins // 128
  columns[:, 4] = voice.take(notes.track)
  return columns


def to_notes(table: np.ndarray, grid: Grid) -> Notes:
  """Returns the music of events in any order that bars make sense of.

  Total: what stands before the first bar or beyond its bar's end is left
  out, and so is a cut that no change of meter follows. The result is
  canonical: `quantise` and `merge_equal` leave it as it is.

  Args:
    table: int32 `[e, 7]`; each event has all columns of its kind.
    grid: What the events number.
  """
  kind, bar = table[:, KIND], np.cumsum(table[:, KIND] == BAR) - 1
  starts, lengths, meter = _bar_table(table[kind == BAR], grid)
  inside = (kind != BAR) & (bar >= 0)
  inside[inside] = table[inside, POSITION] < lengths[bar[inside]]
  cells = np.where(inside, starts[bar] + table[:, POSITION], -1)
  pick = [np.flatnonzero(inside & (kind == k)) for k in (TEMPO, CHORD, NOTE)]
  tempo, chord, note = [(cells[rows], table[rows]) for rows in pick]
  return assemble(
    *note,
    grid,
    meters=(starts[:-1], meter),
    tempos=(tempo[0], tempo[1][:, VALUE]),
    chords=(chord[0], chord[1][:, VALUE]),
  )


Changes = tuple[np.ndarray, np.ndarray]
"""Cells, in any order, and the indices of what holds from there on."""
_NONE = (np.zeros(0, np.int64), np.zeros(0, np.int64))


def assemble(
  onset: np.ndarray,
  rows: np.ndarray,
  grid: Grid,
  *,
  meters: Changes = _NONE,
  tempos: Changes = _NONE,
  chords: Changes = _NONE,
) -> Notes:
  """Returns canonical Notes: sorted, merged, of used tracks and changes only.

  Args:
    onset: [n] cells.
    rows: [n, 7] note events; the columns from VALUE on count.
    grid: What the rows number.
    meters: Where a meter begins, and its index into `grid.meters`.
    tempos: The same of `grid.tempos`; 120 bpm holds until the first.
    chords: The same of the chord vocabulary.
  """
  if not len(onset):
    return Notes.build(grid.cells_per_beat)
  columns, tracks = _columns(onset, rows, grid)
  end = int((columns['onset'] + columns['duration']).max())
  return Notes(
    ticks_per_beat=grid.cells_per_beat,
    **columns,
    tracks=tracks,
    meters=_meter_table(*meters, end, grid),
    tempos=_tempo_table(*tempos, end, grid),
    texts=_chord_texts(*chords, end),
    **{k: np.zeros(0, notes_lib.TABLES[k]) for k in _NO_EVENTS},
  )


_NO_EVENTS = ('keys', 'controls', 'bends')


def _bar_table(
  bars: np.ndarray, grid: Grid
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """Returns start, length (both cells) and meter of each bar.

  One row more than bars, so that index -1 (before the first) exists.
  """
  changes = np.where(bars[:, VALUE] >= 0, np.arange(len(bars)), -1)
  latest = np.maximum.accumulate(changes)
  default = _meter_index(grid)[grid.nearest_meter(*notes_lib.DEFAULT_METER)]
  meter = np.where(latest >= 0, bars[latest, VALUE], default)
  length = meter_cells(grid)[meter]
  cut = bars[:, POSITION]
  changed = np.append(meter[1:] != meter[:-1], False)[: len(meter)]
  length = np.where((cut > 0) & (cut < length) & changed, cut, length)
  ends = np.cumsum(length)
  return np.append(0, ends), np.append(length, 0), meter


def _last_changes(
  cells: np.ndarray, values: np.ndarray, end: int
) -> tuple[np.ndarray, np.ndarray]:
  """Keeps the last value of each cell where it changes, before `end`."""
  order = np.argsort(cells, kind='stable')
  cells, values = cells[order], values[order]
  last = np.append(cells[1:] != cells[:-1], True)[: len(cells)]
  cells, values = cells[last], values[last]
  keep = np.append(True, values[1:] != values[:-1])[: len(cells)]
  keep &= cells < end
  return cells[keep], values[keep]


def _meter_table(
  cells: np.ndarray, index: np.ndarray, end: int, grid: Grid
) -> np.ndarray:
  cells, index = _last_changes(cells, index, end)
  rows = np.array(grid.meters)[index]
  table = np.empty(len(cells), notes_lib.METER)
  table['tick'], table['numerator'] = cells, rows[:, 0]
  table['denominator'] = rows[:, 1]
  return table


def _tempo_table(
  cells: np.ndarray, index: np.ndarray, end: int, grid: Grid
) -> np.ndarray:
  slower = np.count_nonzero(grid.tempos > notes_lib.DEFAULT_TEMPO)
  cells, index = _last_changes(
    np.append(0, cells), np.append(slower, index), end
  )
  table = np.empty(len(cells), notes_lib.TEMPO)
  table['tick'], table['microseconds'] = cells, grid.tempos[index]
  return table


def _chord_texts(
  cells: np.ndarray, index: np.ndarray, end: int
) -> tuple[Text, ...]:
  cells, index = _last_changes(cells, index, end)
  return tuple(
    Text(cell, -1, 'chord', chords_lib.from_index(value).label())
    for cell, value in zip(cells.tolist(), index.tolist(), strict=True)
  )


def _columns(
  onset: np.ndarray, rows: np.ndarray, grid: Grid
) -> tuple[dict[str, np.ndarray], tuple[Track, ...]]:
  """Returns sorted, merged note columns, and the tracks that they use."""
  rows = rows.T.astype(np.int64)
  slot = rows[VALUE] * grid.voices + rows[VOICE]
  key = (onset * ((DRUMS + 1) * grid.voices) + slot) * 128 + rows[PITCH]
  if len(key) and not (key[1:] > key[:-1]).all():
    # Last of each equal (onset, track, pitch): the longest, then loudest.
    order = np.lexsort([rows[VELOCITY], rows[DURATION], key])
    order = order[np.append(np.diff(key[order]) > 0, True)]
    onset, slot, rows = onset[order], slot[order], rows[:, order]
  used = np.flatnonzero(np.bincount(slot))
  renumbered = np.zeros(used.max(initial=-1) + 1, np.int64)
  renumbered[used] = np.arange(len(used))
  program = used // grid.voices
  drums = program == DRUMS
  program = np.where(drums, 0, program)
  track = renumbered[slot]
  columns = {
    'onset': onset,
    'track': track,
    'pitch': rows[PITCH],
    'duration': grid.durations[rows[DURATION]],
    'velocity': grid.velocities[rows[VELOCITY]],
    'program': program[track],
    'is_drum': drums[track],
  }
  pairs = zip(program.tolist(), drums.tolist(), strict=True)
  return columns, tuple(Track(program=p, is_drum=d) for p, d in pairs)
