"""Tests of samples, judged by counting all cases."""

import itertools
import math

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st
from scipy import stats

from aurl_jax.evaluation import statistics

SAMPLES = st.lists(st.integers(0, 9), min_size=2, max_size=12).map(
  lambda found: np.array(found, float)
)


@hypothesis.given(one=SAMPLES, other=SAMPLES)
def test_cliffs_delta_by_pairs(one, other):
  pairs = [np.sign(a - b) for a in one for b in other]
  delta = statistics.cliffs_delta(one, other)
  assert delta == pytest.approx(np.mean(pairs))
  found = statistics.unpaired(one, other)
  assert found.effect == delta
  assert 0 <= found.p <= 1


def test_ranks_of_two_samples_by_all_orders():
  one, other = np.array([1.0, 2.0, 4.0]), np.array([3.0, 5.0, 6.0, 7.0])
  both = [*one, *other]

  def wins(chosen):
    rest = [x for i, x in enumerate(both) if i not in chosen]
    return sum(both[i] > x for i in chosen for x in rest)

  ways = [wins(c) for c in itertools.combinations(range(7), 3)]
  least = sum(a > b for a in one for b in other)
  extreme = sum(way <= least or way >= 12 - least for way in ways)
  assert statistics.unpaired(one, other).p == pytest.approx(extreme / len(ways))


def test_signed_ranks_by_all_signs():
  one = np.array([3.0, 5.0, 9.0, 4.0, 8.5])
  other = np.array([1.0, 6.0, 4.0, 1.0, 1.0])
  apart = one - other  # 2, -1, 5, 3, 7.5: ranks 2, 1, 4, 3, 5.
  ways = [
    sum(rank for rank, up in zip((2, 1, 4, 3, 5), signs, strict=True) if up)
    for signs in itertools.product((0, 1), repeat=5)
  ]
  extreme = sum(way <= 1 or way >= 14 for way in ways)
  found = statistics.paired(one, other)
  assert found.p == pytest.approx(extreme / 32)
  assert found.effect == pytest.approx((14 - 1) / 15)
  assert len(apart) == 5


def test_no_difference_is_none():
  same = np.array([1.0, 2.0, 3.0])
  assert statistics.paired(same, same) == (1.0, 0.0, 'Wilcoxon')
  ones = np.ones(4)
  assert statistics.unpaired(ones, ones) == (1.0, 0.0, 'Mann-Whitney')


@pytest.mark.parametrize('pairs', [True, False])
def test_permutations_by_all_of_them(pairs):
  one, other = np.array([5.0, 7.0, 6.0, 9.0]), np.array([4.0, 6.5, 2.0, 5.0])
  truth = abs(one.mean() - other.mean())
  if pairs:
    ways = [
      abs(np.mean((one - other) * signs))
      for signs in itertools.product((1, -1), repeat=4)
    ]
  else:
    both = np.concatenate([one, other])
    ways = []
    for chosen in itertools.combinations(range(8), 4):
      rest = [i for i in range(8) if i not in chosen]
      ways.append(abs(both[list(chosen)].mean() - both[rest].mean()))
  wanted = np.mean([way >= truth - 1e-12 for way in ways])
  found = statistics.permuted(one, other, pairs=pairs)
  assert found.p == pytest.approx(wanted)
  assert found.test == 'permutation'


def test_hedges_g_by_hand():
  one, other = np.array([2.0, 4.0, 6.0]), np.array([1.0, 3.0])
  # Means 4 and 2; pooled variance (8 + 2) / 3; free 3.
  wanted = 2 / math.sqrt(10 / 3) * (1 - 3 / 11)
  assert statistics.hedges_g(one, other) == pytest.approx(wanted)
  assert math.isnan(statistics.hedges_g(np.ones(3), np.ones(3)))


@hypothesis.given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_rejects_step_by_step(p):
  found = statistics.holm(p)
  for level in (0.01, 0.05, 0.2):
    wanted, order = [False] * len(p), sorted(range(len(p)), key=p.__getitem__)
    for rank, place in enumerate(order):
      if p[place] * (len(p) - rank) > level:
        break
      wanted[place] = True
    assert (found <= level).tolist() == wanted


