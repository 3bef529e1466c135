"""Whether a set of pieces varies as another does: overlap of distances.

Yang and Lerch, "On the evaluation of generative models in music", Neural
Computing and Applications 2020, sections 3.2 and 3.3: of each feature the
distances of all pairs of pieces inside a set, and of all pairs across two
sets, become densities, whose common area is 1 where the sets cannot be told
apart by it. A set that says one thing over and over has intra-set distances
that are too small; one of another kind has inter-set distances that are too
large. Axes: `n`, `m` pieces, `d` parts of a feature, `k` values.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import signal

from aurl_jax.evaluation import musical
from aurl_jax.music.notes import Notes

_POINTS = 1024
"""Where the densities are compared: the area's error is below 1e-4."""
_REACH = 6.0
"""Bandwidths beyond the outermost value: all but 1e-9 of a density."""
_SAME = 1e-12
"""Relative spread below which values count as one."""
_CHUNK = 1 << 22
"""Numbers that are worked on at a time; above it, values are binned."""
_EVEN = 1e-6
"""Weight of an even density where a divergence would be infinite."""
_FINER = 8
"""Bins between two points, each a 160th of a bandwidth wide at most."""
USUAL = ('pitch_class', 'groove', 'density', 'interval')
"""What sets of short pieces are compared by."""
Described = Mapping[str, np.ndarray]
"""Features of a piece, by name."""


@dataclasses.dataclass(frozen=True)
class Overlap:
  """Areas 0..1 that densities of distances have in common, of a feature.

  `nan` where fewer than two pieces of the set, or none of the other, have the
  feature.

  Attributes:
    one: Inside the first set, and across the sets.
    other: Inside the second set, and across the sets.
  """

  one: float
  other: float

  @property
  def mean(self) -> float:
    """Of both."""
    return (self.one + self.other) / 2


def overlaps(
  one: Sequence[Notes], other: Sequence[Notes]
) -> dict[str, Overlap]:
  """Returns the overlap of two sets for each of `musical.FEATURES`.

  A piece is not compared with itself, also where both sets have the same
  object; so a set against itself gives 1. Pieces without a feature are left
  out of it. Time and memory grow with the square of the pieces: a hundred
  a set take a second.

  Args:
    one: Such as generated pieces.
    other: Such as pieces of the test split.
  """
  a, b = ([musical.features(notes) for notes in set_] for set_ in (one, other))
  names = [[id(notes) for notes in set_] for set_ in (one, other)]
  return {
    feature: of_features(a, b, feature, names) for feature in musical.FEATURES
  }


def of_features(
  one: Sequence[Described],
  other: Sequence[Described],
  feature: str,
  names: Sequence[Sequence[int]],
) -> Overlap:
  """Returns the overlap of two sets by a feature that has been computed.

  Args:
    one: As of `musical.features`, of each piece.
    other: Likewise.
    feature: Its name.
    names: Of the pieces of both sets; equal ones are not compared.
  """
  rows = _rows(one, feature), _rows(other, feature)
  return _overlap(*rows, *map(np.array, names))


def _rows(found: Sequence[Described], feature: str) -> np.ndarray:
  """Returns a feature of pieces, `[n, d]`."""
  rows = [each[feature] for each in found]
  return np.stack(rows) if rows else np.zeros((0, 1))


def _overlap(
  a: np.ndarray, b: np.ndarray, a_names: np.ndarray, b_names: np.ndarray
) -> Overlap:
  """Returns the overlap of features `[n, d]`, `[m, d]` of named pieces."""
  known = [np.isfinite(rows).all(axis=1) for rows in (a, b)]
  a, a_names = a[known[0]], a_names[known[0]]
  b, b_names = b[known[1]], b_names[known[1]]
  if not (len(a) and len(b)):
    return Overlap(float('nan'), float('nan'))
  inter = distances(a, b)[a_names[:, None] != b_names]
  return Overlap(
    area(distances(a, a)[a_names[:, None] != a_names], inter),
    area(distances(b, b)[b_names[:, None] != b_names], inter),
  )


def distances(one: np.ndarray, other: np.ndarray) -> np.ndarray:
  """Returns the Euclidean distances of rows `[n, d]`, `[m, d]`: `[n, m]`."""
  rows = [np.sqrt(((row - other) ** 2).sum(axis=-1)) for row in one]
  return np.array(rows).reshape(len(one), len(other))


