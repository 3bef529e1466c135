"""Distances between two sets of vectors: Fréchet's, and the kernel distance.

The Fréchet distance is that of two normal distributions with the sets' means
and covariances (Dowson and Landau, "The Fréchet distance between multivariate
normal distributions", Journal of Multivariate Analysis 1982; of embeddings:
Heusel et al., "GANs trained by a two time-scale update rule", NeurIPS 2017; of
audio: Kilgour et al., "Fréchet audio distance", Interspeech 2019). It is
squared, as in those papers. It is too large for few pieces, by about a
constant over their number: `extrapolated` draws subsets of several sizes and
tells what would be left of infinitely many (Chong and Forsyth, "Effectively
unbiased FID and Inception Score", CVPR 2020; of music: Gui et al., "Adapting
Fréchet audio distance for generative music evaluation", ICASSP 2024).

The kernel distance is the unbiased estimate of the squared maximum mean
discrepancy (Gretton et al., "A kernel two-sample test", JMLR 2012, lemma 6)
with the cubic kernel of Binkowski et al., "Demystifying MMD GANs", ICLR 2018.
It may be below 0 for equal distributions.

A distance says nothing alone: beside it belongs the `floor` of the reference
against itself. All is worked out in float64. Where a piece has several vectors,
such as one of each of its windows, subsets and halves are of whole pieces: its
windows are alike, and no news. Axes: `n`, `m` pieces or vectors, `d` parts of a
vector.
"""

import dataclasses
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from aurl_jax.core.errors import AurlError

FEWEST = 8
"""Pieces of a set that have a covariance worth the name."""
_SIZES = 8
"""Sizes of subsets from which is extrapolated."""
_LEAST = 0.25
"""The smallest subset, of the whole set."""
Owners = tuple[np.ndarray, np.ndarray]
"""Of each vector of two sets, the number of its piece."""


class SetError(AurlError):
  """Sets of vectors that have no distance."""


@dataclasses.dataclass(frozen=True)
class Distance:
  """A distance of infinitely many pieces, estimated.

  Attributes:
    estimate: Where the line through the distances of subsets meets infinity.
    low: Lower end of the 95 % interval, over subsets.
    high: Upper end.
    plain: Of the pieces that there are.
    pieces: How many of the smaller set.
  """

  estimate: float
  low: float
  high: float
  plain: float
  pieces: int


def distance(
  one: np.ndarray,
  other: np.ndarray,
  *,
  shrink: bool = False,
) -> float:
  """Returns the squared Fréchet distance of two sets, at least 0.

  Args:
    one: Vectors of one set, `[n, d]`.
    other: Of the other, `[m, d]`.
    shrink: Whether covariances are shrunk (`covariance`): wise where there are
      not many times more pieces than parts of a vector.

  Raises:
    SetError: Fewer than `FEWEST` pieces (code `few`), vectors of other lengths
      or that are no numbers (code `vectors`).

  Example:
    >>> rows = np.random.default_rng(0).normal(size=(100, 3))
    >>> round(distance(rows, rows + [1, 2, 2]), 6)
    9.0
  """
  a, b = checked(one, other)
  return _between(
    (a.mean(axis=0), covariance(a, shrink=shrink)),
    (b.mean(axis=0), covariance(b, shrink=shrink)),
  )


def covariance(
  rows: np.ndarray, *, shrink: bool = False
) -> Float[np.ndarray, 'd d']:
  """Returns the covariance of vectors, unbiased.

  Args:
    rows: The vectors, `[n, d]`.
    shrink: Whether it is drawn to a multiple of the identity, as far as
      lessens its expected error most (Ledoit and Wolf, "A well-conditioned
      estimator for large-dimensional covariance matrices", Journal of
      Multivariate Analysis 2004, section 3).
  """
  count, size = rows.shape
  centred = rows - rows.mean(axis=0)
  plain = centred.T @ centred / count
  if not shrink:
    return np.asarray(plain * (count / (count - 1)))
  scale = np.trace(plain) / size
  away = ((plain - scale * np.eye(size)) ** 2).sum() / size
  if away <= 0:
    return np.asarray(plain)
  # The mean of |x x' - S|^2, without a matrix for each piece.
  noise = ((centred**2).sum(axis=1) ** 2).sum() / count
  noise = (noise - (plain**2).sum()) / count / size
  share = min(noise, away) / away
  return np.asarray(share * scale * np.eye(size) + (1 - share) * plain)


def extrapolated(
  one: np.ndarray,
  other: np.ndarray,
  *,
  seed: int = 0,
  draws: int = 16,
  shrink: bool = False,
  owners: Owners | None = None,
) -> Distance:
  """Returns the Fréchet distance that infinitely many pieces would have.

  Of subsets of both sets, from a quarter of the smaller one up to all of it;
  the line of least squares over the inverse of their size meets 0 at the
  estimate. The interval is that of the estimates of `draws` lines, each of
  subsets drawn anew. It tells the chance of the subsets alone, not that of the
  pieces which make up the sets.

  Args:
    one: As of `distance`.
    other: Likewise.
    seed: Of the subsets.
    draws: How many lines.
    shrink: As of `distance`.
    owners: Of each vector of both sets, the number of its piece; None where
      each is a piece.

  Raises:
    SetError: As `distance`, but four times as many pieces are needed.
  """
  first, second = owners or (None, None)
  sets = _Set.of(one, first), _Set.of(other, second)
  a, b = checked(one, other, 1)
  counts = [len(each.members) for each in sets]
  _enough(FEWEST * 4, *counts)
  most = min(counts)
  sizes = np.unique(
    np.linspace(most * _LEAST, most, _SIZES).round().astype(int)
  )
  rng = np.random.default_rng(seed)
  found = [_of_subsets(*sets, sizes, rng, shrink) for _ in range(draws)]
  ends = np.array([np.polyfit(1 / sizes, row, 1)[1] for row in found])
  low, high = np.quantile(ends, [0.025, 0.975])
  return Distance(
    estimate=float(ends.mean()),
    low=float(low),
    high=float(high),
    plain=distance(a, b, shrink=shrink),
    pieces=most,
  )


