"""Bars that are believed, and bars that are found."""

import numpy as np
import pytest

from aurl_jax.music.notes import Notes
from aurl_jax.studies.structure import lines
from tests.studies.structure import songs


def test_bars_of_a_score_are_its_own():
  notes = songs.song('AB')
  assert lines.heard(notes).tolist() == [songs.BAR * k for k in range(17)]


def test_waltzes_are_believed():
  notes = songs.song('AB', meters=[(0, 3, 4)])
  assert np.unique(np.diff(lines.heard(notes))).tolist() == [3 * songs.TICKS]


@pytest.mark.parametrize('late', [0, 10, 37, 64 + 21])
def test_bars_of_no_meter_are_found(late):
  notes = songs.song('ABAB', meters=[(0, 1, 4)], late=late)
  found = lines.heard(notes)
  truth = late + songs.BAR * np.arange(32)
  away = np.abs(found[:, None] - truth).min(axis=0)
  assert away.max() <= 1
  assert np.unique(np.diff(found)).tolist() == [songs.BAR]


def test_a_huge_silence_has_few_bars():
  notes = Notes.build(
    1, {'onset': [0, 3_000_000], 'duration': 1, 'pitch': 60},
    meters=[(0, 4, 4)],
  )  # fmt: skip
  found = lines.heard(notes)
  assert len(found) <= 4097
  assert found[0] == 0
  assert found[-1] > 3_000_000


def test_a_piece_without_notes_has_no_bars():
  assert len(lines.heard(Notes.build(4))) == 1
