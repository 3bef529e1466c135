"""Whole numbers for weights and the scales between them, in numpy and in JAX.

One text for both, so that a model that is trained with rounded weights
(`deploy.tuning`) computes with those that will be stored (`deploy.packing`),
bit for bit. Compilers join a product and a sum, and turn the division by a
number into a product; so scales are chosen by whole numbers, whose sums are
the same in any order, and nothing is divided by what is known when it is
compiled. Axes: `g` groups of inputs, `w` inputs of a group, `o` outputs.
"""

import math
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

_RATIOS = (1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7)
"""Shares of the largest weight that a group of 4 bits may end at."""
_OFF = 0.31
"""Of the largest weight that the error of one can be, at the last of these."""
_LEAST, _STEP = 2.0**-14, 2.0**-24
"""The smallest normal number of half precision, and the smallest."""


def most(bits: int) -> int:
  """Returns the largest whole number of so many bits, 127 or 7."""
  return 2 ** (bits - 1) - 1


def quantise(parts: Any, bits: int, xp: ModuleType = np) -> tuple[Any, Any]:
  """Returns whole numbers of weights, and the scales that they are times of.

  A scale is that of the largest weight; of 4 bits the one of a few smaller
  ones that leaves the least squared error.

  Args:
    parts: float32 `[g, w, o]`.
    bits: Of a whole number, 8 or 4.
    xp: `numpy`, or `jax.numpy` inside a jitted function.

  Returns:
    float32 `[g, w, o]`, whole numbers; and float32 `[g, o]`, of 4 bits such as
    half precision holds.

  Example:
    >>> parts = np.float32([[[0.7], [-0.3], [0.2]]])
    >>> whole, scales = quantise(parts, 4)
    >>> whole[0, :, 0].tolist(), scales.round(3).tolist()
    ([7.0, -3.0, 2.0], [[0.10000000149011612]])
  """
  largest = xp.abs(parts).max(axis=1)
  # No constant: it would be multiplied by what is next to its inverse.
  end = xp.float32(most(bits)) + 0 * largest
  scales = largest / end if bits == 8 else _best(parts, largest, end, xp)
  return _rounded(parts, scales, bits, xp), scales


def _best(parts: Any, largest: Any, end: Any, xp: ModuleType) -> Any:
  """Returns the scales of 4 bits that leave the least squared error."""
  unit = _unit(parts.shape[1])
  wide = xp.where(largest > 0, largest, xp.float32(1))[:, None]
  wanted = xp.round(parts / wide * unit).astype(xp.int32)

  def tried(held: tuple[Any, Any], ratio: Any) -> tuple[tuple[Any, Any], None]:
    best, scales = held
    some = half(ratio * largest / end, xp)
    found = _rounded(parts, some, 4, xp) * some[:, None]
    off = xp.round(found / wide * unit).astype(xp.int32) - wanted
    error = (off * off).sum(axis=1, dtype=xp.int32)
    better = error < best
    best = xp.where(better, error, best)
    return (best, xp.where(better, some, scales)), None

  held = (
    xp.full(largest.shape, 2**31 - 1, xp.int32),
    xp.zeros(largest.shape, xp.float32),
  )
  ratios = np.array(_RATIOS, np.float32)
  if xp is jnp:
    held, _ = jax.lax.scan(tried, held, ratios)
  else:
    for ratio in ratios:
      held, _ = tried(held, ratio)
  return held[1]


def _unit(inputs: int) -> np.float32:
  """Returns parts of the largest weight that errors are counted in.

  A power of two, by which nothing is rounded, such that the sum of the squares
  is below 2^31.
  """
  return np.float32(2 ** math.floor(math.log2(2**15.5 / _OFF / inputs**0.5)))


def _rounded(parts: Any, scales: Any, bits: int, xp: ModuleType) -> Any:
  """Returns the nearest whole numbers; of a scale of 0 zeros."""
  wide = scales[:, None]
  levels = xp.round(parts / xp.where(wide > 0, wide, xp.float32(1)))
  levels = xp.clip(levels, -most(bits), most(bits))
  return xp.where(wide > 0, levels, xp.float32(0))


def half(x: Any, xp: ModuleType) -> Any:
  """Returns float32 numbers of 0 or more, as half precision holds them."""
  if xp is np:
    return x.astype(np.float16).astype(np.float32)
  # A compiler may leave out a conversion there and back.
  small = jnp.round(x / _STEP) * _STEP
  return jnp.where(x < _LEAST, small, jax.lax.reduce_precision(x, 5, 10))
