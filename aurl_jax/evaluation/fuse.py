"""A set of hashes in few bits: the binary fuse filter.

After Graf and Lemire, "Binary Fuse Filters: Fast and Smaller Than Xor
Filters", ACM Journal of Experimental Algorithmics 27, 2022, with three places
and prints of 16 bits. What was put in is always found; of other hashes one in
65,536 is, which costs 18 bits a hash (a Bloom filter: 23), and a look takes
three reads. Places are computed in 32 bits, alike by numpy and on a device.

Axes: `k` hashes; `s` slots.
"""

import dataclasses
import functools
import hashlib
import math
from typing import Any

import numpy as np
from jaxtyping import Int, UInt16, UInt32

from aurl_jax.evaluation.ngrams import mixed

PLACES = 3
_BITS = 16
_SEEDS = 64
"""Each fails once in thousands of sets, of few hashes more often."""
_LONGEST = 1 << 18
"""Slots of a segment at most."""
_SALT = 0x9E3779B9


@dataclasses.dataclass(frozen=True, eq=False)
class Fuse:
  """The filter. Hashable by its content: a program may hold it as a constant.

  Attributes:
    prints: What the three places of a hash come to, by exclusive or.
    seed: Of the places.
    segment: Slots of a segment, a power of two.
  """

  prints: UInt16[np.ndarray, ' s']
  seed: int
  segment: int

  def __post_init__(self) -> None:
    size = len(self.prints)
    if self.segment < 1 or size % self.segment or size < 3 * self.segment:
      raise ValueError(f'{size} slots are not three or more of {self.segment}')

  @functools.cached_property
  def digest(self) -> str:
    """sha256 of all that it is."""
    told = f'{self.seed} {self.segment} '.encode()
    return hashlib.sha256(told + self.prints.tobytes()).hexdigest()

  def __hash__(self) -> int:
    return hash(self.digest)

  def __eq__(self, other: object) -> bool:
    return isinstance(other, Fuse) and self.digest == other.digest

  def holds(self, one: Any, other: Any, prints: Any = None) -> Any:
    """Returns which hashes are in the set, bool of their shape.

    For numpy and for jax arrays.

    Args:
      one: uint32, the first half of hashes.
      other: uint32, the second half.
      prints: The slots as an array of the device; None for numpy.
    """
    prints = self.prints if prints is None else prints
    count = len(self.prints) // self.segment - (PLACES - 1)
    places, own = _placed(one, other, self.seed, self.segment, count)
    told = prints[places[0]] ^ prints[places[1]] ^ prints[places[2]]
    return told == own.astype(np.uint16)


def build(hashes: UInt32[np.ndarray, 'k 2']) -> Fuse:
  """Returns the filter of hashes, in any order; the same each time."""
  hashes = np.unique(np.ascontiguousarray(hashes, np.uint32), axis=0)
  segment, count = _sizes(len(hashes))
  size = (count + PLACES - 1) * segment
  one, other = hashes[:, 0], hashes[:, 1]
  for seed in range(_SEEDS):
    places, own = _placed(one, other, seed, segment, count)
    order = _peeled(np.stack(places, axis=1), size)
    if order is not None:
      prints = np.zeros(size, np.uint16)
      # Each hash owns a slot that none behind it reads.
      for chosen, slot in reversed(order):
        rows = [place[chosen] for place in places]
        left = prints[rows[0]] ^ prints[rows[1]] ^ prints[rows[2]]
        prints[slot] = left ^ own[chosen].astype(np.uint16)
      return Fuse(prints, seed, segment)
  raise AssertionError(f'none of {_SEEDS} seeds has places for all hashes')


def _sizes(count: int) -> tuple[int, int]:
  """Returns the slots of a segment, and the segments that hashes begin in.

  The constants are the authors', section 4.
  """
  if count < 2:
    return 4, 1
  length = 1 << math.floor(math.log(count) / math.log(3.33) + 2.25)
  length = min(length, _LONGEST)
  factor = max(1.125, 0.875 + 0.25 * math.log(1e6) / math.log(count))
  slots = round(count * factor)
  return length, max(1, -(-slots // length) - (PLACES - 1))


def _placed(
  one: Any, other: Any, seed: int, segment: int, count: int
) -> tuple[list[Any], Any]:
  """Returns the three slots of hashes, int32, and their prints, uint32."""
  first = mixed(one ^ np.uint32((_SALT * (seed + 1)) & 0xFFFFFFFF))
  words = [mixed(other + first)]
  for _ in range(PLACES - 1):
    words.append(mixed(words[-1] ^ one))
  # The upper half tells where, the lower half is the print.
  begin = ((first >> np.uint32(16)) * np.uint32(count)) >> np.uint32(16)
  inside = np.uint32(segment - 1)
  places = [
    ((begin + np.uint32(k)) * np.uint32(segment) + (word & inside)).astype(
      np.int32
    )
    for k, word in enumerate(words)
  ]
  return places, first & np.uint32((1 << _BITS) - 1)


def _peeled(
  places: Int[np.ndarray, 'k 3'], size: int
) -> list[tuple[np.ndarray, np.ndarray]] | None:
  """Returns hashes and a slot of each that no later ones have, in rounds.

  None if some hashes cannot be told apart so.
  """
  count = np.bincount(places.ravel(), minlength=size)
  number = np.repeat(np.arange(len(places)), PLACES)
  # Where one hash is left in a slot, the sum of those left is its number.
  total = np.bincount(places.ravel(), weights=number, minlength=size)
  order, left = [], len(places)
  slots = np.flatnonzero(count == 1)
  while len(slots):
    chosen, at = np.unique(total[slots].astype(np.int64), return_index=True)
    order.append((chosen, slots[at]))
    left -= len(chosen)
    touched = places[chosen].ravel()
    np.subtract.at(count, touched, 1)
    np.subtract.at(total, touched, np.repeat(chosen, PLACES))
    slots = np.unique(touched[count[touched] == 1])
  return None if left else order
