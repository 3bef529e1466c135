"""The optimizer against updates worked out by hand."""

import dataclasses

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


def test_values_are_clipped_before_the_norm():
  config = OptimizerConfig(
    name='sgd', learning_rate=1.0, warmup_steps=0, clip_norm=0.0,
    clip_value=0.25, weight_decay=0.0, schedule='constant',
  )  # fmt: skip
  grads = {'x': jnp.array([3.0, -0.1, -7.0])}
  params = jax.tree.map(jnp.zeros_like, grads)
  updates = _update(config, params, grads)['x']
  np.testing.assert_allclose(updates, [-0.25, 0.1, 0.25])
  updates = _update(dataclasses.replace(config, clip_norm=0.3), params, grads)[
    'x'
  ]
  norm = np.sqrt(2 * 0.25**2 + 0.1**2)
  expected = np.array([-0.25, 0.1, 0.25]) * 0.3 / norm
  np.testing.assert_allclose(updates, expected, rtol=1e-6)


def test_limits_change_nothing_in_the_state():
  shapes = [
    jax.tree.structure(optimizer_lib.build(config, 10)[0].init(_params()))
    for config in (
      OptimizerConfig(),
      OptimizerConfig(clip_norm=0.0, clip_value=3.0),
    )
  ]
  leaves = [shape.num_leaves for shape in shapes]
  assert leaves[0] == leaves[1]


def test_adafactor_moves_by_rate_times_size_along_factored_squares():
  config = OptimizerConfig(
    name='adafactor', learning_rate=0.01, warmup_steps=0, weight_decay=0.0,
    clip_norm=0.0, schedule='constant',
  )  # fmt: skip
  random = np.random.default_rng(0)
  kernel = random.standard_normal((128, 160)).astype(np.float32)
  grad = random.standard_normal((128, 160)).astype(np.float32)
  squares = grad.astype(np.float64) ** 2
  rows, columns = squares.mean(1), squares.mean(0)
  direction = grad / np.sqrt(np.outer(rows, columns) / rows.mean())
  direction /= max(1.0, np.sqrt((direction**2).mean()))
  expected = -0.01 * np.sqrt((kernel.astype(np.float64) ** 2).mean())
  optimizer, _ = optimizer_lib.build(config, 10)
  params = {'mlp': {'kernel': jnp.array(kernel)}}
  opt = optimizer.init(params)
  updates, _ = optimizer.update({'mlp': {'kernel': grad}}, opt, params)
  np.testing.assert_allclose(
    updates['mlp']['kernel'], expected * direction, rtol=1e-3, atol=1e-7
  )
  # Two vectors remember what a matrix would.
  assert sum(leaf.size for leaf in jax.tree.leaves(opt)) < 400


def _muon(params, grads):
  config = OptimizerConfig(
    name='muon', learning_rate=1.0, warmup_steps=0, weight_decay=0.0,
    clip_norm=0.0, schedule='constant',
  )  # fmt: skip
  return _update(config, params, grads)


def _orthogonal(update, grad):
  """Fails unless an update is the gradient with its stretch taken out."""
  left, _, right = np.linalg.svd(np.float64(grad), full_matrices=False)
  within = -left.T @ np.float64(update) @ right.T
  within /= 0.2 * np.sqrt(max(grad.shape))
  # The iteration brings singular values near 1, not to it.
  assert np.abs(np.diag(within) - 1).max() < 0.4
  assert np.abs(within - np.diag(np.diag(within))).max() < 0.05


def test_muon_takes_the_stretch_out_of_every_matrix():
  random = np.random.default_rng(0)
  draw = lambda *shape: random.standard_normal(shape).astype(np.float32)  # noqa: E731
  grads = {
    'mlp': {'wide': {'kernel': draw(8, 24)}},
    'attention': {'qkv_kernel': draw(8, 3, 2, 4), 'out_kernel': draw(2, 4, 8)},
    'embed': {'tables': {'0': draw(5, 8)}},
    'norm': {'scale': draw(8)},
  }
  params = jax.tree.map(jnp.ones_like, grads)
  updates = _muon(params, grads)
  _orthogonal(updates['mlp']['wide']['kernel'], grads['mlp']['wide']['kernel'])
  for part in range(3):
    _orthogonal(
      updates['attention']['qkv_kernel'][:, part].reshape(8, 8),
      grads['attention']['qkv_kernel'][:, part].reshape(8, 8),
    )
  _orthogonal(
    updates['attention']['out_kernel'].reshape(8, 8),
    grads['attention']['out_kernel'].reshape(8, 8),
  )
  # Tables and vectors follow Adam, whose first step is a sign.
  for found, grad in (
    (updates['embed']['tables']['0'], grads['embed']['tables']['0']),
    (updates['norm']['scale'], grads['norm']['scale']),
  ):
    np.testing.assert_allclose(found, -np.sign(grad), rtol=1e-3)


@pytest.mark.parametrize('name', optimizer_lib._NAMES)
def test_every_optimizer_has_a_state_for_every_parameter(name):
  model = Model.build(ModelConfig(width=8, layers=1, heads=2), (5, 4))
  optimizer, _ = optimizer_lib.build(OptimizerConfig(name=name), 10)

  def step(key):
    params = model.init(key)
    opt = optimizer.init(params)
    return optimizer.update(params, opt, params)[0], params

  updates, params = jax.eval_shape(step, jax.random.key(0))
  assert jax.tree.map(lambda x: (x.shape, x.dtype), updates) == jax.tree.map(
    lambda x: (x.shape, x.dtype), params
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
    {'clip_value': -1.0},
    {'decay_fraction': 1.5},
    {'final_fraction': 2.0},
  ],
)
def test_a_wrong_value_names_its_key(wrong):
  with pytest.raises(ConfigError, match=f'optimizer.{next(iter(wrong))}'):
    OptimizerConfig(**wrong)
