"""Metrics of lines, by hand and by loops."""

import itertools
import math

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from aurl_jax.evaluation import melodic
from aurl_jax.music.notes import Notes

EMPTY = Notes.build(4)


def line(*pitches, track=0):
  columns = {
    'onset': [4 * i for i in range(len(pitches))],
    'duration': 4,
    'pitch': list(pitches),
    'track': track,
  }
  return Notes.build(4, columns)


def test_steps_leaps_and_repetitions():
  # 0, 1, 2, 3, -5, -12.
  tune = line(60, 60, 61, 63, 66, 61, 49)
  assert melodic.repeated_rate(tune) == pytest.approx(1 / 6)
  assert melodic.stepwise_rate(tune) == pytest.approx(2 / 6)
  assert melodic.leap_rate(tune) == pytest.approx(2 / 6)


def test_leaps_that_are_made_good():
  # Up 7, down; down 5, down; up 12, repeated (does not count); the last leap
  # has nothing behind it.
  tune = line(60, 67, 65, 60, 58, 70, 70, 60)
  assert melodic.leap_recovery(tune) == pytest.approx(1 / 2)
  both = Notes.build(
    4,
    {
      'onset': [0, 4, 8, 0, 4, 8],
      'duration': 4,
      'pitch': [60, 67, 65, 40, 47, 50],
      'track': [0, 0, 0, 1, 1, 1],
    },
  )
  assert melodic.leap_recovery(both) == pytest.approx(1 / 2)


@hypothesis.given(
  st.lists(
    st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=2, max_size=9
  )
)
def test_contours_pair_by_pair(found):
  one, other = (np.array(row) for row in zip(*found, strict=True))
  pairs = list(itertools.combinations(range(len(found)), 2))

  def order(x, i, j):
    return (x[j] > x[i]) - (x[j] < x[i])

  same = sum(
    order(one.tolist(), i, j) == order(other.tolist(), i, j) for i, j in pairs
  )
  value = melodic.contour_similarity(one, other)
  assert value == pytest.approx(same / len(pairs))
  # Neither transposition nor stretch of the steps changes a contour.
  assert melodic.contour_similarity(2 * one + 7, other) == value


@pytest.mark.parametrize(('one', 'other'), [(2, 3), (1, 1)])
def test_contours_of_other_lengths(one, other):
  with pytest.raises(ValueError, match='no contour in common'):
    melodic.contour_similarity(np.arange(one), np.arange(other))


@pytest.mark.parametrize(
  'metric',
  [
    melodic.stepwise_rate,
    melodic.repeated_rate,
    melodic.leap_rate,
    melodic.leap_recovery,
  ],
)
def test_what_is_not_there_is_nan(metric):
  assert math.isnan(metric(EMPTY))
  assert math.isnan(metric(line(60)))
