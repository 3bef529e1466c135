"""Pre-norm causal decoder.

Axes: `b` batch, `t` time, `d` model width, `h` heads, `c` heads of keys and
values, `k` head width, `r` distances of relative positions.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int, PRNGKeyArray

from aurl_jax.core import random
from aurl_jax.core.errors import ConfigError
from aurl_jax.core.typing import Keys
from aurl_jax.models import bar_plan, rounding, structured
from aurl_jax.models import positions as positions_lib
from aurl_jax.models.attention import attend, visible, weights
from aurl_jax.models.bar_summary import BarSummary
from aurl_jax.models.config import ModelConfig
from aurl_jax.models.layers import (
  INIT_SCALE,
  MLP,
  Linear,
  RMSNorm,
  dropout,
  normal,
  residual_scale,
)
from aurl_jax.models.positions import Rope as Rope
from aurl_jax.models.products import project
from aurl_jax.parallel.rules import constrain_rows

_Run = Callable[..., Any]
_POLICIES = {
  'full': None,
  'dots': jax.checkpoint_policies.dots_with_no_batch_dims_saveable,
}


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class Where:
  """What attention knows of the steps of a pass, the same in every layer.

  Attributes:
    segments: Number of the piece at each step.
    rope: Rotation of each step; None for none.
    coordinates: Place of each step in its music; None where none is asked
      for (`ModelConfig.needs_places`).
    plan: Which bars see which, for the pattern `bars`.
    told: What each step is told by latents; None without any.
    alone: Whether each row is known to hold one piece, and no padding before
      it.
  """

  segments: Int[Array, 'b t']
  rope: Rope | None = None
  coordinates: Int[Array, 'b t 5'] | None = None
  plan: bar_plan.Plan | None = None
  told: Float[Array, 'b t _'] | None = None
  alone: bool = dataclasses.field(default=False, metadata={'static': True})

  @property
  def bars(self) -> Int[Array, 'b t']:
    """Bar of each step in its piece."""
    if self.coordinates is None:
      raise ConfigError(
        "model.pattern: 'bars' needs the place of each step; build the model "
        'with the Places of its tokenizer',
        code='model_config',
      )
    return self.coordinates[..., 0]


class Attention(nnx.Module):
  """Projections of multi-head attention; the mixing is the caller's.

  With as many heads of keys as of queries, `qkv_kernel` makes all three;
  else `q_kernel` makes the queries and `kv_kernel` keys and values.
  """

  def __init__(self, config: ModelConfig, key: PRNGKeyArray) -> None:
    fused, out = jax.random.split(key)
    d, h, k = config.width, config.heads, config.head_dim
    if config.key_heads == h:
      self.qkv_kernel = normal(fused, (d, 3, h, k), INIT_SCALE)
    else:
      first, second = jax.random.split(fused)
      self.q_kernel = normal(first, (d, h, k), INIT_SCALE)
      pair = (d, 2, config.key_heads, k)
      self.kv_kernel = normal(second, pair, INIT_SCALE)
    self.grouped = config.key_heads != h
    if config.positions == 'relative':
      # The scale of Tensor2Tensor's Music Transformer.
      shape = (h, config.distances, k)
      self.relative_embed = normal(jax.random.fold_in(key, 1), shape, k**-0.5)
    self.is_relative = config.positions == 'relative'
    if config.pattern == 'bars':
      self.summary = BarSummary(h, k)
    self.out_kernel = normal(out, (h, k, d), residual_scale(config))
    if config.activations:
      self.reach, self.out_reach = rounding.new(), rounding.new()
    self.is_rounded = config.activations > 0

  def kernels(
    self, dtype: Any
  ) -> tuple[
    Float[Array, 'd h k'], Float[Array, 'd c k'], Float[Array, 'd c k']
  ]:
    """Returns the kernels of queries, keys and values in a dtype."""
    if not self.grouped:
      kernel = self.qkv_kernel[...].astype(dtype)
      return kernel[:, 0], kernel[:, 1], kernel[:, 2]
    kernel = self.kv_kernel[...].astype(dtype)
    return self.q_kernel[...].astype(dtype), kernel[:, 0], kernel[:, 1]

  def relative(self, dtype: Any) -> Float[Array, 'h r k'] | None:
    """Returns the embedding of each distance, None without any."""
    return self.relative_embed[...].astype(dtype) if self.is_relative else None

  def qkv(
    self, x: Float[Array, 'b t d'], rope: Rope | None
  ) -> tuple[
    Float[Array, 'b h t k'], Float[Array, 'b c t k'], Float[Array, 'b c t k']
  ]:
    """Returns queries and keys, turned by their positions, and values."""
    x = self.read(x)
    q, k, v = (self._heads(x, kernel) for kernel in self.kernels(x.dtype))
    if rope is None:
      return q, k, v
    q = positions_lib.rotate(q, *positions_lib.spread(rope, q.shape[1]))
    return q, positions_lib.rotate(k, *rope), v

  def read(self, x: Float[Array, '*n d']) -> Float[Array, '*n d']:
    """Returns steps as the projections read them."""
    return rounding.rounded(x, self.reach) if self.is_rounded else x

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
    if self.is_rounded:
      rows = rounding.rounded(rows, self.out_reach)
    return project(rows, kernel.reshape(h * k, -1))


class Block(nnx.Module):
  """Attention, then MLP, each on a normalised copy of the stream."""

  def __init__(self, config: ModelConfig, key: PRNGKeyArray) -> None:
    attention, mlp = jax.random.split(key)
    if config.has_latents:
      latent = jax.random.fold_in(key, 1)
      self.latent = Linear(
        config.latent.width, config.width, latent, INIT_SCALE
      )
    self.attention_norm = RMSNorm(config.width)
    self.attention = Attention(config, attention)
    self.mlp_norm = RMSNorm(config.width)
    self.mlp = MLP(config, mlp)

  def begin(
    self, x: Float[Array, 'b t d'], told: Float[Array, 'b t _'] | None
  ) -> Float[Array, 'b t d']:
    """Returns the stream with what latents tell each step, if they do."""
    return x if told is None else x + self.latent(told.astype(x.dtype))

  def qkv(
    self, x: Float[Array, 'b t d'], rope: Rope | None
  ) -> tuple[
    Float[Array, 'b h t k'], Float[Array, 'b c t k'], Float[Array, 'b c t k']
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

  def where(
    self,
    segments: Int[Array, 'b t'],
    positions: Int[Array, 'b t'],
    coordinates: Int[Array, 'b t 5'] | None = None,
    told: Float[Array, 'b t _'] | None = None,
  ) -> Where:
    """Returns what attention is to know of the steps; see `__call__`."""
    where = Where(
      segments=segments,
      rope=self.rope(positions, coordinates),
      coordinates=coordinates,
      told=told,
    )
    if self.config.pattern != 'bars':
      return where
    plan = bar_plan.plan(where.bars, segments, horizon=self.config.horizon)
    return dataclasses.replace(where, plan=plan)

  def rope(
    self,
    positions: Int[Array, 'b t'],
    coordinates: Int[Array, 'b t 5'] | None = None,
  ) -> Rope | None:
    """Returns the rotation of each step, None where none is asked for."""
    config = self.config
    if config.positions not in ('rope', 'barwise', 'musical'):
      return None
    if config.positions != 'rope' and coordinates is None:
      raise ConfigError(
        f'model.positions: {config.positions!r} needs the place of each step; '
        'build the model with the Places of its tokenizer',
        code='model_config',
      )
    if config.positions == 'barwise':
      assert coordinates is not None
      cos, sin = positions_lib.barwise(
        constrain_rows(coordinates), config.head_dim, config.rope_base
      )
      return constrain_rows(cos), constrain_rows(sin)
    turned = positions_lib.angles(
      positions, config.head_dim, config.rope_base, config.context
    )
    if config.positions == 'rope':
      return turned
    assert coordinates is not None
    cos, sin = positions_lib.musical(
      turned, constrain_rows(coordinates), config.key_heads
    )
    return constrain_rows(cos), constrain_rows(sin)

  def __call__(
    self,
    x: Float[Array, 'b t d'],
    segments: Int[Array, 'b t'],
    positions: Int[Array, 'b t'],
    key: Keys | None = None,
    coordinates: Int[Array, 'b t 5'] | None = None,
    told: Float[Array, 'b t _'] | None = None,
  ) -> Float[Array, 'b t d']:
    """Returns the normalised hidden state of every step.

    Args:
      x: Embedded steps.
      segments: Number of the piece at each step; pieces are independent.
      positions: Index of each step inside its piece.
      key: Of the dropout; None keeps everything.
      coordinates: Bar, position, time and pitch of each step, for a config
        that `needs_places`.
      told: What latents tell each step (`models.latent`), before each block.
    """
    where = self.where(segments, positions, coordinates, told)
    where = dataclasses.replace(where, alone=not self.config.packed)
    run: _Run = functools.partial(self._block, where=where)
    keys = None
    if key is not None:
      keys = random.split(key, self.config.layers)
    if self.config.remat in _POLICIES:
      run = jax.checkpoint(run, policy=_POLICIES[self.config.remat])
    x = (
      self._scan(run, x, keys) if self.config.scan else self._loop(run, x, keys)
    )
    return self.norm(x)

  def mix(
    self,
    block: Block,
    q: Float[Array, 'b h t k'],
    k: Float[Array, 'b c t k'],
    v: Float[Array, 'b c t k'],
    where: Where,
  ) -> Float[Array, 'b h t k']:
    """Returns what a block's attention makes of queries, keys and values."""
    if self.config.pattern == 'bars':
      return structured.attend_bars(
        q,
        k,
        v,
        block.attention.summary.query[...],
        bars=where.bars,
        segments=where.segments,
        backend=self.config.attention,
        plan=where.plan,
      )
    return attend(
      q,
      k,
      v,
      segments=None if where.alone else where.segments,
      backend=self.config.attention,
      window=self.config.window,
      relative=block.attention.relative(q.dtype),
    )

  def weights(
    self,
    x: Float[Array, 'b t d'],
    segments: Int[Array, 'b t'],
    positions: Int[Array, 'b t'],
    coordinates: Int[Array, 'b t 5'] | None = None,
    told: Float[Array, 'b t _'] | None = None,
  ) -> Float[Array, 'layers b h t t']:
    """Returns the attention weights of every layer; arguments as above."""
    where = self.where(segments, positions, coordinates, told)
    mask, found = visible(segments, self.config.window), []
    for block in self.blocks:
      x = block.begin(x, where.told)
      q, k, v = block.qkv(x, where.rope)
      if self.config.pattern == 'bars':
        query = block.attention.summary.query[...]
        found.append(
          structured.weights(
            q,
            k,
            v,
            query,
            bars=where.bars,
            segments=segments,
            horizon=self.config.horizon,
          )
        )
      else:
        relative = block.attention.relative(q.dtype)
        found.append(weights(q, k, mask, relative))
      x = block.finish(x, self.mix(block, q, k, v, where))
    return jnp.stack(found)

  def states(
    self,
    x: Float[Array, 'b t d'],
    segments: Int[Array, 'b t'],
    positions: Int[Array, 'b t'],
    coordinates: Int[Array, 'b t 5'] | None = None,
    told: Float[Array, 'b t _'] | None = None,
  ) -> Float[Array, 'depths b t d']:
    """Returns the stream before the first block and behind each, no norm.

    Arguments as above.
    """
    where, found = self.where(segments, positions, coordinates, told), [x]
    for block in self.blocks:
      x = block.begin(x, where.told)
      mixed = self.mix(block, *block.qkv(x, where.rope), where)
      x = block.finish(x, mixed)
      found.append(x)
    return jnp.stack(found)

  def _block(
    self,
    state: Any,
    x: Float[Array, 'b t d'],
    key: Keys | None,
    *,
    where: Where,
  ) -> Float[Array, 'b t d']:
    """Runs one block given as its state, so that remat and scan see it."""
    mix: _Run = self._mixed
    if self.config.remat == 'attention':
      mix = jax.checkpoint(mix)
    x = self._merged(state).begin(x, where.told)
    mixed = mix(state, x, where)
    x = self._merged(state).finish(x, mixed, self.config.dropout, key)
    return constrain_rows(x)

  def _mixed(
    self, state: Any, x: Float[Array, 'b t d'], where: Where
  ) -> Float[Array, 'b h t k']:
    """The half of a block that `remat='attention'` computes again."""
    block = self._merged(state)
    return self.mix(block, *block.qkv(x, where.rope), where)

  def _merged(self, state: Any) -> Block:
    return nnx.merge(nnx.graphdef(self.blocks[0]), state)

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
