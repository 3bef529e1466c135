"""Causal attention in a sliding window, block after block.

A block of rows reads only itself and the window before it, in both passes,
so cost and memory are linear in the length (Beltagy et al. 2020, Longformer,
section 3.1). All blocks are alike and are scanned: the length does not make
the program longer. `models.blocked` gives this its gradient.

Axes: `b` batch, `h` heads, `c` heads of keys and values, `t` time, `k` head
width, `r` distances.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Shaped

from aurl_jax.models import blocks

_MULTIPLE = 16
# Short blocks waste less of what they read, but make small products.
_FEWEST, _MOST = 64, 512
# So few blocks are laid out one by one: a loop costs more on a CPU.
_UNROLLED = 16


@dataclasses.dataclass(frozen=True)
class _Plan:
  """How a length is cut.

  Attributes:
    length: Steps in all.
    rows: Steps of a block.
    lead: Steps that a block reads before its own.
  """

  length: int
  rows: int
  lead: int

  @property
  def count(self) -> int:
    return -(-self.length // self.rows)

  @property
  def unroll(self) -> int:
    return self.count if self.count <= _UNROLLED else 1

  def split(
    self, x: Shaped[Array, '...'], axis: int = 2
  ) -> Shaped[Array, '...']:
    """Returns `x` with its blocks along a new first axis."""
    x = self._padded(x, axis, 0)
    shape = (*x.shape[:axis], self.count, self.rows, *x.shape[axis + 1 :])
    return jnp.moveaxis(x.reshape(shape), axis, 0)

  def join(self, x: Shaped[Array, 'n b h q _']) -> Shaped[Array, 'b h t _']:
    """Returns the rows of all blocks as one axis."""
    x = jnp.moveaxis(x, 0, 2)
    x = x.reshape(*x.shape[:2], -1, x.shape[-1])
    return x[:, :, : self.length]

  def keys(
    self, x: Shaped[Array, '...'], axis: int = 2, fill: int = 0
  ) -> Shaped[Array, '...']:
    """Returns `x` with room before and behind it."""
    return self._padded(x, axis, self.lead, fill)

  def window(
    self, x: Shaped[Array, '...'], block: Array, axis: int = 2
  ) -> Shaped[Array, '...']:
    """Returns what a block reads of what `keys` returned."""
    return jax.lax.dynamic_slice_in_dim(
      x, block * self.rows, self.lead + self.rows, axis
    )

  def add(self, total: Array, part: Array, block: Array) -> Array:
    """Returns `total`, shaped as by `keys`, with a block's part added."""
    part = self.window(total, block) + part
    return jax.lax.dynamic_update_slice_in_dim(
      total, part, block * self.rows, 2
    )

  def unpadded(self, x: Array) -> Array:
    """Undoes `keys`."""
    return x[:, :, self.lead : self.lead + self.length]

  def _padded(self, x: Array, axis: int, before: int, fill: int = 0) -> Array:
    widths = [(0, 0)] * x.ndim
    widths[axis] = (before, self.count * self.rows - self.length)
    return jnp.pad(x, widths, constant_values=fill)


def forward(
  q: Float[Array, 'b h t k'],
  k: Float[Array, 'b c t k'],
  v: Float[Array, 'b c t k'],
  segments: Int[Array, 'b t'],
  table: Float[Array, 'h r k'] | None,
  window: int,
) -> tuple[Float[Array, 'b h t k'], Float[Array, 'b h t 1']]:
  """Returns mixtures and normalisers; `q` is scaled; see `blocks.mix`."""
  plan = _plan(q.shape[2], window)
  read = _reader(plan, k, v, segments)

  def block(_: None, item: Any) -> tuple[None, Any]:
    q, *rest = item
    return None, blocks.mix(q, read(*rest), table, window)

  items = (plan.split(q), *_rows(plan, segments))
  _, (out, normaliser) = jax.lax.scan(block, None, items, unroll=plan.unroll)
  return plan.join(out), plan.join(normaliser)


def backward(
  rows: blocks.Rows,
  k: Float[Array, 'b c t k'],
  v: Float[Array, 'b c t k'],
  segments: Int[Array, 'b t'],
  table: Float[Array, 'h r k'] | None,
  window: int,
) -> blocks.Pulls:
  """Returns the gradients of `forward`, with all rows as one block."""
  plan = _plan(rows.q.shape[2], window)
  read = _reader(plan, k, v, segments)

  def block(totals: Any, item: Any) -> tuple[Any, Array]:
    rows, at, own = item
    found = blocks.pull(rows, read(at, own), table, window)
    dk, dv, d_table = totals
    dk, dv = plan.add(dk, found.k, at), plan.add(dv, found.v, at)
    if found.table is not None:
      d_table = d_table + found.table
    return (dk, dv, d_table), found.q

  zeros = lambda x: jnp.zeros(x.shape, jnp.float32)  # noqa: E731
  totals = (
    zeros(plan.keys(k)),
    zeros(plan.keys(v)),
    None if table is None else zeros(table),
  )
  items = (jax.tree.map(plan.split, rows), *_rows(plan, segments))
  (dk, dv, d_table), dq = jax.lax.scan(block, totals, items, unroll=plan.unroll)
  return blocks.Pulls(
    plan.join(dq), plan.unpadded(dk), plan.unpadded(dv), d_table
  )


def _plan(length: int, window: int) -> _Plan:
  rows = min(max(_rounded(-(-window // 2)), _FEWEST), _MOST)
  return _Plan(length, min(rows, _rounded(length)), _rounded(window - 1))


def _rounded(steps: int) -> int:
  return -(-steps // _MULTIPLE) * _MULTIPLE


def _rows(plan: _Plan, segments: Int[Array, 'b t']) -> tuple[Array, Array]:
  """Number and segments of each block."""
  return jnp.arange(plan.count), plan.split(segments, 1)


def _reader(
  plan: _Plan,
  k: Float[Array, 'b c t k'],
  v: Float[Array, 'b c t k'],
  segments: Int[Array, 'b t'],
) -> Any:
  """Returns `(number, segments of the rows) -> blocks.Seen`."""
  keys, values = plan.keys(k), plan.keys(v)
  # No piece has the number -1: nobody sees the room around the steps.
  numbers = plan.keys(segments, 1, -1)

  def read(block: Array, own: Int[Array, 'b q']) -> blocks.Seen:
    return blocks.Seen(
      k=plan.window(keys, block),
      v=plan.window(values, block),
      rows=own,
      keys=plan.window(numbers, block, 1),
    )

  return read
