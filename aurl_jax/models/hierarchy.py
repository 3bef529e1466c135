"""Bars, and a piece of bars: for sequences of 16,000 steps and more.

Three stacks of blocks. The bar encoder reads each bar by itself, causally (so
that generation need not read a bar again when it ends, `hierarchy_cache`), and
its mean is the bar's vector. The piece level is a causal transformer over
the vectors of a segment's bars. The decoder reads the steps of the own bar,
causally, and what the piece level made of the bars before: that is added to
every step of a bar. (Two levels as in MusicVAE's hierarchical decoder,
Roberts et al. 2018, section 3.1; summaries by attention inside a bar and then
between bars as in Wu & Yang 2023, MuseMorphose, section 3.) Attention inside
bars is by tiles (`models.bar_tiles`): time and memory are linear in `t` where
bars are bounded, plus the square of the number of bars.

Axes: `b` batch, `t` steps, `p` padded steps, `r` slots of bars, `d` model
width, `h` heads, `k` head width.
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
from aurl_jax.models import bar_plan, positions, structured
from aurl_jax.models.attention import attend
from aurl_jax.models.bar_plan import Plan
from aurl_jax.models.bar_summary import bar_spread, bar_sums
from aurl_jax.models.config import ModelConfig
from aurl_jax.models.decoder import Block, Rope
from aurl_jax.models.layers import INIT_SCALE, Linear, RMSNorm, normal
from aurl_jax.parallel.rules import constrain_rows

_Mix = Callable[[Array, Array, Array], Array]


class Stack(nnx.Module):
  """Blocks one after another; the mixing is the caller's."""

  def __init__(
    self, config: ModelConfig, layers: int, key: PRNGKeyArray
  ) -> None:
    config = dataclasses.replace(config, layers=layers)
    keys = jax.random.split(key, layers)
    self.layers = nnx.Dict(
      {str(i): Block(config, keys[i]) for i in range(layers)}
    )
    self.config = config

  def __call__(
    self,
    x: Float[Array, 'b t d'],
    rope: Rope,
    mix: _Mix,
    key: Keys | None = None,
  ) -> Float[Array, 'b t d']:
    """Returns the stream after all blocks, not normalised.

    Args:
      x: The stream.
      rope: Rotation of each position.
      mix: Attention, of queries, keys and values `[b, h, t, k]`.
      key: Of the dropout; None keeps everything.
    """
    run: Callable[..., Any] = functools.partial(self._block, rope=rope, mix=mix)
    if self.config.remat != 'none':
      run = jax.checkpoint(run)
    count = self.config.layers
    keys = (None,) * count if key is None else random.split(key, count)
    for number in range(count):
      x = run(nnx.state(self.layers[str(number)]), x, keys[number])
    return x

  def _block(
    self,
    state: Any,
    x: Float[Array, 'b t d'],
    key: Keys | None,
    *,
    rope: Rope,
    mix: _Mix,
  ) -> Float[Array, 'b t d']:
    """Runs one block given as its state, so that remat sees it."""
    block = nnx.merge(nnx.graphdef(self.layers['0']), state)
    mixed = mix(*block.qkv(x, rope))
    return constrain_rows(block.finish(x, mixed, self.config.dropout, key))


