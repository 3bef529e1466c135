import numpy as np
import pytest

from aurl_jax.core.errors import ConfigError
from aurl_jax.music.notes import Notes, Track
from aurl_jax.tokens import expressive
from aurl_jax.tokens.compound import Compound
from tests.tokens import judge, pieces

BOTH = Compound(micro=8, pedal=True, chords=True)


def test_ids_of_what_is_told_without_it_stay():
  plain = Compound(chords=True)
  for mine, before in zip(BOTH.codec.fields, plain.codec.fields, strict=False):
    for event, start in before.starts.items():
      assert mine.starts[event] == start
  notes = pieces.piece(9)
  grid_only = judge.rounded(plain, notes)
  assert (BOTH.encode(grid_only)[:, :7] == plain.encode(grid_only)).all()


def test_offsets_tell_how_far_notes_are_from_their_cells():
  # 12 cells of 8 ticks a beat: ticks are the parts of a cell.
  notes = Notes.build(
    96, {'onset': [3, 92, 100, 104], 'duration': 8, 'pitch': [60, 61, 62, 63]}
  )
  ids = BOTH.encode(notes)
  rows = ids[ids[:, 3] > 0]
  events = [BOTH.codec.event(i, 7)[1] for i in rows[:, 7].tolist()]
  assert events == [3, -4, -4, 0]
  assert BOTH.decode(ids).onset.tolist() == notes.onset.tolist()


def test_notes_of_a_cell_stay_apart():
  # A flam: the same drum three times in a cell, twice at the same time.
  notes = Notes.build(
    96,
    {'onset': [93, 95, 95, 98], 'duration': [8, 8, 16, 8], 'pitch': 38},
    tracks=[Track('', 0, True)],
  )
  music = BOTH.decode(BOTH.encode(notes))
  assert music.onset.tolist() == [93, 95, 98]
  assert music.duration.tolist() == [8, 16, 8]


def test_every_track_has_a_pedal():
  notes = Notes.build(
    96,
    {'onset': 0, 'duration': 960, 'pitch': 60, 'track': [0, 1, 2]},
    tracks=[
      Track('', 0),
      Track('', 0),
      Track('', 0, True),
      Track('Pedal', 0),
      Track('', 7),
    ],
    controls=[
      (96, 0, 64, 127),
      (192, 1, 64, 127),
      (200, 1, 1, 127),
      (288, 0, 64, 0),
      (300, 3, 64, 127),
      (320, 1, 64, 10),
      (330, 4, 64, 127),
      (384, 3, 64, 0),
      (390, 2, 64, 127),
      (480, 1, 64, 64),
      (2000, 1, 64, 0),
    ],
  )
  rows = BOTH.decode(BOTH.encode(notes)).controls.tolist()
  # The track without notes moves the pedal of the first; at the end of the
  # notes the one that is down goes up.
  assert [row for row in rows if row[1] == 0] == [
    (96, 0, 64, 127),
    (288, 0, 64, 0),
    (300, 0, 64, 127),
    (384, 0, 64, 0),
  ]
  assert [row for row in rows if row[1] == 1] == [
    (192, 1, 64, 127),
    (320, 1, 64, 0),
    (480, 1, 64, 127),
    (960, 1, 64, 0),
  ]
  assert len(rows) == 8


def test_the_last_change_of_a_cell_counts():
  notes = Notes.build(
    96,
    {'onset': 0, 'duration': 960, 'pitch': 60},
    controls=[(96, 0, 64, 127), (191, 0, 64, 0), (193, 0, 64, 127)],
  )
  found = BOTH.quantise(notes).controls
  assert found['tick'].tolist() == [96, 960]


def test_a_pedal_just_before_the_end_stays():
  # Both the change at 957 and the end at 960 belong to the cell at 960.
  notes = Notes.build(
    96,
    {'onset': 0, 'duration': 960, 'pitch': 60},
    controls=[(957, 0, 64, 127), (960, 0, 64, 0)],
  )
  found = BOTH.quantise(notes)
  assert found.controls['tick'].tolist() == [957, 960]
  assert BOTH.decode(BOTH.encode(found)) == found


def test_split_takes_the_nearest_cell():
  for parts in (2, 3, 8, 64):
    fine = np.arange(1000)
    cell, offset = expressive.split(fine, parts)
    assert (cell * parts + offset == fine).all()
    assert offset.min() == -(parts // 2)
    assert offset.max() == parts - parts // 2 - 1


@pytest.mark.parametrize('micro', [1, -2, 65])
def test_micro_is_checked(micro):
  with pytest.raises(ConfigError, match='micro'):
    Compound(micro=micro)
