"""One key and one value that stand for the steps of a bar.

A summary is the mean of its bar's keys and values, weighted by `exp(c)` of a
score `c` that a learned query of each head gives to the steps' values: to
values, because keys are turned by their positions. Zero queries, which is how
they begin, give the plain mean. (Museformer's summary tokens, section 3.2,
pass through the layers; these are taken anew from each layer's steps.) Scores
are capped (`CAP`), so that weights need no running maximum: their sums are
safe in float32, in one pass and step by step alike.

Sums over bars and their spreading back over steps go through small products
inside tiles and few, large windows: a CPU is slow at scattering steps one by
one. Axes: `b` batch, `h` heads, `t` steps, `p` padded steps and slots of
bars, `k` head width, `n` tiles, `s` steps of a tile, `r` slots of a tile.
"""

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int

from aurl_jax.models.bar_plan import Plan

CAP = 10.0
"""Bound of a score, by tanh: a step outweighs another by e^20 at most."""


class BarSummary(nnx.Module):
  """The query of each head that weighs the steps of a bar."""

  def __init__(self, heads: int, head_dim: int) -> None:
    self.query = nnx.Param(jnp.zeros((heads, head_dim), jnp.float32))


def scores(
  v: Float[Array, 'b h t k'], query: Float[Array, 'h k']
) -> Float[Array, 'b h t']:
  """Returns the logarithm of each step's weight in its bar, float32."""
  raw = jnp.einsum('bhtk,hk->bht', v.astype(jnp.float32), query)
  return CAP * jnp.tanh(raw * v.shape[-1] ** -0.5 / CAP)


def summarise(
  k: Float[Array, 'b h p k'],
  v: Float[Array, 'b h p k'],
  query: Float[Array, 'h k'],
  plan: Plan,
) -> tuple[
  Float[Array, 'b h p k'], Float[Array, 'b h p k'], Float[Array, 'b h p']
]:
  """Returns the key, the value and the total weight of every slot.

  Args:
    k: Keys of the padded steps.
    v: Values of the padded steps.
    query: What weighs the steps.
    plan: Which step is of which slot.

  Returns:
    Keys and values, in the dtype of the steps', and weights, float32; all 0
    where a slot has no steps but padding.
  """
  real = jnp.arange(plan.padded) < plan.length
  weights = jnp.exp(scores(v, query)) * real
  both = jnp.concatenate([k, v], axis=-1)
  mass = bar_sums(weights[..., None], plan)
  means = bar_sums(both * weights[..., None], plan)
  means = (means / jnp.where(mass > 0, mass, 1)).astype(k.dtype)
  keys, values = jnp.split(means, 2, axis=-1)
  return keys, values, mass[..., 0]


def bar_sums(x: Float[Array, 'b h p k'], plan: Plan) -> Float[Array, 'b h p k']:
  """Returns the sum over the steps of each slot, float32."""
  base, member = _members(plan)
  b, h, count, k = x.shape
  x = x.reshape(b, h, -1, plan.tile, k)
  parts = jnp.einsum(
    'bnrs,bhnsk->bnhrk',
    member.astype(x.dtype),
    x,
    preferred_element_type=jnp.float32,
  )
  # Room for the last tile's window, whose slots may begin at the last one.
  room = jnp.zeros((b, h, count + plan.tile, k))
  return jax.vmap(_add_windows)(room, base, parts)[:, :, :count]


def bar_spread(
  x: Float[Array, 'b h p k'], plan: Plan
) -> Float[Array, 'b h p k']:
  """Returns for each step what stands at its slot; keeps the dtype."""
  base, member = _members(plan)
  b, h, _, k = x.shape
  x = jnp.pad(x, ((0, 0), (0, 0), (0, plan.tile), (0, 0)))
  size = (h, plan.tile, k)
  window = lambda row, at: jax.lax.dynamic_slice(row, (0, at, 0), size)  # noqa: E731
  parts = jax.vmap(jax.vmap(window, (None, 0)))(x, base)
  steps = jnp.einsum('bnrs,bnhrk->bhnsk', member.astype(x.dtype), parts)
  return steps.reshape(b, h, -1, k)


def _members(
  plan: Plan,
) -> tuple[Int[Array, 'b n'], Float[Array, 'b n r s']]:
  """First slot of each tile, and which step is of which slot from there."""
  slot = plan.slot.reshape(len(plan.slot), -1, plan.tile)
  base = slot[..., 0]
  numbers = jnp.arange(plan.tile)[:, None]
  member = (slot - base[..., None])[:, :, None, :] == numbers
  return base, member.astype(jnp.float32)


def _add_windows(
  room: Float[Array, 'h p k'],
  base: Int[Array, ' n'],
  parts: Float[Array, 'n h r k'],
) -> Float[Array, 'h p k']:
  """Adds each window at its first slot; windows may overlap."""
  numbers = jax.lax.ScatterDimensionNumbers(
    update_window_dims=(1, 2, 3),
    inserted_window_dims=(),
    scatter_dims_to_operand_dims=(1,),
  )
  return jax.lax.scatter_add(room, base[:, None], parts, numbers)
