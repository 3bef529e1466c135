"""Pre-norm causal decoder with rotary positions.

Axes: `b` batch, `t` time, `d` model width, `h` heads, `k` head width.
"""

import functools

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int, PRNGKeyArray

from aurl_jax.models import positions as positions_lib
from aurl_jax.models.attention import attend
from aurl_jax.models.config import ModelConfig
from aurl_jax.models.layers import (
  INIT_SCALE,
  MLP,
  RMSNorm,
  dropout,
  normal,
  residual_scale,
)
from aurl_jax.parallel.rules import constrain_rows

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
    q, k, v = jnp.einsum('btd,dnhk->nbhtk', x, kernel)
    turn = functools.partial(positions_lib.rotate, cos=rope[0], sin=rope[1])
    return turn(q), turn(k), v

  def out(self, mixed: Float[Array, 'b h t k']) -> Float[Array, 'b t d']:
    """Returns what the mixed values of all heads add to the stream."""
    kernel = self.out_kernel[...].astype(mixed.dtype)
    return jnp.einsum('bhtk,hkd->btd', mixed, kernel)


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
    key: PRNGKeyArray | None = None,
  ) -> Float[Array, 'b t d']:
    """Returns the stream after both residual additions.

    Args:
      x: The stream that `qkv` was computed from.
      mixed: What attention made of the values.
      rate: Dropout of both additions.
      key: Of the dropout; None keeps everything.
    """
    first, second = (None, None) if key is None else jax.random.split(key)
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
    return positions_lib.angles(positions, config.head_dim, config.rope_base)

  def __call__(
    self,
    x: Float[Array, 'b t d'],
    segments: Int[Array, 'b t'],
    positions: Int[Array, 'b t'],
    key: PRNGKeyArray | None = None,
  ) -> Float[Array, 'b t d']:
    """Returns the normalised hidden state of every step.

    Args:
      x: Embedded steps.
      segments: Number of the piece at each step; pieces are independent.
      positions: Index of each step inside its piece.
      key: Of the dropout; None keeps everything.
    """
    run = functools.partial(
      self._block, segments=segments, rope=self.rope(positions)
    )
    keys = [None] * self.config.layers
    if key is not None:
      keys = jax.random.split(key, self.config.layers)
    if self.config.remat != 'none':
      run = jax.checkpoint(run, policy=_POLICIES[self.config.remat])
    x = (
      self._scan(run, x, keys) if self.config.scan else self._loop(run, x, keys)
    )
    return self.norm(x)

  def _block(self, state, x, key, *, segments, rope):
    """Runs one block given as its state, so that remat and scan see it."""
    block = nnx.merge(nnx.graphdef(self.blocks[0]), state)
    mixed = attend(
      *block.qkv(x, rope), segments=segments, backend=self.config.attention
    )
    x = block.finish(x, mixed, self.config.dropout, key)
    return constrain_rows(x)

  def _loop(self, run, x, keys):
    for block, key in zip(self.blocks, keys, strict=True):
      x = run(nnx.state(block), x, key)
    return x

  def _scan(self, run, x, keys):
    states = [nnx.state(block) for block in self.blocks]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *states)
    keys = None if keys[0] is None else keys
    step = lambda x, layer: (run(layer[0], x, layer[1]), None)  # noqa: E731
    return jax.lax.scan(step, x, (stacked, keys))[0]
