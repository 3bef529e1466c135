"""Attention by `jax.nn.dot_product_attention`: cuDNN's kernel on a GPU.

cuDNN computes in 16 bits, skips what lies above the diagonal, and reads a
mask of segments as a bias of `t * t` numbers a row of the batch. It takes a
window of its own only without a bias, so here the window stands in the mask.
Axes: `b` batch, `h` heads, `c` heads of keys and values, `t` time, `k` head
width.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

# Limits of the kernel: `check_is_flash_attention` of JAX, cuDNN 9.
_WIDTH_MULTIPLE = 8
_WIDEST = 128
_CAPABILITY = 8.0


def attend_fused(
  q: Float[Array, 'b h t k'],
  k: Float[Array, 'b c t k'],
  v: Float[Array, 'b c t k'],
  mask: Bool[Array, 'b t t'],
) -> Float[Array, 'b h t k']:
  """Returns what `models.attention.naive` does, for a causal mask."""
  q, k, v = (jnp.swapaxes(x, 1, 2) for x in (q, k, v))
  if has_cudnn() and fits_cudnn(q):
    mixed = _cudnn(q, k, v, mask)
  else:
    mixed = jax.nn.dot_product_attention(q, k, v, mask=mask[:, None])
  return jnp.swapaxes(mixed, 1, 2)


def has_cudnn() -> bool:
  """Whether the device has cuDNN's kernels for attention."""
  if jax.default_backend() != 'gpu':
    return False
  device = jax.local_devices()[0]
  cuda = 'cuda' in device.client.platform_version
  # Such as '9.0'; only NVIDIA's devices have it.
  return cuda and float(device.compute_capability) >= _CAPABILITY


def fits_cudnn(q: Float[Array, 'b t h k']) -> bool:
  """Whether the kernel takes queries of this dtype and width."""
  width = q.shape[-1]
  narrow = q.dtype in (jnp.bfloat16, jnp.float16)
  return narrow and width % _WIDTH_MULTIPLE == 0 and width <= _WIDEST


def _cudnn(
  q: Float[Array, 'b t h k'],
  k: Float[Array, 'b t c k'],
  v: Float[Array, 'b t c k'],
  mask: Bool[Array, 'b t t'],
) -> Float[Array, 'b t h k']:
  length = q.shape[1]
  # With a bias the kernel's gradient needs an even length. What is added
  # stands behind every step: no step sees it, and its rows are cut off.
  odd = length % 2
  q, k, v = (jnp.pad(x, ((0, 0), (0, odd), (0, 0), (0, 0))) for x in (q, k, v))
  mask = jnp.pad(mask, ((0, 0), (0, odd), (0, odd)), constant_values=bool(odd))
  mixed = jax.nn.dot_product_attention(
    q, k, v, mask=mask[:, None], is_causal=True, implementation='cudnn'
  )
  return mixed[:, :length]
