"""Attention by `jax.nn.dot_product_attention`: cuDNN's kernel on a GPU.

cuDNN computes in 16 bits, skips what lies above the diagonal, and reads a
mask of segments as a bias of `t * t` numbers a row of the batch (JAX before
0.11 has it compute the gradient of that, too). Where each row is one piece
there need be no mask. It takes a window of its own only without a bias, so
with a mask the window stands in that.
Axes: `b` batch, `h` heads, `c` heads of keys and values, `t` time, `k` head
width.
"""

from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

_Kernel = Literal['xla', 'cudnn']

# Limits of the kernel: `check_is_flash_attention` of JAX, cuDNN 9.
_WIDTH_MULTIPLE = 8
_WIDEST = 128
_CAPABILITY = 8.0


def attend_fused(
  q: Float[Array, 'b h t k'],
  k: Float[Array, 'b c t k'],
  v: Float[Array, 'b c t k'],
  mask: Bool[Array, 'b t t'] | None,
  window: int = 0,
) -> Float[Array, 'b h t k']:
  """Returns what `models.attention.naive` does, for a causal mask.

  Args:
    q: Queries, not yet scaled.
    k: Keys.
    v: Values.
    mask: Which key (last axis) each query may see; None for those at or
      before it.
    window: Without a mask: steps that a query sees; 0 for all.
  """
  q, k, v = (jnp.swapaxes(x, 1, 2) for x in (q, k, v))
  kernel: _Kernel = 'cudnn' if has_cudnn() and fits_cudnn(q) else 'xla'
  if mask is None:
    mixed = _causal(q, k, v, window, kernel)
  elif kernel == 'cudnn':
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


def _causal(
  q: Float[Array, 'b t h k'],
  k: Float[Array, 'b t c k'],
  v: Float[Array, 'b t c k'],
  window: int,
  kernel: _Kernel,
) -> Float[Array, 'b t h k']:
  length = q.shape[1]
  if kernel == 'cudnn':
    q, k, v = (_even(x) for x in (q, k, v))
  mixed = jax.nn.dot_product_attention(
    q,
    k,
    v,
    is_causal=True,
    local_window_size=(window - 1, 0) if window else None,
    implementation=kernel,
  )
  return mixed[:, :length]


def _even(x: Float[Array, 'b t h k']) -> Float[Array, 'b _ h k']:
  """Returns a length that the kernel's gradient takes.

  What is added stands behind every step: no step sees it, and its rows are
  cut off.
  """
  return jnp.pad(x, ((0, 0), (0, x.shape[1] % 2), (0, 0), (0, 0)))


def _cudnn(
  q: Float[Array, 'b t h k'],
  k: Float[Array, 'b t c k'],
  v: Float[Array, 'b t c k'],
  mask: Bool[Array, 'b t t'],
) -> Float[Array, 'b t h k']:
  length = q.shape[1]
  odd = length % 2
  q, k, v = (_even(x) for x in (q, k, v))
  mask = jnp.pad(mask, ((0, 0), (0, odd), (0, odd)), constant_values=bool(odd))
  mixed = jax.nn.dot_product_attention(
    q, k, v, mask=mask[:, None], is_causal=True, implementation='cudnn'
  )
  return mixed[:, :length]
