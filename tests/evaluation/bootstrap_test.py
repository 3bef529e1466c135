"""Intervals, judged by loops and by scipy's normal distribution."""

import math

import numpy as np
import pytest
from scipy import stats

from aurl_jax.evaluation import bootstrap, likelihood


def slow(statistic, columns, level, samples, seed, *, corrected):
  """The textbook's steps, one number at a time."""
  count = len(columns[0])
  draws = np.random.default_rng(seed).integers(0, count, (samples, count))
  drawn = sorted(
    statistic(*([column[i] for i in draw] for column in columns))
    for draw in draws.tolist()
  )
  ends = [(1 - level) / 2, (1 + level) / 2]
  if corrected:
    whole = statistic(*columns)
    less = sum((x < whole) + 0.5 * (x == whole) for x in drawn) / samples
    z0 = stats.norm.ppf(less)
    without = [
      statistic(*([x for j, x in enumerate(c) if j != i] for c in columns))
      for i in range(count)
    ]
    centre = sum(without) / count
    cubes = sum((centre - x) ** 3 for x in without)
    squares = sum((centre - x) ** 2 for x in without)
    a = cubes / (6 * squares**1.5)
    moved = [z0 + stats.norm.ppf(end) for end in ends]
    ends = [stats.norm.cdf(z0 + z / (1 - a * z)) for z in moved]
  found = []
  for end in ends:
    place = end * (samples - 1)
    low = math.floor(place)
    high = min(low + 1, samples - 1)
    found.append(drawn[low] + (place - low) * (drawn[high] - drawn[low]))
  return found


def ratio(nats, notes):
  return sum(nats) / sum(notes)


@pytest.mark.parametrize('method', bootstrap.METHODS)
@pytest.mark.parametrize('level', [0.8, 0.95])
def test_intervals_are_the_textbook_s(method, level):
  rng = np.random.default_rng(3)
  notes = rng.integers(5, 50, 14)
  nats = notes * rng.gamma(2, size=14)
  found = bootstrap.interval(
    ratio, nats, notes, level=level, samples=300, method=method, seed=7
  )
  columns = [nats.tolist(), notes.tolist()]
  expected = slow(ratio, columns, level, 300, 7, corrected=method == 'bca')
  assert (found.low, found.high) == pytest.approx(expected)
  assert found.estimate == pytest.approx(ratio(*columns))


def test_it_works_on_the_figures_of_likelihood():
  nats, notes = np.ones((5, 3)), np.arange(1, 6)
  found = bootstrap.interval(likelihood.bits_per_note, nats, notes, seed=1)
  assert found.estimate == pytest.approx(1 / math.log(2))
  assert found.low < found.estimate < found.high


def test_equal_seeds_equal_intervals_and_a_shift_moves_them():
  values = np.random.default_rng(0).gamma(2, size=20)
  one = bootstrap.interval(np.mean, values, seed=5)
  assert one == bootstrap.interval(np.mean, values, seed=5)
  assert one != bootstrap.interval(np.mean, values, seed=6)
  moved = bootstrap.interval(np.mean, values + 10, seed=5)
  assert moved.low == pytest.approx(one.low + 10)
  assert moved.high == pytest.approx(one.high + 10)


def test_higher_levels_are_wider():
  values = np.random.default_rng(0).normal(size=30)
  narrow, wide = (
    bootstrap.interval(np.mean, values, level=level) for level in (0.5, 0.99)
  )
  assert wide.low < narrow.low < narrow.high < wide.high


@pytest.mark.parametrize('method', bootstrap.METHODS)
def test_pieces_all_alike_leave_no_doubt(method):
  found = bootstrap.interval(np.mean, np.full(6, 2.5), method=method)
  assert (found.estimate, found.low, found.high) == (2.5, 2.5, 2.5)


def test_pairs_take_out_what_both_have():
  hard = np.random.default_rng(1).normal(0, 100, 25)
  small = np.random.default_rng(2).normal(1, 0.1, 25)
  found = bootstrap.difference(np.mean, hard + small, hard)
  assert 0.9 < found.low < found.estimate < found.high < 1.1
  other = bootstrap.difference(np.mean, hard, hard + small)
  assert other.estimate == pytest.approx(-found.estimate)
  notes = np.arange(1, 26)
  of_ratios = bootstrap.difference(ratio, (hard + small, notes), (hard, notes))
  assert of_ratios.estimate == pytest.approx(small.sum() / notes.sum())


def test_most_intervals_hold_the_truth():
  rng = np.random.default_rng(9)
  hits = 0
  for seed in range(200):
    found = bootstrap.interval(
      np.mean, rng.normal(3, 1, 30), level=0.9, samples=200, seed=seed
    )
    hits += found.low <= 3 <= found.high
  assert 165 <= hits <= 195


@pytest.mark.parametrize(
  ('columns', 'options', 'words'),
  [
    ([[1.0]], {}, 'two or more'),
    ([[1.0, 2.0], [1.0]], {}, 'same'),
    ([[1.0, 2.0]], {'method': 'magic'}, 'magic'),
    ([[1.0, 2.0]], {'level': 1.0}, 'level'),
    ([[1.0, 2.0]], {'samples': 0}, 'samples'),
  ],
)
def test_what_cannot_be_is_refused(columns, options, words):
  with pytest.raises(ValueError, match=words):
    bootstrap.interval(np.mean, *columns, **options)


def test_it_reads_well():
  assert str(bootstrap.Interval(0.39123, 0.38, 0.4)) == '0.3912 [0.38, 0.4]'
