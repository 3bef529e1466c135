"""Events back to music: what the tokenizations of `events` share.

Total: any events in any order give music that is quantised already. Axes as
in `events`.
"""

import functools

import numpy as np

from aurl_jax.music import chords as chords_lib
from aurl_jax.music import notes as notes_lib
from aurl_jax.music.grid import Grid
from aurl_jax.music.notes import Notes, Text, Track
from aurl_jax.tokens import expressive
from aurl_jax.tokens.events import (
  DRUMS,
  DURATION,
  MICRO,
  PITCH,
  POSITION,
  ROW,
  VALUE,
  VELOCITY,
  VOICE,
  Parts,
  meter_cells,
)
from aurl_jax.tokens.expressive import Pedals

_MICROS = 128
"""More than there are parts of a cell."""


@functools.lru_cache(maxsize=64)
def _defaults(grid: Grid) -> tuple[int, int]:
  """Returns the meter and the tempo that hold where none is told."""
  usual = grid.nearest_meter(*notes_lib.DEFAULT_METER)
  meter = grid.meters.index(usual)
  return meter, int((grid.tempos > notes_lib.DEFAULT_TEMPO).sum())


@functools.lru_cache(maxsize=64)
def _meter_rows(grid: Grid) -> np.ndarray:
  """Returns `grid.meters` as int64 `[m, 2]`."""
  return np.array(grid.meters)


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
    pedals=_placed_pedals(*pedal, note[1], grid) if len(pedal[0]) else None,
    micro=micro,
  )


def _placed_pedals(
  cells: np.ndarray, events: np.ndarray, notes: np.ndarray, grid: Grid
) -> Pedals:
  """Returns the pedals of tracks that have notes."""
  used = np.unique(notes[VALUE] * grid.voices + notes[VOICE])
  slot = events[VALUE] * grid.voices + events[VOICE]
  known = np.isin(slot, used)
  track = used.searchsorted(slot[known])
  return Pedals(cells[known], track, events[PITCH][known], events[MICRO][known])


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
