"""Spectral normalisation against singular values of LAPACK."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aurl_jax.models import spectral

RNG = np.random.default_rng(0)
PARAMS = {
  'wide': {'kernel': jnp.asarray(RNG.normal(size=(6, 9)), jnp.float32)},
  'attention': {
    'qkv_kernel': jnp.asarray(RNG.normal(size=(4, 3, 2, 2)), jnp.float32),
    'out_kernel': jnp.asarray(RNG.normal(size=(2, 3, 5)), jnp.float32),
  },
  'norm': {'scale': jnp.asarray(RNG.normal(size=7), jnp.float32)},
}
AS_MATRIX = {
  ('wide', 'kernel'): (6, 9),
  ('attention', 'qkv_kernel'): (4, 12),
  ('attention', 'out_kernel'): (6, 5),
}


def largest(leaf, shape):
  return np.linalg.svd(np.asarray(leaf).reshape(shape), compute_uv=False)[0]


def test_every_matrix_gets_the_norm_one():
  vectors = spectral.init(PARAMS, jax.random.key(1))
  found = spectral.normalise(PARAMS, vectors)
  for (room, name), shape in AS_MATRIX.items():
    assert largest(found[room][name], shape) == pytest.approx(1, rel=1e-3)
    ratio = PARAMS[room][name] / found[room][name]
    wanted = largest(PARAMS[room][name], shape)
    np.testing.assert_allclose(ratio, wanted, rtol=1e-3)
  np.testing.assert_array_equal(found['norm']['scale'], PARAMS['norm']['scale'])


def test_iteration_finds_the_value_of_a_matrix_that_has_moved():
  vectors = spectral.init(PARAMS, jax.random.key(1))
  moved = jax.tree.map(lambda x: x[::-1] * 3, PARAMS)
  wanted = largest(moved['wide']['kernel'], (6, 9))

  def off():
    found = spectral.normalise(moved, vectors)['wide']['kernel']
    return abs(float((moved['wide']['kernel'] / found)[0, 0]) / wanted - 1)

  before = off()
  for _ in range(20):
    vectors = spectral.iterate(moved, vectors)
  assert off() < 1e-3 < before


def test_the_gradient_is_the_numeric_one_with_vectors_held():
  vectors = spectral.init(PARAMS, jax.random.key(1))
  probe = jnp.asarray(RNG.normal(size=(6, 9)), jnp.float32)
  step = jnp.asarray(RNG.normal(size=(6, 9)), jnp.float32)

  def loss(kernel):
    params = PARAMS | {'wide': {'kernel': kernel}}
    return (spectral.normalise(params, vectors)['wide']['kernel'] * probe).sum()

  kernel = PARAMS['wide']['kernel']
  slope = float((jax.grad(loss)(kernel) * step).sum())
  numeric = (loss(kernel + 1e-2 * step) - loss(kernel - 1e-2 * step)) / 2e-2
  # At a singular vector the value moves by what u and v tell alone.
  assert slope == pytest.approx(float(numeric), rel=1e-2)
