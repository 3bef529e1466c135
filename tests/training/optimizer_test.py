"""The optimizer against updates worked out by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from aurl_jax.core.errors import ConfigError
from aurl_jax.models import Model, ModelConfig
from aurl_jax.training import optimizer as optimizer_lib
from aurl_jax.training.optimizer import OptimizerConfig


def _params(value=2.0):
  return {
    'mlp': {'kernel': jnp.full((2, 3), value)},
    'bias': jnp.full(3, value),
  }


def _update(config, params, grads, steps=10):
  optimizer, _ = optimizer_lib.build(config, steps)
  return optimizer.update(grads, optimizer.init(params), params)[0]


def test_decay_spares_norms_biases_and_embeddings():
  model = Model.build(ModelConfig(width=8, layers=1, heads=2), (5, 4))
  params = jax.eval_shape(model.init, jax.random.key(0))
  mask = optimizer_lib.decay_mask(params)
  decayed = {
    jax.tree_util.keystr(path, simple=True, separator='/')
    for path, decays in jax.tree_util.tree_leaves_with_path(mask)
    if decays
  }
  kernels = {name for name in decayed if name.endswith('kernel')}
  assert decayed == kernels
  assert any('attention' in name for name in decayed)
  assert any('head' in name for name in decayed)
  assert not any(jax.tree.leaves(mask['embed']))


def test_decay_spares_norms_that_are_stacked_over_layers():
  stacked = {'layers': {'mlp_norm': {'scale': jnp.ones((3, 8))}}}
  assert not any(jax.tree.leaves(optimizer_lib.decay_mask(stacked)))


def test_decay_pulls_by_rate_times_weight():
  config = OptimizerConfig(
    learning_rate=0.1, weight_decay=0.5, warmup_steps=0, schedule='constant'
  )
  zeros = jax.tree.map(jnp.zeros_like, _params())
  updates = _update(config, _params(), zeros)
  np.testing.assert_allclose(
    updates['mlp']['kernel'], -0.1 * 0.5 * 2.0, rtol=1e-6
  )
  np.testing.assert_array_equal(updates['bias'], 0)


def test_first_step_of_adamw_has_the_size_of_the_rate():
  config = OptimizerConfig(
    learning_rate=0.1, weight_decay=0.0, warmup_steps=4, schedule='constant'
  )
  grads = jax.tree.map(lambda x: -3.0 * jnp.ones_like(x), _params())
  updates = _update(config, _params(), grads)
  np.testing.assert_allclose(updates['bias'], 0.1 / 4, rtol=1e-5)


def test_sgd_is_clipped_to_the_norm():
  config = OptimizerConfig(
    name='sgd', learning_rate=1.0, warmup_steps=0, clip_norm=0.5,
    weight_decay=0.0, schedule='constant',
  )  # fmt: skip
  grads = jax.tree.map(lambda x: 7.0 * jnp.ones_like(x), _params())
  updates = _update(config, _params(), grads)
  assert float(optax.tree.norm(updates)) == pytest.approx(0.5, rel=1e-5)


def test_without_clipping_the_gradient_is_whole():
  config = OptimizerConfig(
    name='sgd', learning_rate=1.0, warmup_steps=0, clip_norm=0.0,
    weight_decay=0.0, schedule='constant',
  )  # fmt: skip
  grads = jax.tree.map(lambda x: 7.0 * jnp.ones_like(x), _params())
  np.testing.assert_allclose(_update(config, _params(), grads)['bias'], -7.0)


def test_lion_moves_by_the_sign():
  config = OptimizerConfig(
    name='lion', learning_rate=0.01, warmup_steps=0, weight_decay=0.0
  )
  grads = jax.tree.map(lambda x: 1e-3 * jnp.ones_like(x), _params())
  np.testing.assert_allclose(
    _update(config, _params(), grads)['bias'], -0.01, rtol=1e-6
  )


def test_the_schedule_is_the_one_that_is_followed():
  config = OptimizerConfig(
    name='sgd', b1=0.0, learning_rate=1.0, warmup_steps=2, clip_norm=0.0,
    weight_decay=0.0,
  )  # fmt: skip
  optimizer, schedule = optimizer_lib.build(config, 6)
  params = {'x': jnp.zeros(())}
  opt = optimizer.init(params)
  for step in range(8):
    updates, opt = optimizer.update({'x': jnp.ones(())}, opt, params)
    assert float(updates['x']) == pytest.approx(-float(schedule(step)))


@pytest.mark.parametrize(
  'wrong',
  [
    {'name': 'adamm'},
    {'schedule': 'linear'},
    {'learning_rate': 0.0},
    {'b2': 1.0},
    {'clip_norm': -1.0},
    {'final_fraction': 2.0},
  ],
)
def test_a_wrong_value_names_its_key(wrong):
  with pytest.raises(ConfigError, match=f'optimizer.{next(iter(wrong))}'):
    OptimizerConfig(**wrong)
