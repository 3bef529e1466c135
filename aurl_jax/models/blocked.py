"""Causal attention over blocks of query rows, with a gradient by hand.

A block of queries reads only the keys up to its own end, which saves nearly
half of the products, and the gradient recomputes the weights from each row's
log-normaliser (Dao 2023, FlashAttention-2, section 3.1) instead of keeping
them. Heads stand before time: on a CPU the products run twice as fast so.
Axes: `b` batch, `h` heads, `c` heads of keys and values, `t` time, `k` head
width, `r` distances of relative positions.
"""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from aurl_jax.models import blocks, windowed
from aurl_jax.models.blocks import MASKED as MASKED

# More blocks waste less on the diagonal, but make smaller products; eight
# measured best on two CPUs at 512 steps.
_BLOCKS = 8
_ROW_MULTIPLE = 16

_Table = Array | None
_Residuals = tuple[Array, Array, Array, Array, _Table, Array, Array]


@functools.partial(jax.custom_vjp, nondiff_argnums=(5,))
def attend_blocked(
  q: Float[Array, 'b h t k'],
  k: Float[Array, 'b c t k'],
  v: Float[Array, 'b c t k'],
  segments: Int[Array, 'b t'],
  relative: Float[Array, 'h r k'] | None = None,
  window: int = 0,
) -> Float[Array, 'b h t k']:
  """Returns what `models.attention.attend` does; for `t` of any length."""
  return _forward(q, k, v, segments, relative, window)[0]


def _forward(
  q: Float[Array, 'b h t k'],
  k: Float[Array, 'b c t k'],
  v: Float[Array, 'b c t k'],
  segments: Int[Array, 'b t'],
  relative: Float[Array, 'h r k'] | None,
  window: int,
) -> tuple[Float[Array, 'b h t k'], _Residuals]:
  q = q * q.shape[-1] ** -0.5
  if 0 < window < q.shape[2]:
    out, normaliser = windowed.forward(q, k, v, segments, relative, window)
  else:
    out, normaliser = _full_forward(q, k, v, segments, relative)
  return out, (q, k, v, segments, relative, out, normaliser)


def _backward(
  window: int, residuals: _Residuals, grad: Float[Array, 'b h t k']
) -> tuple[Array, Array, Array, None, _Table]:
  q, k, v, segments, relative, out, normaliser = residuals
  inner = blocks.product('bhqk,bhqk->bhq', grad, out)[..., None]
  rows = blocks.Rows(q, grad, inner, normaliser)
  if 0 < window < q.shape[2]:
    found = windowed.backward(rows, k, v, segments, relative, window)
  else:
    found = _full_backward(rows, k, v, segments, relative)
  dq = found.q * q.shape[-1] ** -0.5
  table = found.table
  if relative is not None and table is not None:
    table = table.astype(relative.dtype)
  return (
    dq.astype(q.dtype),
    found.k.astype(k.dtype),
    found.v.astype(v.dtype),
    None,
    table,
  )


attend_blocked.defvjp(_forward, _backward)


def _full_forward(
  q: Float[Array, 'b h t k'],
  k: Float[Array, 'b c t k'],
  v: Float[Array, 'b c t k'],
  segments: Int[Array, 'b t'],
  relative: Float[Array, 'h r k'] | None,
) -> tuple[Float[Array, 'b h t k'], Float[Array, 'b h t 1']]:
  mixed, normalisers = [], []
  for low, high in _spans(q.shape[2]):
    seen = _seen(k, v, segments, low, high)
    block, normaliser = blocks.mix(q[:, :, low:high], seen, relative)
    mixed.append(block)
    normalisers.append(normaliser)
  return jnp.concatenate(mixed, axis=2), jnp.concatenate(normalisers, axis=2)


def _full_backward(
  rows: blocks.Rows,
  k: Float[Array, 'b c t k'],
  v: Float[Array, 'b c t k'],
  segments: Int[Array, 'b t'],
  relative: Float[Array, 'h r k'] | None,
) -> blocks.Pulls:
  dq, dk, dv = [], jnp.zeros(k.shape), jnp.zeros(v.shape)
  table = None
  for low, high in _spans(k.shape[2]):
    own = blocks.Rows(*(x[:, :, low:high] for x in rows))
    found = blocks.pull(own, _seen(k, v, segments, low, high), relative)
    dq.append(found.q)
    dk = dk.at[:, :, :high].add(found.k)
    dv = dv.at[:, :, :high].add(found.v)
    if found.table is not None:
      table = found.table if table is None else table + found.table
  return blocks.Pulls(jnp.concatenate(dq, axis=2), dk, dv, table)


def _seen(
  k: Float[Array, 'b c t k'],
  v: Float[Array, 'b c t k'],
  segments: Int[Array, 'b t'],
  low: int,
  high: int,
) -> blocks.Seen:
  """What the rows `low..high` read."""
  return blocks.Seen(
    k=k[:, :, :high],
    v=v[:, :, :high],
    rows=segments[:, low:high],
    keys=segments[:, :high],
  )


def _spans(length: int) -> list[tuple[int, int]]:
  """First and last row of each block; the last block may be shorter."""
  size = -(-length // _BLOCKS)
  size = -(-size // _ROW_MULTIPLE) * _ROW_MULTIPLE
  return [(at, min(at + size, length)) for at in range(0, length, size)]
