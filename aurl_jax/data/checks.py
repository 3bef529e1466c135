"""Rot in the ids of a cache, found when a batch is made.

`TokenCache.open` reads files when a run begins; a run lasts for weeks, and
what lies on a disk, or in the memory that maps it, can change. So each piece
is divided into blocks of `BLOCK` steps with a CRC-32 each, written with the
ids. A batch checks the blocks that its rows touch and no others: whether a
chunk is sound follows from the chunk and the bytes alone, so every process,
worker and restart finds the same. A CRC-32 tells any error of up to 32 bits
in a row, and any other but one in 2^32 (Peterson and Brown 1961).
"""

import os
import threading
import zlib
from collections.abc import Iterator, Mapping

import numpy as np
from jaxtyping import Bool, Int64

from aurl_jax.core.errors import DataError
from aurl_jax.data import blocks as blocks_lib
from aurl_jax.data.blocks import BLOCK
from aurl_jax.data.cache import TokenSplit

Rotten = list[int]
"""Numbers of blocks, counted through the split."""


class Checker:
  """Takes rotten chunks out of the rows of batches."""

  def __init__(self, split: TokenSplit, known: Mapping[int, int] | None = None):
    """Makes the tables.

    Args:
      split: Whose ids are read.
      known: Block -> number of the batch from which on it counts as rotten,
        whatever it holds now, so that a resumed run repeats the one before.
    """
    self._split = split
    self._bytes = split.ids.data.cast('B')
    self._width = split.ids.itemsize * split.ids.shape[1]
    self._firsts = blocks_lib.starts(split.offsets)
    self._known = dict(known or {})
    self._lock = threading.Lock()
    self._path = split.folder / 'ids.npy'
    self._size = os.path.getsize(self._path)

  def piece(self, block: int) -> int:
    """Returns the piece that a block is of."""
    return int(np.searchsorted(self._firsts, block, side='right')) - 1

  def sound(
    self, rows: Int64[np.ndarray, 'b k 3'], number: int
  ) -> tuple[Int64[np.ndarray, 'b k 3'], Rotten]:
    """Returns the rows without rotten chunks, and the blocks that are new.

    The chunks that are left move up, so that padding stays at the end.

    Args:
      rows: (piece, start, length) of each chunk.
      number: Of the batch.

    Raises:
      DataError: The file of the ids has become shorter; to read the part of
        the map that is gone would end the process.
    """
    self._refuse_shorter()
    chunks = rows.reshape(-1, 3)
    chunks = chunks[chunks[:, 2] > 0]
    first, count = self._touched(chunks)
    blocks = _ranges(first, count)
    bad = self._rotten(blocks, np.repeat(chunks[:, 0], count), number)
    if bad is None:
      return rows, []
    found = blocks[bad]
    with self._lock:
      new = [b for b in np.unique(found).tolist() if b not in self._known]
      self._known |= dict.fromkeys(new, number)
    return self._without(rows, found), new

  def _refuse_shorter(self) -> None:
    try:
      size = os.stat(self._path).st_size
    except FileNotFoundError:
      # The map outlives the name.
      return
    if size < self._size:
      raise DataError(
        f'{self._path} was {self._size} bytes long and is {size}: something '
        'has cut it while it was read; stop what does so, then run the same '
        'command again: it prepares the data anew and goes on',
        code='cache_damaged',
      )

  def _touched(
    self, chunks: Int64[np.ndarray, 'c 3']
  ) -> tuple[Int64[np.ndarray, ' c'], Int64[np.ndarray, ' c']]:
    """Returns the first block that each chunk touches, and how many it does."""
    piece, start, length = chunks.T
    first = start // BLOCK
    count = (start + np.maximum(length, 1) - 1) // BLOCK - first + 1
    return self._firsts[piece] + first, count

  def _rotten(
    self,
    blocks: Int64[np.ndarray, ' n'],
    pieces: Int64[np.ndarray, ' n'],
    number: int,
  ) -> Bool[np.ndarray, ' n'] | None:
    """Returns which blocks of pieces are rotten; None for none."""
    offsets = self._split.offsets
    begin = offsets[pieces] + (blocks - self._firsts[pieces]) * BLOCK
    end = np.minimum(begin + BLOCK, offsets[pieces + 1])
    crc, data = zlib.crc32, self._bytes
    begins, ends = (begin * self._width).tolist(), (end * self._width).tolist()
    found = [crc(data[b:e]) for b, e in zip(begins, ends, strict=True)]
    written = self._split.checks[blocks].tolist()
    if found == written and not self._known:
      return None
    bad = np.array(found, np.int64) != np.array(written, np.int64)
    since = [self._known.get(block, number + 1) for block in blocks.tolist()]
    bad |= np.array(since) <= number
    return bad if bad.any() else None

  def _without(
    self, rows: Int64[np.ndarray, 'b k 3'], found: Int64[np.ndarray, ' n']
  ) -> Int64[np.ndarray, 'b k 3']:
    """Returns rows without the chunks that touch blocks, others in order."""
    first, count = self._touched(rows.reshape(-1, 3))
    hit = [np.isin(_ranges(f, c), found).any() for f, c in _pairs(first, count)]
    empty = (rows[:, :, 2] == 0) | np.array(hit).reshape(rows.shape[:2])
    order = np.argsort(empty, axis=1, kind='stable')
    kept = np.where(empty[:, :, None], 0, rows)
    return np.take_along_axis(kept, order[:, :, None], axis=1)


def _pairs(
  first: Int64[np.ndarray, ' c'], count: Int64[np.ndarray, ' c']
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
  return zip(first[:, None], count[:, None], strict=True)


def _ranges(
  first: Int64[np.ndarray, ' c'], count: Int64[np.ndarray, ' c']
) -> Int64[np.ndarray, ' n']:
  """Returns `first, first + 1, ...`, `count` of them, one after the other."""
  before = np.cumsum(count) - count
  return np.repeat(first - before, count) + np.arange(count.sum())
