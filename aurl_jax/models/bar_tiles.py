"""Attention over the tiles that a plan lists, with a gradient by hand.

Tiles of queries are worked on a chunk at a time. For each, the tiles of keys
that it needs are read one after another under a running softmax, and the
gradient computes the weights again from each row's log-normaliser (Dao 2023,
FlashAttention-2, section 3.1). How many tiles that are is known when it
runs: memory is linear in `t`, and time in what is seen.

Axes: `b` batch, `h` heads, `p` padded steps, `k` head width, `n` and `m`
tiles of queries and of keys, `c` tiles of a chunk, `s` and `u` queries and
keys of a tile; `x` chunks.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from aurl_jax.models.bar_plan import Plan
from aurl_jax.models.blocked import MASKED

_Arrays = tuple[Array, ...]
_Residuals = tuple[Array, Array, Array, _Arrays, Array, Array]


def attend_tiles(
  q: Float[Array, 'b h p k'],
  keys: Float[Array, 'b h _ k'],
  values: Float[Array, 'b h _ k'],
  plan: Plan,
) -> Float[Array, 'b h p k']:
  """Returns each query's mix of the values that it sees.

  Args:
    q: Queries of the padded steps, not yet scaled.
    keys: Of the padded steps; with `plan.coarse`, then those of the slots.
    values: Likewise.
    plan: Who sees whom.
  """
  # As its arrays, and apart from them what they are of: jax hands objects
  # that are no arrays to the class of an argument of a `custom_vjp`.
  arrays, tree = jax.tree.flatten(plan)
  return _attend(tree, q, keys, values, tuple(arrays))


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _attend(
  tree: Any,
  q: Float[Array, 'b h p k'],
  keys: Float[Array, 'b h _ k'],
  values: Float[Array, 'b h _ k'],
  arrays: _Arrays,
) -> Float[Array, 'b h p k']:
  return _forward(tree, q, keys, values, arrays)[0]


class _Chunk(NamedTuple):
  """What the loop over the keys needs to know of some tiles of queries.

  Attributes:
    where: Segment, place, index and slot of the queries.
    tiles: Tiles of keys that each tile of queries needs.
    numbers: How many.
    most: The largest of `numbers`, over the batch.
  """

  where: Int[Array, '4 b c s']
  tiles: Int[Array, 'b c m']
  numbers: Int[Array, 'b c']
  most: Int[Array, '']


def _forward(
  tree: Any,
  q: Float[Array, 'b h p k'],
  keys: Float[Array, 'b h _ k'],
  values: Float[Array, 'b h _ k'],
  arrays: _Arrays,
) -> tuple[Float[Array, 'b h p k'], _Residuals]:
  plan: Plan = jax.tree.unflatten(tree, arrays)
  q = q * q.shape[-1] ** -0.5
  k, v, where = _tiled(keys, plan), _tiled(values, plan), plan.keys()

  def one(inputs: Any) -> tuple[Array, Array]:
    rows, chunk = inputs

    def body(
      turn: Array, carry: tuple[Array, Array, Array]
    ) -> tuple[Array, Array, Array]:
      top, total, mixed = carry
      at = _tile_at(chunk, turn)
      scores = _product('bchsk,bchuk->bchsu', rows, _pick(k, at))
      scores += _bias(plan, chunk, where, turn)[:, :, None]
      high = jnp.maximum(top, scores.max(-1, keepdims=True))
      fade, weights = jnp.exp(top - high), jnp.exp(scores - high)
      total = total * fade + weights.sum(-1, keepdims=True)
      weights = weights.astype(v.dtype)
      more = _product('bchsu,bchuk->bchsk', weights, _pick(v, at))
      return high, total, mixed * fade + more

    row = jnp.zeros((*rows.shape[:-1], 1))
    begin = (row + MASKED, row, jnp.zeros(rows.shape))
    top, total, mixed = jax.lax.fori_loop(0, chunk.most, body, begin)
    return (mixed / total).astype(v.dtype), top + jnp.log(total)

  out, normaliser = jax.lax.map(one, (_chunked(q, plan), _chunks(plan)))
  residuals = (q, keys, values, arrays, out, normaliser)
  return _whole(out), residuals


def _backward(
  tree: Any, residuals: _Residuals, grad: Float[Array, 'b h p k']
) -> tuple[Array, Array, Array, None]:
  q, keys, values, arrays, out, normaliser = residuals
  plan: Plan = jax.tree.unflatten(tree, arrays)
  k, v, where = _tiled(keys, plan), _tiled(values, plan), plan.keys()
  grads = _chunked(grad, plan)
  inner = _product('xbchsk,xbchsk->xbchs', grads, out)
  turned = normaliser[..., 0]

  def one(
    sums: tuple[Array, Array], inputs: Any
  ) -> tuple[tuple[Array, Array], Array]:
    rows, grad, inner, normaliser, chunk = inputs

    # Keys stand before queries here: two of the three sums are then plain
    # products, and a CPU is slow at products of a turned left side.
    def body(
      turn: Array, carry: tuple[Array, Array, Array]
    ) -> tuple[Array, Array, Array]:
      dq, dk, dv = carry
      at = _tile_at(chunk, turn)
      key, value = _pick(k, at), _pick(v, at)
      scores = _product('bchuk,bchsk->bchus', key, rows)
      bias = jnp.swapaxes(_bias(plan, chunk, where, turn), 2, 3)
      weights = jnp.exp(scores + bias[:, :, None] - normaliser)
      moved = _product('bchuk,bchsk->bchus', value, grad)
      pulls = (weights * (moved - inner)).astype(rows.dtype)
      dq += _product('bchus,bchuk->bchsk', pulls, key)
      dk = _add(dk, at, _product('bchus,bchsk->bchuk', pulls, rows))
      weights = weights.astype(grad.dtype)
      dv = _add(dv, at, _product('bchus,bchsk->bchuk', weights, grad))
      return dq, dk, dv

    begin = (jnp.zeros(rows.shape), *sums)
    dq, dk, dv = jax.lax.fori_loop(0, chunk.most, body, begin)
    return (dk, dv), dq

  rows = lambda x: x[..., None, :]  # noqa: E731
  (dk, dv), dq = jax.lax.scan(
    one,
    (jnp.zeros(k.shape), jnp.zeros(v.shape)),
    (_chunked(q, plan), grads, rows(inner), rows(turned), _chunks(plan)),
  )
  dq = _whole(dq * q.shape[-1] ** -0.5).astype(q.dtype)
  dk, dv = _untiled(dk).astype(keys.dtype), _untiled(dv).astype(values.dtype)
  return dq, dk, dv, None


_attend.defvjp(_forward, _backward)


def _bias(
  plan: Plan, chunk: _Chunk, where: Int[Array, '4 b m u'], turn: Array
) -> Float[Array, 'b c s u']:
  """What is added to the scores of the chunk's tiles of this turn."""
  at = _tile_at(chunk, turn)
  columns = jax.vmap(_pick, (0, None))(where, at)
  seen = plan.seen(chunk.where, columns, at < plan.rows)
  seen &= (turn < chunk.numbers)[..., None, None]
  # One for all heads: the compiler would compute it again for each.
  return jax.lax.optimization_barrier(jnp.where(seen, 0.0, MASKED))


