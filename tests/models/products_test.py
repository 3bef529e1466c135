import re

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


@pytest.mark.parametrize('rows', [1, 2, 64, 65])
def test_few_rows_give_the_same_numbers(rows):
  rng = np.random.default_rng(rows)
  x = rng.normal(size=(rows, 6)).astype(np.float32)
  kernel = rng.normal(size=(6, 5)).astype(np.float32)
  value, pull = jax.vjp(products.project, jnp.asarray(x), jnp.asarray(kernel))
  grad = rng.normal(size=(rows, 5)).astype(np.float32)
  dx, dkernel = pull(jnp.asarray(grad))
  np.testing.assert_allclose(value, x @ kernel, rtol=1e-4, atol=1e-5)
  np.testing.assert_allclose(dx, grad @ kernel.T, rtol=1e-4, atol=1e-5)
  np.testing.assert_allclose(dkernel, x.T @ grad, rtol=1e-4, atol=1e-4)
  found = products.against(jnp.asarray(x), jnp.asarray(kernel.T))
  np.testing.assert_allclose(found, x @ kernel, rtol=1e-4, atol=1e-5)


def test_a_loop_over_few_rows_turns_its_kernels_before_it():
  def run(x, kernel, count):
    turn = lambda _, x: jnp.tanh(products.project(x, kernel))  # noqa: E731
    return jax.lax.fori_loop(0, count, turn, x)

  x, kernel = jnp.ones((8, 16)), jnp.ones((16, 16))
  text = jax.jit(run).lower(x, kernel, 3).compile().as_text()
  body = re.search(r'body=(%[\w.]+)', text).group(1)
  inside = re.search(rf'^{re.escape(body)} .*?^}}', text, re.M | re.S).group()
  assert 'f32[16,8]' in inside
  assert not re.search(r'f32\[16,16\]\S* (copy|transpose|fusion)\(', inside)
  before = text[text.index('ENTRY') :]
  assert re.search(r'f32\[16,16\]\S* (copy|transpose|fusion)\(', before)
