"""Which style a piece is of, by a classifier of the metrics of labelled pieces.

Multinomial logistic regression with a penalty on squared weights (Hastie,
Tibshirani and Friedman, "The Elements of Statistical Learning", 2009, section
4.4), minimised by L-BFGS of scipy, on the metrics of `evaluation.metrics` in
deviations of the labelled pieces. A metric that a piece does not have counts as
the mean, and that it has none is told beside. Each style weighs the same,
however many pieces it has. How far to trust it is told by pieces that it was
not fitted to: the mean over styles of the share that is told right, in folds.
Axes: `n` pieces, `k` metrics, `f` facts, `s` styles.
"""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy import optimize, special

from aurl_jax.core.errors import AurlError

FOLDS = 5
FEWEST = 2 * FOLDS
"""Pieces of a style that can be told."""
_PENALTY = 1.0
"""On squared weights, by that of one piece."""


class StyleError(AurlError):
  """Labelled pieces that no classifier can be made of (code `styles`)."""


class Scores(NamedTuple):
  """How well styles are told of pieces that were held out.

  Attributes:
    accuracy: Mean over styles of the share that is told right, 0..1.
    chance: What guessing would give.
    confusion: [s, s] int64, pieces of the row's style told as the column's.
  """

  accuracy: float
  chance: float
  confusion: Int[np.ndarray, 's s']


@dataclasses.dataclass(frozen=True, eq=False)
class Classifier:
  """Tells styles by metrics.

  Attributes:
    styles: Their names.
    mean: Of each metric that is used, float64.
    spread: Its deviation.
    used: Which metrics these are.
    absent: Of which it is told whether a piece has them.
    weights: [f + 1, s], the last row added to all.
  """

  styles: tuple[str, ...]
  mean: np.ndarray
  spread: np.ndarray
  used: np.ndarray
  absent: np.ndarray
  weights: Float[np.ndarray, 'f1 s']

  def chances(self, table: Float[np.ndarray, 'n k']) -> np.ndarray:
    """Returns how likely each piece is of each style, [n, s], rows of sum 1.

    Args:
      table: Metrics, as of `metrics.table`; `nan` where a piece has none.
    """
    facts = self._facts(np.asarray(table, np.float64))
    return np.asarray(special.softmax(_odds(facts, self.weights), axis=1))

  def _facts(self, table: np.ndarray) -> Float[np.ndarray, 'n f']:
    known = (table[:, self.used] - self.mean) / self.spread
    lacks = ~np.isfinite(table[:, self.absent])
    # Further out than ten deviations is as far as ten.
    near = np.where(np.isfinite(known), known, 0).clip(-10, 10)
    return np.concatenate([near, lacks], axis=1)


def fit(
  table: Float[np.ndarray, 'n k'],
  labels: Sequence[str],
  penalty: float = _PENALTY,
) -> Classifier:
  """Returns the classifier of labelled pieces.

  Args:
    table: Metrics of each, as of `metrics.table`.
    labels: The style of each.
    penalty: On squared weights, above 0.

  Raises:
    StyleError: There are fewer than two styles, or of one fewer than two
      pieces.
  """
  styles, place = np.unique(np.array(labels, object), return_inverse=True)
  counts = np.bincount(place, minlength=len(styles))
  if len(styles) < 2 or counts.min() < 2:
    told = dict(zip(map(str, styles), counts.tolist(), strict=True))
    raise StyleError(
      f'styles {told} cannot be told apart; give two or more, each of two '
      'pieces or more',
      code='styles',
    )
  rows = np.asarray(table, np.float64)
  known = np.isfinite(rows)
  filled = np.where(known, rows, 0)
  count = np.maximum(known.sum(axis=0), 1)
  mean = filled.sum(axis=0) / count
  spread = np.sqrt((np.where(known, rows - mean, 0) ** 2).sum(axis=0) / count)
  used = np.flatnonzero(spread > 1e-9 * abs(filled).max(axis=0, initial=0))
  absent = np.flatnonzero(known.any(axis=0) & ~known.all(axis=0))
  empty = np.zeros((len(used) + len(absent) + 1, len(styles)))
  blank = Classifier(
    tuple(map(str, styles)), mean[used], spread[used], used, absent, empty
  )
  weights = _fitted(blank._facts(rows), place, 1 / counts[place], penalty)
  return dataclasses.replace(blank, weights=weights)


def scores(
  table: Float[np.ndarray, 'n k'],
  labels: Sequence[str],
  *,
  seed: int = 0,
  penalty: float = _PENALTY,
) -> Scores:
  """Returns how well styles are told of pieces that are held out, in folds.

  Args:
    table: As of `fit`.
    labels: Likewise.
    seed: Of the folds, each of which has its share of each style.
    penalty: As of `fit`.

  Raises:
    StyleError: There are fewer than two styles, or of one fewer than `FEWEST`
      pieces.
  """
  styles, place = np.unique(np.array(labels, object), return_inverse=True)
  counts = np.bincount(place, minlength=len(styles))
  if len(styles) < 2 or counts.min() < FEWEST:
    told = dict(zip(map(str, styles), counts.tolist(), strict=True))
    raise StyleError(
      f'styles {told}: to hold some out, give two or more, each of {FEWEST} '
      'pieces or more',
      code='styles',
    )
  rng, fold = np.random.default_rng(seed), np.zeros(len(place), np.int64)
  for style in range(len(styles)):
    own = rng.permutation(np.flatnonzero(place == style))
    fold[own] = np.arange(len(own)) % FOLDS
  confusion = np.zeros((len(styles), len(styles)), np.int64)
  for number in range(FOLDS):
    out = fold == number
    made = fit(
      table[~out], [labels[i] for i in np.flatnonzero(~out).tolist()], penalty
    )
    told = made.chances(table[out]).argmax(axis=1)
    np.add.at(confusion, (place[out], told), 1)
  right = confusion.diagonal() / counts
  return Scores(float(right.mean()), 1 / len(styles), confusion)


def _odds(facts: np.ndarray, weights: np.ndarray) -> np.ndarray:
  return np.asarray(facts @ weights[:-1] + weights[-1])


def _fitted(
  facts: np.ndarray, place: np.ndarray, weigh: np.ndarray, penalty: float
) -> np.ndarray:
  """Returns the weights of least penalised loss, [f + 1, s]."""
  shape = facts.shape[1] + 1, int(place.max()) + 1
  wanted = np.eye(shape[1])[place]
  # As many pieces as there are, each style the same share of them.
  weigh = weigh[:, None] * len(place) / shape[1]

  def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
    weights = flat.reshape(shape)
    chances = special.log_softmax(_odds(facts, weights), axis=1)
    off = weigh * (np.exp(chances) - wanted)
    slope = np.concatenate([facts.T @ off, off.sum(axis=0)[None]])
    # What is added to all is not drawn to 0.
    inner = weights * (np.arange(shape[0]) < shape[0] - 1)[:, None]
    total = penalty / 2 * (inner**2).sum() - (weigh * wanted * chances).sum()
    return float(total), (slope + penalty * inner).ravel()

  found = optimize.minimize(
    loss, np.zeros(shape).ravel(), jac=True, method='L-BFGS-B'
  )
  return np.asarray(found.x.reshape(shape))
