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

from aurl_jax.models.blocked import MASKED
from aurl_jax.models.config import ModelConfig
from aurl_jax.models.decoder import Block
from aurl_jax.models.positions import Rope, rotate, spread
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
  """

  keys: tuple[Float[Array, 'n s k'], ...]
  values: tuple[Float[Array, 'n s k'], ...]
  start: Int[Array, ' b']
  places: Any = None

  @property
  def length(self) -> int:
    """Steps the cache has room for."""
    return self.keys[0].shape[1]


def init(
  config: ModelConfig,
  batch: int,
  length: int,
  start: Int[Array, ' b'] | None = None,
  places: Any = None,
) -> Cache:
  """Returns an empty cache for `length` steps of `batch` rows.

  Args:
    config: Of the model.
    batch: Rows.
    length: Steps there is room for.
    start: Index of each row's first step; None is 0.
    places: Of the tokenizer, for a config that `needs_places`.
  """
  shape = (batch * config.key_heads, length, config.head_dim)
  empty = jnp.zeros(shape, jnp.dtype(config.dtype))
  return Cache(
    keys=(empty,) * config.layers,
    values=(empty,) * config.layers,
    start=jnp.zeros((batch,), jnp.int32) if start is None else start,
    places=None if places is None else places.init((batch,)),
  )


def grow(cache: Cache, length: int) -> Cache:
  """Returns the cache with room for `length` steps, at least as many.

  Attention costs what the cache has room for, so a decoder grows it as it
  fills.
  """
  added = ((0, 0), (0, length - cache.length), (0, 0))
  pad = lambda arrays: tuple(jnp.pad(array, added) for array in arrays)  # noqa: E731
  return dataclasses.replace(
    cache, keys=pad(cache.keys), values=pad(cache.values)
  )


def prefill(
  module: MusicTransformerVAEGAN,
  cache: Cache,
  ids: Int[Array, 'b t f'],
  places: Any = None,
) -> tuple[Float[Array, 'b d'], Cache]:
  """Reads prompts in one pass.

  Args:
    module: The network.
    cache: With room for `t` steps or more; what it holds is replaced.
    ids: Prompts, padded on the left up to the cache's `start`.
    places: As of `init`.

  Returns:
    The state after the last step, and the cache filled up to `t`.
  """
  decoder, index = module.decoder, jnp.arange(ids.shape[1])
  start = cache.start[:, None]
  segments = (index >= start).astype(jnp.int32)
  coordinates, state = _walked(places, ids, segments)
  where = decoder.where(segments, jnp.maximum(index - start, 0), coordinates)
  x = module.embedded(ids)
  keys, values = [], []
  for block, k_cache, v_cache in _layers(module, cache):
    q, k, v = block.qkv(x, where.rope)
    x = block.finish(x, decoder.mix(block, q, k, v, where))
    keys.append(_write(k_cache, _merge(k), 0))
    values.append(_write(v_cache, _merge(v), 0))
  hidden = decoder.norm(x[:, -1])
  return hidden, dataclasses.replace(
    cache, keys=tuple(keys), values=tuple(values), places=state
  )


def step(
  module: MusicTransformerVAEGAN,
  cache: Cache,
  ids: Int[Array, 'b f'],
  index: Int[Array, ''],
  places: Any = None,
) -> tuple[Float[Array, 'b d'], Cache]:
  """Reads one step more.

  Args:
    module: The network.
    cache: Filled up to `index`, with room for one more.
    ids: The step of each row.
    index: Where it stands, the same for all rows.
    places: As of `init`.

  Returns:
    The state after the step, and the cache with it.
  """
  config = module.config
  seen = _seen(config, cache, index)
  coordinates, state = None, cache.places
  if places is not None:
    state = places.advance(state, ids)
    coordinates = places.coordinates(state)[:, None]
  rope = module.decoder.rope(index - cache.start[:, None], coordinates)
  x = module.embedded(ids[:, None])
  keys, values = [], []
  for block, k_cache, v_cache in _layers(module, cache):
    q, k, v = _qkv(block, x, rope)
    keys.append(_write(k_cache, k, index))
    values.append(_write(v_cache, v, index))
    bias = _bias(block, q, cache.length, index)
    mixed = _attend(q, keys[-1], values[-1], seen, bias)
    mixed = mixed.reshape(-1, config.heads, 1, config.head_dim)
    x = block.finish(x, mixed)
  hidden = module.decoder.norm(x[:, 0])
  return hidden, dataclasses.replace(
    cache, keys=tuple(keys), values=tuple(values), places=state
  )


def _walked(
  places: Any, ids: Int[Array, 'b t f'], segments: Int[Array, 'b t']
) -> tuple[Int[Array, 'b t 4'] | None, Any]:
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
  state, found = jax.lax.scan(take, places.init((len(ids),)), steps)
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
  return seen[:, None]


def _merge(x: Float[Array, 'b h t k']) -> Float[Array, 'n t k']:
  return x.reshape(-1, *x.shape[2:])


def _layers(module: MusicTransformerVAEGAN, cache: Cache) -> zip:
  return zip(module.decoder.blocks, cache.keys, cache.values, strict=True)


def _qkv(
  block: Block, x: Float[Array, 'b 1 d'], rope: Rope | None
) -> tuple[Float[Array, 'n g k'], Float[Array, 'n 1 k'], Float[Array, 'n 1 k']]:
  """As `Block.qkv`, of one step: a plain product, no weight transposed."""
  x = block.attention_norm(x)[:, 0]
  if block.attention.grouped:
    q, key, value = _grouped(block, x)
  else:
    kernel = block.attention.qkv_kernel[...].astype(x.dtype)
    d, _, h, k = kernel.shape
    fused = x @ kernel.reshape(d, -1)
    q, key, value = jnp.moveaxis(fused.reshape(-1, 3, h, 1, k), 1, 0)
  rows = key.shape[0] * key.shape[1]
  if rope is not None:
    q, key = rotate(q, *spread(rope, q.shape[1])), rotate(key, *rope)
  return q.reshape(rows, -1, q.shape[-1]), _merge(key), _merge(value)


def _grouped(
  block: Block, x: Float[Array, 'b d']
) -> tuple[
  Float[Array, 'b h 1 k'], Float[Array, 'b c 1 k'], Float[Array, 'b c 1 k']
]:
  kernel = block.attention.q_kernel[...].astype(x.dtype)
  d, h, k = kernel.shape
  q = (x @ kernel.reshape(d, -1)).reshape(-1, h, 1, k)
  kernel = block.attention.kv_kernel[...].astype(x.dtype)
  fused = (x @ kernel.reshape(d, -1)).reshape(-1, 2, kernel.shape[2], 1, k)
  key, value = jnp.moveaxis(fused, 1, 0)
  return q, key, value


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


def _attend(
  q: Float[Array, 'n g k'],
  k: Float[Array, 'n s k'],
  v: Float[Array, 'n s k'],
  seen: Bool[Array, 'n 1 s'],
  bias: Float[Array, 'n g s'] | None,
) -> Float[Array, 'n g k']:
  """Softmax attention of one step; the softmax is float32."""
  scores = jnp.einsum('nqk,nsk->nqs', q, k, preferred_element_type=jnp.float32)
  if bias is not None:
    scores = scores + bias
  scores = jnp.where(seen, scores * q.shape[-1] ** -0.5, MASKED)
  weights = jax.nn.softmax(scores, axis=-1).astype(v.dtype)
  return jnp.einsum('nqs,nsk->nqk', weights, v)


def _write(
  cache: Float[Array, 'n s k'], new: Float[Array, 'n t k'], index: Array | int
) -> Float[Array, 'n s k']:
  return jax.lax.dynamic_update_slice_in_dim(cache, new, index, axis=1)
