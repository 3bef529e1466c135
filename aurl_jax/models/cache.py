"""Keys and values of the steps so far, so that a new step costs one step.

Axes: `b` batch, `h` heads, `c` heads of keys and values, `g` query heads that
share one, `n` rows of a batch times heads of keys, `s` steps the cache has
room for, `k` head width, `t` steps of a prompt, `d` model width, `f` fields.
Rows end at one index and start at their own: prompts are padded on the left,
and `start` is the index of a row's first step, so positions are
`index - start`.

One array a layer, its rows and heads merged: an array of all layers would be
copied where one layer is written, and so would, at batch 1, an array with an
axis of length 1 in front, which XLA drops (a step took twice the time).
Heads before steps: the other order costs the products over a head's steps
twice as much on a CPU.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from aurl_jax.core.typing import Size
from aurl_jax.models import bar_cache, cached, hierarchy_cache, latent
from aurl_jax.models.bar_cache import BarLayer, BarPlaces
from aurl_jax.models.config import ModelConfig
from aurl_jax.models.decoder import Block
from aurl_jax.models.hierarchy_cache import Levels
from aurl_jax.models.latent import Latents
from aurl_jax.models.relative import picked
from aurl_jax.models.vaegan import MusicTransformerVAEGAN


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class Cache:
  """What attention remembers of the steps so far.

  Attributes:
    keys: Turned keys, one array a layer; zeros where nothing is written.
    values: Values, likewise.
    start: Index of each row's first step.
    places: Where each row stands in its music, as `tokens.places` keeps it;
      None if the model does not ask for it.
    layers: What the pattern `bars` remembers instead of keys and values.
    bars: Bars of the steps, for that pattern.
    levels: What the pattern `hierarchy` remembers instead.
    latents: What the rows are told of; None for a model without latents.
    before: The state after the steps so far, for a config with a `lead`.
    skipped: Which steps rows have left out; None where none may.
  """

  keys: tuple[Float[Array, 'n s k'], ...]
  values: tuple[Float[Array, 'n s k'], ...]
  start: Int[Array, ' b']
  places: Any = None
  layers: tuple[BarLayer, ...] = ()
  bars: BarPlaces | None = None
  levels: Levels | None = None
  latents: Latents | None = None
  before: Float[Array, 'b d'] | None = None
  skipped: Bool[Array, 'b s'] | None = None

  @property
  def length(self) -> int:
    """Steps the cache has room for."""
    if self.levels is not None:
      return self.levels.length
    keys = self.layers[0].keys if self.layers else self.keys[0]
    return keys.shape[1]


def init(
  config: ModelConfig,
  batch: Size,
  length: int,
  start: Int[Array, ' b'] | None = None,
  places: Any = None,
  latents: Latents | None = None,
) -> Cache:
  """Returns an empty cache for `length` steps of `batch` rows.

  Args:
    config: Of the model.
    batch: Rows.
    length: Steps there is room for.
    start: Index of each row's first step; None is 0.
    places: Of the tokenizer, for a config that `needs_places`.
    latents: Of the rows, for a config that `has_latents`.
  """
  rows, width = batch * config.key_heads, config.head_dim
  cache = Cache(
    keys=(),
    values=(),
    start=jnp.zeros((batch,), jnp.int32) if start is None else start,
    places=None if places is None else places.init((batch,)),
    latents=latents,
    before=_before(config, batch),
  )
  if config.pattern == 'hierarchy':
    levels = hierarchy_cache.init(config, batch, length)
    return dataclasses.replace(cache, levels=levels)
  if config.pattern == 'bars':
    layer = bar_cache.init_layer(rows, length, width, config.dtype)
    return dataclasses.replace(
      cache,
      layers=(layer,) * config.layers,
      bars=bar_cache.init_places(batch, length),
    )
  empty = jnp.zeros((rows, length, width), jnp.dtype(config.dtype))
  empties = (empty,) * config.layers
  return dataclasses.replace(cache, keys=empties, values=empties)


def skipping(cache: Cache, config: ModelConfig) -> Cache:
  """Returns a cache whose rows may leave out steps that others read.

  For patterns that attend to all steps or to a window.
  """
  assert cache.keys
  batch = len(cache.start)
  before = cache.before
  if before is None:
    before = jnp.zeros((batch, config.width), jnp.dtype(config.dtype))
  skipped = jnp.zeros((batch, cache.length), bool)
  return dataclasses.replace(cache, skipped=skipped, before=before)


def grow(cache: Cache, length: int) -> Cache:
  """Returns the cache with room for `length` steps, at least as many.

  Attention costs what the cache has room for, so a decoder grows it as it
  fills.
  """
  if cache.levels is not None:
    levels = hierarchy_cache.grow(cache.levels, length)
    return dataclasses.replace(cache, levels=levels)
  if cache.bars is not None:
    return dataclasses.replace(
      cache,
      layers=tuple(bar_cache.grow_layer(x, length) for x in cache.layers),
      bars=bar_cache.grow_places(cache.bars, length),
    )
  added = ((0, 0), (0, length - cache.length), (0, 0))
  pad = lambda arrays: tuple(jnp.pad(array, added) for array in arrays)  # noqa: E731
  skipped = cache.skipped
  if skipped is not None:
    skipped = jnp.pad(skipped, added[:2])
  return dataclasses.replace(
    cache, keys=pad(cache.keys), values=pad(cache.values), skipped=skipped
  )


def take(cache: Cache, rows: Int[Array, ' m']) -> Cache:
  """Returns the cache of some of its rows, in any order, as often as named."""
  batch = len(cache.start)

  def taken(x: Array) -> Array:
    # Rows, or rows and heads merged, come first in every array.
    apart = x.reshape(batch, -1, *x.shape[1:])
    return apart[rows].reshape(-1, *x.shape[1:])

  return jax.tree.map(taken, cache)


def prefill(
  module: MusicTransformerVAEGAN,
  cache: Cache,
  ids: Int[Array, 'b t f'],
  places: Any = None,
  following: Int[Array, 'b t f'] | None = None,
) -> tuple[Float[Array, 'b d'], Cache]:
  """Reads prompts in one pass.

  Args:
    module: The network.
    cache: With room for `t` steps or more; what it holds is replaced.
    ids: Prompts, padded on the left up to the cache's `start`.
    places: As of `init`.
    following: The next step of each, for a config with a `lead`.

  Returns:
    The state after the last step, and the cache filled up to `t`.
  """
  decoder, index = module.decoder, jnp.arange(ids.shape[1])
  if cache.levels is not None:
    return _prefill_levels(module, cache, ids, places)
  start = cache.start[:, None]
  segments = (index >= start).astype(jnp.int32)
  coordinates, state = _walked(places, ids, segments)
  told = told_by_latents(module.config, places, cache, coordinates)
  where = decoder.where(
    segments, jnp.maximum(index - start, 0), coordinates, told
  )
  x, layers = module.read(ids, coordinates, following), []
  for block, layer in _layers(module, cache):
    x = block.begin(x, told)
    qkv = block.qkv(x, where.rope)
    if where.plan is not None:
      query = block.attention.summary.query[...]
      mixed, layer = bar_cache.prefill(qkv, query, where.plan, cache.length)
    else:
      mixed = decoder.mix(block, *qkv, where)
      layer = _filled(layer, qkv[1:])
    x = block.finish(x, mixed)
    layers.append(layer)
  bars = None
  if where.plan is not None:
    bars = bar_cache.prefill_places(
      where.bars, segments, where.plan, cache.length
    )
  hidden = decoder.norm(x[:, -1])
  return hidden, _with(_after(cache, hidden), layers, state, bars)


def step(
  module: MusicTransformerVAEGAN,
  cache: Cache,
  ids: Int[Array, 'b f'],
  index: Int[Array, ''],
  places: Any = None,
  following: Int[Array, 'b f'] | None = None,
  live: Bool[Array, ' b'] | None = None,
) -> tuple[Float[Array, 'b d'], Cache]:
  """Reads one step more.

  Args:
    module: The network.
    cache: Filled up to `index`, with room for one more.
    ids: The step of each row.
    index: Where it stands, the same for all rows.
    places: As of `init`.
    following: The next step, for a config with a `lead`.
    live: Rows that read it, if the cache is `skipping`; None for all.

  Returns:
    The state after the step, and the cache with it.
  """
  config, horizon = module.config, module.config.horizon
  if cache.levels is not None:
    return _step_levels(module, cache, ids, index, places)
  old, cache = cache, _left_out(cache, live, index)
  seen = _seen(config, cache, index)
  coordinates, state, bars = _moved_on(cache, ids, index, places)
  rope = module.decoder.rope(_place(cache, index), coordinates)
  told = told_by_latents(config, places, cache, coordinates)
  after = None if following is None else following[:, None]
  x, layers = module.read(ids[:, None], coordinates, after), []
  for block, layer in _layers(module, cache):
    x = block.begin(x, told)
    qkv = cached.qkv(block, x, rope)
    if bars is not None:
      query = block.attention.summary.query[...]
      mixed, layer = bar_cache.step(layer, bars, qkv, query, index, horizon)
    else:
      q, k, v = qkv
      layer = cached.write(layer[0], k, index), cached.write(layer[1], v, index)
      bias = _bias(block, q, cache.length, index)
      mixed = cached.attend(q, *layer, seen, bias)
    mixed = mixed.reshape(-1, config.heads, 1, config.head_dim)
    x = block.finish(x, mixed)
    layers.append(layer)
  hidden = module.decoder.norm(x[:, 0])
  hidden, state = _held(live, (hidden, state), old)
  return hidden, _with(_after(cache, hidden), layers, state, bars)


def _moved_on(
  cache: Cache, ids: Int[Array, 'b f'], index: Int[Array, ''], places: Any
) -> tuple[Int[Array, 'b 1 5'] | None, Any, BarPlaces | None]:
  """Returns where a step stands, and where rows and bars stand after it."""
  if places is None:
    return None, cache.places, cache.bars
  state, bars = places.advance(cache.places, ids), cache.bars
  coordinates = places.coordinates(state)[:, None]
  if bars is not None:
    bars = bar_cache.advance(bars, coordinates[:, 0, 0], index)
  return coordinates, state, bars


def _held(
  live: Bool[Array, ' b'] | None,
  new: tuple[Float[Array, 'b d'], Any],
  old: Cache,
) -> tuple[Float[Array, 'b d'], Any]:
  """Returns the new state and places, of rows that do not read the old ones."""
  if live is None:
    return new
  assert old.before is not None
  state = jax.tree.map(
    lambda now, held: jnp.where(live, now, held), new[1], old.places
  )
  return jnp.where(live[:, None], new[0], old.before), state


def _left_out(
  cache: Cache, live: Bool[Array, ' b'] | None, index: Int[Array, '']
) -> Cache:
  """Returns the cache whose other rows do not have the step at `index`."""
  if live is None:
    return cache
  assert cache.skipped is not None
  skipped = jax.lax.dynamic_update_slice_in_dim(
    cache.skipped, ~live[:, None], index, 1
  )
  return dataclasses.replace(cache, skipped=skipped)


def _place(cache: Cache, index: Int[Array, '']) -> Int[Array, 'b 1']:
  """Returns the index of a step among those that its row has read."""
  place = index - cache.start
  if cache.skipped is not None:
    place = place - jnp.sum(cache.skipped, axis=1)
  return place[:, None]


def _prefill_levels(
  module: MusicTransformerVAEGAN,
  cache: Cache,
  ids: Int[Array, 'b t f'],
  places: Any,
) -> tuple[Float[Array, 'b d'], Cache]:
  """Reads prompts step by step: bars end at other steps in each row."""

  def read(
    cache: Cache, step: tuple[Array, Array]
  ) -> tuple[Cache, Float[Array, 'b d']]:
    hidden, cache = _step_levels(module, cache, *step, places)
    return cache, hidden

  steps = jnp.moveaxis(ids, 1, 0), jnp.arange(ids.shape[1])
  cache, hidden = jax.lax.scan(read, cache, steps)
  return hidden[-1], cache


def _step_levels(
  module: MusicTransformerVAEGAN,
  cache: Cache,
  ids: Int[Array, 'b f'],
  index: Int[Array, ''],
  places: Any,
) -> tuple[Float[Array, 'b d'], Cache]:
  """As `step`, of the pattern `hierarchy`; rows that are padded stay."""
  assert cache.levels is not None
  real = index >= cache.start
  state = jax.tree.map(
    lambda new, old: jnp.where(real, new, old),
    places.advance(cache.places, ids),
    cache.places,
  )
  coordinates = places.coordinates(state)[:, None]
  x = module.embedded(ids[:, None], coordinates)
  hidden, levels = hierarchy_cache.step(
    module.decoder, cache.levels, x, coordinates[:, 0, 0], index, real
  )
  return hidden, dataclasses.replace(cache, levels=levels, places=state)


def _filled(
  layer: tuple[Float[Array, 'n s k'], ...],
  new: tuple[Float[Array, 'b c t k'], ...],
) -> tuple[Float[Array, 'n s k'], ...]:
  """Returns keys and values of a layer, those of a prompt in front."""
  return tuple(
    cached.write(held, cached.merge(steps), 0)
    for held, steps in zip(layer, new, strict=True)
  )


def _before(config: ModelConfig, batch: Size) -> Float[Array, 'b d'] | None:
  """Returns room for the state before a step, None without a lead."""
  if not config.lead:
    return None
  return jnp.zeros((batch, config.width), jnp.dtype(config.dtype))


def _after(cache: Cache, hidden: Float[Array, 'b d']) -> Cache:
  """Returns the cache with the state after a step, if it keeps it."""
  if cache.before is None:
    return cache
  return dataclasses.replace(cache, before=hidden)


def told_by_latents(
  config: ModelConfig,
  places: Any,
  cache: Cache,
  coordinates: Int[Array, 'b t 5'] | None,
) -> Float[Array, 'b t _'] | None:
  """Returns what the rows' latents tell steps, None without any."""
  if cache.latents is None or coordinates is None:
    return None
  return latent.told(config.latent, places, cache.latents, coordinates)


