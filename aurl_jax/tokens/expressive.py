"""Expression beside the grid: offsets of notes from their cells, and pedals.

Times are first rounded to fine cells, `micro` of them in a cell. A cell has
the fine cells nearest to it, `-(micro // 2) .. micro - micro // 2 - 1`; with
`micro` 0 all is as the grid has it. Axes: `n` notes, `k` pedal changes.
"""

import dataclasses
from typing import NamedTuple

import numpy as np

from aurl_jax.music import notes as notes_lib
from aurl_jax.music import transform
from aurl_jax.music.grid import Grid
from aurl_jax.music.notes import Notes, Text

_SUSTAIN = 64
"""Number of the control that is the sustain pedal."""
_DOWN = 64
"""Least value at which a pedal is down, as MIDI has it."""
_COLUMNS = ('onset', 'track', 'pitch', 'duration', 'velocity')


class Pedals(NamedTuple):
  """Changes of sustain pedals, int64 `[k]` each, in the order of time.

  Every track has one but drums.

  Attributes:
    cell: Where it changes.
    track: Index of the quantised track.
    down: 1 down, 0 up; up at the start.
    offset: Fine cells from the cell.
  """

  cell: np.ndarray
  track: np.ndarray
  down: np.ndarray
  offset: np.ndarray

  @classmethod
  def none(cls) -> 'Pedals':
    """Returns no change at all."""
    return cls(*np.zeros((4, 0), np.int64))

  def take(self, rows: np.ndarray) -> 'Pedals':
    """Returns some of the changes."""
    return Pedals(*(column[rows] for column in self))


class Rounded(NamedTuple):
  """A piece on its grid, and what stands beside the grid.

  Attributes:
    notes: Quantised, equal notes merged; with `micro` only those of equal
      offset, which comes before the duration in their order.
    offset: [n] int64, fine cells from each onset; 0 without `micro`.
    pedals: Each change is one, and comes before the end.
  """

  notes: Notes
  offset: np.ndarray
  pedals: Pedals


def fine(grid: Grid, micro: int) -> Grid:
  """Returns the grid of fine cells, which has all durations of `grid`."""
  if not micro:
    return grid
  cells = grid.cells_per_beat * micro
  return dataclasses.replace(grid, cells_per_beat=cells, exact_beats=64)


