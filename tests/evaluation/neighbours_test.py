"""Cover of sets, judged by loops over all pairs."""

import math

import numpy as np
import pytest

from aurl_jax.evaluation import frechet, neighbours


def far(one, other):
  return math.dist(one.tolist(), other.tolist())


def reach(rows, k):
  """How far the k-th other vector is from each."""
  return [
    sorted(far(row, rows[j]) for j in range(len(rows)) if j != i)[k - 1]
    for i, row in enumerate(rows)
  ]


@pytest.mark.parametrize(('seed', 'k'), [(0, 1), (1, 3), (2, 5), (3, 2)])
def test_by_loops(seed, k):
  rng = np.random.default_rng(seed)
  generated = rng.normal(size=(17, 2)) + seed / 2
  reference = rng.normal(size=(23, 2))
  own, theirs = reach(generated, k), reach(reference, k)
  found = neighbours.cover(generated, reference, k)
  hits = [
    sum(far(g, r) <= d for r, d in zip(reference, theirs, strict=True))
    for g in generated
  ]
  assert found.precision == np.mean([hit > 0 for hit in hits])
  assert found.density == pytest.approx(np.mean(hits) / k)
  assert found.recall == np.mean(
    [
      any(far(g, r) <= d for g, d in zip(generated, own, strict=True))
      for r in reference
    ]
  )
  assert found.coverage == np.mean(
    [
      min(far(g, r) for g in generated) <= d
      for r, d in zip(reference, theirs, strict=True)
    ]
  )


def test_one_mode_of_two_is_precise_and_covers_half():
  rng = np.random.default_rng(0)
  left = rng.normal(size=(100, 3))
  both = np.concatenate([rng.normal(size=(100, 3)), left + 100])
  found = neighbours.cover(left, both)
  assert found.precision > 0.8
  assert found.recall < 0.55
  assert found.coverage < 0.55
  same = neighbours.cover(left, left)
  assert (same.precision, same.recall, same.coverage) == (1, 1, 1)


def test_too_few_neighbours():
  rows = np.random.default_rng(0).normal(size=(5, 2))
  with pytest.raises(frechet.SetError, match='give 6 or more'):
    neighbours.cover(rows, rows, 5)
  with pytest.raises(ValueError, match='at least 1'):
    neighbours.cover(rows, rows, 0)


def test_vectors_that_cannot_be_compared():
  rows = np.zeros((9, 2))
  for other in (np.zeros((9, 3)), np.zeros(9), rows + np.nan):
    with pytest.raises(frechet.SetError) as told:
      neighbours.cover(rows, other)
    assert told.value.code == 'vectors'
