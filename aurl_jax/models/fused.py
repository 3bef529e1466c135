"""Attention by `jax.nn.dot_product_attention`: cuDNN's kernel on a GPU.

cuDNN computes in 16 bits, skips what lies above the diagonal, and reads a
mask of segments as a bias of `t * t` numbers a row of the batch (JAX before
0.11 has it compute the gradient of that, too). Where each row is one piece
there need be no mask. It takes a window of its own only without a bias, so
with a mask the window stands in that.
Axes: `b` batch, `h` heads, `c` heads of keys and values, `t` time, `k` head
width.
"""

import functools
from typing import Any

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
  length = q.shape[1]
  cudnn = has_cudnn() and fits_cudnn(q)
  attend = functools.partial(
    jax.nn.dot_product_attention, implementation='cudnn' if cudnn else 'xla'
  )
  if cudnn:
    q, k, v, mask = _even(q, k, v, mask)
  if mask is None:
    reach = (window - 1, 0) if window else None
    mixed = attend(q, k, v, is_causal=True, local_window_size=reach)
  else:
    # What the mask leaves out anyhow, cuDNN need not compute.
    mixed = attend(q, k, v, mask=mask[:, None], is_causal=cudnn)
  return jnp.swapaxes(mixed[:, :length], 1, 2)


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


def _even(
  q: Float[Array, 'b t h k'],
  k: Float[Array, 'b t c k'],
  v: Float[Array, 'b t c k'],
  mask: Bool[Array, 'b t t'] | None,
) -> tuple[Any, Any, Any, Any]:
  """Returns all of an even length, which the kernel's gradient needs.

  What is added stands behind every step, so that no step sees it.
  """
  odd = q.shape[1] % 2
  q, k, v = (jnp.pad(x, ((0, 0), (0, odd), (0, 0), (0, 0))) for x in (q, k, v))
  if mask is not None:
    wide = (0, 0), (0, odd), (0, odd)
    mask = jnp.pad(mask, wide, constant_values=bool(odd))
  return q, k, v, mask
