"""Quantised music as events: what REMI and compound share.

Axes: `b` bars, `n` notes, and the columns below, foremost. Events have rows
in one canonical order: by bar, the bar first; then by position; in a
position tempo, chord, notes; notes ascend by (program, voice, pitch), drums
(program 128) last. Quantised `Notes` stand in that order already, so the
hot path sorts nothing, and it never mixes the kinds in one table.
"""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from aurl_jax.core import errors
from aurl_jax.music import chords as chords_lib
from aurl_jax.music import notes as notes_lib
from aurl_jax.music import transform
from aurl_jax.music.grid import Grid
from aurl_jax.music.notes import Notes, Text, Track
from aurl_jax.tokens import expressive
from aurl_jax.tokens.expressive import Pedals

ROW, POSITION, VALUE, PITCH, DURATION, VELOCITY, VOICE = range(7)
"""Columns; from POSITION on they are the fields of a compound step. VALUE is
the bin of a tempo, the index of a chord, the program of a note. A bar has
its meter in VALUE, -1 if it is as before, and in POSITION the cells that are
left of it when it is cut short, else 0."""
COLUMNS = 7
MICRO = 7
"""One more column of notes and pedals, where there are offsets from cells. A
pedal has its program in VALUE and in PITCH whether it goes down."""
_SHORT = VALUE + 1
"""Columns of bars, tempos and chords."""
_MICROS = 128
"""More than there are parts of a cell."""
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
def _meter_rows(grid: Grid) -> np.ndarray:
  """Returns `grid.meters` as int64 `[m, 2]`."""
  return np.array(grid.meters)


@functools.lru_cache(maxsize=64)
def _defaults(grid: Grid) -> tuple[int, int]:
  """Returns the meter and the tempo that hold where none is told."""
  meter = _meter_index(grid)[grid.nearest_meter(*notes_lib.DEFAULT_METER)]
  return meter, int((grid.tempos > notes_lib.DEFAULT_TEMPO).sum())


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
    _pedal_table(pedals, rows[3], homes[2]),
  )


def _pedal_table(
  pedals: Pedals, rows: np.ndarray, home: np.ndarray
) -> np.ndarray:
  """Returns the events of pedals, int64 `[8, ..]`."""
  part = np.zeros((MICRO + 1, len(rows)), np.int64)
  part[ROW], part[POSITION] = rows, pedals.cell - home
  part[VALUE], part[PITCH] = pedals.program, pedals.down
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


def _note_columns(
  notes: Notes, grid: Grid, offset: np.ndarray | None
) -> np.ndarray:
  """Returns the merged notes, int32 `[7 or 8, n]`, onsets for positions."""
  program = np.array(
    [DRUMS if track.is_drum else track.program for track in notes.tracks]
  )
  voice = np.arange(len(program)) - program.searchsorted(program)
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


def to_notes(parts: Parts, grid: Grid, micro: int = 0) -> Notes:
  """Returns the music of events, whatever their order inside a bar.

  With `micro`, times are in so many parts of a cell.

  Total: what stands before the first bar or beyond its bar's end is left
  out, and so is a cut that no change of meter follows. The result is
  canonical: `quantise` and `merge_equal` leave it as it is.
  """
  starts, length = _bar_table(parts.bars, grid)
  placed = []
  for events in parts[1:]:
    if not events.shape[1]:
      placed.append((events[ROW], events))
      continue
    bar = parts.bars[ROW].searchsorted(events[ROW]) - 1
    # Rows before the first bar have index -1, a bar of no cells.
    inside = events[POSITION] < length.take(bar, mode='wrap')
    if not inside.all():
      events, bar = events[:, inside], bar[inside]
    placed.append((starts.take(bar) + events[POSITION], events))
  tempo, chord, note, pedal = placed
  change = (parts.bars[VALUE] >= 0).nonzero()[0]
  return assemble(
    *note,
    grid,
    meters=(starts[change], parts.bars[VALUE][change]),
    tempos=(tempo[0], tempo[1][VALUE]),
    chords=(chord[0], chord[1][VALUE]),
    pedals=Pedals(pedal[0], *(pedal[1][i] for i in (VALUE, PITCH, MICRO))),
    micro=micro,
  )


Changes = tuple[np.ndarray, np.ndarray]
"""Cells, in any order, and the indices of what holds from there on."""
_NONE = (np.zeros(0, np.int64), np.zeros(0, np.int64))


