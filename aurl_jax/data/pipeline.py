"""From the token cache to batches: one Grain chain whose index is a batch.

    batch number -> rows of the epoch's plan -> one gather from the cache

Axes: `b` rows of the batch (this process's share), `k` chunks in a row, `t`
context, `f` fields. Since a batch follows from its number, the state of the
iterator is that number; resuming there, on however many processes, gives
exactly the batches that would have followed.
"""

import functools
import sys
import threading
from collections.abc import Callable
from typing import TypedDict, Unpack

import grain
import numpy as np
from jaxtyping import Int64

from aurl_jax.core.errors import DataError
from aurl_jax.core.typing import Batch
from aurl_jax.data import batching
from aurl_jax.data.cache import TokenCache, TokenSplit
from aurl_jax.tokens.codec import PAD


class Options(TypedDict, total=False):
  """How rows are filled; `batch_size` and `context` are required.

  batch_size: Rows of the global batch.
  context: Steps of a row.
  seed: Orders the epochs (0).
  mode: One of `batching.MODES` ('pack').
  """

  batch_size: int
  context: int
  seed: int
  mode: str


def planner(split: TokenSplit, **options: Unpack[Options]) -> batching.Planner:
  """Returns the planner of a split's epochs.

  Raises:
    DataError: The split has no pieces.
  """
  if not len(split):
    raise DataError(
      f'split {split.name!r} of {split.folder} has no pieces; prepare more '
      'files or choose another split',
      code='empty_split',
    )
  return batching.Planner(
    lengths=batching.Lengths(offsets=split.offsets, bars=split.bars),
    context=options['context'],
    mode=options.get('mode', 'pack'),
    seed=options.get('seed', 0),
    multiple=options['batch_size'],
  )


def batches_per_epoch(
  cache: TokenCache, split: str, **options: Unpack[Options]
) -> int:
  """Returns how many batches `batches` makes of one epoch."""
  return planner(cache[split], **options).rows // options['batch_size']


def batches(
  cache: TokenCache,
  split: str,
  *,
  process_index: int = 0,
  process_count: int = 1,
  epochs: int | None = None,
  **options: Unpack[Options],
) -> grain.IterDataset:
  """Returns the batches of a split, epoch after epoch.

  A batch is a dict of int32 arrays: `ids` [b, t, f]; `segments` [b, t], 1..
  in each row and 0 for padding; `positions` [b, t], the index inside the
  segment; `pieces` [b, t], the index of the piece in the split and -1 for
  padding; `epochs` [b], which pass over the split this is, from 0.
  Every epoch has the same number of batches; the iterator's `get_state()` is
  `{'next_index': n}`, n the batches taken so far.

  Args:
    cache: The token cache.
    split: Its split, such as `train`.
    process_index: Which share of the rows to give, 0..process_count - 1.
    process_count: How many processes share each batch, by equal slices.
    epochs: Where to stop; None goes on for ever.
    **options: See `Options`.

  Raises:
    DataError: The split is unknown or empty, or its batches do not divide.
  """
  size = options['batch_size']
  if size % process_count or not 0 <= process_index < process_count:
    raise DataError(
      f'batch_size {size} does not divide over {process_count} processes '
      f'(this is number {process_index}); make it a multiple of them',
      code='batch_size',
    )
  source = _Batches(
    split=cache[split],
    plan=planner(cache[split], **options),
    size=size,
    share=size // process_count,
    first=size // process_count * process_index,
  )
  count = sys.maxsize if epochs is None else epochs * source.count
  return (
    grain.MapDataset.range(count)
    .map(source)
    .to_iter_dataset(grain.ReadOptions(num_threads=0, prefetch_buffer_size=0))
  )


class _Batches:
  """Batch number -> this process's share of the batch."""

  def __init__(
    self,
    *,
    split: TokenSplit,
    plan: batching.Planner,
    size: int,
    share: int,
    first: int,
  ) -> None:
    self.count = plan.rows // size
    self._split, self._context = split, plan.context
    self._size, self._share, self._first = size, share, first
    self._plan = _epochs(plan)

  def __call__(self, index: int) -> Batch:
    epoch, number = divmod(int(index), self.count)
    begin = number * self._size + self._first
    rows = self._plan(epoch)[begin : begin + self._share]
    batch = gather(self._split, rows, context=self._context)
    return batch | {'epochs': np.full(self._share, epoch, np.int32)}


def _epochs(plan: batching.Planner) -> Callable[[int], np.ndarray]:
  """Returns `plan.plan`, remembering the epochs around the current one."""
  remembered = functools.lru_cache(maxsize=2)(plan.plan)
  lock = threading.Lock()

  def epoch(index: int) -> np.ndarray:
    with lock:
      return remembered(index)

  return epoch


def gather(
  split: TokenSplit, rows: Int64[np.ndarray, 'b k 3'], *, context: int
) -> Batch:
  """Returns the batch of a plan's rows, by one gather from the ids.

  Args:
    split: Where the ids are.
    rows: int64 [b, k, 3] of (piece, start, length), see `batching`.
    context: Steps of a row, at least the sum of a row's lengths.
  """
  b, k, _ = rows.shape
  used = rows[:, :, 2].sum(axis=1)
  # The padding of a row is one more chunk, so that nothing is ragged.
  chunks = np.zeros((b, k + 1, 3), np.int64)
  chunks[:, :k] = rows
  chunks[:, k, 0] = -1
  chunks[:, k, 2] = context - used
  piece, start, length = chunks.reshape(-1, 3).T
  column = (np.cumsum(chunks[:, :, 2], axis=1) - chunks[:, :, 2]).reshape(-1)
  numbers = np.tile(np.append(np.arange(1, k + 1), 0), b)

  def spread(values: np.ndarray) -> np.ndarray:
    return np.repeat(values, length).reshape(b, context)

  steps = np.arange(context)
  source = spread(split.offsets[piece] + start - column) + steps
  # Padding reads some step or other, which is cheaper than to leave it out.
  ids = np.take(split.ids, source, axis=0, mode='clip').astype(np.int32)
  for row, end in zip(ids, used.tolist(), strict=True):
    row[end:] = PAD
  return {
    'ids': ids,
    'segments': spread(numbers.astype(np.int32)),
    'positions': (steps - spread(column)).astype(np.int32),
    'pieces': spread(piece.astype(np.int32)),
  }
