"""Listeners' numbers, and how well two kinds are told apart."""

import itertools
import math

import numpy as np
import pytest

from aurl_jax.evaluation import raters
from aurl_jax.evaluation.raters import RatingError


def by_hand(values):
  """All flips of signs, ranks shared, zeros ranked and left out."""
  size = sorted(abs(v) for v in values)
  rank = [
    sum(s < abs(v) for s in size) + (1 + size.count(abs(v))) / 2 for v in values
  ]
  kept = [(r, v > 0) for r, v in zip(rank, values, strict=True) if v]
  total = abs(sum(r if up else -r for r, up in kept))
  signs = itertools.product([-1, 1], repeat=len(kept))
  sums = [
    abs(sum(s * r for s, (r, _) in zip(row, kept, strict=True)))
    for row in signs
  ]
  return sum(x >= total - 1e-9 for x in sums) / len(sums)


def test_a_contrast_is_what_all_flips_of_signs_say():
  values = [0.2, 0.1, 0.1, -0.1, 0.0, 0.3, 0.4]
  told = raters.contrasts({'a': np.array(values)})['a']
  assert told.p == pytest.approx(by_hand(values), abs=1e-12)
  assert told.mean.estimate == pytest.approx(1 / 7)
  assert told.mean.low < 1 / 7 < told.mean.high
  # Means of all flips: the sum of the values, 1.0, is as large or larger.
  sums = [
    abs(sum(s * v for s, v in zip(row, values, strict=True)))
    for row in itertools.product([-1, 1], repeat=7)
  ]
  share = sum(x >= 1.0 - 1e-9 for x in sums) / len(sums)
  assert told.permuted == pytest.approx(share, abs=1e-12)
  assert told.raters == 7


def test_several_questions_are_corrected_by_holm():
  many = {
    'sure': np.arange(1, 9) / 10,
    'less': np.array([1, 2, 3, 4, 5, 6, -1.5, 8.0]),
    'none': np.array([1.0, -1, 2, -2, 3, -3, 4, -4]),
  }
  told = raters.contrasts(many)
  p = {name: by_hand(list(values)) for name, values in many.items()}
  assert told['sure'].p == pytest.approx(2 / 256)
  assert told['sure'].corrected == pytest.approx(3 * p['sure'])
  assert told['less'].corrected == pytest.approx(2 * p['less'])
  assert told['none'].corrected == 1.0


def test_rounding_does_not_break_ties():
  whole = np.array([1.0, -1, 2, 3, 3, -2])
  shares = whole / 10 + 0.5 - 0.5
  p = [
    raters.contrasts({'a': x})['a'].p for x in (whole, shares, whole * 0.1 / 3)
  ]
  assert p == [p[0]] * 3


def test_equal_numbers_have_an_interval_without_width():
  told = raters.contrasts({'a': np.full(6, 0.25)})['a']
  assert told.as_dict()['mean'] == [0.25, 0.25, 0.25]
  assert told.p == 2 / 64
  nothing = raters.contrasts({'a': np.zeros(6)})['a']
  assert (nothing.p, nothing.permuted, nothing.effect) == (1.0, 1.0, 0.0)


def test_one_listener_is_refused():
  with pytest.raises(RatingError, match='a - b: 1 listeners') as caught:
    raters.contrasts({'a - b': np.ones(1)})
  assert caught.value.code == 'few_raters'


def test_detection_by_the_table_of_the_normal_law():
  # 15.5 / 20 and 4.5 / 20 lie 0.7554 deviations above and below.
  told = raters.detection(15, 19, 4, 19)
  assert told.d == pytest.approx(2 * 0.7554150, abs=1e-6)
  assert told.bias == pytest.approx(0, abs=1e-12)
  assert told.accuracy == pytest.approx(30 / 38)
  assert math.isfinite(raters.detection(5, 5, 0, 5).d)
  # Whoever says yes to nearly all has no loathing to do so.
  assert raters.detection(9, 10, 8, 10).bias < 0


@pytest.mark.parametrize('counts', [(1, 0, 1, 3), (0, 3, 0, 0)])
def test_detection_needs_both_kinds(counts):
  with pytest.raises(RatingError) as caught:
    raters.detection(*counts)
  assert caught.value.code == 'one_kind'


@pytest.mark.parametrize('counts', [(4, 3, 1, 3), (1, 3, -1, 3)])
def test_detection_refuses_counts_beyond_the_totals(counts):
  with pytest.raises(RatingError) as caught:
    raters.detection(*counts)
  assert caught.value.code == 'counts'