def area(one: Any, other: Any) -> float:
  """Returns the area that the densities of two samples have in common, 0..1.

  Densities are of Gaussian kernels of Scott's bandwidth. A sample of one
  value only is a point: it has all in common with the same point, and
  nothing with any other sample. `nan` if one of them is empty.

  Args:
    one: Finite values, of any number.
    other: Likewise.
  """
  one, other = (np.asarray(x, np.float64).ravel() for x in (one, other))
  if not (len(one) and len(other)):
    return float('nan')
  widths = [bandwidth(values) for values in (one, other)]
  if min(widths) == 0:
    alike = np.isclose(one[0], other[0], rtol=_SAME, atol=0)
    return float(max(widths) == 0 and bool(alike))
  points, found = _densities((one, other), widths)
  return float(min(1.0, np.trapezoid(np.minimum(*found), points)))


def divergence(one: Any, other: Any) -> float:
  """Returns how badly one sample's density tells another: KL, in nats, >= 0.

  Of the densities of `area`, from the first to the second, as in section 3.3 of
  the paper; both are mixed with an even density of weight 1e-6 over all that
  either reaches, so that it is finite. `nan` if one of them is empty, or all of
  its values are one.

  Args:
    one: Finite values, of any number.
    other: Likewise.
  """
  one, other = (np.asarray(x, np.float64).ravel() for x in (one, other))
  if not (len(one) and len(other)):
    return float('nan')
  widths = [bandwidth(values) for values in (one, other)]
  if min(widths) == 0:
    return float('nan')
  points, found = _densities((one, other), widths)
  even = 1 / (points[-1] - points[0])
  p, q = ((1 - _EVEN) * x + _EVEN * even for x in found)
  return float(max(0.0, np.trapezoid(p * np.log(p / q), points)))


def bandwidth(values: np.ndarray) -> float:
  """Returns Scott's width of a kernel for `[k]` values; 0 if all are one.

  `k ** -1/5` standard deviations (Scott, "Multivariate Density Estimation",
  1992).
  """
  if len(values) < 2 or np.ptp(values) <= _SAME * np.abs(values).max():
    return 0.0
  return float(np.std(values, ddof=1) * len(values) ** -0.2)


def _densities(
  samples: tuple[np.ndarray, np.ndarray], widths: list[float]
) -> tuple[np.ndarray, list[np.ndarray]]:
  """Returns places, evenly apart, over all that two densities reach; these."""
  pairs = list(zip(samples, widths, strict=True))
  low = min(values.min() - _REACH * width for values, width in pairs)
  high = max(values.max() + _REACH * width for values, width in pairs)
  # Fine enough for the narrower of them, whatever the other is like.
  count = max(_POINTS, int(min(1 << 16, 20 * (high - low) / min(widths))))
  points = np.linspace(low, high, count)
  return points, [density(values, points, width) for values, width in pairs]


def density(values: np.ndarray, points: np.ndarray, width: float) -> np.ndarray:
  """Returns the density of values `[k]` at points, by Gaussian kernels."""
  # Equal distances are frequent: each is worked out once.
  total = len(values)
  values, counts = np.unique(values, return_counts=True)
  if len(values) * len(points) > _CHUNK:
    found = _binned(values, counts, points, width)
  else:
    away = (points[:, None] - values) / width
    found = np.exp(-0.5 * away**2) @ counts
  return found / (total * width * np.sqrt(2 * np.pi))


def _binned(
  values: np.ndarray, counts: np.ndarray, points: np.ndarray, width: float
) -> np.ndarray:
  """Returns the sums of kernels at even points, by a convolution.

  Each value is shared by the two bins beside it (Silverman 1982, "Algorithm AS
  176: Kernel density estimation using the fast Fourier transform").
  """
  step = (points[1] - points[0]) / _FINER
  size = _FINER * (len(points) - 1) + 1
  place = (values - points[0]) / step
  left = np.clip(place.astype(int), 0, size - 2)
  share = np.clip(place - left, 0, 1)
  bins = np.bincount(left, counts * (1 - share), size)
  bins += np.bincount(left + 1, counts * share, size)
  kernel = np.exp(-0.5 * (np.arange(-size + 1, size) * step / width) ** 2)
  found = signal.fftconvolve(bins, kernel, mode='valid')
  return np.maximum(found[::_FINER], 0)