def test_what_is_no_sample():
  some = np.array([1.0, 2.0])
  for wrong in (np.array([1.0]), np.array([1.0, np.nan])):
    with pytest.raises(ValueError, match='give two numbers or more'):
      statistics.unpaired(some, wrong)
  for pairs in (statistics.paired, statistics.permuted):
    keys = {'pairs': True} if pairs is statistics.permuted else {}
    with pytest.raises(ValueError, match='make no pairs'):
      pairs(some, np.arange(3.0), **keys)
  with pytest.raises(ValueError, match=r'lie in 0\.\.1'):
    statistics.holm([0.2, 1.2])


@pytest.mark.parametrize('count', [5, 12, 30, 60])
def test_signed_ranks_without_ties_are_wilcoxons_table(count):
  values = np.random.default_rng(count).normal(0.3, 1, count)
  exact = stats.wilcoxon(values, method='exact')
  told = statistics.signed_ranks(values)
  assert told.p == pytest.approx(exact.pvalue, rel=1e-9)
  zeros = np.zeros(count)
  assert told.effect == pytest.approx(statistics.paired(values, zeros).effect)


@pytest.mark.parametrize('count', [61, 200])
def test_signed_ranks_of_many_are_normal(count):
  values = np.random.default_rng(count).integers(-3, 5, count)
  normal = stats.wilcoxon(
    values, zero_method='pratt', method='asymptotic', correction=False
  )
  told = statistics.signed_ranks(values.astype(float))
  assert told.p == pytest.approx(normal.pvalue, rel=1e-9)


def test_signed_ranks_with_ties_and_zeros_by_hand():
  # Ranks 1 (the zero), 3, 3, 3 and 5: signs of 3, 3, 3 and 5 alone are drawn.
  # 8 or more in size: all alike (2 of 16) and 3 against the rest (2 of 16).
  told = statistics.signed_ranks(np.array([0.0, 1, 1, -1, 2]))
  assert told.effect == pytest.approx(8 / 14)
  sums = [
    abs(3 * a + 3 * b + 3 * c + 5 * d)
    for a in (-1, 1)
    for b in (-1, 1)
    for c in (-1, 1)
    for d in (-1, 1)
  ]
  assert told.p == pytest.approx(sum(s >= 8 for s in sums) / 16)


def test_signed_ranks_of_nothing_or_one():
  assert statistics.signed_ranks(np.zeros(4)).p == 1
  with pytest.raises(ValueError, match='two numbers'):
    statistics.signed_ranks(np.ones(1))


def test_the_area_is_that_of_all_pairs():
  rng = np.random.default_rng(8)
  one, other = rng.integers(0, 6, 31) * 1.0, rng.integers(1, 8, 17) * 1.0
  wins = [(x > y) + (x == y) / 2 for x in one for y in other]
  found = statistics.auc(one, other)
  assert found.estimate == pytest.approx(np.mean(wins))
  # Of the formula of method 5 for the end: the truth is so many deviations off.
  for end in (found.low, found.high):
    half = (31 + 17) / 2 - 1
    spread = (
      end * (1 - end)
      * (1 + half * (1 - end) / (2 - end) + half * end / (1 + end))
      / (31 * 17)
    )  # fmt: skip
    assert abs(end - found.estimate) == pytest.approx(1.959964 * spread**0.5)
  back = statistics.auc(other, one)
  assert back.low == pytest.approx(1 - found.high)


def test_areas_hold_the_truth_as_often_as_they_say():
  rng = np.random.default_rng(9)
  truth = float(stats.norm.cdf(0.8 / 2**0.5))
  hits = 0
  for _ in range(400):
    found = statistics.auc(rng.normal(0.8, 1, 30), rng.normal(0, 1, 45))
    hits += found.low <= truth <= found.high
  assert 0.92 <= hits / 400 <= 0.98


def test_parted_samples_still_have_a_width():
  found = statistics.auc(np.arange(10.0) + 50, np.arange(12.0))
  assert (found.estimate, found.high) == (1, 1)
  assert 0.7 < found.low < 0.99
  same = statistics.auc(np.ones(5), np.ones(5))
  assert same.estimate == 0.5
  assert same.low < 0.3
  with pytest.raises(ValueError, match='level'):
    statistics.auc(np.ones(5), np.ones(5), 1.0)
