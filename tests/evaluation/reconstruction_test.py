import numpy as np
import pytest

from aurl_jax.evaluation import reconstruction
from aurl_jax.music.notes import Notes, Track


def notes(onsets, pitches, durations=2, **more):
  columns = {'onset': onsets, 'pitch': pitches, 'duration': durations}
  return Notes.build(4, columns, **more)


def test_ids_count_where_they_stand():
  wanted = np.array([[9, 9], [1, 2], [3, 4], [5, 6]])
  assert reconstruction.same_ids(wanted, wanted) == 1
  other = np.array([[0, 0], [1, 2], [3, 0], [0, 6], [7, 7]])
  assert reconstruction.same_ids(other, wanted) == pytest.approx(4 / 6)
  assert reconstruction.same_ids(other, wanted, first=0) == pytest.approx(4 / 8)
  assert reconstruction.same_ids(wanted[:2], wanted) == pytest.approx(2 / 6)
  assert reconstruction.same_ids(wanted[:1], wanted[:1]) == 1


def test_each_note_has_one_partner_at_most():
  one = notes([0, 0, 4, 8], [60, 64, 60, 62])
  two = notes([0, 4, 4, 9], [60, 60, 67, 62])
  # Two of four are in both.
  assert reconstruction.note_f1(one, two) == pytest.approx(0.5)
  twice = notes([0, 0], [60, 60], tracks=[Track(), Track()])
  single = notes([0], [60])
  assert reconstruction.note_f1(twice, single) == pytest.approx(2 / 3)
  assert reconstruction.note_f1(notes([], []), notes([], [])) == 1
  assert reconstruction.note_f1(notes([], []), single) == 0


def test_durations_may_count():
  one, two = notes([0, 4], [60, 62]), notes([0, 4], [60, 62], [2, 3])
  assert reconstruction.note_f1(one, two) == 1
  assert reconstruction.note_f1(one, two, durations=True) == pytest.approx(0.5)


def test_drums_are_no_pitches():
  drum = notes([0], [60], tracks=[Track(is_drum=True)])
  assert reconstruction.note_f1(drum, notes([0], [60])) == 0


def test_other_ticks_are_refused():
  with pytest.raises(ValueError, match='4 and 8 ticks'):
    reconstruction.note_f1(
      notes([0], [60]),
      Notes.build(8, {'onset': [0], 'pitch': [60], 'duration': 1}),
    )