def assemble(
  onset: np.ndarray,
  events: np.ndarray,
  grid: Grid,
  *,
  meters: Changes = _NONE,
  tempos: Changes = _NONE,
  chords: Changes = _NONE,
  pedals: Pedals | None = None,
  micro: int = 0,
) -> Notes:
  """Returns canonical Notes: sorted, merged, of used tracks and changes only.

  Args:
    onset: [n] cells.
    events: [7 or 8, n] note events; the columns from VALUE on count.
    grid: What the events number.
    meters: Where a meter begins, and its index into `grid.meters`.
    tempos: The same of `grid.tempos`; 120 bpm holds until the first.
    chords: The same of the chord vocabulary.
    pedals: Any changes of pedals.
    micro: Parts of a cell that offsets count, 0 for none.
  """
  if not len(onset):
    return Notes.build(grid.cells_per_beat * max(1, micro))
  columns, tracks = _columns(onset, events, grid)
  offset = columns.pop('offset')
  end = int((columns['onset'] + columns['duration']).max())
  notes = Notes.trusted(
    ticks_per_beat=grid.cells_per_beat,
    **columns,
    tracks=tracks,
    meters=_meter_table(*meters, end, grid),
    tempos=_tempo_table(*tempos, end, grid),
    texts=_chord_texts(*chords, end),
    title='',
    **_NO_EVENTS,
  )
  pedals = Pedals.none() if pedals is None else pedals
  if not micro and not len(pedals.cell):
    return notes
  return expressive.perform(notes, micro, offset, pedals)


_NO_EVENTS = {
  name: np.zeros(0, notes_lib.TABLES[name])
  for name in ('keys', 'controls', 'bends')
}


def _bar_table(bars: np.ndarray, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
  """Returns start and length of each bar, in cells.

  There is one row more than bars, so that index -1 (before the first bar)
  exists; its length is 0.
  """
  cut, value = bars[POSITION], bars[VALUE]
  told = value >= 0
  known = np.concatenate([[_defaults(grid)[0]], value[told]])
  meter = known[told.cumsum()]
  length = np.zeros(len(cut) + 1, np.int64)
  length[:-1] = meter_cells(grid).take(meter)
  short = (cut > 0).nonzero()[0]
  # A cut counts only where another meter follows it.
  short = short[short < len(cut) - 1]
  short = short[cut[short] < length[short]]
  short = short[meter[short] != meter[short + 1]]
  length[short] = cut[short]
  starts = np.zeros(len(length), np.int64)
  length[:-1].cumsum(out=starts[1:])
  return starts, length


def _last_changes(
  cells: np.ndarray, values: np.ndarray, end: int
) -> tuple[np.ndarray, np.ndarray]:
  """Keeps the last value of each cell where it changes, before `end`."""
  if len(cells) < 2:
    keep = cells < end
    return cells[keep], values[keep]
  order = cells.argsort(kind='stable')
  cells, values = cells[order], values[order]
  keep = np.ones(len(cells), np.bool_)
  np.not_equal(cells[1:], cells[:-1], out=keep[:-1])
  cells, values = cells[keep], values[keep]
  keep = cells < end
  keep[1:] &= values[1:] != values[:-1]
  return cells[keep], values[keep]


def _begun(cells: np.ndarray, index: np.ndarray, default: int) -> Changes:
  """Returns the changes with the default at cell 0 if there is none."""
  if len(cells) and not cells.min():
    return cells, index
  return np.concatenate([[0], cells]), np.concatenate([[default], index])


def _meter_table(
  cells: np.ndarray, index: np.ndarray, end: int, grid: Grid
) -> np.ndarray:
  changes = _begun(cells, index, _defaults(grid)[0])
  cells, index = _last_changes(*changes, end)
  rows = _meter_rows(grid)[index]
  table = np.empty(len(cells), notes_lib.METER)
  table['tick'], table['numerator'] = cells, rows[:, 0]
  table['denominator'] = rows[:, 1]
  return table


def _tempo_table(
  cells: np.ndarray, index: np.ndarray, end: int, grid: Grid
) -> np.ndarray:
  changes = _begun(cells, index, _defaults(grid)[1])
  cells, index = _last_changes(*changes, end)
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
  onset: np.ndarray, events: np.ndarray, grid: Grid
) -> tuple[dict[str, np.ndarray], tuple[Track, ...]]:
  """Returns sorted, merged note columns, and the tracks that they use."""
  events = events.astype(np.int64, copy=False)
  slot = events[VALUE] * grid.voices + events[VOICE]
  key = (onset * ((DRUMS + 1) * grid.voices) + slot) * 128 + events[PITCH]
  if len(events) > MICRO:
    key = key * _MICROS + events[MICRO] + _MICROS // 2
  if not (key[1:] > key[:-1]).all():
    # Last of each equal (onset, track, pitch): the longest, then loudest.
    order = np.lexsort([events[VELOCITY], events[DURATION], key])
    order = order[np.append(np.diff(key[order]) > 0, True)]
    onset, slot, events = onset[order], slot[order], events[:, order]
  used = np.bincount(slot).nonzero()[0]
  renumbered = np.zeros(used[-1] + 1, np.int64)
  renumbered[used] = np.arange(len(used))
  program = used // grid.voices
  drums = program == DRUMS
  program[drums] = 0
  track = renumbered.take(slot)
  columns = {
    'onset': onset,
    'track': track,
    'pitch': events[PITCH],
    'duration': grid.durations.take(events[DURATION]),
    'velocity': grid.velocities.take(events[VELOCITY]),
    'offset': events[MICRO] if len(events) > MICRO else onset,
  }
  pairs = zip(program.tolist(), drums.tolist(), strict=True)
  tracks = tuple([Track('', *pair) for pair in pairs])
  return columns | notes_lib.of_tracks(track, tracks), tracks
