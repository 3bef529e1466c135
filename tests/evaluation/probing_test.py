"""Probes find what is linear in vectors, and nothing where nothing is."""

import numpy as np
import pytest

from aurl_jax.evaluation import probing


def drawn(seed=0, many=2000, width=12, classes=5):
  """Vectors in which a class stands, and some in which none does."""
  rng = np.random.default_rng(seed)
  labels = rng.integers(0, classes, many) * 3
  pieces = rng.integers(0, 20, many)
  noise = rng.normal(size=(many, width))
  where = np.random.default_rng(9).normal(size=(classes, width))
  return noise + 3 * where[labels // 3], noise, labels, pieces


def test_what_is_linear_is_read_and_what_is_not_there_is_not():
  told, silent, labels, pieces = drawn()
  other, mute, truth, where = drawn(1)
  good = probing.fit(told, labels, pieces)
  none = probing.fit(silent, labels, pieces)
  assert good.classes.tolist() == [0, 3, 6, 9, 12]
  high = probing.hits(good(other), truth, where)
  low = probing.hits(none(mute), truth, where)
  assert high.share > 0.95
  assert 0.15 < low.share < 0.25
  interval = high.interval(200)
  assert interval.low <= high.share <= interval.high
  assert high.above(low, 200).low > 0.7


def test_weights_are_those_of_the_normal_equations():
  told, _, labels, pieces = drawn(many=300)
  found = probing.fit(told, labels, pieces, ridges=(0.01,))
  scaled = (told - told.mean(axis=0)) / told.std(axis=0)
  wanted = (labels[:, None] == np.unique(labels)) * 1.0
  # Rows for the ridge below those of the vectors; centred, so no constant.
  ridge = np.sqrt(0.01 * len(told)) * np.eye(told.shape[1])
  rows = np.concatenate([scaled, ridge])
  aim = np.concatenate([wanted - wanted.mean(axis=0), ridge[:, :5] * 0])
  weight = np.linalg.lstsq(rows, aim, rcond=None)[0]
  np.testing.assert_allclose(found.weight[:-1], weight, atol=1e-8)
  np.testing.assert_allclose(found.weight[-1], wanted.mean(axis=0), atol=1e-8)


def test_folds_choose_a_strong_ridge_where_there_are_few_vectors():
  rng = np.random.default_rng(0)
  vectors = rng.normal(size=(80, 60))
  labels = (vectors[:, 0] + 0.5 * rng.normal(size=80) > 0).astype(int)
  pieces = np.repeat(np.arange(8), 10)
  ridges = (1e-9, 1.0)
  assert probing.fit(vectors, labels, pieces, ridges).ridge == 1.0


def test_hits_piece_by_piece():
  found = probing.hits(
    np.array([1, 2, 2, 1]), np.array([1, 2, 1, 1]), np.array([7, 7, 9, 9])
  )
  assert found.right.tolist() == [2, 1]
  assert found.total.tolist() == [2, 2]
  assert found.share == 0.75
  assert probing.commonest(np.array([5, 1, 5])) == 5


def test_columns_that_do_not_vary_harm_nothing():
  told, _, labels, pieces = drawn(many=200)
  wide = np.concatenate([told, np.full((200, 2), 4.0)], axis=1)
  probe = probing.fit(wide, labels, pieces)
  assert np.isfinite(probe.weight).all()
  assert (probe(wide) == labels).mean() > 0.9


@pytest.mark.parametrize('pieces', [np.zeros(4), np.arange(3)])
def test_one_piece_or_unequal_lengths(pieces):
  with pytest.raises(ValueError, match='two pieces'):
    probing.fit(np.zeros((4, 2)), np.array([0, 1, 0, 1]), pieces)
