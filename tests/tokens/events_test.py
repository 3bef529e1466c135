import numpy as np

from aurl_jax.music import transform
from aurl_jax.music.grid import Grid
from aurl_jax.music.notes import Notes, Track
from aurl_jax.tokens import assembly, events
from aurl_jax.tokens.remi import Remi
from tests.tokens import judge, pieces

GRID = Grid(chords=True)


def test_events_stand_in_canonical_order():
  for seed in range(20):
    notes = events.quantised(pieces.piece(seed), GRID)
    parts = events.from_notes(notes, GRID)
    found = []
    for kind, part in enumerate(parts):
      for event in part.T.tolist():
        bar = int(np.searchsorted(parts.bars[events.ROW], event[0], 'right'))
        place = -1 if kind == 0 else event[events.POSITION]
        voice = event[events.VOICE] if kind == 3 else 0
        pitch = event[events.PITCH] if kind == 3 else 0
        value = event[events.VALUE]
        found.append((event[0], (bar, place, kind, value, voice, pitch)))
    rows, order = zip(*sorted(found), strict=True) if found else ((), ())
    assert list(rows) == list(range(parts.size))
    assert list(order) == sorted(set(order))


def test_parts_and_notes_are_inverse():
  for seed in range(20):
    notes = judge.rounded(Remi(chords=True), pieces.piece(seed))
    assert assembly.to_notes(events.from_notes(notes, GRID), GRID) == notes


def test_order_of_the_events_of_a_bar_does_not_matter():
  notes = judge.rounded(Remi(chords=True), pieces.piece(9))
  parts = events.from_notes(notes, GRID)
  bars = parts.bars[events.ROW]
  rng = np.random.default_rng(0)
  order = rng.permutation(parts.notes.shape[1])
  shuffled = parts.notes[:, order]
  # A note counts where its bar is, wherever it stands in the bar.
  bar = bars.searchsorted(shuffled[events.ROW]) - 1
  shuffled = shuffled[:, np.argsort(bar, kind='stable')]
  shuffled[events.ROW] = bars[np.sort(bar)] + 1
  assert assembly.to_notes(parts._replace(notes=shuffled), GRID) == notes


def test_equal_notes_become_the_longest_then_loudest():
  none = np.zeros((3, 0), np.int64)
  notes = [
    [1, 3, 0, 0, 60, 2, 1],
    [2, 3, 0, 0, 60, 4, 1],
    [3, 3, 0, 0, 60, 4, 0],
  ]
  parts = events.Parts(np.array([[0], [0], [0]]), none, none, np.array(notes).T)
  assert assembly.to_notes(parts, GRID) == Notes.build(
    12,
    {'onset': 3, 'duration': 5, 'pitch': 60, 'velocity': GRID.velocities[1]},
    tracks=[Track()],
    tempos=[(0, 500_000)],
    meters=[(0, *GRID.meters[0])],
  )


def test_equal_notes_are_merged_as_merge_equal_does():
  notes = Notes.build(
    12,
    {
      'onset': [0, 0, 0, 0, 3],
      'pitch': [60, 60, 60, 61, 60],
      'duration': [2, 5, 5, 1, 2],
      'velocity': [2, 6, 10, 2, 2],
    },
    tempos=[(0, 500_000)],
    meters=[(0, 4, 4)],
  )
  merged, count = transform.merge_equal(notes)
  assert count == 2
  assert assembly.to_notes(events.from_notes(notes, GRID), GRID) == merged


def test_meter_cells_are_whole_bars():
  cells = events.meter_cells(GRID)
  assert cells[GRID.meters.index((6, 8))] == 36
  assert cells.max() == GRID.bar_cells
