"""The planner against simulated listeners who know nothing of it."""

import math

import numpy as np
import pytest
from scipy import stats

from aurl_jax.evaluation import planning
from aurl_jax.evaluation.planning import Study
from aurl_jax.evaluation.raters import RatingError

CASES = [
  (Study(kind='choice', effect=0.65, trials=20), 16),
  (Study(kind='choice', effect=0.75, trials=1, alike=0), 30),
  (Study(kind='choice', effect=0.6, trials=5), 60),
  (Study(kind='rating', effect=0.5, trials=10), 15),
  (Study(kind='rating', effect=1.0, trials=3, spread=1.3, alike=0.3), 16),
  (Study(kind='rating', effect=0.5, trials=10, questions=3), 18),
]


def heard(study, listeners, rng):
  """One test, answer by answer, in plain loops; whether it shows the effect."""
  values = []
  for _ in range(listeners):
    if study.kind == 'choice':
      scale = 1 / study.alike - 1 if study.alike else math.inf
      chance = study.effect
      if study.alike:
        chance = rng.beta(study.effect * scale, (1 - study.effect) * scale)
      told = [rng.random() < chance for _ in range(study.trials)]
      values.append(2 * sum(told) - study.trials)
      continue
    sums = []
    for way in (0.5, -0.5):
      own = rng.normal(0, study.spread * study.alike**0.5)
      sums.append(0)
      for _ in range(study.trials):
        rest = rng.normal(0, study.spread * (1 - study.alike) ** 0.5)
        wished = round(3 + way * study.effect + own + rest)
        sums[-1] += min(5, max(1, wished))
    values.append(sums[0] - sums[1])
  if not any(values):
    return False
  # Ranks by scipy, normal with a table's exactness beyond any doubt at n > 13.
  found = stats.wilcoxon(values, zero_method='pratt', method='approx')
  return found.pvalue < study.level / study.questions


@pytest.mark.parametrize(('study', 'listeners'), CASES)
def test_the_power_is_that_of_simulated_listeners(study, listeners):
  rng = np.random.default_rng(3)
  shown = np.mean([heard(study, listeners, rng) for _ in range(1000)])
  planned = planning.power(study, listeners)
  assert abs(planned - shown) < 0.05
  assert abs(planned - planning.simulated(study, listeners, draws=1000)) < 0.05


@pytest.mark.parametrize(('study', 'listeners'), CASES)
def test_numbers_have_the_law_of_drawn_ones(study, listeners):
  values, chances = planning.numbers(study)
  assert chances.sum() == pytest.approx(1)
  drawn = planning.answers(study, 40_000, np.random.default_rng(1))
  mean = (values * chances).sum()
  spread = ((values - mean) ** 2 * chances).sum() ** 0.5
  assert drawn.mean() == pytest.approx(mean, abs=4 * spread / 200)
  assert drawn.std() == pytest.approx(spread, rel=0.03)
  assert set(np.round(drawn, 9)) <= set(np.round(values, 9))


def test_the_law_of_a_choice_by_hand():
  # Beta(2, 2) has the correlation 1/5; of two answers both are right in 3/10.
  study = Study(kind='choice', effect=0.5, trials=2, alike=0.2)
  values, chances = planning.numbers(study)
  assert values.tolist() == [-0.5, 0, 0.5]
  assert chances == pytest.approx([0.3, 0.4, 0.3])


def test_the_law_of_a_rating_without_own_deviations_by_hand():
  study = Study(kind='rating', effect=1.0, trials=1, spread=1.0, alike=0)
  values, chances = planning.numbers(study)
  law = stats.norm()

  def one(mean):
    edges = [-math.inf, 1.5, 2.5, 3.5, 4.5, math.inf]
    return np.diff([law.cdf(e - mean) for e in edges])

  up, down = one(3.5), one(2.5)
  for value, chance in zip(values, chances, strict=True):
    hand = sum(
      up[i] * down[j] for i in range(5) for j in range(5) if i - j == value
    )
    assert chance == pytest.approx(hand, abs=1e-12)


def test_the_fewest_listeners_are_the_first_that_do():
  study = Study(kind='choice', effect=0.7, trials=10)
  found = planning.raters(study)
  assert planning.power(study, found) >= 0.8 > planning.power(study, found - 1)


def test_more_trials_need_fewer_listeners_and_no_effect_needs_all():
  few = planning.raters(Study(kind='rating', effect=0.8, trials=2))
  assert few > planning.raters(Study(kind='rating', effect=0.8, trials=12))
  with pytest.raises(RatingError, match='more trials') as caught:
    planning.raters(Study(kind='choice', effect=0.5, trials=10))
  assert caught.value.code == 'hopeless'
  # Without an effect what is found is the level.
  level = planning.power(Study(kind='choice', effect=0.5, trials=10), 20)
  assert level < 0.07


@pytest.mark.parametrize(
  'change',
  [
    {'kind': 'smell'},
    {'effect': 0.4},
    {'effect': 1.0},
    {'kind': 'rating', 'effect': 4.0},
    {'trials': 0},
    {'spread': 0.0},
    {'alike': 1.0},
    {'level': 0.0},
    {'questions': 0},
  ],
)
def test_what_is_no_study_is_refused(change):
  given = {'kind': 'choice', 'effect': 0.6, 'trials': 3} | change
  with pytest.raises(RatingError) as caught:
    Study(**given)
  assert caught.value.code == 'study'


def test_one_listener_is_no_test():
  with pytest.raises(RatingError) as caught:
    planning.power(Study(kind='choice', effect=0.6, trials=3), 1)
  assert caught.value.code == 'few_raters'
