"""Inputs of matrix products, rounded to 8 bits as integer arithmetic rounds.

What a product of 8 bits by 8 bits gives, computed in float32: both sides are
whole numbers times a scale, and sums of so few such products are exact. One
scale an input of a module, from how far its values were seen to reach (Jacob
et al. 2018, section 3.1); the reach is a parameter, 0 until it has been seen.

How far values reach is told by the gradient: that of a reach of 0 is the
largest value, whatever the gradient of the values (as Flax keeps the ranges of
its FP8 products, "overwrite with gradient"). So one pass over music, packed
and compiled as training is, sees all inputs at once. Axes: none is named;
values have any shape.
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

BITS = 8
_MOST = 2 ** (BITS - 1) - 1
_NAMES = ('reach', 'out_reach', 'reaches')


def rounded(x: Float[Array, '*n'], reach: nnx.Param | None) -> Any:
  """Returns values at the nearest of 256 levels up to their reach.

  Args:
    x: The values.
    reach: A scalar; None, or one of 0, leaves them as they are.
  """
  return x if reach is None else _rounded(x, reach[...])


def new() -> nnx.Param:
  """Returns a reach that has not been seen."""
  return nnx.Param(jnp.zeros((), jnp.float32))


def is_reach(path: str) -> bool:
  """Returns whether a parameter, by its path, is a reach.

  Example:
    >>> is_reach('mlp/wide/reach'), is_reach('embed/reaches/0'), is_reach('x')
    (True, True, False)
  """
  return any(part in _NAMES for part in path.split('/')[-2:])


@jax.custom_vjp
def _rounded(
  x: Float[Array, '*n'], reach: Float[Array, '']
) -> Float[Array, '*n']:
  wide = x.astype(jnp.float32)
  step = jnp.where(reach > 0, reach / _MOST, 1.0)
  levels = jnp.clip(jnp.round(wide / step), -_MOST - 1, _MOST)
  return jnp.where(reach > 0, levels * step, wide).astype(x.dtype)


def _forward(x: Array, reach: Array) -> tuple[Array, tuple[Array, Array]]:
  return _rounded(x, reach), (x, reach)


def _backward(kept: tuple[Array, Array], grad: Array) -> tuple[Array, Array]:
  """Passes what is within reach straight through (Bengio et al. 2013)."""
  x, reach = kept
  largest = jnp.abs(x.astype(jnp.float32))
  within = (reach <= 0) | (largest <= reach)
  seen = jnp.where(reach > 0, 0.0, jnp.max(largest))
  return jnp.where(within, grad, 0).astype(x.dtype), seen


_rounded.defvjp(_forward, _backward)
