"""Metrics of performance, by hand."""

import math

import numpy as np
import pytest

from aurl_jax.evaluation import expression
from aurl_jax.music.notes import Notes, Track

EMPTY = Notes.build(4)
METRICS = (
  expression.mean_velocity,
  expression.velocity_deviation,
  expression.velocity_range,
  expression.mean_tempo,
  expression.tempo_variation,
  expression.articulation,
)


def line(onset, duration, velocity=64, **options):
  columns = {
    'onset': onset,
    'duration': duration,
    'pitch': 60,
    'velocity': velocity,
  }
  return Notes.build(4, columns, **options)


def test_loudness():
  notes = line([0, 4, 16, 48], 2, [20, 40, 100, 60])
  np.testing.assert_array_equal(
    expression.velocity_curve(notes), [30, 100, np.nan, 60]
  )
  assert expression.mean_velocity(notes) == 55
  assert expression.velocity_range(notes) == 70
  wanted = math.sqrt((35**2 + 15**2 + 45**2 + 5**2) / 4)
  assert expression.velocity_deviation(notes) == pytest.approx(wanted)


def test_a_steady_tempo_does_not_vary():
  notes = line([0], 64, tempos=[(0, 600_000)])
  assert expression.mean_tempo(notes) == pytest.approx(100)
  assert expression.tempo_variation(notes) == 0


def test_a_tempo_counts_as_long_as_it_holds():
  # Four beats of 0.4 s, twelve of 0.6 s; what is behind the end is nothing.
  tempos = [(0, 400_000), (16, 600_000), (64, 2_000_000)]
  notes = line([0], 64, tempos=tempos)
  assert expression.mean_tempo(notes) == pytest.approx(16 / 8.8 * 60)
  wanted = math.sqrt((4 * 0.15**2 + 12 * 0.05**2) / 16) / 0.55
  assert expression.tempo_variation(notes) == pytest.approx(wanted)


def test_articulation_is_of_each_track():
  staccato = line([0, 4, 8, 12], [1, 1, 1, 16])
  assert expression.articulation(staccato) == 0.25
  chords = line([0, 0, 4, 4], [1, 4, 2, 2])
  assert expression.articulation(chords) == 1
  two = Notes.build(
    4,
    {
      'onset': [0, 4, 0, 2, 4],
      'duration': [4, 4, 1, 1, 1],
      'pitch': 60,
      'track': [0, 0, 1, 1, 1],
    },
  )
  # 1 of the first; 0.5 and 0.5 of the second.
  assert expression.articulation(two) == 0.5
  held = line([0, 1], [100, 1])
  assert expression.articulation(held) == 4
  drums = line([0, 4], 1, tracks=[Track(is_drum=True)])
  assert math.isnan(expression.articulation(drums))


@pytest.mark.parametrize('metric', METRICS)
def test_what_is_not_there_is_nan(metric):
  assert math.isnan(metric(EMPTY))
