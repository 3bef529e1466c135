"""What a `Hierarchy` remembers of the steps so far, so that a step costs one.

Encoder and decoder keep the keys and values of all steps, of which a step
sees those of its own bar. Where a bar ends, the mean of what the encoder made
of it is one step of the piece level. Axes: `b` batch, `n` rows of a batch
times heads (see `models.cache`), `s` steps the cache has room for, `r` bars it
has room for, `k` head width, `d` model width.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from aurl_jax.models import cached
from aurl_jax.models.config import ModelConfig
from aurl_jax.models.hierarchy import Hierarchy, Stack
from aurl_jax.models.positions import Rope

Layers = tuple[tuple[Array, Array], ...]
"""Keys and values of each block: `[n, s, k]`, of the piece level `[n, r, k]`.
"""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class Levels:
  """What the three levels remember, and where each row stands.

  Attributes:
    encoder: Keys and values of the bar encoder.
    piece: Of the piece level.
    decoder: Of the bar decoder.
    sums: What the encoder made of the open bar's steps, added up, float32.
    before: What stands for the bars before the open one.
    first: Index of the open bar's first step.
    bar: Number of the open bar; -1 before the first step.
    slot: How many bars have ended.
    most: Bars that the piece level sees at most.
  """

  encoder: Layers
  piece: Layers
  decoder: Layers
  sums: Float[Array, 'b d']
  before: Float[Array, 'b d']
  first: Int[Array, ' b']
  bar: Int[Array, ' b']
  slot: Int[Array, ' b']
  most: int = dataclasses.field(metadata={'static': True})

  @property
  def length(self) -> int:
    """Steps there is room for."""
    return self.decoder[0][0].shape[1]


def init(config: ModelConfig, batch: int, length: int) -> Levels:
  """Returns what is remembered of no steps.

  Args:
    config: Of the model.
    batch: Rows.
    length: Steps there is room for.
  """
  dtype = jnp.dtype(config.dtype)

  def empty(layers: int, room: int) -> Layers:
    shape = batch * config.heads, room, config.head_dim
    return ((jnp.zeros(shape, dtype),) * 2,) * layers

  zero = jnp.zeros((batch,), jnp.int32)
  return Levels(
    encoder=empty(config.bar_layers, length),
    piece=empty(config.piece_layers, min(length, config.piece_bars)),
    decoder=empty(config.layers, length),
    sums=jnp.zeros((batch, config.width), jnp.float32),
    before=jnp.zeros((batch, config.width), dtype),
    first=zero,
    bar=zero - 1,
    slot=zero,
    most=config.piece_bars,
  )


def grow(levels: Levels, length: int) -> Levels:
  """Returns the same with room for `length` steps, at least as many."""

  def wider(layers: Layers, room: int) -> Layers:
    return tuple(
      (_padded(keys, room), _padded(values, room)) for keys, values in layers
    )

  return dataclasses.replace(
    levels,
    encoder=wider(levels.encoder, length),
    piece=wider(levels.piece, min(length, levels.most)),
    decoder=wider(levels.decoder, length),
  )


def _padded(x: Float[Array, 'n s k'], room: int) -> Float[Array, 'n _ k']:
  return jnp.pad(x, ((0, 0), (0, room - x.shape[1]), (0, 0)))


def step(
  module: Hierarchy,
  levels: Levels,
  x: Float[Array, 'b 1 d'],
  bar: Int[Array, ' b'],
  index: Int[Array, ''],
  real: Bool[Array, ' b'],
) -> tuple[Float[Array, 'b d'], Levels]:
  """Reads one step more.

  Args:
    module: The network's body.
    levels: Filled up to `index`, with room for one more.
    x: The embedded step of each row.
    bar: Its bar; never falls.
    index: Where it stands, the same for all rows.
    real: Which rows have begun; the others are padded here.

  Returns:
    The normalised state after the step, and what is remembered with it.
  """
  levels = _opened(module, levels, bar, index, real)
  rope = module.rope((index - levels.first)[:, None])
  inside = jnp.arange(levels.length) >= levels.first[:, None]
  inside &= jnp.arange(levels.length) <= index
  read, encoder = _blocks(
    module.encoder, x, rope, levels.encoder, inside, index
  )
  sums = levels.sums + module.bar_norm(read)[:, 0].astype(jnp.float32)
  x = x + levels.before[:, None]
  x, decoder = _blocks(module.decoder, x, rope, levels.decoder, inside, index)
  return module.norm(x[:, 0]), dataclasses.replace(
    levels, encoder=encoder, decoder=decoder, sums=sums
  )


def _opened(
  module: Hierarchy,
  levels: Levels,
  bar: Int[Array, ' b'],
  index: Int[Array, ''],
  real: Bool[Array, ' b'],
) -> Levels:
  """Ends the bars of those rows in which another one begins."""
  opens = real & (bar != levels.bar)
  ends = opens & (levels.bar >= 0)
  levels = jax.lax.cond(
    jnp.any(ends),
    lambda levels: _ended(module, levels, index, ends),
    lambda levels: levels,
    levels,
  )
  start = module.down(module.start[...].astype(levels.before.dtype))
  begins = opens & (levels.bar < 0)
  return dataclasses.replace(
    levels,
    sums=jnp.where(opens[:, None], 0, levels.sums),
    before=jnp.where(begins[:, None], start, levels.before),
    first=jnp.where(opens, index, levels.first),
    bar=jnp.where(opens, bar, levels.bar),
    slot=levels.slot + ends,
  )


def _ended(
  module: Hierarchy, levels: Levels, index: Int[Array, ''], ends: Array
) -> Levels:
  """Takes the bars that end as one step of the piece level each."""
  count = jnp.maximum(index - levels.first, 1)[:, None]
  x = (levels.sums / count).astype(levels.before.dtype)[:, None]
  room = levels.piece[0][0].shape[1]
  # A bar past the room is not seen, and those before it go on standing.
  written = ends & (levels.slot < room)
  at = jnp.minimum(levels.slot, room - 1)
  seen = jnp.arange(room) <= at[:, None]
  rope = module.rope(jnp.maximum(levels.bar, 0)[:, None])
  x, piece = _blocks(module.piece, x, rope, levels.piece, seen, at, written)
  before = module.down(module.piece_norm(x))[:, 0]
  return dataclasses.replace(
    levels,
    piece=piece,
    before=jnp.where(written[:, None], before, levels.before),
  )


def _blocks(
  stack: Stack,
  x: Float[Array, 'b 1 d'],
  rope: Rope,
  layers: Layers,
  seen: Bool[Array, 'b _'],
  index: Int[Array, '*b'],
  written: Bool[Array, ' b'] | None = None,
) -> tuple[Float[Array, 'b 1 d'], Layers]:
  """Runs a step through all blocks.

  Args:
    stack: The blocks.
    x: The step.
    rope: Its rotation.
    layers: Keys and values of each block.
    seen: Which of them a row sees.
    index: Where the step is written, the same for all rows or each its own.
    written: Rows that write at all; None for all.
  """
  config = stack.config
  mask = jnp.repeat(seen, config.heads, axis=0)[:, None]
  found: list[Any] = []
  for number, held in enumerate(layers):
    block = stack.layers[str(number)]
    q, *new = cached.qkv(block, x, rope)
    keys, values = (
      _written(old, one, index, written)
      for old, one in zip(held, new, strict=True)
    )
    mixed = cached.attend(q, keys, values, mask)
    x = block.finish(x, mixed.reshape(-1, config.heads, 1, config.head_dim))
    found.append((keys, values))
  return x, tuple(found)


def _written(
  old: Float[Array, 'n s k'],
  new: Float[Array, 'n 1 k'],
  index: Int[Array, '*b'],
  written: Bool[Array, ' b'] | None,
) -> Float[Array, 'n s k']:
  """Returns the cache with a step at the index, or at that of each row."""
  if written is None:
    return cached.write(old, new, index)
  heads = len(old) // len(written)
  at = jnp.where(written, index, old.shape[1])
  place = jnp.arange(old.shape[1]) == jnp.repeat(at, heads)[:, None]
  return jnp.where(place[..., None], new, old)