def _walked(
  places: Any, ids: Int[Array, 'b t f'], segments: Int[Array, 'b t']
) -> tuple[Int[Array, 'b t 5'] | None, Any]:
  """Coordinates of prompts' steps, and where their rows stand then."""
  if places is None:
    return None, None

  def take(state: Any, step: Any) -> tuple[Any, Array]:
    ids, real = step
    new = places.advance(state, ids)
    # Padding comes before a prompt: nothing has happened yet.
    new = jax.tree.map(lambda x, y: jnp.where(real, x, y), new, state)
    return new, places.coordinates(new)

  steps = (jnp.moveaxis(ids, 1, 0), segments.T > 0)
  state, found = jax.lax.scan(take, places.init((ids.shape[0],)), steps)
  return jnp.moveaxis(found, 0, 1), state


def _seen(
  config: ModelConfig, cache: Cache, index: Int[Array, '']
) -> Bool[Array, 'n 1 s']:
  """Which steps of the cache a step at `index` sees, itself among them."""
  start = jnp.repeat(cache.start, config.key_heads)[:, None]
  steps = jnp.arange(cache.length)
  seen = (steps <= index) & (steps >= start)
  if config.window:
    seen &= steps > index - config.window
  if cache.skipped is not None:
    seen &= ~jnp.repeat(cache.skipped, config.key_heads, axis=0)
  return seen[:, None]


def _layers(module: MusicTransformerVAEGAN, cache: Cache) -> zip:
  """Blocks, and what each remembers: `BarLayer`, or keys and values."""
  pairs = zip(cache.keys, cache.values, strict=True)
  return zip(module.decoder.blocks, cache.layers or pairs, strict=True)


def _with(
  cache: Cache, layers: list[Any], places: Any, bars: BarPlaces | None
) -> Cache:
  """Returns the cache with other layers, as of `_layers`, and places."""
  if bars is not None:
    return dataclasses.replace(
      cache, layers=tuple(layers), places=places, bars=bars
    )
  keys, values = zip(*layers, strict=True)
  return dataclasses.replace(cache, keys=keys, values=values, places=places)


def _bias(
  block: Block, q: Float[Array, 'n g k'], length: int, index: Int[Array, '']
) -> Float[Array, 'n g s'] | None:
  """Products with the embedding of each step's distance, if there are any."""
  table = block.attention.relative(q.dtype)
  if table is None:
    return None
  rows = q.reshape(-1, table.shape[0], 1, q.shape[-1])
  distances = (index - jnp.arange(length))[None]
  return picked(rows, table, distances).reshape(*q.shape[:2], length)
