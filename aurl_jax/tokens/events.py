"""Quantised music as events: what REMI and compound share.

Axes: `b` bars, `n` notes, and the columns below, foremost. Events have rows
in one canonical order: by bar, the bar first; then by position; in a
position tempo, chord, pedals, notes; notes ascend by (program, voice, pitch),
drums (program 128) last. Quantised `Notes` stand in that order already, so the
hot path sorts nothing, and it never mixes the kinds in one table. `assembly`
makes music of events again.
"""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from aurl_jax.core import errors
from aurl_jax.music import chords as chords_lib
from aurl_jax.music import transform
from aurl_jax.music.grid import Grid
from aurl_jax.music.notes import Notes
from aurl_jax.tokens.expressive import Pedals

ROW, POSITION, VALUE, VOICE, PITCH, DURATION, VELOCITY = range(7)
"""Columns; from POSITION on they are the fields of a compound step. Voice
comes before pitch, as notes are sorted: a network that knows whose note it is
learns far sooner which. VALUE is
the bin of a tempo, the index of a chord, the program of a note. A bar has
its meter in VALUE, -1 if it is as before, and in POSITION the cells that are
left of it when it is cut short, else 0."""
COLUMNS = 7
MICRO = 7
"""One more column of notes and pedals, where there are offsets from cells. A
pedal has its program in VALUE and in PITCH whether it goes down."""
_SHORT = VALUE + 1
"""Columns of bars, tempos and chords."""
_NO_PEDALS = np.zeros((MICRO + 1, 0), np.int64)

DRUMS = 128
"""Stands for the drums among the programs."""
MOST_BARS = 1 << 16
"""Longer pieces are broken files: at 120 bpm this is 36 hours of 4/4."""


class Parts(NamedTuple):
  """The events of a piece by kind, each an int array of ascending rows.

  Attributes:
    bars: [3, b]; without bars nothing has a place.
    tempos: [3, ..].
    chords: [3, ..].
    notes: [7, n], or [8, n] with offsets.
    pedals: [8, ..].
  """

  bars: np.ndarray
  tempos: np.ndarray
  chords: np.ndarray
  notes: np.ndarray
  pedals: np.ndarray = _NO_PEDALS

  @property
  def size(self) -> int:
    """How many events there are."""
    return sum(part.shape[1] for part in self)


