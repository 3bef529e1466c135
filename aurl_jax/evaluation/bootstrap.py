"""How far a figure may be trusted: bootstrap intervals over pieces.

Pieces are drawn anew with replacement, as they, not notes, are what was
sampled from the world. Efron and Tibshirani, "An Introduction to the
Bootstrap", 1993: percentiles (chapter 13) and BCa, bias-corrected and
accelerated (chapter 14). Axes: `n` pieces, `s` samples.
"""

import dataclasses
import statistics
from collections.abc import Callable
from typing import Any

import numpy as np

METHODS = ('bca', 'percentile')
Statistic = Callable[..., float]
"""From columns `[n, ...]`, the pieces foremost, to a figure."""
_NORMAL = statistics.NormalDist()


@dataclasses.dataclass(frozen=True)
class Interval:
  """A figure and where the truth may lie.

  Attributes:
    estimate: Of the pieces as they are.
    low: Lower end.
    high: Upper end.
  """

  estimate: float
  low: float
  high: float

  def __str__(self) -> str:
    """Returns such as `0.391 [0.380, 0.402]`."""
    return f'{self.estimate:.4g} [{self.low:.4g}, {self.high:.4g}]'


def interval(
  statistic: Statistic,
  *columns: Any,
  level: float = 0.95,
  samples: int = 2000,
  method: str = 'bca',
  seed: int = 0,
) -> Interval:
  """Returns a figure of a set of pieces and its interval.

  Args:
    statistic: Such as `np.mean`, or `likelihood.bits_per_note` of nats and
      notes of each piece.
    *columns: What it takes: arrays `[n, ...]`, drawn by the same pieces.
    level: Share of intervals that hold the truth.
    samples: How many sets are drawn.
    method: `bca`, or `percentile`.
    seed: Of the draws; equal seeds, equal intervals. The draws are
      `numpy.random.default_rng(seed).integers(0, n, (samples, n))`.

  Raises:
    ValueError: Fewer than two pieces, columns of different lengths, or no
      such method or level.
  """
  arrays = [np.asarray(column) for column in columns]
  count = _check(arrays, level, samples, method)
  estimate = float(statistic(*arrays))
  draws = np.random.default_rng(seed).integers(0, count, (samples, count))
  drawn = np.array([statistic(*(x[d] for x in arrays)) for d in draws], float)
  ends = np.array([(1 - level) / 2, (1 + level) / 2])
  if method == 'bca':
    ends = _corrected(ends, estimate, drawn, _left_out(statistic, arrays))
  low, high = np.quantile(drawn, ends)
  return Interval(estimate, float(low), float(high))


def difference(
  statistic: Statistic, one: Any, other: Any, **options: Any
) -> Interval:
  """Returns by how much two results on the same pieces differ: one - other.

  Pieces are drawn in pairs, so what makes a piece hard for both leaves no
  trace in the interval; if 0 lies outside, the difference is none of chance.

  Args:
    statistic: As of `interval`, of one result.
    one: A column `[n, ...]`, or a tuple of those that the statistic takes.
    other: The same of the other result, piece by piece.
    **options: As of `interval`.
  """
  left, right = (x if isinstance(x, tuple) else (x,) for x in (one, other))
  width = len(left)

  def apart(*columns: np.ndarray) -> float:
    return statistic(*columns[:width]) - statistic(*columns[width:])

  return interval(apart, *left, *right, **options)


def _check(
  arrays: list[np.ndarray], level: float, samples: int, method: str
) -> int:
  """Returns the number of pieces."""
  counts = {len(array) for array in arrays}
  if len(counts) != 1 or min(counts) < 2:
    raise ValueError(
      f'columns of {sorted(counts)} pieces; give each the same two or more'
    )
  if method not in METHODS:
    raise ValueError(f'method {method!r} is none of {METHODS}')
  if not 0 < level < 1 or samples < 1:
    raise ValueError(
      f'level {level} must lie in (0, 1), samples {samples} be at least 1'
    )
  return counts.pop()


def _left_out(statistic: Statistic, arrays: list[np.ndarray]) -> np.ndarray:
  """Returns the figure without each piece in turn, `[n]` (jackknife)."""
  count = len(arrays[0])
  keep = ~np.eye(count, dtype=np.bool_)
  return np.array([statistic(*(x[k] for x in arrays)) for k in keep], float)


def _corrected(
  ends: np.ndarray, estimate: float, drawn: np.ndarray, left_out: np.ndarray
) -> np.ndarray:
  """Returns the percentiles that BCa takes in the place of `ends`."""
  # Ties count half, or a statistic of few values would seem biased.
  below = (drawn < estimate).mean() + (drawn == estimate).mean() / 2
  if not 0 < below < 1:
    return ends
  bias = _NORMAL.inv_cdf(below)
  away = left_out.mean() - left_out
  spread = (away**2).sum() ** 1.5
  speed = (away**3).sum() / (6 * spread) if spread > 0 else 0.0
  moved = [bias + _NORMAL.inv_cdf(end) for end in ends.tolist()]
  return np.array([_NORMAL.cdf(bias + z / (1 - speed * z)) for z in moved])