class Hierarchy(nnx.Module):
  """Bar encoder, piece level and bar decoder, in the place of `Decoder`."""

  def __init__(self, config: ModelConfig, key: PRNGKeyArray) -> None:
    encoder, piece, decoder, down, start = jax.random.split(key, 5)
    self.encoder = Stack(config, config.bar_layers, encoder)
    self.bar_norm = RMSNorm(config.width)
    self.piece = Stack(config, config.piece_layers, piece)
    self.piece_norm = RMSNorm(config.width)
    self.down = Linear(config.width, config.width, down, INIT_SCALE)
    # Stands for the bars before a segment's first.
    self.start = normal(start, (config.width,))
    self.decoder = Stack(config, config.layers, decoder)
    self.norm = RMSNorm(config.width)
    self.config = config

  def __call__(
    self,
    x: Float[Array, 'b t d'],
    segments: Int[Array, 'b t'],
    positions: Int[Array, 'b t'] | None = None,
    key: Keys | None = None,
    coordinates: Int[Array, 'b t 5'] | None = None,
  ) -> Float[Array, 'b t d']:
    """Returns the normalised hidden state of every step.

    Args:
      x: Embedded steps.
      segments: Number of the piece at each step; a piece is one run of steps.
      positions: Not read: a step knows its index in its bar.
      key: Of the dropout; None keeps everything.
      coordinates: Bar, position, time and pitch of each step; the bar never
        falls in a segment.

    Raises:
      ConfigError: There are no coordinates.
    """
    del positions
    bars = bar_of(coordinates)
    keys = (None,) * 3 if key is None else tuple(random.split(key, 3))
    plan = bar_plan.plan(bars, segments, near=(0,), coarse=False)
    rope, mix = self.rope(_in_bar(plan)), _inside(plan)
    read = self.encoder(x, rope, mix, keys[0])
    piece = self._piece(self._pooled(read, plan), bars, plan, keys[1])
    x = x + self._before(piece, plan)
    return self.norm(self.decoder(x, rope, mix, keys[2]))

  def rope(self, where: Int[Array, 'b t']) -> Rope:
    """Returns the rotation of positions."""
    config = self.config
    return positions.angles(
      where, config.head_dim, config.rope_base, config.context
    )

  def _pooled(
    self, read: Float[Array, 'b t d'], plan: Plan
  ) -> Float[Array, 'b r d']:
    """Returns the mean of what was read of each bar, normalised."""
    added = ((0, 0), (0, plan.padded - plan.length), (0, 0))
    steps = jnp.pad(self.bar_norm(read), added)
    count = jnp.pad(jnp.ones_like(read[..., :1]), added)
    sums = bar_sums(jnp.concatenate([steps, count], -1)[:, None], plan)[:, 0]
    mean = sums[..., :-1] / jnp.maximum(sums[..., -1:], 1)
    return mean[:, : self.config.piece_bars].astype(read.dtype)

  def _piece(
    self,
    vectors: Float[Array, 'b r d'],
    bars: Int[Array, 'b t'],
    plan: Plan,
    key: Keys | None,
  ) -> Float[Array, 'b r d']:
    """Returns what the piece level makes of each bar and those before it."""
    last = plan.last[:, : vectors.shape[1]]
    at = jnp.minimum(last, plan.length - 1)
    rope = self.rope(jnp.take_along_axis(bars, at, axis=1))
    segments = _slot_segments(plan)[:, : vectors.shape[1]]
    mix = functools.partial(
      attend, segments=segments, backend=self.config.attention
    )
    return self.piece_norm(self.piece(vectors, rope, mix, key))

  def _before(
    self, piece: Float[Array, 'b r d'], plan: Plan
  ) -> Float[Array, 'b t d']:
    """Returns for each step what stands for the bars before its own."""
    room, segments = piece.shape[1], _slot_segments(plan)
    source = jnp.clip(jnp.arange(plan.padded) - 1, 0, room - 1)
    same = jnp.take(segments, source, axis=1) == segments
    same &= jnp.arange(plan.padded) > 0
    rest = jnp.repeat(piece[:, -1:], plan.padded - room, axis=1)
    shifted = jnp.concatenate([piece[:, :1], piece, rest], axis=1)[:, :-1]
    start = self.start[...].astype(piece.dtype)
    known = jnp.where(same[..., None], shifted, start)
    return bar_spread(self.down(known)[:, None], plan)[:, 0, : plan.length]


def bar_of(coordinates: Int[Array, 'b t 5'] | None) -> Int[Array, 'b t']:
  """Returns the bar of each step.

  Raises:
    ConfigError: There are no coordinates.
  """
  if coordinates is None:
    raise ConfigError(
      "model.pattern: 'hierarchy' needs the place of each step; build the "
      'model with the Places of its tokenizer',
      code='model_config',
    )
  return coordinates[..., 0]


def _inside(plan: Plan) -> _Mix:
  """Attention inside each bar."""
  return functools.partial(structured.attend_plan, query=None, plan=plan)


def _in_bar(plan: Plan) -> Int[Array, 'b t']:
  """Returns the index of each step inside its bar."""
  begins = jnp.pad(jnp.diff(plan.slot, axis=1) > 0, ((0, 0), (1, 0)))
  index = jnp.arange(plan.padded)
  first = jax.lax.cummax(jnp.where(begins, index, 0), axis=1)
  return (index - first)[:, : plan.length]


def _slot_segments(plan: Plan) -> Int[Array, 'b p']:
  """Returns the segment of each slot; where there is none, the last one."""
  at = jnp.minimum(plan.last, plan.padded - 1)
  return jnp.take_along_axis(plan.segment, at, axis=1)
