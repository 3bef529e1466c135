"""Tests of whether two results differ, how much, and corrections for many.

The tests are scipy's. Effect sizes: Cliff, "Dominance statistics: ordinal
analyses to answer ordinal questions", Psychological Bulletin 1993; Hedges,
"Distribution theory for Glass's estimator of effect size", Journal of
Educational Statistics 1981; the area under the curve (AUC) with Newcombe's
interval, "Confidence intervals for an effect size measure based on the
Mann-Whitney statistic, part 2", Statistics in Medicine 2006. Correction: Holm,
"A simple sequentially rejective multiple test procedure", Scandinavian Journal
of Statistics 1979. Other intervals are those of `evaluation.bootstrap`. Axes:
`n`, `m` pieces, `k` tests.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy import optimize, stats

from aurl_jax.evaluation.bootstrap import Interval

_FEWEST = 2
_COUNTED = 60
"""Values whose signs are all counted."""


class Comparison(NamedTuple):
  """Whether two samples differ.

  Attributes:
    p: Chance of so large a difference where there is none.
    effect: How large it is: Cliff's delta, -1..1, above 0 where the first is
      the larger.
    test: What was done.
  """

  p: float
  effect: float
  test: str


def unpaired(
  one: Float[np.ndarray, ' n'], other: Float[np.ndarray, ' m']
) -> Comparison:
  """Compares two samples by Mann and Whitney's test of ranks.

  Raises:
    ValueError: Fewer than two values, or values that are no numbers.
  """
  a, b = _checked(one, other)
  p = 1.0
  if np.ptp(np.concatenate([a, b])) > 0:
    p = float(stats.mannwhitneyu(a, b).pvalue)
  return Comparison(p, cliffs_delta(a, b), 'Mann-Whitney')


def paired(one: np.ndarray, other: np.ndarray) -> Comparison:
  """Compares two results on the same pieces by Wilcoxon's signed ranks.

  Pairs without a difference are ranked, and then left out (Pratt's way). The
  effect is the matched-pairs rank-biserial
  correlation (Kerby, "The simple difference formula", Comprehensive Psychology
  2014): the share of rank sums for the first less that for the second.

  Raises:
    ValueError: As `unpaired`, or samples of unlike sizes.
  """
  a, b = _checked(one, other)
  if len(a) != len(b):
    raise ValueError(f'{len(a)} and {len(b)} values make no pairs')
  apart = a - b
  if not apart.any():
    return Comparison(1.0, 0.0, 'Wilcoxon')
  p = float(stats.wilcoxon(apart, zero_method='pratt').pvalue)
  ranks = stats.rankdata(abs(apart)) * (apart != 0)
  effect = float((ranks * np.sign(apart)).sum() / ranks.sum())
  return Comparison(p, effect, 'Wilcoxon')


def signed_ranks(values: Float[np.ndarray, ' n']) -> Comparison:
  """Compares values with 0 by Wilcoxon's signed ranks, exactly where few.

  As `paired` with nothing to compare with: values of 0 are ranked, and then
  left out, and equal ones share their ranks. Up to 60 values the chance is
  counted over all signs that these ranks may have, whether or not they are
  shared; it is Wilcoxon's own table where none are. Above, it is normal.

  Raises:
    ValueError: As `unpaired`.

  Example:
    >>> signed_ranks(np.array([1.0, 1, 2, 3, -1])).p
    0.25
  """
  found, _ = _checked(values, values)
  if not found.any():
    return Comparison(1.0, 0.0, 'Wilcoxon')
  # What differs by rounding alone, as means of answers do, is equal.
  size = np.round(abs(found) / abs(found).max(), 12)
  found = np.sign(found) * size
  doubled = np.rint(2 * stats.rankdata(size)).astype(int)[found != 0]
  sign = np.sign(found[found != 0]).astype(int)
  total = int((doubled * sign).sum())
  if len(found) > _COUNTED:
    spread = math.sqrt(float((doubled**2).sum()))
    p = float(2 * stats.norm.sf(abs(total) / spread))
  else:
    p = _counted(doubled, abs(total))
  return Comparison(min(1.0, p), total / int(doubled.sum()), 'Wilcoxon')


def _counted(ranks: np.ndarray, least: int) -> float:
  """Returns the chance that ranks of any signs add up so far from 0."""
  if not least:
    return 1.0
  unit = int(np.gcd.reduce(ranks))
  # So much may the ranks of one sign add up to, for the sum to be so far.
  most = (int(ranks.sum()) - least) // 2 // unit
  ways = np.zeros(most + 1)
  ways[0] = 1
  for rank in (ranks[ranks <= most * unit] // unit).tolist():
    ways[rank:] = ways[rank:] + ways[: len(ways) - rank]
  return float(2 * ways.sum() / 2.0 ** len(ranks))


def permuted(
  one: np.ndarray,
  other: np.ndarray,
  *,
  pairs: bool = False,
  draws: int = 9999,
  seed: int = 0,
) -> Comparison:
  """Compares two means by permutations.

  Args:
    one: A sample.
    other: Another.
    pairs: Whether values of one place are of one piece: signs are changed then,
      else the samples are mixed.
    draws: Permutations; all of them where there are no more.
    seed: Of the draws.

  Raises:
    ValueError: As `paired`.
  """
  a, b = _checked(one, other)
  if pairs and len(a) != len(b):
    raise ValueError(f'{len(a)} and {len(b)} values make no pairs')
  found = stats.permutation_test(
    (a, b),
    lambda x, y, axis: np.mean(x, axis=axis) - np.mean(y, axis=axis),
    permutation_type='samples' if pairs else 'independent',
    n_resamples=draws,
    vectorized=True,
    rng=np.random.default_rng(seed),
  )
  return Comparison(float(found.pvalue), cliffs_delta(a, b), 'permutation')


def cliffs_delta(
  one: Float[np.ndarray, ' n'], other: Float[np.ndarray, ' m']
) -> float:
  """Returns how much more often the first is larger than smaller, -1..1.

  Example:
    >>> cliffs_delta(np.array([2.0, 3.0]), np.array([1.0, 2.0]))
    0.75
  """
  a, b = np.asarray(one, float), np.sort(np.asarray(other, float))
  below = np.searchsorted(b, a, side='left')
  above = len(b) - np.searchsorted(b, a, side='right')
  return float((below - above).sum() / (len(a) * len(b)))


def auc(
  one: Float[np.ndarray, ' n'],
  other: Float[np.ndarray, ' m'],
  level: float = 0.95,
) -> Interval:
  """Returns how often the first is the larger of two, ties half, and where.

  0.5 where neither tells anything, 0 or 1 where a threshold parts the samples:
  the area under the curve of all thresholds. The interval is Newcombe's method
  5, which has a width also where the samples are parted.

  Args:
    one: A sample, two numbers at least.
    other: Another.
    level: Share of intervals that hold the truth, above 0 and below 1.

  Raises:
    ValueError: As `unpaired`, or the level is no such share.

  Example:
    >>> print(auc(np.array([3.0, 4, 5]), np.array([1.0, 2, 3])))
    0.9444 [0.4485, 0.9968]
  """
  a, b = _checked(one, other)
  if not 0 < level < 1:
    raise ValueError(f'a level lies between 0 and 1, not {level}')
  found = (cliffs_delta(a, b) + 1) / 2
  counts = len(a) * len(b)
  half = (len(a) + len(b)) / 2 - 1
  far = stats.norm.ppf((1 + level) / 2) ** 2

  def off(truth: float | int) -> float:
    ties = (1 - truth) / (2 - truth) + truth / (1 + truth)
    spread = truth * (1 - truth) * (1 + half * ties) / counts
    return float((truth - found) ** 2 - far * spread)

  # Below 0 within the interval, at 0 at its ends.
  inner = min(max(found, 1e-12), 1 - 1e-12)
  low = optimize.brentq(off, 0.0, inner) if off(0.0) > 0 else 0.0
  high = optimize.brentq(off, inner, 1.0) if off(1.0) > 0 else 1.0
  return Interval(found, float(low), float(high))


def hedges_g(
  one: Float[np.ndarray, ' n'], other: Float[np.ndarray, ' m']
) -> float:
  """Returns the difference of means in deviations, corrected for few pieces.

  `nan` where neither sample varies.
  """
  a, b = _checked(one, other)
  free = len(a) + len(b) - 2
  pooled = (len(a) - 1) * a.var(ddof=1) + (len(b) - 1) * b.var(ddof=1)
  if pooled <= 0:
    return math.nan
  return float(
    (a.mean() - b.mean()) / math.sqrt(pooled / free) * (1 - 3 / (4 * free - 1))
  )


def holm(p: Sequence[float] | Float[np.ndarray, ' k']) -> np.ndarray:
  """Returns the chances of several tests, corrected for their number.

  Where a corrected one is below a level, the chance that any such finding is
  none is below that level.

  Raises:
    ValueError: One is not in 0..1.

  Example:
    >>> holm([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.06, 0.06]
  """
  found = np.asarray(p, float)
  if not ((found >= 0) & (found <= 1)).all():
    raise ValueError('chances lie in 0..1')
  order = np.argsort(found, kind='stable')
  scaled = found[order] * np.arange(len(found), 0, -1)
  result = np.empty_like(found)
  result[order] = np.minimum(np.maximum.accumulate(scaled), 1)
  return result


def _checked(one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, ...]:
  samples = tuple(np.asarray(x, np.float64).ravel() for x in (one, other))
  for sample in samples:
    if len(sample) < _FEWEST or not np.isfinite(sample).all():
      raise ValueError(
        f'a sample of {len(sample)} values, of which '
        f'{int((~np.isfinite(sample)).sum())} are no numbers; give two numbers '
        'or more'
      )
  return samples
