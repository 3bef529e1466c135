"""What bar-structured attention remembers of the steps so far.

A layer keeps the keys and values of all steps, and for each bar the running
weighted mean of them, its summary so far: what `models.bar_summary` takes of
whole bars, a step at a time. Where the steps stand is the same for all
layers and is kept once. Axes: `b` batch, `h` heads, `n` rows of a batch times
heads (see `models.cache`), `s` steps the cache has room for, which are also
the slots of bars, `t` steps of a prompt, `k` head width.
"""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from aurl_jax.models import bar_plan, bar_summary, structured
from aurl_jax.models.blocked import MASKED


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class BarPlaces:
  """Where the steps so far stand; shared by all layers.

  Attributes:
    bars: Bar of each step; -1 where none is, or of another segment.
    slot: Slot of the bar that the last step is in; -1 before the first.
    slot_bars: Bar of each slot; -1 likewise.
  """

  bars: Int[Array, 'b s']
  slot: Int[Array, ' b']
  slot_bars: Int[Array, 'b s']


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class BarLayer:
  """What one layer remembers; zeros where nothing is written.

  Attributes:
    keys: Turned keys of the steps.
    values: Values of the steps.
    mean_keys: Key of each slot, float32.
    mean_values: Value of each slot, float32.
    mass: Total weight of each slot.
  """

  keys: Float[Array, 'n s k']
  values: Float[Array, 'n s k']
  mean_keys: Float[Array, 'n s k']
  mean_values: Float[Array, 'n s k']
  mass: Float[Array, 'n s']


def init_places(batch: int, length: int) -> BarPlaces:
  """Returns the places of no steps, with room for `length`."""
  none = jnp.full((batch, length), -1, jnp.int32)
  return BarPlaces(bars=none, slot=none[:, 0], slot_bars=none)


def init_layer(rows: int, length: int, width: int, dtype: str) -> BarLayer:
  """Returns an empty layer.

  Args:
    rows: Rows `n`, of the batch times heads.
    length: Steps `s` there is room for.
    width: Width `k` of a head.
    dtype: Of keys and values.
  """
  steps = jnp.zeros((rows, length, width), jnp.dtype(dtype))
  means = jnp.zeros((rows, length, width), jnp.float32)
  return BarLayer(
    keys=steps,
    values=steps,
    mean_keys=means,
    mean_values=means,
    mass=means[..., 0],
  )


def grow_places(places: BarPlaces, length: int) -> BarPlaces:
  """Returns the places with room for `length` steps, at least as many."""
  added = ((0, 0), (0, length - places.bars.shape[1]))
  return BarPlaces(
    bars=jnp.pad(places.bars, added, constant_values=-1),
    slot=places.slot,
    slot_bars=jnp.pad(places.slot_bars, added, constant_values=-1),
  )


def grow_layer(layer: BarLayer, length: int) -> BarLayer:
  """Returns the layer with room for `length` steps, at least as many."""
  added = length - layer.keys.shape[1]

  def pad(x: Array) -> Array:
    return jnp.pad(x, ((0, 0), (0, added)) + ((0, 0),) * (x.ndim - 2))

  return jax.tree.map(pad, layer)


def advance(
  places: BarPlaces, bar: Int[Array, ' b'], index: Int[Array, '']
) -> BarPlaces:
  """Returns the places with one step more.

  Args:
    places: Of the steps before.
    bar: Bar of each row's step; not below that of the step before.
    index: Where the step stands, the same for all rows.
  """
  rows = jnp.arange(len(bar))
  before = places.slot_bars[rows, places.slot]
  new = (places.slot < 0) | (bar != before)
  slot = places.slot + new
  return BarPlaces(
    bars=places.bars.at[:, index].set(bar),
    slot=slot,
    slot_bars=places.slot_bars.at[rows, slot].set(bar),
  )