def quantised(notes: Notes, grid: Grid) -> Notes:
  """Returns the piece on its grid; `from_notes` merges equal notes.

  Raises:
    TokenError: Longer than `MOST_BARS` bars (code `too_long`), told before
      anything of that length is made.
  """
  last = int(notes.onset[-1]) if len(notes) else 0
  if last > MOST_BARS * grid.bar_beats * notes.ticks_per_beat:
    raise too_long(notes)
  return transform.quantise(notes, grid)


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
  notes: Notes, grid: Grid, end: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """Returns start, meter (-1: as before) and cut (0: full) of each bar.

  Bars restart at a change of meter, as in `music.time.bar_starts`; they are
  counted before they are made.
  """
  change, meter = notes.meters['tick'], meters(notes, grid)
  full = meter_cells(grid)[meter]
  length = -change
  length[:-1] += change[1:]
  length[-1] += end
  counts = -(-length // full)
  total = int(counts.sum())
  if total > MOST_BARS:
    raise too_long(notes)
  first = counts.cumsum() - counts
  starts = np.arange(total)
  starts -= first.repeat(counts)
  starts *= full.repeat(counts)
  starts += change.repeat(counts)
  value, cut = np.full(total, -1), np.zeros(total, np.int64)
  value[first] = meter
  left = length - (counts - 1) * full
  shorter = (left < full)[:-1].nonzero()[0]
  cut[(first + counts - 1)[shorter]] = left[shorter]
  return starts, value, cut


def table(*columns: Sequence[int] | np.ndarray) -> np.ndarray:
  """Returns columns as one int64 array; `np.stack` costs several times more.

  Example:
    >>> table([1, 2], [3, 4]).tolist()
    [[1, 2], [3, 4]]
  """
  rows = np.empty((len(columns), len(columns[0])), np.int64)
  for row, column in zip(rows, columns, strict=True):
    row[:] = column
  return rows


def from_notes(
  notes: Notes,
  grid: Grid,
  offset: np.ndarray | None = None,
  pedals: Pedals | None = None,
) -> Parts:
  """Returns the events of quantised notes, equal ones merged.

  Args:
    notes: Quantised.
    grid: To what.
    offset: [n] parts of a cell to tell; if given, nothing is merged.
    pedals: Changes to tell, by cell and program.

  Raises:
    TokenError: Longer than `MOST_BARS` bars (code `too_long`).
  """
  if not len(notes):
    short = np.zeros((_SHORT, 0), np.int64)
    return Parts(short, short, short, np.zeros((COLUMNS, 0), np.int32))
  columns = _note_columns(notes, grid, offset)
  onset, tempo = columns[POSITION], notes.tempos['tick']
  chord = np.array([text.tick for text in notes.chords], np.int64)
  pedals = Pedals.none() if pedals is None else pedals
  ticks = (onset, tempo, chord, pedals.cell, notes.meters['tick'])
  end = max(int(cells[-1]) for cells in ticks if len(cells))
  starts, meter, cut = _bars(notes, grid, end + 1)
  index = [chords_lib.parse(text.text).index for text in notes.chords]
  rows, homes = _rows(starts, tempo, chord, pedals.cell, onset)
  columns[ROW] = rows[4]
  columns[POSITION] -= homes[3]
  return Parts(
    table(rows[0], cut, meter),
    table(rows[1], tempo - homes[0], tempos(notes, grid)),
    table(rows[2], chord - homes[1], index),
    columns,
    _pedal_table(pedals, notes, rows[3], homes[2]),
  )


def _pedal_table(
  pedals: Pedals, notes: Notes, rows: np.ndarray, home: np.ndarray
) -> np.ndarray:
  """Returns the events of pedals, int64 `[8, ..]`."""
  program, voice = _slots(notes)
  part = np.zeros((MICRO + 1, len(rows)), np.int64)
  part[ROW], part[POSITION] = rows, pedals.cell - home
  part[VALUE], part[VOICE] = program[pedals.track], voice[pedals.track]
  part[PITCH] = pedals.down
  part[MICRO] = pedals.offset
  return part


def _rows(
  bar: np.ndarray,
  tempo: np.ndarray,
  chord: np.ndarray,
  pedal: np.ndarray,
  onset: np.ndarray,
) -> tuple[tuple[np.ndarray, ...], tuple[np.ndarray, ...]]:
  """Returns the rows of each kind, given its cells, and starts of bars.

  The latter are those of the bars that tempos, chords, pedals and notes
  stand in.
  """
  before = onset.searchsorted(bar)
  tempo_bar = bar.searchsorted(tempo, 'right')
  chord_bar = bar.searchsorted(chord, 'right')
  # An event stands after as many events of each kind as come before it.
  bars = np.arange(len(bar)) + before
  bars += tempo.searchsorted(bar) + chord.searchsorted(bar)
  tempos = np.arange(len(tempo)) + tempo_bar
  tempos += chord.searchsorted(tempo) + onset.searchsorted(tempo)
  chords = np.arange(len(chord)) + chord_bar
  chords += tempo.searchsorted(chord, 'right') + onset.searchsorted(chord)
  pedals, pedal_bar = pedal, pedal
  if len(pedal):
    pedal_bar = bar.searchsorted(pedal, 'right')
    pedals = np.arange(len(pedal)) + pedal_bar + onset.searchsorted(pedal)
    pedals += tempo.searchsorted(pedal, 'right')
    pedals += chord.searchsorted(pedal, 'right')
    for rows, cells in ((bars, bar), (tempos, tempo), (chords, chord)):
      rows += pedal.searchsorted(cells)
  total = len(bar) + len(tempo) + len(chord) + len(pedal) + len(onset)
  is_note = np.ones(total, np.bool_)
  for rows in (bars, tempos, chords, pedals):
    is_note[rows] = False
  inside = -before
  inside[:-1] += before[1:]
  inside[-1] += len(onset)
  homes = bar[tempo_bar - 1], bar[chord_bar - 1], bar[pedal_bar - 1]
  rows_of_notes = is_note.nonzero()[0]
  return (
    (bars, tempos, chords, pedals, rows_of_notes),
    (*homes, bar.repeat(inside)),
  )


def _slots(notes: Notes) -> tuple[np.ndarray, np.ndarray]:
  """Returns the program and the voice of each track of quantised notes."""
  program = np.array(
    [DRUMS if track.is_drum else track.program for track in notes.tracks]
  )
  return program, np.arange(len(program)) - program.searchsorted(program)


def _note_columns(
  notes: Notes, grid: Grid, offset: np.ndarray | None
) -> np.ndarray:
  """Returns the merged notes, int32 `[7 or 8, n]`, onsets for positions."""
  program, voice = _slots(notes)
  width = COLUMNS + (offset is not None)
  columns = np.empty((width, len(notes)), np.int32)
  columns[POSITION] = notes.onset
  columns[VALUE] = program.take(notes.track)
  columns[PITCH] = notes.pitch
  columns[DURATION] = _duration_index(grid).take(notes.duration)
  columns[VELOCITY] = notes.velocity >> _shift(grid)
  columns[VOICE] = voice.take(notes.track)
  if offset is not None:
    columns[MICRO] = offset
    return columns
  equal = notes.onset[1:] == notes.onset[:-1]
  equal &= notes.pitch[1:] == notes.pitch[:-1]
  equal &= notes.track[1:] == notes.track[:-1]
  if equal.any():
    # As `merge_equal`: notes are sorted by duration and velocity last, so
    # the last of equal ones stays. Here it spares a check of all columns.
    kept = np.ones(len(notes), np.bool_)
    kept[:-1] = ~equal
    columns = columns.compress(kept, axis=1)
  return columns


def _shift(grid: Grid) -> int:
  """Returns the bits of a velocity that its bin leaves out."""
  return (128 // grid.velocity_bins).bit_length() - 1
