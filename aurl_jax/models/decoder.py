"""Pre-norm causal decoder with rotary positions.

Axes: `b` batch, `t` time, `d` model width, `h` heads, `k` head width.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int, PRNGKeyArray

from aurl_jax.core import random
from aurl_jax.core.typing import Keys
from aurl_jax.models import positions as positions_lib
from aurl_jax.models.attention import attend, naive, visible, weights
from aurl_jax.models.config import ModelConfig
from aurl_jax.models.layers import (
  INIT_SCALE,
  MLP,
  RMSNorm,
  dropout,
  normal,
  residual_scale,
)
from aurl_jax.models.products import project
from aurl_jax.parallel.rules import constrain_rows

_Run = Callable[..., Any]
Rope = tuple[Float[Array, 'b 1 t half'], Float[Array, 'b 1 t half']]
_POLICIES = {
  'full': None,
  'dots': jax.checkpoint_policies.dots_with_no_batch_dims_saveable,
}


class Attention(nnx.Module):
  """Projections of multi-head attention; the mixing is the caller's."""

  def __init__(self, config: ModelConfig, key: PRNGKeyArray) -> None:
    fused, out = jax.random.split(key)
    d, h, k = config.width, config.heads, config.head_dim
    self.qkv_kernel = normal(fused, (d, 3, h, k), INIT_SCALE)
    self.out_kernel = normal(out, (h, k, d), residual_scale(config))

  def qkv(
    self, x: Float[Array, 'b t d'], rope: Rope
  ) -> tuple[
    Float[Array, 'b h t k'], Float[Array, 'b h t k'], Float[Array, 'b h t k']
  ]:
    """Returns queries and keys, turned by their positions, and values."""
    kernel = self.qkv_kernel[...].astype(x.dtype)
    q, k, v = (self._heads(x, kernel[:, part]) for part in range(3))
    turn = functools.partial(positions_lib.rotate, cos=rope[0], sin=rope[1])
    return turn(q), turn(k), v

  def _heads(
    self, x: Float[Array, 'b t d'], kernel: Float[Array, 'd h k']
  ) -> Float[Array, 'b h t k']:
    b, t, d = x.shape
    rows = project(x, kernel.reshape(d, -1))
    return jnp.swapaxes(rows.reshape(b, t, *kernel.shape[1:]), 1, 2)

  def out(self, mixed: Float[Array, 'b h t k']) -> Float[Array, 'b t d']:
    """Returns what the mixed values of all heads add to the stream."""
    kernel = self.out_kernel[...].astype(mixed.dtype)
    b, h, t, k = mixed.shape
    rows = jnp.swapaxes(mixed, 1, 2).reshape(b, t, h * k)
    return project(rows, kernel.reshape(h * k, -1))


class Block(nnx.Module):
  """Attention, then MLP, each on a normalised copy of the stream."""

  def __init__(self, config: ModelConfig, key: PRNGKeyArray) -> None:
    attention, mlp = jax.random.split(key)
    self.attention_norm = RMSNorm(config.width)
    self.attention = Attention(config, attention)
    self.mlp_norm = RMSNorm(config.width)
    self.mlp = MLP(config, mlp)

  def qkv(
    self, x: Float[Array, 'b t d'], rope: Rope
  ) -> tuple[
    Float[Array, 'b h t k'], Float[Array, 'b h t k'], Float[Array, 'b h t k']
  ]:
    """Returns queries, keys and values of the stream `x`."""
    return self.attention.qkv(self.attention_norm(x), rope)

  def finish(
    self,
    x: Float[Array, 'b t d'],
    mixed: Float[Array, 'b h t k'],
    rate: float = 0.0,
    key: Keys | None = None,
  ) -> Float[Array, 'b t d']:
    """Returns the stream after both residual additions.

    Args:
      x: The stream that `qkv` was computed from.
      mixed: What attention made of the values.
      rate: Dropout of both additions.
      key: Of the dropout; None keeps everything.
    """
    first, second = (None, None) if key is None else random.split(key, 2)
    x = x + dropout(self.attention.out(mixed), rate, first)
    return x + dropout(self.mlp(self.mlp_norm(x)), rate, second)


class Decoder(nnx.Module):
  """A stack of blocks and a last norm."""

  def __init__(self, config: ModelConfig, key: PRNGKeyArray) -> None:
    keys = jax.random.split(key, config.layers)
    self.layers = nnx.Dict(
      {str(i): Block(config, keys[i]) for i in range(config.layers)}
    )
    self.norm = RMSNorm(config.width)
    self.config = config

  @property
  def blocks(self) -> tuple[Block, ...]:
    """The blocks from first to last."""
    return tuple(self.layers[str(i)] for i in range(self.config.layers))

  def rope(self, positions: Int[Array, 'b t']) -> Rope:
    """Returns the rotation of each position."""
    config = self.config
    return positions_lib.angles(
      positions, config.head_dim, config.rope_base, config.context
    )

  def __call__(
    self,
    x: Float[Array, 'b t d'],
    segments: Int[Array, 'b t'],
    positions: Int[Array, 'b t'],
    key: Keys | None = None,
  ) -> Float[Array, 'b t d']:
    """Returns the normalised hidden state of every step.

    Args:
      x: Embedded steps.
      segments: Number of the piece at each step; pieces are independent.
      positions: Index of each step inside its piece.
      key: Of the dropout; None keeps everything.
    """
    run: _Run = functools.partial(
      self._block, segments=segments, rope=self.rope(positions)
    )
    keys = None
    if key is not None:
      keys = random.split(key, self.config.layers)
    if self.config.remat != 'none':
      run = jax.checkpoint(run, policy=_POLICIES[self.config.remat])
    x = (
      self._scan(run, x, keys) if self.config.scan else self._loop(run, x, keys)
    )
    return self.norm(x)

  def weights(
    self,
    x: Float[Array, 'b t d'],
    segments: Int[Array, 'b t'],
    positions: Int[Array, 'b t'],
  ) -> Float[Array, 'layers b h t t']:
    """Returns the attention weights of every layer; arguments as above."""
    rope, mask, found = self.rope(positions), visible(segments), []
    for block in self.blocks:
      q, k, v = block.qkv(x, rope)
      found.append(weights(q, k, mask))
      x = block.finish(x, naive(q, k, v, mask))
    return jnp.stack(found)

  def _block(
    self,
    state: Any,
    x: Float[Array, 'b t d'],
    key: Keys | None,
    *,
    segments: Int[Array, 'b t'],
    rope: Rope,
  ) -> Float[Array, 'b t d']:
    """Runs one block given as its state, so that remat and scan see it."""
    block = nnx.merge(nnx.graphdef(self.blocks[0]), state)
    mixed = attend(
      *block.qkv(x, rope), segments=segments, backend=self.config.attention
    )
    x = block.finish(x, mixed, self.config.dropout, key)
    return constrain_rows(x)

  def _loop(
    self, run: _Run, x: Float[Array, 'b t d'], keys: Array | None
  ) -> Float[Array, 'b t d']:
    for number, block in enumerate(self.blocks):
      x = run(nnx.state(block), x, None if keys is None else keys[number])
    return x

  def _scan(
    self, run: _Run, x: Float[Array, 'b t d'], keys: Array | None
  ) -> Float[Array, 'b t d']:
    states = [nnx.state(block) for block in self.blocks]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *states)
    step = lambda x, layer: (run(layer[0], x, layer[1]), None)  # noqa: E731
    return jax.lax.scan(step, x, (stacked, keys))[0]