class _Set(NamedTuple):
  """Vectors, and which of them are of each piece."""

  rows: np.ndarray
  members: list[np.ndarray]

  @classmethod
  def of(cls, rows: np.ndarray, owner: np.ndarray | None) -> '_Set':
    found = np.asarray(rows, np.float64)
    if owner is None:
      return cls(found, list(np.arange(len(found))[:, None]))
    if len(owner) != len(found):
      raise SetError(
        f'{len(found)} vectors of {len(owner)} owners; name one of each',
        code='vectors',
      )
    return cls(found, [np.flatnonzero(owner == x) for x in np.unique(owner)])

  def some(self, order: np.ndarray) -> np.ndarray:
    """Returns the vectors of pieces."""
    return self.rows[np.concatenate([self.members[k] for k in order])]


def _of_subsets(
  a: _Set, b: _Set, sizes: np.ndarray, rng: np.random.Generator, shrink: bool
) -> list[float]:
  """Returns the distances of subsets of both sets, one of each size."""
  return [
    distance(
      a.some(rng.permutation(len(a.members))[:size]),
      b.some(rng.permutation(len(b.members))[:size]),
      shrink=shrink,
    )
    for size in sizes
  ]


def kernel_distance(one: np.ndarray, other: np.ndarray) -> float:
  """Returns the unbiased squared kernel distance of two sets.

  Raises:
    SetError: As `distance`.
  """
  a, b = checked(one, other)
  size = a.shape[1]

  def kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    base = x @ y.T / size + 1
    # A power by numpy takes ten times as long.
    return np.asarray(base * base * base)

  def inside(x: np.ndarray) -> float:
    table, count = kernel(x, x), len(x)
    return float((table.sum() - np.trace(table)) / (count * (count - 1)))

  return inside(a) + inside(b) - 2 * float(kernel(a, b).mean())


def floor(
  reference: np.ndarray,
  *,
  seed: int = 0,
  draws: int = 16,
  shrink: bool = False,
  owner: np.ndarray | None = None,
) -> tuple[float, float]:
  """Returns what two halves of one set are apart: Fréchet, and kernel distance.

  The means over `draws` ways to halve it: what no model can be expected to
  fall below at so many pieces.

  Args:
    reference: Vectors, `[n, d]`.
    seed: Of the halves.
    draws: How many.
    shrink: As of `distance`.
    owner: Of each vector, the number of its piece; None where each is one.

  Raises:
    SetError: As `distance`, but twice as many pieces are needed.
  """
  rows, _ = checked(reference, reference, 1)
  real = _Set.of(rows, owner)
  count = len(real.members)
  _enough(FEWEST * 2, count, count)
  rng, half = np.random.default_rng(seed), count // 2
  found = []
  for _ in range(draws):
    order = rng.permutation(count)
    a, b = real.some(order[:half]), real.some(order[half : 2 * half])
    found.append((distance(a, b, shrink=shrink), kernel_distance(a, b)))
  means = np.mean(found, axis=0)
  return float(means[0]), float(means[1])


def standardised(reference: np.ndarray, rows: np.ndarray) -> np.ndarray:
  """Returns vectors in deviations of a reference from its mean.

  Parts that do not vary in the reference, but for rounding, are left as they
  are, but for its mean. Features of unlike units are compared so.
  """
  spread, level = reference.std(axis=0), abs(reference).max(axis=0, initial=0)
  return np.asarray(
    (rows - reference.mean(axis=0)) / np.where(spread > 1e-9 * level, spread, 1)
  )


def _between(
  one: tuple[np.ndarray, np.ndarray], other: tuple[np.ndarray, np.ndarray]
) -> float:
  """Returns the squared distance of two normal distributions.

  The trace of the root of the product is that of the root of a symmetric
  matrix: `eigh` in the place of a general root, which may be complex.
  """
  (mean, first), (centre, second) = one, other
  values, vectors = np.linalg.eigh(first)
  root = (vectors * np.sqrt(values.clip(min=0))) @ vectors.T
  middle = np.linalg.eigvalsh(root @ second @ root)
  both = np.sqrt(middle.clip(min=0)).sum()
  found = ((mean - centre) ** 2).sum() + np.trace(first) + np.trace(second)
  return max(0.0, float(found - 2 * both))


def checked(
  one: np.ndarray, other: np.ndarray, fewest: int = FEWEST
) -> tuple[np.ndarray, np.ndarray]:
  """Returns both sets in float64.

  Raises:
    SetError: As `distance`, of sets of fewer than `fewest` pieces.
  """
  a, b = (np.asarray(rows, np.float64) for rows in (one, other))
  if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1]:
    raise SetError(
      f'vectors of shapes {list(a.shape)} and {list(b.shape)} cannot be '
      'compared; give [pieces, parts], of as many parts',
      code='vectors',
    )
  if not (np.isfinite(a).all() and np.isfinite(b).all()):
    raise SetError(
      'some vectors are no numbers; leave out pieces without the feature',
      code='vectors',
    )
  _enough(fewest, len(a), len(b))
  return a, b


def _enough(fewest: int, *counts: int) -> None:
  """Raises SetError for sets of fewer pieces."""
  if min(counts) < fewest:
    one, other = counts
    raise SetError(
      f'sets of {one} and {other} pieces are too small for this distance; '
      f'give {fewest} or more of each',
      code='few',
    )
