"""The TPU kernel's program, interpreted on a CPU."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aurl_jax.core.errors import ConfigError
from aurl_jax.models.splash import attend_splash
from tests.models.slow_attention import by_loops, inputs


@pytest.mark.parametrize(
  ('t', 'window', 'groups'), [(37, 0, 1), (150, 0, 2), (150, 40, 1)]
)
def test_values_and_gradients_are_those_of_plain_attention(t, window, groups):
  q, k, v, _, weight, segments = inputs(t, b=2, k=8, groups=groups, seed=t)

  @jax.jit
  def run(q, k, v):
    mixed = attend_splash(q, k, v, segments, window, interpret=True)
    return jnp.sum(mixed * weight), mixed

  grads, mixed = jax.grad(run, argnums=(0, 1, 2), has_aux=True)(q, k, v)
  expected = by_loops(q, k, v, None, segments, window)
  np.testing.assert_allclose(mixed, expected, atol=1e-5)

  @jax.jit
  def plain(q, k, v):
    scores = jnp.einsum('bcgqk,bctk->bcgqt', q, k) * 8**-0.5
    at = jnp.arange(t)
    distance = at[:, None] - at
    seen = (distance >= 0) & (distance < (window or t))
    seen = seen & (segments[:, :, None] == segments[:, None])
    scores = jnp.where(seen[:, None, None], scores, -jnp.inf)
    mixed = jnp.einsum('bcgqt,bctk->bcgqk', jax.nn.softmax(scores), v)
    return jnp.sum(mixed.reshape(weight.shape) * weight)

  heads = q.reshape(2, k.shape[1], groups, t, 8)
  wanted = jax.grad(plain, argnums=(0, 1, 2))(heads, k, v)
  for ours, theirs in zip(grads, wanted, strict=True):
    theirs = theirs.reshape(ours.shape)
    np.testing.assert_allclose(ours, theirs, atol=2e-5)


def test_elsewhere_it_says_what_to_set():
  q, k, v, _, _, segments = inputs(5)
  with pytest.raises(ConfigError, match="set it to 'auto'"):
    attend_splash(q, k, v, segments)
