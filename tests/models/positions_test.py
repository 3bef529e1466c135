import cmath

import jax
import jax.numpy as jnp
import numpy as np

from aurl_jax.models import positions


@jax.jit
def turned(x, index):
  cos, sin = positions.angles(index, x.shape[-1], 100.0, 128)
  return positions.rotate(x, cos, sin)


def test_rotation_is_complex_multiplication():
  x = np.random.default_rng(0).normal(size=(1, 1, 3, 6)).astype(np.float32)
  index = np.array([[0, 5, 11]], np.int32)
  ours = np.asarray(turned(jnp.asarray(x), jnp.asarray(index)))
  for t, j in np.ndindex(3, 3):
    number = complex(x[0, 0, t, j], x[0, 0, t, j + 3])
    number *= cmath.exp(1j * index[0, t] * 100.0 ** (-j / 3))
    np.testing.assert_allclose(ours[0, 0, t, j], number.real, atol=1e-5)
    np.testing.assert_allclose(ours[0, 0, t, j + 3], number.imag, atol=1e-5)


def test_scores_depend_on_the_distance_only():
  q, k = np.random.default_rng(1).normal(size=(2, 1, 1, 1, 8))
  q, k = jnp.asarray(q, 'f'), jnp.asarray(k, 'f')
  score = lambda i, j: float(  # noqa: E731
    jnp.vdot(turned(q, jnp.array([[i]])), turned(k, jnp.array([[j]])))
  )
  assert abs(score(9, 4) - score(105, 100)) < 1e-4
  assert abs(score(9, 4) - score(9, 5)) > 1e-3


def test_dtype_is_kept():
  x = jnp.ones((1, 2, 3, 4), jnp.bfloat16)
  assert turned(x, jnp.arange(3)[None]).dtype == jnp.bfloat16
