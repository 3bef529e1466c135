"""Weights in few bits, as a bundle stores them.

Uniform symmetric quantisation (Jacob et al. 2018, "Quantization and training
of neural networks for efficient integer-arithmetic-only inference", section
2.1, with zero at zero): a weight is a whole number times a scale. Of 8 bits an
output of a matrix has one scale, of 4 bits each group of so many of its inputs
(Dettmers & Zettlemoyer 2023, "The case for 4-bit precision", section 5). A
scale is that of the largest weight, or of 4 bits the one of a few smaller ones
that leaves the least squared error. Norms, biases and small tables stay as
they are. Axes: `i` inputs, `o` outputs, `g` groups of inputs.
"""

import dataclasses
import math
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from aurl_jax.core.errors import BundleError
from aurl_jax.deploy import levels as levels_lib
from aurl_jax.models import rounding

SCALE = ':scale'
"""Behind the path of an array in few bits: the path of its scales."""
REST = 'float16'
"""Dtype of what is not stored in few bits."""
_SMALL = 1024
"""Arrays of fewer numbers are not worth their scales."""
_SCALES = {8: 'float32', 4: 'float16'}
"""Dtype of scales: half precision costs groups of 32 half a bit a weight."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Packing:
  """How weights are stored.

  Attributes:
    bits: Of a weight, 8 or 4.
    group: Inputs of an output that share a scale; 0 for all of them.

  Raises:
    BundleError: Other bits, or a negative group (code `packing`).
  """

  bits: int
  group: int = 0

  def __post_init__(self) -> None:
    if self.bits not in _SCALES or self.group < 0:
      raise BundleError(
        f'weights of {self.bits!r} bits in groups of {self.group!r} cannot be '
        'stored; choose 8 or 4 bits, and groups of 0 (all) or more',
        code='packing',
      )

  @property
  def most(self) -> int:
    """The largest whole number, 127 or 7."""
    return levels_lib.most(self.bits)

  @property
  def dtype(self) -> str:
    """Of the whole numbers: of 4 bits two share a byte."""
    return 'int8' if self.bits == 8 else 'uint8'


def default(bits: int) -> Packing:
  """Returns the packing of so many bits that costs little of a model."""
  return Packing(bits=bits, group=0 if bits == 8 else 32)


def pack(
  arrays: Mapping[str, np.ndarray], packing: Packing
) -> dict[str, np.ndarray]:
  """Returns float32 arrays by path as they are stored; `unpack` inverts it.

  Args:
    arrays: The parameters.
    packing: How.
  """
  stored: dict[str, np.ndarray] = {}
  for path, array in arrays.items():
    if not is_packed(path, array.shape):
      # Not `ascontiguousarray`, which gives a scalar an axis.
      stored[path] = np.array(array, kept(path), order='C')
      continue
    levels, scales = quantise(matrix(path, array), packing)
    stored[path + SCALE] = scales
    if packing.bits == 4:
      stored[path] = _nibbles(levels)
    else:
      stored[path] = _unfolded(path, levels, array.shape)
  return stored


def unpack(
  stored: Mapping[str, np.ndarray],
  shapes: Mapping[str, tuple[int, ...]],
  packing: Packing,
) -> dict[str, np.ndarray]:
  """Returns the float32 arrays that are stored.

  Args:
    stored: As of `pack`; what `expected` tells of it has been checked.
    shapes: Of the parameters, by path.
    packing: As it was stored.
  """
  found = {}
  for path, shape in shapes.items():
    if not is_packed(path, shape):
      found[path] = stored[path].astype(np.float32)
      continue
    levels = levels_of(path, stored[path], shape, packing)
    scales = stored[path + SCALE].astype(np.float32)
    found[path] = _unfolded(path, _times(levels, scales, packing), shape)
  return found


def expected(
  shapes: Mapping[str, tuple[int, ...]], packing: Packing
) -> dict[str, tuple[tuple[int, ...], str]]:
  """Returns shape and dtype of all that is stored of parameters, by path."""
  found: dict[str, tuple[tuple[int, ...], str]] = {}
  for path, shape in shapes.items():
    if not is_packed(path, shape):
      found[path] = shape, kept(path)
      continue
    inside, outside = _sizes(path, shape)
    own = shape if packing.bits == 8 else (outside, -(-inside // 2))
    scales = (_groups(inside, packing), outside)
    found[path] = own, packing.dtype
    found[path + SCALE] = scales, _SCALES[packing.bits]
  return found


def is_packed(path: str, shape: tuple[int, ...]) -> bool:
  """Returns whether a parameter is stored in few bits."""
  return len(shape) > 1 and math.prod(shape) >= _SMALL and 'norm' not in path


def kept(path: str) -> str:
  """Returns the dtype of an array that is not stored in few bits."""
  # Reaches are compared with what was measured; there are few of them.
  return 'float32' if rounding.is_reach(path) else REST


def matrix(path: str, array: Any) -> Any:
  """Returns a parameter, of numpy or of JAX, as a matrix `[i, o]`.

  Outputs of a table are its rows: its ids are what a head compares with.
  """
  inside, outside = _sizes(path, array.shape)
  if _is_table(path):
    return array.reshape(outside, inside).T
  return array.reshape(inside, outside)


def unfolded(path: str, found: Any, shape: tuple[int, ...]) -> Any:
  """Returns a matrix `[i, o]` in the shape of its parameter."""
  return (found.T if _is_table(path) else found).reshape(shape)


def levels_of(
  path: str, stored: np.ndarray, shape: tuple[int, ...], packing: Packing
) -> Int[np.ndarray, 'i o']:
  """Returns the whole numbers of a stored parameter, int8."""
  inside, _ = _sizes(path, shape)
  if packing.bits == 8:
    return matrix(path, stored)
  low, high = stored & 15, stored >> 4
  pairs = np.stack([low, high], axis=-1).reshape(len(stored), -1)
  # Four bits with a sign: 8..15 are -8..-1.
  signed = ((pairs ^ 8).astype(np.int8) - 8)[:, :inside]
  return np.ascontiguousarray(signed.T)


def quantise(
  weights: Float[np.ndarray, 'i o'], packing: Packing
) -> tuple[Int[np.ndarray, 'i o'], Float[np.ndarray, 'g o']]:
  """Returns whole numbers, int8, and their scales as they are stored."""
  inside, outside = weights.shape
  levels, scales = levels_lib.quantise(grouped(weights, packing), packing.bits)
  whole = levels.astype(np.int8).reshape(-1, outside)[:inside]
  return whole, scales.astype(_SCALES[packing.bits])


def grouped(weights: Any, packing: Packing, xp: ModuleType = np) -> Any:
  """Returns a matrix `[i, o]` as groups of inputs `[g, w, o]`.

  Args:
    weights: Of numpy, or of JAX.
    packing: How they are stored.
    xp: `numpy` or `jax.numpy`.
  """
  inside, outside = weights.shape
  groups = _groups(inside, packing)
  wide = min(packing.group or inside, inside)
  more = groups * wide - inside
  return xp.pad(weights, ((0, more), (0, 0))).reshape(groups, wide, outside)


def _times(
  levels: Int[np.ndarray, 'i o'],
  scales: Float[np.ndarray, 'g o'],
  packing: Packing,
) -> Float[np.ndarray, 'i o']:
  # A group may be told that is larger than all there is.
  wide = min(packing.group or len(levels), len(levels))
  spread = np.repeat(scales, wide, axis=0)[: len(levels)]
  return levels.astype(np.float32) * spread


def _nibbles(levels: Int[np.ndarray, 'i o']) -> np.ndarray:
  """Returns whole numbers of 4 bits, two a byte, uint8 `[o, i / 2]`."""
  inside, outside = levels.shape
  even = np.zeros((outside, inside + inside % 2), np.uint8)
  even[:, :inside] = levels.T.view(np.uint8) & 15
  return even[:, ::2] | (even[:, 1::2] << 4)


def _unfolded(
  path: str, found: np.ndarray, shape: tuple[int, ...]
) -> np.ndarray:
  """Returns a matrix `[i, o]` in the shape of its parameter."""
  return np.ascontiguousarray(unfolded(path, found, shape))


def _is_table(path: str) -> bool:
  return not path.endswith('kernel')


def _sizes(path: str, shape: tuple[int, ...]) -> tuple[int, int]:
  """Returns how many inputs and outputs a parameter has."""
  inside = shape[0]
  if _is_table(path):
    inside = shape[-1]
  elif path.endswith('out_kernel'):
    # Heads and their width together are mixed to a width.
    inside = math.prod(shape[:-1])
  return inside, math.prod(shape) // inside


def _groups(inside: int, packing: Packing) -> int:
  return -(-inside // packing.group) if packing.group else 1
