"""What stays, against the rules said once more in plain words."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aurl_jax.core import retention
from aurl_jax.core.errors import CheckpointError
from aurl_jax.core.retention import Keep

values = st.none() | st.floats(-3, 3) | st.sampled_from([math.nan, math.inf])


def stays(step, found, keep):
  """Whether a step stays: counts what stands before it under each rule."""
  if sum(other > step for other in found) < keep.last:
    return True
  if keep.every and step % keep.every == 0:
    return True
  mine = found[step]
  if mine is None or not math.isfinite(mine):
    return False
  better = 0
  for other, value in found.items():
    if value is None or not math.isfinite(value):
      continue
    ahead = value < mine if keep.mode == 'min' else value > mine
    better += ahead or (value == mine and other < step)
  return better < keep.best


@given(
  st.dictionaries(st.integers(0, 60), values, max_size=12),
  st.integers(1, 4),
  st.integers(0, 3),
  st.sampled_from([0, 1, 3, 7]),
  st.sampled_from(['min', 'max']),
)
def test_a_step_stays_if_any_rule_keeps_it(found, last, best, every, mode):
  keep = Keep(last=last, best=best, every=every, metric='m', mode=mode)
  told = {s: {} if v is None else {'m': v} for s, v in found.items()}
  wanted = {step for step in found if stays(step, found, keep)}
  assert keep.kept(told) == wanted


def test_pruning_after_each_save_keeps_what_pruning_at_the_end_would():
  """The best and the every-m-th must not depend on when it is asked."""
  keep = Keep(last=2, best=2, every=4, metric='m')
  for order in itertools.permutations([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], 6):
    whole = {step: {'m': value} for step, value in enumerate(order, 1)}
    left = {}
    for step, metrics in whole.items():
      left[step] = metrics
      left = {s: left[s] for s in keep.kept(left)}
    assert set(left) == keep.kept(whole)


def test_ranked_leaves_out_what_is_no_number_and_prefers_the_older():
  found = {1: {'m': 2.0}, 2: {'m': math.nan}, 3: {}, 4: {'m': 2.0}, 5: {'m': 1}}
  assert retention.ranked(found, 'm', 'min') == [5, 1, 4]
  assert retention.ranked(found, 'm', 'max') == [1, 4, 5]


@pytest.mark.parametrize(
  ('wrong', 'said'),
  [
    ({'last': 0}, 'at least one'),
    ({'best': -1}, '0 \\(none\\) or more'),
    ({'every': -1}, '0 \\(none\\) or more'),
    ({'mode': 'least'}, 'min or max'),
  ],
)
def test_rules_that_make_no_sense_are_refused(wrong, said):
  with pytest.raises(CheckpointError, match=said):
    Keep(**wrong)
