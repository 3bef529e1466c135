"""Causal attention inside segments: packed pieces do not see each other.

Backends: `naive` (plain, any platform), `blocked` (`models.blocked`, for
CPUs) and `fused` (`jax.nn.dot_product_attention`, for GPUs and TPUs). Axes:
`b` batch, `h` heads, `t` time of queries and keys, `k` head width.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from aurl_jax.models.blocked import MASKED, attend_blocked


def attend(
  q: Float[Array, 'b h t k'],
  k: Float[Array, 'b h t k'],
  v: Float[Array, 'b h t k'],
  *,
  segments: Int[Array, 'b t'],
  backend: str = 'auto',
) -> Float[Array, 'b h t k']:
  """Returns each query's mix of the values at or before it in its segment.

  Args:
    q: Queries, not yet scaled.
    k: Keys.
    v: Values.
    segments: Number of the piece at each step.
    backend: `naive`, `blocked`, `fused`, or `auto`: `blocked` on a CPU, else
      `fused`.
  """
  if backend == 'auto':
    backend = 'blocked' if jax.default_backend() == 'cpu' else 'fused'
  if backend == 'blocked':
    return attend_blocked(q, k, v, segments)
  if backend == 'fused':
    return _fused(q, k, v, visible(segments))
  return naive(q, k, v, visible(segments))


def visible(segments: Int[Array, 'b t']) -> Bool[Array, 'b t t']:
  """Returns which key (last axis) each query may see."""
  same = segments[:, :, None] == segments[:, None, :]
  return same & jnp.tri(segments.shape[1], dtype=bool)


def naive(
  q: Float[Array, 'b h q k'],
  k: Float[Array, 'b h t k'],
  v: Float[Array, 'b h t k'],
  mask: Bool[Array, 'b #q t'],
) -> Float[Array, 'b h q k']:
  """Plain softmax attention under any mask; the softmax is float32."""
  mixture = weights(q, k, mask).astype(v.dtype)
  return jnp.einsum('bhqt,bhtk->bhqk', mixture, v)


def weights(
  q: Float[Array, 'b h q k'],
  k: Float[Array, 'b h t k'],
  mask: Bool[Array, 'b #q t'],
) -> Float[Array, 'b h q t']:
  """Returns how much each query takes of each key, float32; rows sum to 1."""
  scores = jnp.einsum(
    'bhqk,bhtk->bhqt', q, k, preferred_element_type=jnp.float32
  )
  scores = scores * q.shape[-1] ** -0.5
  scores = jnp.where(mask[:, None], scores, MASKED)
  return jax.nn.softmax(scores, axis=-1)


def _fused(
  q: Float[Array, 'b h t k'],
  k: Float[Array, 'b h t k'],
  v: Float[Array, 'b h t k'],
  mask: Bool[Array, 'b t t'],
) -> Float[Array, 'b h t k']:
  q, k, v = (jnp.swapaxes(x, 1, 2) for x in (q, k, v))
  mixed = jax.nn.dot_product_attention(q, k, v, mask=mask[:, None])
  return jnp.swapaxes(mixed, 1, 2)
