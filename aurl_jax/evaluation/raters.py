"""What listeners' answers say: a listener is what was sampled, not an answer.

Answers of one listener are alike, so each listener gives one number a question,
such as how much higher one system was rated than another, and these are tested
(Wilcoxon's signed ranks, sign flips) and bootstrapped. Signal detection:
Macmillan and Creelman, "Detection theory", 2nd edition 2005; the correction for
shares of 0 and 1: Hautus, "Corrections for extreme proportions and their
biasing effects on estimated values of d'", Behavior Research Methods 1995.
Axes: `n` listeners, `k` questions.
"""

import dataclasses
import statistics as normal
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from aurl_jax.core.errors import AurlError
from aurl_jax.evaluation import bootstrap, statistics
from aurl_jax.evaluation.bootstrap import Interval

_FEWEST = 2


class RatingError(AurlError):
  """Answers that say nothing of what is asked."""


@dataclasses.dataclass(frozen=True)
class Contrast:
  """Whether listeners' numbers differ from 0.

  Attributes:
    mean: Over listeners, with its 95 % interval over listeners.
    p: Wilcoxon's, two-sided.
    corrected: The same after Holm's correction for all that is asked.
    permuted: By all flips of listeners' signs, or 9,999 of them.
    effect: Matched-pairs rank-biserial correlation, -1..1.
    raters: Listeners.
  """

  mean: Interval
  p: float
  corrected: float
  permuted: float
  effect: float
  raters: int

  def as_dict(self) -> dict[str, Any]:
    """Returns it in JSON's own types; the interval as [mean, low, high]."""
    found = dataclasses.asdict(self)
    return found | {'mean': list(dataclasses.astuple(self.mean))}


def contrasts(
  found: Mapping[str, Float[np.ndarray, ' n']], *, seed: int = 0
) -> dict[str, Contrast]:
  """Returns of each question whether its numbers differ from 0.

  Args:
    found: Question -> a number of each listener.
    seed: Of the bootstrap and of sign flips.

  Raises:
    RatingError: A question has fewer than two listeners (code `few_raters`).

  Example:
    >>> told = contrasts({'b - a': np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])})
    >>> told['b - a'].p, told['b - a'].effect
    (0.03125, 1.0)
  """
  for name, values in found.items():
    if len(values) < _FEWEST:
      raise RatingError(
        f'{name}: {len(values)} listeners are too few; two or more must have '
        'answered',
        code='few_raters',
      )
  tests = {name: _tested(values, seed) for name, values in found.items()}
  corrected = statistics.holm([test['p'] for test in tests.values()])
  return {
    name: Contrast(corrected=float(p), raters=len(found[name]), **test)
    for (name, test), p in zip(tests.items(), corrected, strict=True)
  }


def _tested(values: np.ndarray, seed: int) -> dict[str, Any]:
  numbers = np.asarray(values, float)
  nothing = np.zeros_like(numbers)
  ranks = statistics.signed_ranks(numbers)
  flips = statistics.permuted(numbers, nothing, pairs=True, seed=seed)
  mean = Interval(*[float(numbers.mean())] * 3)
  if np.ptp(numbers) > 0:
    mean = bootstrap.interval(np.mean, numbers, seed=seed)
  return {
    'mean': mean,
    'p': ranks.p,
    'permuted': flips.p,
    'effect': ranks.effect,
  }


class Detection(NamedTuple):
  """How well two kinds are told apart.

  Attributes:
    d: Distance of the kinds, d', in deviations; 0 is guessing.
    bias: Criterion c; above 0, one is loath to say `yes`.
    accuracy: Share of right answers.
  """

  d: float
  bias: float
  accuracy: float


def detection(
  hits: int, signals: int, false_alarms: int, noises: int
) -> Detection:
  """Returns how well signals are told from noise, by counts of `yes`.

  Half an answer is added to each count, and one to each total, so that it is
  finite where all answers are one.

  Args:
    hits: `yes` to signals.
    signals: How many there were.
    false_alarms: `yes` to noise.
    noises: How many there were.

  Raises:
    RatingError: There were none of a kind (code `one_kind`), or the counts are
      above the totals (code `counts`).

  Example:
    >>> found = detection(8, 10, 3, 10)
    >>> round(found.d, 2), found.accuracy  # 8.5 and 3.5 of 11
    (1.22, 0.75)
  """
  if min(signals, noises) < 1:
    raise RatingError(
      f'{signals} of one kind and {noises} of the other cannot be told apart; '
      'both must have been heard',
      code='one_kind',
    )
  if not (0 <= hits <= signals and 0 <= false_alarms <= noises):
    raise RatingError(
      f'{hits} of {signals} and {false_alarms} of {noises} are no counts',
      code='counts',
    )
  inverse = normal.NormalDist().inv_cdf
  yes = inverse((hits + 0.5) / (signals + 1))
  no = inverse((false_alarms + 0.5) / (noises + 1))
  right = (hits + noises - false_alarms) / (signals + noises)
  return Detection(yes - no, -(yes + no) / 2, right)
