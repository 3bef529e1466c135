"""Causal attention inside segments: packed pieces do not see each other.

Axes: `b` batch, `h` heads, `t` time of queries and keys, `k` head width.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

# Not -inf: a row without any key must stay finite through its gradient.
_MASKED = -1e30


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
    segments: Number of the piece at each step; equal numbers are adjacent.
    backend: `auto`, `naive`, `blocked` or `fused`.
  """
  del backend
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
  scores = jnp.einsum('bhqk,bhtk->bhqt', q, k).astype(jnp.float32)
  scores = scores * q.shape[-1] ** -0.5
  scores = jnp.where(mask[:, None], scores, _MASKED)
  weights = jax.nn.softmax(scores, axis=-1).astype(v.dtype)
  return jnp.einsum('bhqt,bhtk->bhqk', weights, v)
