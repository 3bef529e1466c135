"""Distances of sets of vectors, judged by general roots and by loops."""

import numpy as np
import pytest
from scipy import linalg

from aurl_jax.evaluation import frechet


def rows(count, size=4, seed=0, mix=True):
  rng = np.random.default_rng(seed)
  found = rng.normal(size=(count, size))
  return found @ rng.normal(size=(size, size)) if mix else found


@pytest.mark.parametrize('seed', range(5))
def test_it_is_the_distance_of_two_normal_distributions(seed):
  one, other = rows(50, seed=seed), rows(70, seed=seed + 100) + seed
  first, second = (np.cov(x, rowvar=False) for x in (one, other))
  root = linalg.sqrtm(first @ second)
  wanted = ((one.mean(0) - other.mean(0)) ** 2).sum()
  wanted += np.trace(first + second - 2 * root.real)
  assert frechet.distance(one, other) == pytest.approx(wanted)
  assert frechet.distance(other, one) == pytest.approx(wanted)


def test_a_set_is_nowhere_from_itself():
  one = rows(30)
  assert frechet.distance(one, one) == pytest.approx(0, abs=1e-9)
  # More parts than pieces: covariances are singular.
  thin = rows(10, size=40, mix=False)
  assert frechet.distance(thin, thin) == pytest.approx(0, abs=1e-9)
  assert frechet.distance(thin, thin + 1) == pytest.approx(40)


def test_covariances_are_shrunk_as_ledoit_and_wolf_say():
  some = rows(12, size=6, seed=3)
  count, size = some.shape
  centred = some - some.mean(axis=0)
  plain = sum(np.outer(x, x) for x in centred) / count
  scale = np.trace(plain) / size
  away = np.linalg.norm(plain - scale * np.eye(size)) ** 2 / size
  noise = sum(
    np.linalg.norm(np.outer(x, x) - plain) ** 2 / size for x in centred
  )
  noise = min(away, noise / count**2)
  wanted = noise / away * scale * np.eye(size) + (1 - noise / away) * plain
  found = frechet.covariance(some, shrink=True)
  np.testing.assert_allclose(found, wanted)
  assert 0 < noise < away
  constant = np.ones((9, 3))
  np.testing.assert_array_equal(frechet.covariance(constant, shrink=True), 0)


def test_the_kernel_distance_by_loops():
  one, other = rows(9, seed=1), rows(11, seed=2)

  def kernel(x, y):
    return (sum(a * b for a, b in zip(x, y, strict=True)) / len(x) + 1) ** 3

  def inside(x):
    pairs = [(i, j) for i in range(len(x)) for j in range(len(x)) if i != j]
    return sum(kernel(x[i], x[j]) for i, j in pairs) / len(pairs)

  across = np.mean([kernel(x, y) for x in one for y in other])
  wanted = inside(one) + inside(other) - 2 * across
  assert frechet.kernel_distance(one, other) == pytest.approx(wanted)


def test_what_few_pieces_add_is_taken_away():
  plain, estimates, kernels = [], [], []
  for seed in range(6):
    one, other = (rows(120, 8, seed=s, mix=False) for s in (seed, seed + 50))
    found = frechet.extrapolated(one, other, seed=seed)
    assert found.low <= found.estimate <= found.high
    assert found.plain == frechet.distance(one, other)
    assert found.pieces == 120
    plain.append(found.plain)
    estimates.append(found.estimate)
    kernels.append(frechet.kernel_distance(one, other))
  # The same distribution: the truth is 0.
  assert abs(np.mean(estimates)) < 0.2 * np.mean(plain)
  assert abs(np.mean(kernels)) < 0.05
  again = frechet.extrapolated(one, other, seed=5)
  assert again == frechet.extrapolated(one, other, seed=5)


def test_a_true_distance_is_kept():
  one, other = (rows(400, 4, seed=s, mix=False) for s in (0, 1))
  found = frechet.extrapolated(one, other + 1)
  assert found.estimate == pytest.approx(4, rel=0.15)


def test_the_floor_is_of_halves():
  few, many = (frechet.floor(rows(n, mix=False)) for n in (40, 400))
  assert few[0] > many[0] > 0
  assert abs(many[1]) < abs(few[0])
  assert frechet.floor(rows(40), seed=1) == frechet.floor(rows(40), seed=1)


def test_features_of_unlike_units_are_standardised():
  reference = np.array([[0.0, 100, 5], [2, 300, 5]])
  found = frechet.standardised(reference, np.array([[1.0, 400, 6]]))
  np.testing.assert_array_equal(found, [[0, 2, 1]])


@pytest.mark.parametrize(
  ('one', 'other', 'code', 'match'),
  [
    (rows(7), rows(9), 'few', 'give 8 or more'),
    (rows(9), rows(9, size=3), 'vectors', 'as many parts'),
    (rows(9), rows(9)[:, 0], 'vectors', 'pieces, parts'),
    (rows(9) * np.nan, rows(9), 'vectors', 'no numbers'),
  ],
)
def test_what_has_no_distance_is_refused(one, other, code, match):
  for measure in (frechet.distance, frechet.kernel_distance):
    with pytest.raises(frechet.SetError, match=match) as told:
      measure(one, other)
    assert told.value.code == code


def test_extrapolation_and_floors_need_more_pieces():
  with pytest.raises(frechet.SetError, match='32 or more'):
    frechet.extrapolated(rows(31), rows(31))
  with pytest.raises(frechet.SetError, match='16 or more'):
    frechet.floor(rows(15))


def test_windows_of_a_piece_are_no_news():
  one, other = (rows(64, 4, seed=s, mix=False) for s in (3, 4))
  owners = tuple(np.repeat(np.arange(64), 5) for _ in range(2))
  many = [np.repeat(x, 5, axis=0) for x in (one, other)]
  found = frechet.extrapolated(*many, owners=owners, seed=1)
  single = frechet.extrapolated(one, other, seed=1)
  assert found.pieces == single.pieces == 64
  # Covariances of five times as many are by 64 * 4 / 319 of 63 smaller.
  assert found.estimate == pytest.approx(single.estimate, rel=0.1, abs=0.05)
  assert found.high - found.low > 0.8 * (single.high - single.low)
  blind = frechet.extrapolated(*many, seed=1)
  assert blind.pieces == 320
  assert blind.high - blind.low < 0.6 * (found.high - found.low)
  floors = [
    frechet.floor(many[0], owner=owner, seed=2)[0]
    for owner in (owners[0], None)
  ]
  assert floors[0] == pytest.approx(frechet.floor(one, seed=2)[0], rel=0.1)
  assert floors[1] < 0.5 * floors[0]


def test_few_pieces_of_many_windows_are_few():
  some = rows(100)
  owner = np.arange(100) // 5
  with pytest.raises(frechet.SetError, match='20 and 20 pieces'):
    frechet.extrapolated(some, some, owners=(owner, owner))
  with pytest.raises(frechet.SetError, match='16 or more'):
    frechet.floor(some, owner=np.arange(100) // 10)
  with pytest.raises(frechet.SetError, match='99 owners'):
    frechet.floor(some, owner=owner[1:])
