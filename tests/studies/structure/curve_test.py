"""Intensity, its climax and resolution."""

import numpy as np
import pytest

from aurl_jax.music.notes import Notes
from aurl_jax.studies.structure import curve, views
from tests.studies.structure import songs


def test_smoothing_is_that_of_loops():
  values = np.random.default_rng(0).random(9)
  weights = [np.sin(np.pi * (k + 1) / 6) ** 2 for k in range(5)]
  found = curve.smoothed(values)
  for bar in range(9):
    near = [(k, bar + k - 2) for k in range(5) if 0 <= bar + k - 2 < 9]
    total = sum(weights[k] for k, _ in near)
    mean = sum(weights[k] * values[place] for k, place in near) / total
    assert found[bar] == pytest.approx(mean)


def test_louder_bars_are_more_intense():
  notes = songs.song('AA')
  late = notes.onset >= 8 * songs.BAR
  loud = notes.replace(velocity=np.where(late, 120, 40))
  found = curve.intensity(views.see(loud, songs.BAR * np.arange(17)))
  assert found[12] > found[4] + 0.1
  assert curve.climax(found).bar >= 8


def test_more_notes_are_more_intense():
  few = Notes.build(4, {'onset': [0], 'duration': 16, 'pitch': 60})
  many = Notes.build(4, {'onset': np.arange(16), 'duration': 1, 'pitch': 60})
  edges = np.array([0, 16])
  one, other = (curve.intensity(views.see(n, edges))[0] for n in (few, many))
  assert 0 < one < other < 1


def test_a_climax_rises_and_falls():
  found = curve.climax(np.array([0.2, 0.4, 0.9, 0.5, 0.1, 0.1, 0.1, 0.1]))
  assert found.bar == 2
  assert found.rise == pytest.approx(0.6)
  assert found.fall == pytest.approx(0.8)
  assert found.resolved == 4


def test_a_piece_that_ends_at_its_height_is_not_resolved():
  found = curve.climax(np.array([0.1, 0.2, 0.3]))
  assert (found.bar, found.resolved) == (2, -1)
  assert curve.climax(np.zeros(0)).bar == -1
