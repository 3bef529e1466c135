"""Best and early stop on made-up figures; `keeping_test` has them in a run."""

import math

import pytest

from aurl_jax.core.errors import ConfigError
from aurl_jax.training import selection
from tests.training import toy


def context(step, value=None, ending='', name='valid/loss'):
  record = {} if value is None else {name: value}
  return toy.context(step, ending=ending, record=record)


def feed(callback, values, first=1):
  """Gives one value a step, until the callback ends it; returns the step."""
  for step, value in enumerate(values, first):
    now = context(step, value)
    if callback.due(now):
      callback(now)
    if now.ending:
      return step
  return None


def test_best_is_the_first_of_the_best():
  best = selection.Best()
  feed(best, [3.0, 1.0, None, 1.0, math.nan, 2.0])
  assert (best.value, best.step) == (1.0, 2)
  most = selection.Best(mode='max')
  feed(most, [3.0, 5.0, math.inf, 5.0])
  assert (most.value, most.step) == (5.0, 2)


def test_patience_counts_evaluations_in_a_row():
  stop = selection.EarlyStop(patience=3)
  values = [5.0, 4.0, 4.5, 4.2, 3.9, 4.0, None, 3.9, 4.1, 0.0]
  assert feed(stop, values) == 9
  assert (stop.step, stop.bad, stop.over) == (5, 3, True)


def test_a_gain_must_be_larger_than_min_delta():
  values = [5.0, 4.95, 4.91, 4.89, 4.88]
  assert feed(selection.EarlyStop(patience=2, min_delta=0.1), values) == 3
  assert feed(selection.EarlyStop(patience=2), values) is None
  stop = selection.EarlyStop(patience=2, min_delta=0.1, mode='max')
  assert feed(stop, [1.0, 1.2, 1.25, 1.29]) == 4


def test_figures_that_are_no_numbers_are_no_gain():
  assert feed(selection.EarlyStop(patience=2), [math.nan] * 3) == 2


@pytest.mark.parametrize('cut', [1, 2, 3, 4, 5])
def test_it_goes_on_exactly_where_it_was_saved(cut):
  values = [5.0, 4.0, 4.5, 3.0, 3.5, 3.2, 3.1, 2.0]
  whole = selection.EarlyStop(patience=3)
  end = feed(whole, values)
  first, second = (selection.EarlyStop(patience=3) for _ in range(2))
  feed(first, values[:cut])
  second.load(first.save())
  assert feed(second, values[cut:], first=cut + 1) == end == 7
  assert second.save() == whole.save()


def test_more_patience_lets_an_ended_run_go_on():
  stop = selection.EarlyStop(patience=2)
  feed(stop, [1.0, 2.0, 2.0])
  patient = selection.EarlyStop(patience=4)
  patient.load(stop.save())
  assert stop.over
  assert not patient.over


def test_the_callbacks_that_follow_see_the_end_and_a_stop_stays_a_stop():
  stop = selection.EarlyStop(patience=1)
  for ending, wanted in (('', 'done'), ('stopped', 'stopped')):
    now = context(1, math.nan, ending)
    stop(now)
    assert now.ending == wanted


def test_a_name_that_evaluation_does_not_find_is_refused():
  stop = selection.EarlyStop(patience=1, metric='valid/lost')
  assert not stop.due(context(1))
  assert not stop.due(context(1, 0.5, name='system/memory'))
  with pytest.raises(ConfigError, match='choose one of valid/loss'):
    stop.due(context(1, 0.5))


@pytest.mark.parametrize(
  ('wrong', 'said'),
  [
    ({'patience': 0}, 'patience 0'),
    ({'patience': 1, 'mode': 'low'}, 'min or max'),
    ({'patience': 1, 'min_delta': -1.0}, 'min_delta'),
  ],
)
def test_what_makes_no_sense_is_refused(wrong, said):
  with pytest.raises(ConfigError, match=said):
    selection.EarlyStop(**wrong)
