"""Who is preferred: strengths from comparisons of two at a time.

Bradley and Terry, "Rank analysis of incomplete block designs: I", Biometrika
1952; answers without a preference: Davidson, "On extending the Bradley-Terry
model to accommodate ties in paired comparison experiments", JASA 1970.
Intervals by the sandwich over listeners, whose answers are alike: Liang and
Zeger, "Longitudinal data analysis using generalized linear models", Biometrika
1986. Axes: `n` answers, `k` systems, `p` free parameters, `o` possible answers.
"""

import dataclasses
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from scipy import sparse, stats
from scipy.sparse import csgraph

from aurl_jax.evaluation.raters import RatingError

_STEPS = 200
_CLOSE = 1e-10


@dataclasses.dataclass(frozen=True)
class Answers:
  """Comparisons of two systems.

  Attributes:
    first: [n] the one.
    second: [n] the other.
    result: [n] 1 where the first is preferred, 0 the second, 0.5 neither.
    rater: [n] whose answer it is.
  """

  first: Int[np.ndarray, ' n']
  second: Int[np.ndarray, ' n']
  result: Float[np.ndarray, ' n']
  rater: Int[np.ndarray, ' n']


@dataclasses.dataclass(frozen=True)
class Strengths:
  """How strong systems are; one of strength s beats another by exp(s - t) to 1.

  Attributes:
    strength: [k] natural logarithms that add up to 0.
    low: [k] lower end of the 95 % interval.
    high: [k] upper end.
    tie: Davidson's parameter; 0 where each answer is a preference.
  """

  strength: Float[np.ndarray, ' k']
  low: Float[np.ndarray, ' k']
  high: Float[np.ndarray, ' k']
  tie: float

  def chance(self, one: int, other: int) -> float:
    """Returns how often the one is preferred where there is a preference."""
    apart = self.strength[other] - self.strength[one]
    return float(1 / (1 + np.exp(apart)))


def strengths(answers: Answers, count: int) -> Strengths:
  """Returns the strengths that are likeliest.

  Args:
    answers: Two listeners' at least.
    count: Systems, 2 at least.

  Raises:
    RatingError: There are no finite ones: some systems never lost to any of the
      others (code `separated`), or nobody preferred any (code `all_ties`). Or
      there are fewer than two listeners (code `few_raters`).

  Example:
    >>> told = Answers(np.zeros(4, int), np.ones(4, int),
    ...   np.array([1.0, 1, 1, 0]), np.array([0, 0, 1, 1]))
    >>> strengths(told, 2).strength.round(3).tolist()  # half of log 3
    [0.549, -0.549]
  """
  _check(answers, count)
  features, chosen, basis = _features(answers, count)
  at = np.zeros(features.shape[-1])
  for _ in range(_STEPS):
    slope, curve = _slopes(features, chosen, at)
    step = np.linalg.solve(curve, slope.sum(0))
    best = _likelihood(features, chosen, at)
    while _likelihood(features, chosen, at + step) < best - _CLOSE:
      step = step / 2
    at = at + step
    if abs(step).max() < _CLOSE:
      break
  far = _far(features, chosen, at, answers.rater)
  strength = basis @ at[: count - 1]
  cover = basis @ far[: count - 1, : count - 1] @ basis.T
  free = len(np.unique(answers.rater)) - 1
  wide = stats.t.ppf(0.975, free) * np.sqrt(np.diag(cover))
  tie = float(np.exp(at[-1])) if features.shape[1] > 2 else 0.0
  return Strengths(strength, strength - wide, strength + wide, tie)


def as_dict(found: Strengths, names: list[str]) -> dict[str, Any]:
  """Returns strengths in JSON's own types, by the names of the systems."""
  rows = zip(found.strength, found.low, found.high, strict=True)
  return {
    'strengths': {
      name: [float(x) for x in row]
      for name, row in zip(names, rows, strict=True)
    },
    'tie': found.tie,
  }


def _check(answers: Answers, count: int) -> None:
  if len(np.unique(answers.rater)) < 2:
    raise RatingError('one listener has no interval', code='few_raters')
  if (answers.result == 0.5).all():
    raise RatingError('nobody preferred any system', code='all_ties')
  won = np.where(answers.result > 0, 1, 0), np.where(answers.result < 1, 1, 0)
  edges = np.concatenate(won).astype(bool)
  winner = np.concatenate([answers.first, answers.second])[edges]
  loser = np.concatenate([answers.second, answers.first])[edges]
  graph = sparse.coo_matrix(
    (np.ones(len(winner)), (winner, loser)), shape=(count, count)
  )
  parts, _ = csgraph.connected_components(graph, connection='strong')
  if parts > 1:
    raise RatingError(
      'some systems never lost to any of the others, so that their strengths '
      'have no bound; more answers are needed',
      code='separated',
    )


def _features(
  answers: Answers, count: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """Returns what each answer's chance goes by `[n, o, p]`, which it was, basis.

  The chance of an answer is proportional to exp(features @ parameters).
  """
  # An orthonormal basis of all strengths that add up to 0.
  basis = np.linalg.svd(np.ones((1, count)))[2][1:].T
  one, other = basis[answers.first], basis[answers.second]
  options = [one, other]
  ties = bool((answers.result == 0.5).any())
  if ties:
    options.append((one + other) / 2)
  features = np.stack(options, 1)
  if ties:
    extra = np.zeros((*features.shape[:2], 1))
    extra[:, 2] = 1
    features = np.concatenate([features, extra], 2)
  chosen = np.where(answers.result == 1, 0, np.where(answers.result == 0, 1, 2))
  return features, chosen, basis


def _chances(features: np.ndarray, at: np.ndarray) -> np.ndarray:
  told = features @ at
  shares = np.exp(told - told.max(1, keepdims=True))
  return np.asarray(shares / shares.sum(1, keepdims=True))


def _likelihood(
  features: np.ndarray, chosen: np.ndarray, at: np.ndarray
) -> float:
  chances = _chances(features, at)[np.arange(len(chosen)), chosen]
  return float(np.log(chances).sum())


def _slopes(
  features: np.ndarray, chosen: np.ndarray, at: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
  """Returns each answer's slope `[n, p]`, and the information `[p, p]`."""
  chances = _chances(features, at)
  mean = np.einsum('no,nop->np', chances, features)
  apart = features - mean[:, None]
  curve = np.einsum('no,nop,noq->pq', chances, apart, apart)
  return apart[np.arange(len(chosen)), chosen], curve


def _far(
  features: np.ndarray, chosen: np.ndarray, at: np.ndarray, rater: np.ndarray
) -> np.ndarray:
  """Returns covariances of parameters, answers of a listener being alike."""
  slope, curve = _slopes(features, chosen, at)
  names, place = np.unique(rater, return_inverse=True)
  sums = np.zeros((len(names), slope.shape[1]))
  np.add.at(sums, place, slope)
  inverse = np.linalg.inv(curve)
  many = len(names) / (len(names) - 1)
  return np.asarray(many * inverse @ (sums.T @ sums) @ inverse)
