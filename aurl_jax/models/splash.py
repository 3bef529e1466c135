"""Attention by the splash kernel of JAX, for TPUs.

The kernel skips blocks that the causal or local mask leaves empty, in both
passes, and compares segments inside the others. Axes: `b` batch, `h` heads,
`c` heads of keys and values, `t` time, `k` head width.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType
from jax.sharding import PartitionSpec as P
from jaxtyping import Array, Float, Int

from aurl_jax.core.errors import ConfigError

# The kernel's blocks are multiples of its lanes; longer ones run faster.
_LANES = 128
_SIZES = (512, 384, 256, 128)
_ROWS = ('data', 'fsdp')


def attend_splash(
  q: Float[Array, 'b h t k'],
  k: Float[Array, 'b c t k'],
  v: Float[Array, 'b c t k'],
  segments: Int[Array, 'b t'],
  window: int = 0,
  *,
  interpret: bool = False,
) -> Float[Array, 'b h t k']:
  """Returns what `models.attention.attend` does; for `t` of any length.

  On a mesh that the compiler splits over, each device runs the kernel on its
  own rows and heads: a kernel cannot be split by the compiler.

  Args:
    q: Queries, not yet scaled.
    k: Keys.
    v: Values.
    segments: Number of the piece at each step.
    window: Steps that a step sees; 0 for all before it.
    interpret: Runs the kernel's program on any platform, slowly.

  Raises:
    ConfigError: Neither on a TPU nor interpreted, or JAX has no such kernel.
  """
  if jax.default_backend() != 'tpu' and not interpret:
    raise ConfigError(
      "model.attention: 'splash' runs on TPUs only, and this is "
      f"{jax.default_backend()}; set it to 'auto'",
      code='model_config',
    )
  run = functools.partial(_local, window=window, interpret=interpret)
  mesh = jax.sharding.get_abstract_mesh()
  types = dict(zip(mesh.axis_names, mesh.axis_types, strict=True))
  if any(types.get(axis) != AxisType.Auto for axis in _ROWS):
    return run(q, k, v, segments)
  heads = None
  if k.shape[1] % mesh.shape.get('tensor', 1) == 0:
    heads = 'tensor' if 'tensor' in mesh.shape else None
  split = P(_ROWS, heads)
  return jax.shard_map(
    run,
    in_specs=(split, split, split, P(_ROWS)),
    out_specs=split,
    check_vma=False,
  )(q, k, v, segments)


def _local(
  q: Float[Array, 'b h t k'],
  k: Float[Array, 'b c t k'],
  v: Float[Array, 'b c t k'],
  segments: Int[Array, 'b t'],
  *,
  window: int,
  interpret: bool,
) -> Float[Array, 'b h t k']:
  length = q.shape[2]
  padded = -(-length // _LANES) * _LANES
  behind = padded - length
  q = (q.astype(jnp.float32) * q.shape[-1] ** -0.5).astype(q.dtype)
  q, k, v = (
    jnp.pad(x, ((0, 0), (0, 0), (0, behind), (0, 0))) for x in (q, k, v)
  )
  # No piece has the number -1, and added steps see themselves at least.
  segments = jnp.pad(segments, ((0, 0), (0, behind)), constant_values=-1)
  kernel, ids = _kernel(q.shape[1], padded, window, interpret)
  mixed = jax.vmap(kernel)(q, k, v, ids(segments, segments))
  return mixed[:, :, :length]


@functools.lru_cache(maxsize=16)
def _kernel(
  heads: int, length: int, window: int, interpret: bool
) -> tuple[Any, Any]:
  """Returns the kernel of a shape, and its class of segment ids."""
  try:
    from jax.experimental.pallas.ops.tpu import splash_attention as splash
  except ImportError as error:
    raise ConfigError(
      f'model.attention: this JAX ({jax.__version__}) has no splash kernel; '
      "set it to 'blocked'",
      code='model_config',
    ) from error
  shape = (length, length)
  # A window of the whole length is none.
  mask = splash.LocalMask(shape, ((window or length) - 1, 0), offset=0)
  size = next(size for size in _SIZES if length % size == 0)
  # The tables of the mask are constants, also if a trace is under way.
  with jax.ensure_compile_time_eval():
    kernel = splash.make_splash_mha(
      mask=splash.MultiHeadMask([mask] * heads),
      block_sizes=splash.BlockSizes(
        block_q=size,
        block_kv=size,
        block_q_dkv=size,
        block_kv_dkv=size,
        block_q_dq=size,
        block_kv_dq=size,
      ),
      head_shards=1,
      q_seq_shards=1,
      interpret=interpret,
    )
    # On no device: the cache outlives the mesh that is in use.
    kernel = jax.tree.map(np.asarray, kernel)
  return kernel, splash.SegmentIds