def step(
  layer: BarLayer,
  places: BarPlaces,
  qkv: tuple[
    Float[Array, 'n 1 k'], Float[Array, 'n 1 k'], Float[Array, 'n 1 k']
  ],
  query: Float[Array, 'h k'],
  index: Int[Array, ''],
  horizon: int = 0,
) -> tuple[Float[Array, 'n 1 k'], BarLayer]:
  """Returns what the query of one step makes of the values, and the layer.

  Args:
    layer: With the steps before.
    places: With this step already, as `advance` returns it.
    qkv: Query, key and value of the step.
    query: As of `structured.attend_bars`.
    index: Where the step stands.
    horizon: As of `bar_plan.Plan`.
  """
  q, k, v = qkv
  slots = jnp.repeat(places.slot, len(q) // len(places.slot))
  keys, values = _write(layer.keys, k, index), _write(layer.values, v, index)
  layer = _take_in(layer, slots, k[:, 0], v[:, 0], query)
  layer = dataclasses.replace(layer, keys=keys, values=values)
  return _attend(q, layer, _seen(places, len(query), horizon)), layer


def prefill(
  qkv: tuple[
    Float[Array, 'b h t k'], Float[Array, 'b h t k'], Float[Array, 'b h t k']
  ],
  query: Float[Array, 'h k'],
  plan: bar_plan.Plan,
  length: int,
) -> tuple[Float[Array, 'b h t k'], BarLayer]:
  """Reads prompts in one pass.

  Args:
    qkv: Queries, keys and values of the prompts.
    query: As of `structured.attend_bars`.
    plan: Of the prompts, as of `bar_plan.plan`.
    length: Steps to have room for, `t` or more.

  Returns:
    The mixed values, and the layer filled up to `t`.
  """
  q, k, v = qkv
  mixed = structured.attend_plan(q, k, v, query, plan)
  added = ((0, 0), (0, 0), (0, plan.padded - plan.length), (0, 0))
  means = bar_summary.summarise(
    jnp.pad(k, added).astype(jnp.float32),
    jnp.pad(v, added).astype(jnp.float32),
    query,
    plan,
  )
  mean_keys, mean_values, mass = (_room(_merge(x), length) for x in means)
  return mixed, BarLayer(
    keys=_room(_merge(k), length),
    values=_room(_merge(v), length),
    mean_keys=mean_keys,
    mean_values=mean_values,
    mass=mass,
  )


def prefill_places(
  bars: Int[Array, 'b t'],
  segments: Int[Array, 'b t'],
  plan: bar_plan.Plan,
  length: int,
) -> BarPlaces:
  """Returns the places of prompts, whose last segments go on.

  Args:
    bars: As of `structured.attend_bars`.
    segments: Likewise; what a prompt is padded with is 0.
    plan: Of these.
    length: Steps to have room for, `t` or more.
  """
  # A row may be all padding: the prompts beside it are longer.
  real = (segments == segments[:, -1:]) & (segments > 0)
  bars = jnp.where(real, bars, -1)
  at = jnp.minimum(plan.last, plan.length - 1)
  slot = plan.slot[:, plan.length - 1]
  filled = jnp.arange(plan.padded) <= slot[:, None]
  slot_bars = jnp.where(filled, jnp.take_along_axis(bars, at, axis=1), -1)
  return BarPlaces(
    bars=_room(bars, length, -1),
    slot=slot,
    slot_bars=_room(slot_bars, length, -1),
  )


def _room(x: Array, length: int, fill: int = 0) -> Array:
  """Returns `x` with `length` entries on its second axis."""
  x = x[:, :length]
  added = ((0, 0), (0, length - x.shape[1])) + ((0, 0),) * (x.ndim - 2)
  return jnp.pad(x, added, constant_values=fill)


def _merge(x: Float[Array, 'b h *t']) -> Float[Array, 'n *t']:
  return x.reshape(-1, *x.shape[2:])


def _write(
  cache: Float[Array, 'n s k'], new: Float[Array, 'n 1 k'], index: Array
) -> Float[Array, 'n s k']:
  return jax.lax.dynamic_update_slice_in_dim(cache, new, index, axis=1)


def _take_in(
  layer: BarLayer,
  slots: Int[Array, ' n'],
  k: Float[Array, 'n k'],
  v: Float[Array, 'n k'],
  query: Float[Array, 'h k'],
) -> BarLayer:
  """Moves the means of the slots towards one more key and value."""
  rows, (heads, width) = jnp.arange(len(k)), query.shape
  raw = bar_summary.scores(v.reshape(-1, heads, 1, width), query)
  weight = jnp.exp(raw).reshape(-1)
  mass = layer.mass[rows, slots] + weight
  share = (weight / mass)[:, None]

  def move(means: Array, new: Array) -> Array:
    old = means[rows, slots]
    return means.at[rows, slots].set(old + share * (new - old))

  return dataclasses.replace(
    layer,
    mean_keys=move(layer.mean_keys, k.astype(jnp.float32)),
    mean_values=move(layer.mean_values, v.astype(jnp.float32)),
    mass=layer.mass.at[rows, slots].set(mass),
  )


def _seen(places: BarPlaces, heads: int, horizon: int) -> Bool[Array, 'n 1 _']:
  """Which steps, and then which summaries, the last step sees."""
  rows = jnp.arange(len(places.slot))
  bar = places.slot_bars[rows, places.slot][:, None]
  fine = bar_plan.near(bar - places.bars) & (places.bars >= 0)
  distance = bar - places.slot_bars
  coarse = (distance > 0) & ~bar_plan.near(distance)
  coarse &= places.slot_bars >= 0
  if horizon:
    numbers = jnp.arange(coarse.shape[1])
    coarse &= places.slot[:, None] - numbers <= horizon
  seen = jnp.concatenate([fine, coarse], axis=1)
  return jnp.repeat(seen, heads, axis=0)[:, None]


def _attend(
  q: Float[Array, 'n 1 k'], layer: BarLayer, seen: Bool[Array, 'n 1 _']
) -> Float[Array, 'n 1 k']:
  """Softmax attention of one step; the softmax is float32."""
  parts = []
  for keys in (layer.keys, layer.mean_keys.astype(layer.keys.dtype)):
    parts.append(
      jnp.einsum('nqk,nsk->nqs', q, keys, preferred_element_type=jnp.float32)
    )
  scores = jnp.concatenate(parts, axis=-1) * q.shape[-1] ** -0.5
  taken = jax.nn.softmax(jnp.where(seen, scores, MASKED), axis=-1)
  steps, bars = jnp.split(taken.astype(layer.values.dtype), 2, axis=-1)
  means = layer.mean_values.astype(layer.values.dtype)
  mixed = jnp.einsum('nqs,nsk->nqk', steps, layer.values)
  return mixed + jnp.einsum('nqs,nsk->nqk', bars, means)
