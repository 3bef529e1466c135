"""How far listeners agree: Krippendorff's alpha.

Krippendorff, "Computing Krippendorff's alpha-reliability", 2011, which has the
example that the tests hold. 1 is agreement, 0 what chance gives; it takes any
number of listeners and answers that are missing. Axes: `r` listeners, `u`
things that were judged, `v` different values.
"""

import numpy as np
from jaxtyping import Float

from aurl_jax.evaluation import bootstrap
from aurl_jax.evaluation.bootstrap import Interval
from aurl_jax.evaluation.raters import RatingError

METRICS = ('nominal', 'ordinal', 'interval')
"""How far apart two values are: alike or not, by ranks, by their difference."""


def alpha(answers: Float[np.ndarray, 'r u'], metric: str = 'nominal') -> float:
  """Returns how far listeners agree, at most 1.

  Args:
    answers: A row a listener, NaN where there is no answer.
    metric: One of `METRICS`.

  Raises:
    RatingError: Nothing was judged twice (code `no_pairs`), or all values are
      one, so that nothing tells agreement from chance (code `no_variation`).
    ValueError: There is no such metric.

  Example:
    >>> alpha(np.array([[1.0, 2, 3, 3], [1.0, 2, 3, 4]]), 'interval')
    0.8888888888888888
  """
  if metric not in METRICS:
    raise ValueError(f'metric {metric!r} is none of {METRICS}')
  counts = _counts(np.asarray(answers, float))
  if counts is None:
    raise RatingError('nothing was judged by two listeners', code='no_pairs')
  values, table = counts
  found = _alpha(values, table, metric)
  if found is None:
    raise RatingError(
      f'all answers are {values[0]:g}, which tells no agreement from chance',
      code='no_variation',
    )
  return found


def interval(
  answers: Float[np.ndarray, 'r u'],
  metric: str = 'nominal',
  *,
  samples: int = 1000,
  seed: int = 0,
) -> Interval:
  """Returns `alpha` with its 95 % interval over what was judged.

  What was judged is drawn anew; draws in which all values are one count as
  agreement.

  Raises:
    As `alpha`; RatingError, too, where fewer than two things were judged (code
    `no_pairs`).
  """
  estimate = alpha(answers, metric)
  rows = np.asarray(answers, float).T
  judged = rows[(~np.isnan(rows)).sum(1) > 1]
  if len(judged) < 2:
    raise RatingError('one thing alone has no interval', code='no_pairs')

  def drawn(units: np.ndarray) -> float:
    values, table = _counts(units.T) or (np.zeros(1), np.zeros((1, 1)))
    found = _alpha(values, table, metric)
    return 1.0 if found is None else found

  found = bootstrap.interval(
    drawn, judged, samples=samples, method='percentile', seed=seed
  )
  return Interval(estimate, found.low, found.high)


def _counts(answers: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
  """Returns the values, and how often each stands beside each, `[v, v]`."""
  judged = answers[:, (~np.isnan(answers)).sum(0) > 1]
  if not judged.size:
    return None
  values = np.unique(judged[~np.isnan(judged)])
  each = (judged[..., None] == values).sum(0).astype(float)
  many = each.sum(1)[:, None, None]
  beside = each[:, :, None] * each[:, None, :]
  beside -= each[:, :, None] * np.eye(len(values))
  return values, (beside / (many - 1)).sum(0)


def _alpha(values: np.ndarray, table: np.ndarray, metric: str) -> float | None:
  """Returns alpha of a table of coincidences; None where all are one."""
  many = table.sum(0)
  apart = _apart(values, many, metric)
  expected = float((many[:, None] * many * apart).sum())
  if expected <= 0:
    return None
  found = float((table * apart).sum())
  return 1 - (float(many.sum()) - 1) * found / expected


def _apart(values: np.ndarray, many: np.ndarray, metric: str) -> np.ndarray:
  """Returns squared distances of values, `[v, v]`."""
  if metric == 'nominal':
    return 1 - np.eye(len(values))
  if metric == 'interval':
    return (values[:, None] - values) ** 2
  # Half of both ends and all between: a difference of middle ranks.
  middle = np.cumsum(many) - many / 2
  return (middle[:, None] - middle) ** 2
