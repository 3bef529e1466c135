import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aurl_jax.core.errors import ConfigError
from aurl_jax.models import rounding
from aurl_jax.models.config import ModelConfig
from tests.generation import writers


def linear(x, kernel, reach):
  """A product of 8 bits by 8 bits, in whole numbers."""
  step, scale = reach / 127, np.abs(kernel).max(0) / 127
  left = np.clip(np.rint(x / step), -128, 127).astype(np.int64)
  right = np.rint(kernel / scale).astype(np.int64)
  return (left @ right) * step * scale


def test_a_rounded_product_is_that_of_whole_numbers():
  rng = np.random.default_rng(1)
  x = rng.normal(size=(5, 64)).astype(np.float32)
  kernel = rng.integers(-127, 128, (64, 9))
  kernel[0] = 127
  kernel = (kernel * np.float32(0.001)).astype(np.float32)
  param = rounding.new()
  param[...] = jnp.float32(2.0)
  found = rounding.rounded(jnp.asarray(x), param) @ kernel
  np.testing.assert_allclose(
    found, linear(x, kernel, 2.0), rtol=1e-4, atol=1e-5
  )
  assert np.abs(found - x @ kernel).max() > 1e-4


def test_no_reach_and_one_that_was_not_seen_leave_values_alone():
  x = jnp.linspace(-3, 3, 11)
  np.testing.assert_array_equal(rounding.rounded(x, None), x)
  np.testing.assert_array_equal(rounding.rounded(x, rounding.new()), x)


def grads(x, reach):
  def loss(x, reach):
    param = rounding.new()
    param[...] = reach
    return (rounding.rounded(x, param) * jnp.arange(x.size)).sum()

  return jax.grad(loss, (0, 1))(x, jnp.float32(reach))


def test_the_gradient_of_a_reach_tells_the_largest_value():
  x = jnp.array([0.5, -4.0, 1.0])
  own, seen = grads(x, 0.0)
  assert float(seen) == 4.0
  np.testing.assert_array_equal(own, [0.0, 1.0, 2.0])


def test_a_reach_that_is_known_does_not_move_and_stops_what_is_beyond():
  own, seen = grads(jnp.array([0.5, -4.0, 1.0]), 2.0)
  assert float(seen) == 0.0
  np.testing.assert_array_equal(own, [0.0, 0.0, 2.0])


def test_steps_and_whole_rows_round_alike():
  model, _ = writers.model_of('compound', activations=8, lead=2, kv_heads=1)
  params = jax.tree_util.tree_map_with_path(
    _told, model.init(jax.random.key(3))
  )
  ids = jax.random.randint(jax.random.key(0), (2, 6, 7), 1, 3)
  ones = jnp.ones((2, 5), jnp.int32)
  given = ids[:, :-1], ones, jnp.cumsum(ones, 1) - 1, ids[:, 1:]
  whole = jax.jit(model.logits)(params, *given)
  config = dataclasses.replace(model.config, activations=0)
  plain = dataclasses.replace(model, config=config)
  other = jax.jit(plain.logits)(_without(params), *given)
  assert all(
    float(jnp.abs(a - b).max()) > 1e-4
    for a, b in zip(whole, other, strict=True)
  )

  @jax.jit
  def step(cache, last, t, following):
    hidden, after = model.step(params, cache, last, t, following)
    told = [
      model.lead_logits(params, cache, (last, t), following, field)
      for field in range(2)
    ]
    told += [
      model.field_logits(params, hidden, following, field)
      for field in range(2, 7)
    ]
    return told, after

  cache = model.init_cache(2, 8)
  for t in range(5):
    found, cache = step(cache, ids[:, t], jnp.int32(t), ids[:, t + 1])
    for field, logits in enumerate(found):
      np.testing.assert_allclose(
        logits, whole[field][:, t], rtol=1e-4, atol=1e-4
      )


def _told(path, x):
  name = jax.tree_util.keystr(path, simple=True, separator='/')
  return jnp.full_like(x, 1.5) if rounding.is_reach(name) else 4 * x


def _without(tree):
  if not isinstance(tree, dict):
    return tree
  names = ('reach', 'out_reach', 'reaches')
  return {k: _without(v) for k, v in tree.items() if k not in names}


def test_bits_that_are_not_computed_with_are_refused():
  with pytest.raises(ConfigError, match=r'model\.activations'):
    ModelConfig(activations=4)
