"""Blocks of ids, each with a checksum: what of a piece can be found rotten.

A piece of n steps has `ceil(n / BLOCK)` blocks; those of a split are counted
through, piece after piece.
"""

import zlib

import numpy as np
from jaxtyping import Int64, UInt32

BLOCK = 512
"""Steps of a block: short, so that a chunk costs little more than itself."""


def starts(
  offsets: Int64[np.ndarray, ' starts'],
) -> Int64[np.ndarray, ' starts']:
  """Returns the first block of each piece, and the number of all blocks.

  Args:
    offsets: First step of each piece, and the end of all.
  """
  return np.append(0, np.cumsum(-(-np.diff(offsets) // BLOCK)))


def sums(data: bytes, width: int) -> UInt32[np.ndarray, ' blocks']:
  """Returns the CRC-32 of each block of one piece.

  Args:
    data: The ids of the piece, as they stand in the file.
    width: Bytes of a step.
  """
  size = BLOCK * width
  parts = (data[at : at + size] for at in range(0, len(data), size))
  return np.array([zlib.crc32(part) for part in parts], np.uint32)
