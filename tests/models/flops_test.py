"""Arithmetic of a model, against the compiler's own count."""

import jax
import jax.numpy as jnp
import pytest

from aurl_jax.models import Model, ModelConfig, flops


def test_it_is_near_what_the_compiler_counts():
  config = ModelConfig(
    width=64, layers=2, heads=4, context=64, dropout=0.0, attention='naive'
  )
  model = Model.build(config, (128,))
  params = jax.eval_shape(model.init, jax.random.key(0))
  count = sum(leaf.size for leaf in jax.tree.leaves(params))
  rows = jnp.ones((2, config.context), jnp.int32)
  ids = rows[..., None]

  def loss(params):
    return model.log_probs(params, ids, rows, rows, ids).sum()

  lowered = jax.jit(jax.grad(loss)).lower(params)
  counted = lowered.cost_analysis()['flops'] / rows.size
  # The compiler also counts what is no product: norms, softmax, GELU.
  assert flops.per_token(config, count) == pytest.approx(counted, rel=0.2)


def test_it_is_the_formula_of_the_paper():
  config = ModelConfig(width=96, layers=3, heads=6, context=50)
  by_hand = 6 * 1_000_000 + 12 * 3 * 6 * 16 * 50
  assert flops.per_token(config, 1_000_000) == by_hand