def split(cells: np.ndarray, micro: int) -> tuple[np.ndarray, np.ndarray]:
  """Returns the cell and the offset of fine cells.

  Example:
    >>> [part.tolist() for part in split(np.array([3, 4, 7, 11]), 8)]
    [[0, 1, 1, 1], [3, -4, -1, 3]]
  """
  if not micro:
    return cells, np.zeros_like(cells)
  coarse = (cells + micro // 2) // micro
  return coarse, cells - coarse * micro


def on_grid(notes: Notes, grid: Grid, micro: int) -> tuple[Notes, np.ndarray]:
  """Returns music of fine cells on its grid, merged, and the offsets [n].

  Of notes that are equal in a fine cell the longest stays, then the loudest.
  """
  coarse = transform.quantise(notes, grid)
  if not micro or not len(notes):
    coarse = transform.merge_equal(coarse)[0]
    return coarse, np.zeros(len(coarse), np.int64)
  cell, offset = split(notes.onset, micro)
  length = transform.to_cells(
    notes.duration, notes.ticks_per_beat, grid.cells_per_beat
  )
  columns = notes_lib.sort_columns(
    cell,
    notes.track,
    notes.pitch,
    offset + micro // 2,
    _nearest(length, grid),
    notes.velocity,
  )
  same = [column[1:] == column[:-1] for column in columns[:4]]
  last = np.append(~np.logical_and.reduce(same), True)
  names = ('onset', 'track', 'pitch', 'offset', 'duration', 'velocity')
  kept = {
    name: column[last] for name, column in zip(names, columns, strict=True)
  }
  offset = kept.pop('offset') - micro // 2
  kept |= notes_lib.of_tracks(kept['track'], coarse.tracks)
  fields = {f.name: getattr(coarse, f.name) for f in dataclasses.fields(coarse)}
  return Notes.trusted(**fields | kept), offset


def _nearest(cells: np.ndarray, grid: Grid) -> np.ndarray:
  """Returns the nearest of `grid.durations`, the shorter of two as near."""
  above = np.searchsorted(grid.durations, cells)
  high = grid.durations.take(above, mode='clip')
  low = grid.durations.take(np.maximum(above - 1, 0))
  return np.where(cells - low <= high - cells, low, high)


def pedals(notes: Notes, grid: Grid, micro: int) -> Pedals:
  """Returns the pedals of any piece, by the tracks that it has on its grid.

  A track without notes moves the pedal of its instrument's first track, and
  tracks that share a voice share a pedal, which is down while one of them is.
  """
  table = notes.controls[notes.controls['number'] == _SUSTAIN]
  twins = _twins(notes, grid)
  table = table[twins[table['track']] >= 0]
  if not len(table):
    return Pedals.none()
  table = table[np.argsort(table['track'], kind='stable')]
  down = (table['value'] >= _DOWN).astype(np.int64)
  begins = _differs(table['track'])
  step = down - np.where(begins, 0, np.roll(down, 1))
  track = twins[table['track']]
  order = np.lexsort([table['tick'], track])
  track, tick = track[order], table['tick'][order]
  # How many of the pedals of a track are down.
  held = step[order].cumsum()
  first = np.flatnonzero(_differs(track))
  sizes = np.diff(np.append(first, len(track)))
  held -= np.repeat(np.append(0, held)[first], sizes)
  last = np.append(_differs(track)[1:] | _differs(tick)[1:], True)
  cells = transform.to_cells(
    tick[last], notes.ticks_per_beat, fine(grid, micro).cells_per_beat
  )
  cell, offset = split(cells, micro)
  return Pedals(cell, track[last], (held[last] > 0).astype(np.int64), offset)


def _twins(notes: Notes, grid: Grid) -> np.ndarray:
  """Returns the quantised track of each track, -1 for none, int64.

  Quantised tracks are ordered by program, drums last, and then as they were.
  """
  used = np.bincount(notes.track, minlength=len(notes.tracks)) > 0
  order = sorted(range(len(used)), key=lambda i: (notes.tracks[i].program, i))
  twins = np.full(len(used), -1)
  first: dict[int, int] = {}
  count = 0
  for old in order:
    _, program, is_drum = notes.tracks[old]
    if used[old] and not is_drum:
      begin = first.setdefault(program, count)
      twins[old] = min(count, begin + grid.voices - 1)
      count = int(twins[old]) + 1
  for old in order:
    _, program, is_drum = notes.tracks[old]
    if not used[old] and not is_drum:
      twins[old] = first.get(program, -1)
  return twins


def _differs(values: np.ndarray) -> np.ndarray:
  """Returns bool: whether each value is another than the one before."""
  return np.append(True, values[1:] != values[:-1])[: len(values)]


def settled(changes: Pedals, notes: Notes, micro: int) -> Pedals:
  """Returns the changes that count, by cell and track.

  Of those before the end the last one of each cell, where it changes
  anything.

  Args:
    changes: In any order; of those of a cell the later one counts.
    notes: The whole music, in fine cells.
    micro: Fine cells in a cell.
  """
  drums = np.array([track.is_drum for track in notes.tracks], np.bool_)
  if len(changes.track):
    changes = changes.take(~drums[changes.track])
  # Before cells are looked at: the end may share one with what is told.
  changes = changes.take(_ticks(changes, micro) < notes.end)
  changes = changes.take(np.lexsort([changes.cell, changes.track]))
  newest = _differs(changes.track) | _differs(changes.cell)
  changes = changes.take(np.append(newest[1:], True)[: len(newest)])
  before = np.where(_differs(changes.track), 0, np.roll(changes.down, 1))
  changes = changes.take(changes.down != before)
  return changes.take(np.lexsort([changes.track, changes.cell]))


def _ticks(changes: Pedals, micro: int) -> np.ndarray:
  return np.maximum(changes.cell * max(1, micro) + changes.offset, 0)


def rounded(notes: Notes, given: Notes, grid: Grid, micro: int) -> Rounded:
  """Returns a piece on its grid with what stands beside it.

  Args:
    notes: The piece, quantised to `fine(grid, micro)`.
    given: The piece as it was, whose pedals count; without controls none do.
    grid: What its cells are.
    micro: Fine cells in a cell.
  """
  coarse, offset = on_grid(notes, grid, micro)
  whole = perform(coarse, micro, offset, Pedals.none())
  changes = settled(pedals(given, grid, micro), whole, micro)
  return Rounded(coarse, offset, changes)


def perform(
  notes: Notes, micro: int, offset: np.ndarray, changes: Pedals
) -> Notes:
  """Returns the whole music, in fine cells; nothing begins before 0.

  A pedal that is down at the end goes up there.

  Args:
    notes: On the grid.
    micro: Fine cells in a cell.
    offset: [n] fine cells from each onset.
    changes: Of pedals, any (see `settled`).
  """
  if micro:
    notes = _moved(notes, micro, offset)
  changes = settled(changes, notes, micro)
  if not len(changes.cell):
    return notes
  tick, track, down = _ticks(changes, micro), changes.track, changes.down
  # The last change of each track, of which some leave the pedal down.
  last = len(track) - 1 - np.unique(track[::-1], return_index=True)[1]
  left = track[last[down[last] > 0]]
  table = np.zeros(len(track) + len(left), notes_lib.CONTROL)
  table['tick'] = np.append(tick, np.full(len(left), notes.end))
  table['track'] = np.append(track, left)
  table['number'] = _SUSTAIN
  table['value'][: len(track)] = 127 * down
  return notes.replace(controls=notes_lib.as_table(table, notes_lib.CONTROL))


def _moved(notes: Notes, micro: int, offset: np.ndarray) -> Notes:
  """Returns the music with its notes moved, in fine cells."""
  columns = {name: getattr(notes, name) for name in _COLUMNS}
  columns['onset'] = np.maximum(notes.onset * micro + offset, 0)
  columns['duration'] = notes.duration * micro
  tables = {}
  for name in ('tempos', 'meters'):
    tables[name] = getattr(notes, name).copy()
    tables[name]['tick'] *= micro
  texts = [Text(t.tick * micro, *t[1:]) for t in notes.texts]
  moved = Notes.build(
    notes.ticks_per_beat * micro,
    columns,
    tracks=notes.tracks,
    texts=texts,
    **tables,
  )
  # Those that would begin before 0 may have met.
  return transform.merge_equal(moved)[0]
