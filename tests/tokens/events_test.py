import numpy as np

from aurl_jax.music import transform
from aurl_jax.music.grid import Grid
from aurl_jax.music.notes import Notes, Track
from aurl_jax.tokens import events
from tests.tokens import pieces

GRID = Grid(chords=True)


def test_events_stand_in_canonical_order():
  for seed in range(20):
    notes = events.quantised(pieces.piece(seed), GRID)
    table = events.from_notes(notes, GRID)
    bar = np.cumsum(table[:, events.KIND] == events.BAR)
    rows = [
      (
        b,
        -1 if row[events.KIND] == events.BAR else row[events.POSITION],
        row[events.KIND],
        *row[[events.VALUE, events.VOICE, events.PITCH]],
      )
      for b, row in zip(bar.tolist(), table.tolist() and table, strict=True)
    ]
    assert rows == sorted(rows)


def test_tables_and_notes_are_inverse():
  for seed in range(20):
    notes = events.quantised(pieces.piece(seed), GRID)
    assert events.to_notes(events.from_notes(notes, GRID), GRID) == notes


def test_order_of_the_events_of_a_bar_does_not_matter():
  notes = events.quantised(pieces.piece(9), GRID)
  table = events.from_notes(notes, GRID)
  bar = np.cumsum(table[:, events.KIND] == events.BAR)
  rng = np.random.default_rng(0)
  order = np.lexsort(
    [rng.random(len(table)), table[:, events.KIND] != events.BAR, bar]
  )
  assert events.to_notes(table[order], GRID) == notes


def test_equal_notes_become_the_longest_then_loudest():
  rows = np.array(
    [
      [events.BAR, -1, 0, -1, -1, -1, -1],
      [events.NOTE, 3, 0, 60, 2, 1, 0],
      [events.NOTE, 3, 0, 60, 4, 1, 0],
      [events.NOTE, 3, 0, 60, 4, 0, 0],
    ]
  )
  notes = events.to_notes(rows, GRID)
  assert notes == Notes.build(
    12,
    {'onset': 3, 'duration': 5, 'pitch': 60, 'velocity': GRID.velocities[1]},
    tracks=[Track()],
    tempos=[(0, 500_000)],
    meters=[(0, *GRID.meters[0])],
  )


def test_quantised_merges_and_rounds():
  notes = pieces.piece(9)
  plain = transform.merge_equal(transform.quantise(notes, GRID))[0]
  assert events.quantised(notes, GRID) == plain


def test_meter_cells_are_whole_bars():
  cells = events.meter_cells(GRID)
  assert cells[GRID.meters.index((6, 8))] == 36
  assert cells.max() == GRID.bar_cells
