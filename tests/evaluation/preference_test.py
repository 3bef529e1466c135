"""Bradley and Terry's strengths against closed forms and plain ascent."""

import math

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from aurl_jax.evaluation import preference
from aurl_jax.evaluation.preference import Answers
from aurl_jax.evaluation.raters import RatingError


def answers(rows):
  """Of (first, second, result, rater) rows."""
  one, other, result, rater = zip(*rows, strict=True)
  return Answers(
    np.array(one), np.array(other), np.array(result, float), np.array(rater)
  )


def test_of_two_systems_it_is_the_logarithm_of_the_odds():
  # Listener 0: 6 to 2; listener 1: 3 to 1.
  rows = [(0, 1, 1, 0)] * 6 + [(1, 0, 1, 0)] * 2
  rows += [(0, 1, 1, 1)] * 3 + [(0, 1, 0, 1)]
  told = preference.strengths(answers(rows), 2)
  assert told.strength == pytest.approx([math.log(3) / 2, -math.log(3) / 2])
  assert told.chance(0, 1) == pytest.approx(0.75)
  assert told.tie == 0
  # Both listeners' slopes at 3/4 are 0, so nothing tells them apart.
  assert told.high - told.low == pytest.approx([0, 0], abs=1e-6)


def test_the_interval_of_two_systems_by_hand():
  # Wins of 8: 7, 6, 5. p = 3/4; slopes 1, 0, -1; information 24 * 3/16 = 4.5.
  rows = []
  for rater, won in enumerate((7, 6, 5)):
    rows += [(0, 1, 1, rater)] * won + [(0, 1, 0, rater)] * (8 - won)
  told = preference.strengths(answers(rows), 2)
  # Variance of the log odds: 3/2 * 2 / 4.5**2; each strength is half of it.
  deviation = math.sqrt(1.5 * 2 / 4.5**2) / 2
  # Student's t of 2 degrees at 0.975: 4.302653.
  assert told.high - told.strength == pytest.approx(
    [4.302653 * deviation] * 2, rel=1e-6
  )


def test_davidsons_ties_by_hand():
  # Two systems of equal wins and half as many ties again: strengths are 0,
  # and 2 : nu = 8 : 4, so that nu is 1.
  rows = [(0, 1, 1, 0)] * 4 + [(0, 1, 0, 1)] * 4
  rows += [(0, 1, 0.5, 0)] * 2 + [(0, 1, 0.5, 1)] * 2
  told = preference.strengths(answers(rows), 2)
  assert told.strength == pytest.approx([0, 0], abs=1e-9)
  assert told.tie == pytest.approx(1)


def climbed(wins):
  """Strengths by Hunter's minorisation, "MM algorithms", 2004."""
  count = len(wins)
  gamma = np.ones(count)
  for _ in range(20_000):
    games = wins + wins.T
    gamma = wins.sum(1) / (games / (gamma[:, None] + gamma)).sum(1)
    gamma /= np.exp(np.log(gamma).mean())
  return np.log(gamma)


@hypothesis.given(
  st.lists(st.lists(st.integers(1, 9), min_size=3, max_size=3), min_size=3)
)
def test_many_systems_are_those_of_another_algorithm(rows):
  wins = np.array(rows[:3]) * (1 - np.eye(3, dtype=int))
  told = [
    (i, j, 1, (i + j + n) % 2)
    for i in range(3)
    for j in range(3)
    for n in range(wins[i, j])
  ]
  found = preference.strengths(answers(told), 3)
  assert found.strength == pytest.approx(climbed(wins), abs=1e-6)
  assert found.strength.sum() == pytest.approx(0, abs=1e-9)
  # The order in which a pair is told does not matter.
  turned = [(j, i, 1 - r, k) for i, j, r, k in told]
  assert preference.strengths(answers(turned), 3).strength == pytest.approx(
    found.strength
  )


def test_intervals_hold_the_truth_as_often_as_they_say():
  rng = np.random.default_rng(0)
  truth, held = np.array([0.5, 0.0, -0.5]), 0
  for _ in range(200):
    rows = []
    for rater in range(30):
      own = truth + rng.normal(0, 0.3, 3)
      for i, j in ((0, 1), (0, 2), (1, 2)) * 3:
        chance = 1 / (1 + math.exp(own[j] - own[i]))
        rows.append((i, j, float(rng.random() < chance), rater))
    found = preference.strengths(answers(rows), 3)
    held += int(((found.low < truth) & (truth < found.high)).sum())
  assert 0.90 < held / 600 < 0.98


def test_json_names_the_systems():
  rows = [(0, 1, 1, 0)] * 3 + [(0, 1, 0, 1)]
  told = preference.as_dict(
    preference.strengths(answers(rows), 2), ['ours', 'theirs']
  )
  assert list(told['strengths']) == ['ours', 'theirs']
  assert told['strengths']['ours'][0] == pytest.approx(math.log(3) / 2)


@pytest.mark.parametrize(
  ('rows', 'count', 'code'),
  [
    ([(0, 1, 1, 0)] * 5 + [(0, 1, 1, 1)], 2, 'separated'),
    ([(0, 1, 1, 0), (0, 1, 0, 1)], 3, 'separated'),
    ([(0, 1, 0.5, 0), (0, 1, 0.5, 1)], 2, 'all_ties'),
    ([(0, 1, 1, 0), (0, 1, 0, 0)], 2, 'few_raters'),
  ],
)
def test_what_has_no_strengths_is_refused(rows, count, code):
  with pytest.raises(RatingError) as caught:
    preference.strengths(answers(rows), count)
  assert caught.value.code == code
