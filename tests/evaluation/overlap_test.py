"""Areas of densities, judged by scipy's kernels."""

import math

import numpy as np
import pytest
from scipy import stats

from aurl_jax.evaluation import musical, overlap
from tests.tokens import pieces


def slow_area(one, other):
  """The area under the lower of scipy's densities, by many thin slices."""
  both = np.concatenate([one, other])
  reach = 4 * np.ptp(both)
  points = np.linspace(both.min() - reach, both.max() + reach, 200_001)
  densities = [stats.gaussian_kde(values)(points) for values in (one, other)]
  return np.minimum(*densities).sum() * (points[1] - points[0])


@pytest.mark.parametrize('seed', range(3))
def test_area_is_that_of_scipy_s_densities(seed):
  rng = np.random.default_rng(seed)
  one = rng.normal(0, 1, 12)
  other = rng.normal((0.0, 1.0, 4.0)[seed], (1, 0.4, 2)[seed], 9)
  found = overlap.area(one, other)
  assert found == pytest.approx(slow_area(one, other), abs=1e-4)
  assert found == pytest.approx(overlap.area(other, one))


def test_density_is_scipy_s():
  values = np.array([0.0, 0.0, 1.0, 2.5, 2.5, 2.5])
  points = np.linspace(-3, 5, 33)
  width = overlap.bandwidth(values)
  expected = stats.gaussian_kde(values)(points)
  found = overlap.density(values, points, width)
  np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_area_of_a_sample_and_itself_is_full_and_moves_along():
  rng = np.random.default_rng(0)
  one, other = rng.gamma(2, size=40), rng.gamma(3, size=30)
  assert overlap.area(one, one) == pytest.approx(1, abs=1e-6)
  found = overlap.area(one, other)
  assert overlap.area(5 * one + 3, 5 * other + 3) == pytest.approx(found)
  assert overlap.area(one, one + 100) == pytest.approx(0, abs=1e-12)


def test_points_and_nothing():
  assert overlap.area([2.0, 2.0], [2.0]) == 1
  assert overlap.area([2.0, 2.0], [3.0, 3.0]) == 0
  assert overlap.area([2.0, 2.0], [1.0, 3.0]) == 0
  assert math.isnan(overlap.area([], [1.0, 3.0]))


def test_a_narrow_density_beside_a_wide_one_is_not_missed():
  narrow = np.array([0.0, 1e-3, 2e-3, 1e-3])
  wide = np.array([-30.0, 0.0, 40.0, 100.0])
  assert overlap.area(narrow, narrow) == pytest.approx(1, abs=1e-4)
  assert 0 < overlap.area(narrow, wide) < 0.01


def test_distances_by_hand():
  one, other = np.array([[0.0, 0.0], [3.0, 4.0]]), np.array([[0.0, 4.0]])
  assert overlap.distances(one, other).tolist() == [[4], [3]]
  assert overlap.distances(one, other[:0]).shape == (2, 0)


def filled(seeds):
  return [pieces.chorale(seed) for seed in seeds]


def test_a_set_against_itself_is_one_and_against_another_kind_less():
  chorales = filled(range(8))
  itself = overlap.overlaps(chorales, chorales)
  assert tuple(itself) == musical.FEATURES
  for found in itself.values():
    assert found.one == pytest.approx(1, abs=1e-6)
    assert found.other == pytest.approx(1, abs=1e-6)
  others = [pieces.piece(seed, notes=80) for seed in range(20, 32)]
  apart = overlap.overlaps(chorales, others)
  alike = overlap.overlaps(chorales, filled(range(50, 58)))
  for name in ('interval', 'pitch_class', 'range'):
    assert apart[name].one < 0.5 < alike[name].one


def test_overlap_is_of_the_pairs_of_pieces():
  one, other = filled(range(4)), filled(range(10, 13))
  found = overlap.overlaps(one, other)['interval']
  rows = [
    [musical.interval_histogram(notes) for notes in set_]
    for set_ in (one, other)
  ]
  norm = lambda a, b: math.dist(a, b)  # noqa: E731
  across = [norm(a, b) for a in rows[0] for b in rows[1]]
  inside = [
    [norm(a, b) for i, a in enumerate(r) for j, b in enumerate(r) if i != j]
    for r in rows
  ]
  assert found.one == pytest.approx(slow_area(inside[0], across), abs=1e-4)
  assert found.other == pytest.approx(slow_area(inside[1], across), abs=1e-4)


def test_sets_too_small_have_no_overlap():
  found = overlap.overlaps(filled([1]), filled([2, 3, 4]))
  assert math.isnan(found['range'].one)
  assert not math.isnan(found['range'].other)
  empty = overlap.overlaps([], filled([2, 3]))
  assert math.isnan(empty['range'].one)


def test_many_values_have_scipy_s_density_too():
  values = np.random.default_rng(0).gamma(3, size=9_000)
  points = np.linspace(-1, 30, 1_000)
  found = overlap.density(values, points, overlap.bandwidth(values))
  expected = stats.gaussian_kde(values)(points)
  np.testing.assert_allclose(found, expected, atol=1e-5 * expected.max())
  assert overlap.Overlap(0.25, 0.75).mean == 0.5


def test_divergence_of_two_normal_samples():
  rng = np.random.default_rng(0)
  one, other = rng.normal(0, 1, 4000), rng.normal(1, 2, 4000)
  # Of N(0, 1) from N(1, 4): log 2 + (1 + 1) / 8 - 1 / 2.
  wanted = math.log(2) + 2 / 8 - 1 / 2
  assert overlap.divergence(one, other) == pytest.approx(wanted, rel=0.1)
  assert overlap.divergence(one, one) == pytest.approx(0, abs=1e-12)
  far = overlap.divergence(one, other + 100)
  assert 5 < far < 20
  assert math.isnan(overlap.divergence([], one))
  assert math.isnan(overlap.divergence([1.0, 1.0], one))
