"""Several steps at once against a cache, some of which may be taken back.

For steps that are guessed before they are known to be right: reading them
together costs little more than reading one. Of patterns that attend to all
steps or to a window. Axes: `b` batch, `n` rows of a batch times heads of keys
(see `models.cache`), `g` query heads that share one, `q` queries, `s` steps
the cache has room for, `t` steps that are read, `d` model width, `k` head
width, `f` fields.
"""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from aurl_jax.models import cache as cache_lib
from aurl_jax.models import cached
from aurl_jax.models.cache import Cache
from aurl_jax.models.decoder import Block
from aurl_jax.models.relative import picked
from aurl_jax.models.vaegan import MusicTransformerVAEGAN


class Read(NamedTuple):
  """What reading several steps gives.

  Attributes:
    hidden: The state after each.
    cache: With all of them.
    places: Where rows stand after each, `[t, b]` first; None without places.
  """

  hidden: Float[Array, 'b t d']
  cache: Cache
  places: Any

  def kept(self, count: Int[Array, '']) -> Cache:
    """Returns the cache with the first `count` steps, at least 1.

    What else was written is not seen, and is written over by what comes.
    """
    last = count - 1
    places = jax.tree.map(lambda x: x[last], self.places)
    cache = dataclasses.replace(self.cache, places=places)
    if cache.before is None:
      return cache
    return dataclasses.replace(cache, before=self.hidden[:, last])


def extend(
  module: MusicTransformerVAEGAN,
  cache: Cache,
  ids: Int[Array, 'b t f'],
  index: Int[Array, ''],
  places: Any = None,
  following: Int[Array, 'b t f'] | None = None,
) -> Read:
  """Reads steps that stand at `index` and behind it.

  Args:
    module: The network.
    cache: Filled up to `index`, with room for `t` more.
    ids: The steps of each row.
    index: Where the first one stands, the same for all rows.
    places: As of `cache.init`.
    following: The next step of each, for a config with a `lead`.

  Returns:
    States and cache: up to rounding those of as many calls of `cache.step`.
  """
  assert cache.keys
  assert cache.skipped is None
  at = index + jnp.arange(ids.shape[1])
  coordinates, states = _walked(places, cache.places, ids)
  positions = at - cache.start[:, None]
  rope = module.decoder.rope(positions, coordinates)
  told = cache_lib.told_by_latents(module.config, places, cache, coordinates)
  seen = _seen(module, cache, at)
  x, layers = module.read(ids, coordinates, following), []
  pairs = zip(cache.keys, cache.values, strict=True)
  for block, held in zip(module.decoder.blocks, pairs, strict=True):
    x = block.begin(x, told)
    q, *new = block.qkv(x, rope)
    keys, values = (
      cached.write(old, cached.merge(one), index)
      for old, one in zip(held, new, strict=True)
    )
    rows = q.reshape(len(keys), -1, q.shape[-1])
    bias = _bias(block, q, cache, at)
    mixed = cached.attend(rows, keys, values, seen, bias)
    x = block.finish(x, mixed.reshape(q.shape))
    layers.append((keys, values))
  all_keys, all_values = zip(*layers, strict=True)
  held_all = dataclasses.replace(cache, keys=all_keys, values=all_values)
  return Read(module.decoder.norm(x), held_all, states)


def _walked(
  places: Any, state: Any, ids: Int[Array, 'b t f']
) -> tuple[Int[Array, 'b t 5'] | None, Any]:
  """Returns where steps stand, and where rows do after each of them."""
  if places is None:
    return None, None

  def take(state: Any, step: Int[Array, 'b f']) -> tuple[Any, tuple[Any, Any]]:
    new = places.advance(state, step)
    return new, (places.coordinates(new), new)

  _, (found, states) = jax.lax.scan(take, state, jnp.moveaxis(ids, 1, 0))
  return jnp.moveaxis(found, 0, 1), states


def _seen(
  module: MusicTransformerVAEGAN, cache: Cache, at: Int[Array, ' t']
) -> Bool[Array, 'n q s']:
  """Which steps of the cache each query sees, that of its own among them."""
  config, steps = module.config, jnp.arange(cache.length)
  seen = (steps <= at[:, None]) & (steps >= cache.start[:, None, None])
  if config.window:
    seen &= steps > at[:, None] - config.window
  seen = jnp.repeat(seen, config.key_heads, axis=0)
  return jnp.tile(seen, (1, config.heads // config.key_heads, 1))


def _bias(
  block: Block, q: Float[Array, 'b h t k'], cache: Cache, at: Int[Array, ' t']
) -> Float[Array, 'n q s'] | None:
  """Products with the embedding of each step's distance, if there are any."""
  table = block.attention.relative(q.dtype)
  if table is None:
    return None
  found = picked(q, table, at[:, None] - jnp.arange(cache.length))
  return found.reshape(len(cache.keys[0]), -1, cache.length)
