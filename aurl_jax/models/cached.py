"""One step of a block, against keys and values that are cached.

Axes: `b` batch, `h` heads, `c` heads of keys and values, `g` query heads that
share one, `n` rows of a batch times heads of keys, `s` steps of the cache, `k`
head width, `t` steps, `d` model width.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from aurl_jax.models.blocked import MASKED
from aurl_jax.models.decoder import Block
from aurl_jax.models.positions import Rope, rotate, spread
from aurl_jax.models.products import project


def merge(x: Float[Array, 'b h t k']) -> Float[Array, 'n t k']:
  """Returns the array with its rows and heads merged."""
  return x.reshape(-1, *x.shape[2:])


def qkv(
  block: Block, x: Float[Array, 'b 1 d'], rope: Rope | None
) -> tuple[Float[Array, 'n g k'], Float[Array, 'n 1 k'], Float[Array, 'n 1 k']]:
  """As `Block.qkv`, of one step: a plain product, no weight transposed."""
  x = block.attention.read(block.attention_norm(x)[:, 0])
  if block.attention.grouped:
    q, key, value = _grouped(block, x)
  else:
    kernel = block.attention.qkv_kernel[...].astype(x.dtype)
    d, _, h, k = kernel.shape
    fused = project(x, kernel.reshape(d, -1))
    q, key, value = jnp.moveaxis(fused.reshape(-1, 3, h, 1, k), 1, 0)
  rows = key.shape[0] * key.shape[1]
  if rope is not None:
    q, key = rotate(q, *spread(rope, q.shape[1])), rotate(key, *rope)
  return q.reshape(rows, -1, q.shape[-1]), merge(key), merge(value)


def _grouped(
  block: Block, x: Float[Array, 'b d']
) -> tuple[
  Float[Array, 'b h 1 k'], Float[Array, 'b c 1 k'], Float[Array, 'b c 1 k']
]:
  kernel = block.attention.q_kernel[...].astype(x.dtype)
  d, h, k = kernel.shape
  q = project(x, kernel.reshape(d, -1)).reshape(-1, h, 1, k)
  kernel = block.attention.kv_kernel[...].astype(x.dtype)
  fused = project(x, kernel.reshape(d, -1))
  fused = fused.reshape(-1, 2, kernel.shape[2], 1, k)
  key, value = jnp.moveaxis(fused, 1, 0)
  return q, key, value


def attend(
  q: Float[Array, 'n g k'],
  k: Float[Array, 'n s k'],
  v: Float[Array, 'n s k'],
  seen: Bool[Array, 'n #g s'],
  bias: Float[Array, 'n g s'] | None = None,
) -> Float[Array, 'n g k']:
  """Softmax attention of one step, or of several, heads before steps.

  `seen` is one row, or one a query; the softmax is float32.
  """
  scores = jnp.einsum('nqk,nsk->nqs', q, k, preferred_element_type=jnp.float32)
  if bias is not None:
    scores = scores + bias
  scores = jnp.where(seen, scores * q.shape[-1] ** -0.5, MASKED)
  weights = jax.nn.softmax(scores, axis=-1).astype(v.dtype)
  return jnp.einsum('nqs,nsk->nqk', weights, v)


def write(
  cache: Float[Array, 'n s k'], new: Float[Array, 'n t k'], index: Array | int
) -> Float[Array, 'n s k']:
  """Returns the cache with what is new from a step on."""
  return jax.lax.dynamic_update_slice_in_dim(cache, new, index, axis=1)
