"""Krippendorff's alpha against his own example, and against plain counts."""

import itertools

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from aurl_jax.evaluation import agreement
from aurl_jax.evaluation.raters import RatingError

# "Computing Krippendorff's alpha-reliability", 2011, example C: four observers,
# twelve units.
OBSERVERS = """\
1 2 3 3 2 1 4 1 2 . . .
1 2 3 3 2 2 4 1 2 5 . 3
. 3 3 3 2 3 4 2 2 5 1 .
1 2 3 3 2 4 4 1 2 5 1 ."""
PUBLISHED = {'nominal': 0.743, 'ordinal': 0.815, 'interval': 0.849}


def table(text):
  rows = [line.split() for line in text.splitlines()]
  return np.array([[np.nan if x == '.' else float(x) for x in r] for r in rows])


def pairs_of(answers):
  """All ordered pairs of values of a unit, each with its weight."""
  for unit in np.asarray(answers).T:
    told = [x for x in unit if x == x]
    for one, other in itertools.permutations(told, 2):
      yield one, other, 1 / (len(told) - 1)


def plainly(answers, distance):
  """One less the ratio of distances inside units and across them."""
  pairs = list(pairs_of(answers))
  inside = sum(w * distance(a, b) for a, b, w in pairs)
  total = sum(w for _, _, w in pairs)
  values = {}
  for a, _, w in pairs:
    values[a] = values.get(a, 0) + w
  across = sum(
    values[a] * values[b] * distance(a, b) for a in values for b in values
  )
  return 1 - (total - 1) * inside / across


@pytest.mark.parametrize('metric', agreement.METRICS)
def test_the_published_example(metric):
  found = agreement.alpha(table(OBSERVERS), metric)
  assert found == pytest.approx(PUBLISHED[metric], abs=5e-4)
  told = agreement.interval(table(OBSERVERS), metric, samples=300)
  assert told.estimate == found
  assert told.low < found < told.high <= 1


@hypothesis.given(
  st.integers(2, 4),
  st.lists(
    st.lists(st.sampled_from([1.0, 2.0, 3.0, np.nan]), min_size=4, max_size=4),
    min_size=3,
    max_size=8,
  ),
)
def test_alpha_is_what_pairs_say(many, columns):
  answers = np.array(columns)[:, :many].T
  seen = {a for a, _, _ in pairs_of(answers)}
  if len(seen) < 2:
    with pytest.raises(RatingError) as caught:
      agreement.alpha(answers)
    assert caught.value.code in ('no_pairs', 'no_variation')
    return
  assert agreement.alpha(answers, 'nominal') == pytest.approx(
    plainly(answers, lambda a, b: float(a != b))
  )
  assert agreement.alpha(answers, 'interval') == pytest.approx(
    plainly(answers, lambda a, b: (a - b) ** 2)
  )
  # Who answered in which row does not matter.
  assert agreement.alpha(answers[::-1], 'ordinal') == pytest.approx(
    agreement.alpha(answers, 'ordinal')
  )


def test_agreement_is_1_and_chance_is_0():
  same = np.tile(np.arange(6.0), (3, 1))
  assert agreement.alpha(same) == 1
  drawn = np.random.default_rng(0).integers(0, 2, (2, 20_000)).astype(float)
  assert abs(agreement.alpha(drawn)) < 0.03


def test_what_tells_nothing_is_refused():
  alone = np.array([[1.0, np.nan], [np.nan, 2.0]])
  for answers, code in ((alone, 'no_pairs'), (np.ones((3, 4)), 'no_variation')):
    with pytest.raises(RatingError) as caught:
      agreement.alpha(answers)
    assert caught.value.code == code
  with pytest.raises(RatingError) as caught:
    agreement.interval(np.array([[1.0, np.nan], [2.0, 2.0]]))
  assert caught.value.code == 'no_pairs'
  with pytest.raises(ValueError, match='ratio'):
    agreement.alpha(np.ones((2, 2)), 'ratio')
