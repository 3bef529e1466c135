"""How many listeners a listening test needs, by the test that will judge it.

Each listener gives one number, the mean of some answers less what is expected
without an effect, and Wilcoxon's signed ranks judge these (`raters.contrasts`).
The chances of its values follow from a model of answers; the power is that of
the very test, whose level is often not spent where few values are possible, so
that no formula of a normal law would do. `simulated` draws answer by answer and
knows no law of numbers: each checks the other.

Models of answers. Of a choice: right or preferred with a chance that is
listeners' own, Beta about the mean; `alike` is the correlation of a listener's
answers. Of a rating: a whole number 1..5, the rounded sum of the middle, half
the effect up or down, a deviation of the listener and system, and one of the
answer; `alike` is the listener's share of their variance.

Axes: `v` values of a listener's number, `n` listeners, `m` answers.
"""

import dataclasses
import math

import numpy as np
from jaxtyping import Float
from scipy import special, stats

from aurl_jax.evaluation import statistics
from aurl_jax.evaluation.raters import RatingError

KINDS = ('choice', 'rating')
SCALE = (1, 5)
MOST = 10_000
"""Listeners beyond which a test is called hopeless."""
_NODES = 60
_FEWEST = 5
"""Below it no two-sided p can be below 0.05."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Study:
  """A question to listeners.

  Attributes:
    kind: `choice` (A/B, or human or machine) or `rating` (1..5).
    effect: Of a choice the chance of the right or preferred answer, 0.5..1;
      of a rating how many points one system is above the other.
    trials: Answers of a listener to one question: ratings of each of both
      systems; of human or machine those of both kinds together, as the
      difference of the shares taken for human is twice the share of right
      answers less one, and so has the same ranks.
    spread: Standard deviation of a rating, in points.
    alike: Correlation of a listener's answers, 0..1 (1 excluded).
    level: Of significance.
    questions: How many are asked; the level is divided by it, which Holm's
      correction does at worst.
  """

  kind: str
  effect: float | int
  trials: int
  spread: float | int = 1.0
  alike: float | int = 0.1
  level: float | int = 0.05
  questions: int = 1

  def __post_init__(self) -> None:
    most = 1.0 if self.kind == 'choice' else float(SCALE[1] - SCALE[0])
    least = 0.5 if self.kind == 'choice' else 0.0
    faults = [
      (self.kind not in KINDS, f'kind {self.kind!r} is none of {KINDS}'),
      (
        not least <= self.effect < most,
        f'effect {self.effect} must lie from {least} to below {most}',
      ),
      (self.trials < 1, f'{self.trials} trials: there must be one at least'),
      (not self.spread > 0, f'spread {self.spread} must be above 0'),
      (not 0 <= self.alike < 1, f'alike {self.alike} must lie in 0..1'),
      (not 0 < self.level < 1, f'level {self.level} must lie in 0..1'),
      (self.questions < 1, f'{self.questions} questions: ask one at least'),
    ]
    for wrong, message in faults:
      if wrong:
        raise RatingError(message, code='study')


def numbers(
  study: Study,
) -> tuple[Float[np.ndarray, ' v'], Float[np.ndarray, ' v']]:
  """Returns the values of a listener's number, ascending, and their chances.

  Example:
    >>> values, chances = numbers(
    ...   Study(kind='choice', effect=0.5, trials=2, alike=0))
    >>> values.tolist(), chances.round(3).tolist()
    ([-0.5, 0.0, 0.5], [0.25, 0.5, 0.25])
  """
  many = np.arange(study.trials + 1)
  if study.kind == 'choice':
    if study.alike == 0:
      law = stats.binom(study.trials, study.effect)
    else:
      scale = (1 - study.alike) / study.alike
      shape = study.effect * scale, (1 - study.effect) * scale
      law = stats.betabinom(study.trials, *shape)
    return _shares(study, many), law.pmf(many)
  middle = sum(SCALE) / 2
  up = _sums(study, middle + study.effect / 2)
  down = _sums(study, middle - study.effect / 2)
  chances = np.convolve(up, down[::-1])
  reach = len(down) - 1
  return np.arange(-reach, reach + 1) / study.trials, chances


def power(
  study: Study, raters: int, *, draws: int = 2000, seed: int = 0
) -> float:
  """Returns the chance that so many listeners show the effect, 0..1.

  By draws of listeners' numbers from their law, each judged as answers are;
  its own error is a point at most (one standard deviation of 2,000 draws).

  Raises:
    RatingError: There are fewer than two listeners (code `few_raters`).
  """
  if raters < 2:
    raise RatingError('a test needs two listeners', code='few_raters')
  values, chances = numbers(study)
  rng = np.random.default_rng(seed)
  drawn = rng.multinomial(raters, chances / chances.sum(), draws)
  level = study.level / study.questions
  found = (
    statistics.signed_ranks(np.repeat(values, counts)).p < level
    for counts in drawn
  )
  return sum(found) / draws


def raters(study: Study, wished: float | int = 0.8) -> int:
  """Returns the fewest listeners that show the effect so often.

  Raises:
    RatingError: Not even 10,000 do (code `hopeless`).

  Example:
    >>> raters(Study(kind='choice', effect=0.65, trials=20)) in range(14, 18)
    True
  """
  low, high = _FEWEST - 1, _FEWEST
  nothing = study.effect == (0.5 if study.kind == 'choice' else 0.0)
  while nothing or power(study, high) < wished:
    low, high = high, 2 * high
    if nothing or low > MOST:
      raise RatingError(
        f'{MOST:,} listeners do not show an effect of {study.effect:g} with a '
        f'chance of {wished:g}; take more trials, or a larger effect',
        code='hopeless',
      )
  while high - low > 1:
    middle = (low + high) // 2
    low, high = (
      (low, middle) if power(study, middle) >= wished else (middle, high)
    )
  return high


def simulated(
  study: Study, raters: int, *, draws: int = 2000, seed: int = 0
) -> float:
  """Returns how often drawn answers of so many listeners show the effect.

  They are drawn one by one, and judged as those of people are.
  """
  rng = np.random.default_rng(seed)
  level = study.level / study.questions
  found = (
    statistics.signed_ranks(answers(study, raters, rng)).p < level
    for _ in range(draws)
  )
  return sum(found) / draws


def answers(
  study: Study, raters: int, rng: np.random.Generator
) -> Float[np.ndarray, ' n']:
  """Draws answers, and returns the number of each listener."""
  if study.kind == 'choice':
    chance = np.full(raters, study.effect)
    if study.alike:
      scale = (1 - study.alike) / study.alike
      chance = rng.beta(
        study.effect * scale, (1 - study.effect) * scale, raters
      )
    return _shares(study, rng.binomial(study.trials, chance))
  middle, half = sum(SCALE) / 2, study.effect / 2
  own, rest = _deviations(study)
  means = []
  for mean in (middle + half, middle - half):
    wished = mean + rng.normal(0, own, (raters, 1))
    wished = wished + rng.normal(0, rest, (raters, study.trials))
    means.append(np.clip(np.rint(wished), *SCALE).mean(1))
  return np.asarray(means[0] - means[1])


def _shares(study: Study, counts: np.ndarray) -> np.ndarray:
  """Returns shares less a half, as far above 0 as below to the last bit."""
  return (2 * counts - study.trials) / (2 * study.trials)


def _deviations(study: Study) -> tuple[float, float]:
  """Returns deviations of a listener, and of an answer."""
  own = study.spread * math.sqrt(study.alike)
  return own, study.spread * math.sqrt(1 - study.alike)


def _sums(study: Study, mean: float) -> np.ndarray:
  """Returns the chances of the sum of a listener's ratings, less the least."""
  own, rest = _deviations(study)
  nodes, weights = special.roots_hermitenorm(_NODES)
  edges = np.arange(SCALE[0], SCALE[1]) + 0.5
  total = np.zeros((SCALE[1] - SCALE[0]) * study.trials + 1)
  for node, weight in zip(nodes, weights / weights.sum(), strict=True):
    below = stats.norm.cdf(edges, mean + own * node, rest)
    one = np.diff(np.concatenate([[0.0], below, [1.0]]))
    many = np.ones(1)
    for _ in range(study.trials):
      many = np.convolve(many, one)
    total += weight * many
  return total