def _tile_at(chunk: _Chunk, turn: Array) -> Int[Array, 'b c']:
  return jax.lax.dynamic_index_in_dim(chunk.tiles, turn, 2, keepdims=False)


def _pick(
  tiles: Float[Array, 'b m *r'] | Int[Array, 'b m *r'], at: Int[Array, 'b c']
) -> Float[Array, 'b c *r'] | Int[Array, 'b c *r']:
  return jax.vmap(lambda x, i: jnp.take(x, i, axis=0, mode='clip'))(tiles, at)


def _add(
  tiles: Float[Array, 'b m *r'],
  at: Int[Array, 'b c'],
  more: Float[Array, 'b c *r'],
) -> Float[Array, 'b m *r']:
  return jax.vmap(lambda x, i, y: x.at[i].add(y, mode='clip'))(tiles, at, more)


def _chunks(plan: Plan) -> _Chunk:
  """Returns every chunk, stacked."""
  numbers = _cut(plan.numbers, 1, plan.chunk)
  return _Chunk(
    where=_cut(plan.queries(), 2, plan.chunk),
    tiles=_cut(plan.tiles, 1, plan.chunk),
    numbers=numbers,
    most=numbers.max((1, 2)),
  )


def _cut(x: Array, axis: int, size: int) -> Array:
  """Cuts an axis into pieces, and puts their number in front."""
  cut = x.reshape(*x.shape[:axis], -1, size, *x.shape[axis + 1 :])
  return jnp.moveaxis(cut, axis, 0)


def _tiled(x: Float[Array, 'b h _ k'], plan: Plan) -> Float[Array, 'b m h s k']:
  """A tile of all heads is one run of memory."""
  b, h, _, k = x.shape
  return jnp.swapaxes(x.reshape(b, h, -1, plan.tile, k), 1, 2)


def _untiled(x: Float[Array, 'b m h s k']) -> Float[Array, 'b h _ k']:
  b, m, h, s, k = x.shape
  return jnp.swapaxes(x, 1, 2).reshape(b, h, m * s, k)


def _chunked(
  x: Float[Array, 'b h p k'], plan: Plan
) -> Float[Array, 'x b c h s k']:
  return _cut(_tiled(x, plan), 1, plan.chunk)


def _whole(x: Float[Array, 'x b c h s k']) -> Float[Array, 'b h p k']:
  count, b, c, *rest = x.shape
  return _untiled(jnp.moveaxis(x, 0, 1).reshape(b, count * c, *rest))


def _product(axes: str, x: Array, y: Array) -> Array:
  return jnp.einsum(axes, x, y, preferred_element_type=jnp.float32)
