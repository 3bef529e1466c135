"""Linear probes: what one linear map can read off vectors.

A probe is fitted to the vectors of some pieces and judged on others (Alain and
Bengio, "Understanding intermediate layers using linear classifier probes",
2016). It is ridge regression on one column a class, of which the largest is
told; how strong the ridge is decide folds of the pieces it is fitted to. What
it finds means little by itself: beside it belong the commonest class, the
vectors before the first layer, and those of a network that was never trained
(Hewitt and Liang, "Designing and interpreting probes with control tasks",
EMNLP 2019). Axes: `n` vectors, `d` width, `c` classes, `p` pieces.
"""

import dataclasses

import numpy as np

from aurl_jax.evaluation import bootstrap
from aurl_jax.evaluation.bootstrap import Interval

RIDGES = (1e-4, 1e-3, 1e-2, 1e-1)
"""Strengths that are tried, each times the number of vectors."""
FOLDS = 4


@dataclasses.dataclass(frozen=True)
class Probe:
  """A linear map from vectors to classes.

  Attributes:
    mean: [d] of the vectors that it was fitted to.
    scale: [d] their standard deviations, 1 where there is none.
    weight: [d + 1, c], the last row a constant.
    classes: [c] int64, what is told, ascending.
    ridge: Its strength.
  """

  mean: np.ndarray
  scale: np.ndarray
  weight: np.ndarray
  classes: np.ndarray
  ridge: float

  def __call__(self, vectors: np.ndarray) -> np.ndarray:
    """Returns the class of each vector, [n] int64.

    Args:
      vectors: [n, d].
    """
    rows = _rows(vectors, self.mean, self.scale)
    return self.classes[(rows @ self.weight).argmax(axis=1)]


@dataclasses.dataclass(frozen=True)
class Hits:
  """How often a probe was right.

  Attributes:
    right: [p] int64, of each piece.
    total: [p] int64.
  """

  right: np.ndarray
  total: np.ndarray

  @property
  def share(self) -> float:
    """Of all vectors, 0..1."""
    return share(self.right, self.total)

  def interval(self, samples: int = 1000, seed: int = 0) -> Interval:
    """Returns the share, pieces drawn anew; see `bootstrap`."""
    return bootstrap.interval(
      share, self.right, self.total, samples=samples, seed=seed
    )

  def above(
    self, other: 'Hits', samples: int = 1000, seed: int = 0
  ) -> Interval:
    """Returns by how much the share is above another's of the same pieces."""
    return bootstrap.difference(
      share,
      (self.right, self.total),
      (other.right, other.total),
      samples=samples,
      seed=seed,
    )


def share(right: np.ndarray, total: np.ndarray) -> float:
  """Returns the share of all vectors of pieces [p] that are right."""
  return float(right.sum() / total.sum())


def fit(
  vectors: np.ndarray,
  labels: np.ndarray,
  pieces: np.ndarray,
  ridges: tuple[float, ...] = RIDGES,
) -> Probe:
  """Returns the probe that reads labels off vectors.

  Args:
    vectors: [n, d].
    labels: [n] whole numbers.
    pieces: [n] the piece of each vector: folds are of whole pieces.
    ridges: Strengths to choose from.

  Raises:
    ValueError: There are fewer than two pieces, or arrays of other lengths.

  Example:
    >>> x = np.array([[0.0, 1], [1, 0], [0, 2], [2, 0]])
    >>> fit(x, np.array([3, 7, 3, 7]), np.array([0, 0, 1, 1]))(x).tolist()
    [3, 7, 3, 7]
  """
  names = np.unique(pieces)
  if not len(vectors) == len(labels) == len(pieces) or len(names) < 2:
    raise ValueError(
      f'{len(vectors)} vectors, {len(labels)} labels and {len(pieces)} places '
      f'of {len(names)} pieces: give equally many, of two pieces or more'
    )
  mean = vectors.mean(axis=0, dtype=np.float64)
  scale = vectors.std(axis=0, dtype=np.float64)
  scale = np.where(scale > 0, scale, 1.0)
  classes = np.unique(labels)
  rows = _rows(vectors, mean, scale)
  wanted = (labels[:, None] == classes).astype(np.float64)
  fold = np.searchsorted(names, pieces) % min(FOLDS, len(names))
  sums = [_sums(rows[fold == k], wanted[fold == k]) for k in np.unique(fold)]
  total = _added(sums)
  right = np.zeros(len(ridges))
  for k, own in enumerate(sums):
    others = total[0] - own[0], total[1] - own[1], total[2] - own[2]
    truth = wanted[fold == k].argmax(axis=1)
    for place, ridge in enumerate(ridges):
      told = rows[fold == k] @ _solved(others, ridge)
      right[place] += (told.argmax(axis=1) == truth).sum()
  best = ridges[int(right.argmax())]
  return Probe(mean, scale, _solved(total, best), classes, best)


def hits(told: np.ndarray, labels: np.ndarray, pieces: np.ndarray) -> Hits:
  """Returns how often what is told is right, piece by piece.

  Args:
    told: [n] classes.
    labels: [n] those that are right.
    pieces: [n] the piece of each.
  """
  _, place = np.unique(pieces, return_inverse=True)
  right = np.bincount(place, told == labels).astype(np.int64)
  return Hits(right, np.bincount(place))


def commonest(labels: np.ndarray) -> int:
  """Returns the class that most labels [n] have, n > 0.

  Example:
    >>> commonest(np.array([4, 2, 2]))
    2
  """
  values, counts = np.unique(labels, return_counts=True)
  return int(values[counts.argmax()])


_Sums = tuple[np.ndarray, np.ndarray, int]
"""Products of rows with themselves and with classes, and how many there are."""


def _rows(
  vectors: np.ndarray, mean: np.ndarray, scale: np.ndarray
) -> np.ndarray:
  scaled = (vectors - mean) / scale
  return np.concatenate([scaled, np.ones((len(vectors), 1))], axis=1)


def _sums(rows: np.ndarray, wanted: np.ndarray) -> _Sums:
  return rows.T @ rows, rows.T @ wanted, len(rows)


def _added(parts: list[_Sums]) -> _Sums:
  square, cross, count = zip(*parts, strict=True)
  return sum(square), sum(cross), sum(count)


def _solved(sums: _Sums, ridge: float) -> np.ndarray:
  """Returns the weights; the constant has no ridge."""
  square, cross, count = sums
  price = np.full(len(square), ridge * count)
  price[-1] = 1e-9 * count
  found: np.ndarray = np.linalg.solve(square + np.diag(price), cross)
  return found
