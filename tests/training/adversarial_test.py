"""Moved embeddings: along the gradient, as long as promised, learnt from."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from aurl_jax.core.errors import ConfigError
from aurl_jax.training import adversarial, steps
from aurl_jax.training import state as state_lib
from aurl_jax.training.options import StepConfig
from tests.training import toy


def _loss(params, batch):
  """The toy's mean surprise, written out once more."""
  ids, segments = batch['ids'], batch['segments']
  follows = (segments[:, 1:] == segments[:, :-1]) & (segments[:, 1:] > 0)
  rows, places = np.nonzero(follows)
  here, there = ids[rows, places], ids[rows, places + 1]
  x = params['embed']['0'][here[:, 0]] + params['embed']['1'][here[:, 1]]
  total = 0.0
  for f in '01':
    used = np.flatnonzero(there[:, int(f)])
    scores = x[used] @ params['head'][f]['kernel'] + params['head'][f]['bias']
    chances = jax.nn.log_softmax(scores)
    total -= chances[np.arange(len(used)), there[used, int(f)]].sum()
  return total / np.count_nonzero(there)


def _step(options, batch):
  model, optimizer = toy.Toy(), optax.sgd(1.0)
  state = state_lib.create(model, optimizer, seed=1)
  before = jax.tree.map(np.array, state['params'])
  step = steps.make_train_step(model, optimizer, lambda _: 1.0, options)
  after, metrics = step(state, batch)
  return before, jax.tree.map(np.array, after['params']), metrics


def test_the_step_follows_the_mean_of_both_gradients():
  batch = toy.batch(3)
  before, after, metrics = _step(StepConfig(adversarial=0.2), batch)
  value, slope = jax.value_and_grad(_loss)(before, batch)
  moved = dict(before)
  moved['embed'] = {
    name: table
    + 0.2
    * np.sqrt((table**2).sum())
    * slope['embed'][name]
    / jnp.sqrt((slope['embed'][name] ** 2).sum())
    for name, table in before['embed'].items()
  }
  worse, other = jax.value_and_grad(_loss)(moved, batch)
  assert float(worse) > float(value)
  jax.tree.map(
    lambda a, b, s, o: np.testing.assert_allclose(
      a, b - (s + o) / 2, atol=2e-6
    ),
    after,
    before,
    slope,
    other,
  )
  assert float(metrics['loss']) == pytest.approx(float(value), rel=1e-6)


def test_accumulation_changes_nothing():
  batch = toy.batch(3, rows=8)
  _, whole, _ = _step(StepConfig(adversarial=0.2), batch)
  _, parts, _ = _step(StepConfig(adversarial=0.2, accumulate=4), batch)
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), whole, parts
  )


def test_a_gradient_of_zero_moves_nothing():
  params = {'embed': {'0': jnp.ones((2, 3))}}
  zeros = jax.tree.map(jnp.zeros_like, params)
  moved = adversarial.move(params, zeros, 0.5)
  np.testing.assert_array_equal(moved['embed']['0'], 1)


def test_without_a_table_says_so():
  params = {'head': jnp.ones((2, 3))}
  with pytest.raises(ConfigError, match='adversarial'):
    adversarial.move(params, params, 0.5)


def test_a_negative_length_is_refused():
  with pytest.raises(ConfigError, match='adversarial'):
    StepConfig(adversarial=-0.1)
