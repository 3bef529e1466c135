import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aurl_jax.models import products


@pytest.mark.parametrize(('inside', 'outside'), [(3, 7), (7, 3)])
@pytest.mark.parametrize('backend', ['cpu', 'gpu'])
def test_values_and_gradients_are_the_product_s(
  inside, outside, backend, monkeypatch
):
  monkeypatch.setattr(jax, 'default_backend', lambda: backend)
  rng = np.random.default_rng(0)
  x = rng.normal(size=(2, 5, inside)).astype(np.float32)
  kernel = rng.normal(size=(inside, outside)).astype(np.float32)
  weight = rng.normal(size=(2, 5, outside)).astype(np.float32)
  value, pull = jax.vjp(products.project, jnp.asarray(x), jnp.asarray(kernel))
  dx, dkernel = pull(jnp.asarray(weight))
  np.testing.assert_allclose(value, x @ kernel, rtol=1e-5)
  np.testing.assert_allclose(dx, weight @ kernel.T, rtol=1e-5)
  expected = sum(x[i].T @ weight[i] for i in range(2))
  np.testing.assert_allclose(dkernel, expected, rtol=1e-4, atol=1e-5)
