"""Averages along a run against sums written out in numpy."""

import jax
import numpy as np
import optax
import pytest

from aurl_jax.core.errors import ConfigError
from aurl_jax.training import state as state_lib
from aurl_jax.training import steps
from aurl_jax.training.averages import AverageConfig
from aurl_jax.training.options import StepConfig
from tests.training import faulty


def _path(count, bad=(), **averages):
  """Returns the parameters after each step, and the last state."""
  model, optimizer = faulty.Faulty(), optax.sgd(0.5)
  options = StepConfig(averages=AverageConfig(**averages))
  state = state_lib.create(model, optimizer, seed=1, options=options)
  step = steps.make_train_step(model, optimizer, lambda _: 0.5, options)
  path = [faulty.arrays(state['params'])]
  for seed in range(1, count + 1):
    kind = 'nan' if seed in bad else None
    state, _ = step(state, faulty.batch(seed, kind=kind))
    path.append(faulty.arrays(state['params']))
  return path, state


def _kernel(params):
  return np.asarray(params['head']['0']['kernel'], np.float64)


def test_the_moving_average_forgets_its_start_and_then_decays():
  path, state = _path(30, ema=0.6)
  expected = _kernel(path[0])
  for n, params in enumerate(path[1:]):
    decay = min(0.6, (1 + n) / (10 + n))
    expected = decay * expected + (1 - decay) * _kernel(params)
  np.testing.assert_allclose(_kernel(state['ema']), expected, rtol=1e-5)
  used = state_lib.eval_params(state)
  np.testing.assert_array_equal(_kernel(used), _kernel(state['ema']))


def test_the_even_average_is_the_mean_of_every_second_from_the_fifth():
  path, state = _path(12, average_from=5, average_every=2, ema=0.9)
  expected = np.mean([_kernel(path[i]) for i in (5, 7, 9, 11)], axis=0)
  assert int(state['average']['count']) == 4
  used = state_lib.eval_params(state)
  np.testing.assert_allclose(_kernel(used), expected, rtol=1e-5)


def test_a_skipped_step_leaves_both_as_they_are():
  averages = {'ema': 0.9, 'average_every': 1}
  before = _path(4, **averages)[1]
  after = _path(5, bad=(5,), **averages)[1]
  for name in ('params', 'opt', 'ema', 'average'):
    faulty.same(before[name], after[name])
  assert int(after['step']) == 5


def test_before_the_even_average_has_any_others_are_used():
  _, state = _path(3, average_from=9, average_every=1)
  assert state_lib.eval_part(state) == 'params'
  assert state_lib.eval_params(state) is state['params']
  _, state = _path(3, average_from=9, average_every=1, ema=0.9)
  assert state_lib.eval_params(state) is state['ema']


def test_a_state_has_only_what_is_asked_for():
  assert not {'ema', 'average', 'scale'} & set(_path(0)[1])


def test_at_first_all_are_equal_and_none_is_shared():
  _, state = _path(0, ema=0.9, average_every=1)
  faulty.same(state['ema'], state['params'])
  faulty.same(state['average']['params'], state['params'])
  found = jax.tree.leaves(state)
  places = {leaf.unsafe_buffer_pointer() for leaf in found}
  assert len(places) == len(found)


@pytest.mark.parametrize(
  'wrong', [{'ema': 1.0}, {'average_every': -1}, {'average_from': -1}]
)
def test_a_wrong_value_names_its_key(wrong):
  with pytest.raises(ConfigError, match=next(iter(wrong))):
    AverageConfig(**wrong)
