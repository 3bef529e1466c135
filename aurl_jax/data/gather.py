"""From the number of a batch to its arrays: plan, check, one gather.

Axes: `b` rows of the batch (this process's share), `k` chunks in a row, `t`
context, `f` fields. Free of Grain and JAX, so that a data worker starts in
the time of numpy.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

import numpy as np
from jaxtyping import Int64

from aurl_jax.core.errors import ConfigError, DataError
from aurl_jax.data import batching, buckets, mixing, plans
from aurl_jax.data.cache import TokenSplit
from aurl_jax.data.checks import Checker
from aurl_jax.data.curriculum import Curriculum
from aurl_jax.data.objective import Mixture
from aurl_jax.tokens.codec import PAD

MODES = (*batching.MODES, 'bucket')
"""How rows are filled: `batching.Planner`'s ways and `buckets`."""


class Options(TypedDict, total=False):
  """How rows are filled; `batch_size` and `context` are required.

  batch_size: Rows of the global batch.
  context: Steps of a row.
  seed: Orders the epochs (0).
  mode: One of `MODES` ('pack').
  buckets: For mode `bucket`: see `buckets.shapes`.
  bucket_rows: Likewise, its `unit`.
  curriculum: Which pieces are eligible when (all, always).
  objective: What becomes of each stretch (none: it stays as it is).
  """

  batch_size: int
  context: int
  seed: int
  mode: str
  buckets: Sequence[int]
  bucket_rows: int
  curriculum: Curriculum
  objective: Mixture | None


def timeline(split: TokenSplit, options: Options) -> plans.Timeline:
  """Returns where each batch of a split stands.

  Raises:
    ConfigError: There is no such mode, or the buckets do not fit.
    DataError: The split has no pieces.
  """
  if not len(split):
    raise DataError(
      f'split {split.name!r} of {split.folder} has no pieces; prepare more '
      'files or choose another split',
      code='empty_split',
    )
  curriculum = options.get('curriculum') or Curriculum()
  order = curriculum.order(split)

  def planner(count: int) -> plans.Planner:
    chosen = np.zeros(len(split), np.bool_)
    chosen[order[:count]] = True
    lengths = batching.Lengths(
      offsets=split.offsets, bars=split.bars, chosen=chosen
    )
    return _planner(lengths, options)

  return plans.Timeline(
    planner,
    lambda epoch, step: curriculum.count(len(order), epoch, step),
    len(order),
  )


def _planner(lengths: batching.Lengths, options: Options) -> plans.Planner:
  size, seed = options['batch_size'], options.get('seed', 0)
  mode = options.get('mode', 'pack')
  mixture = options.get('objective')
  if mode not in MODES:
    raise ConfigError(f'batching {mode!r} is none of {", ".join(MODES)}')
  if mode == 'bucket':
    return buckets.Bucketer(lengths=lengths, shapes=shapes(options), seed=seed)
  filled = batching.Planner(
    lengths=lengths,
    context=options['context'],
    mode=mode,
    seed=seed,
    multiple=size,
    reserve=_reserve(lengths, options) if mixture else None,
  )
  return plans.Even(planner=filled, size=size)


def _reserve(
  lengths: batching.Lengths, options: Options
) -> batching.Reserve | None:
  """Returns the steps that infilled stretches need beside their own."""
  mixture, context = options.get('objective'), options['context']
  if mixture is None or not mixture.config.infills:
    return None
  seed, pieces = options.get('seed', 0), len(lengths.offsets) - 1
  return lambda epoch: mixture.reserve(seed, epoch, pieces, context)


def shapes(options: Options) -> tuple[buckets.Shape, ...]:
  """Returns the shapes of global batches that the options make."""
  size, context = options['batch_size'], options['context']
  if options.get('mode') != 'bucket':
    return (buckets.Shape(size, context),)
  asked = options.get('buckets', ()), options.get('bucket_rows', 0)
  return buckets.shapes(context, size, *asked)


@dataclasses.dataclass(frozen=True)
class Made:
  """A batch, and what was wrong with it.

  Attributes:
    number: Of the batch.
    arrays: The batch; see `core.typing`.
    rotten: Block -> its piece, of those that were found rotten for the
      first time; the chunks that touch them are left out.
  """

  number: int
  arrays: dict[str, Any]
  rotten: Mapping[int, int]


class Maker:
  """Batch number -> this process's share of the batch."""

  def __init__(
    self,
    split: TokenSplit,
    options: Options,
    *,
    index: int = 0,
    count: int = 1,
    known: Mapping[int, int] | None = None,
  ) -> None:
    """Makes what all batches share.

    Args:
      split: Where the ids are.
      options: How rows are filled.
      index: Which share of the rows, 0..count - 1.
      count: How many processes share each batch.
      known: As of `Checker`.

    Raises:
      DataError: The split is empty, or its batches do not divide.
    """
    for rows, _ in shapes(options):
      if rows % count or not 0 <= index < count:
        raise DataError(
          f'batch_size {options["batch_size"]} does not divide over {count} '
          f'processes (this is number {index}, a batch has {rows} rows); make '
          'it a multiple of them',
          code='batch_size',
        )
    self.timeline = timeline(split, options)
    self._split, self._index, self._count = split, index, count
    self._mixture = options.get('objective')
    self._seed = options.get('seed', 0)
    self._checker = Checker(split, known)

  def __call__(self, number: int) -> Made:
    """Returns the batch of a number, from 0.

    Raises:
      DataError: The file of the ids was cut; see `Checker.sound`.
    """
    place = self.timeline.locate(int(number))
    plan = self.timeline.plan(place.epoch)
    rows = plan.share(place.index, self._index, self._count)
    rows, rotten = self._checker.sound(rows, int(number))
    context = int(plan.contexts[place.index])
    batch: dict[str, Any]
    if self._mixture is not None and self._mixture.changes:
      mixed = mixing.Mixer(self._split, self._mixture, self._seed)
      batch = mixed(rows, epoch=place.epoch, context=context)
    else:
      batch = gather(self._split, rows, context=context)
    batch['epochs'] = np.full(len(rows), place.epoch, np.int32)
    found = {block: self._checker.piece(block) for block in rotten}
    return Made(int(number), batch, found)


def gather(
  split: TokenSplit, rows: Int64[np.ndarray, 'b k 3'], *, context: int
) -> dict[str, np.ndarray]:
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
