"""Rows of stretches that have become something else: see `data.objective`.

As `gather.gather`, but stretch by stretch, since each is of its own length
then. Axes: `b` rows, `k` chunks in a row, `t` context, `f` fields.
"""

import dataclasses
from typing import Any

import numpy as np
from jaxtyping import Int64

from aurl_jax.data.cache import TokenSplit
from aurl_jax.data.objective import Mixture, Stretch
from aurl_jax.tokens import heard


@dataclasses.dataclass(frozen=True)
class Mixer:
  """Makes the batches of a mixture.

  Attributes:
    split: Where the ids are.
    mixture: What becomes of stretches.
    seed: Of the run.
  """

  split: TokenSplit
  mixture: Mixture
  seed: int

  def __call__(
    self, rows: Int64[np.ndarray, 'b k 3'], *, epoch: int, context: int
  ) -> dict[str, Any]:
    """Returns the batch of a plan's rows.

    The steps that a row has free are shared out evenly to the stretches that
    a part is taken out of; one that cannot fit stays as it is.

    Args:
      rows: int64 [b, k, 3] of (piece, start, length), see `batching`.
      epoch: Of the plan.
      context: Steps of a row, at least the sum of a row's lengths.

    Returns:
      As `gather.gather`, and `weights` int32 [b, t, f], 1 where an id counts
      as a target, else 0; with kinds that are asked `aux`, by kind int32
      [b, t], its label of the next step, or `heard.UNKNOWN`.
    """
    shape = len(rows), context
    fields = self.split.ids.shape[1]
    ids = np.zeros((*shape, fields), np.int32)
    weights = np.zeros_like(ids)
    segments, positions = np.zeros(shape, np.int32), np.zeros(shape, np.int32)
    pieces = np.full(shape, -1, np.int32)
    labels = np.full((*shape, len(self.mixture.heard)), heard.UNKNOWN, np.int32)
    for row, chunks in enumerate(rows):
      at = 0
      found = self._stretches(chunks, epoch, context)
      for number, stretch in enumerate(found, start=1):
        made = self.mixture.make(stretch, self.seed, epoch)
        here = slice(at, at + len(made.ids))
        ids[row, here], weights[row, here] = made.ids, made.weights
        segments[row, here], pieces[row, here] = number, stretch.piece
        positions[row, here] = np.arange(len(made.ids))
        labels[row, here] = made.labels
        at = here.stop
    asked = dict(
      zip(self.mixture.heard, np.moveaxis(labels, 2, 0), strict=True)
    )
    return {
      'ids': ids,
      'segments': segments,
      'positions': positions,
      'pieces': pieces,
      'weights': weights,
      **({'aux': asked} if asked else {}),
    }

  def _stretches(
    self, chunks: Int64[np.ndarray, 'k 3'], epoch: int, context: int
  ) -> list[Stretch]:
    """Returns the stretches of a row, each with its room."""
    chunks = chunks[chunks[:, 2] > 0]
    infilled = self.mixture.kinds(self.seed, epoch, chunks[:, 0]) > 0
    free = context - int(chunks[:, 2].sum())
    room = chunks[:, 2] + infilled * (free // max(1, int(infilled.sum())))
    return [
      self._stretch(piece, start, length, most)
      for (piece, start, length), most in zip(
        chunks.tolist(), room.tolist(), strict=True
      )
    ]

  def _stretch(self, piece: int, start: int, length: int, room: int) -> Stretch:
    split = self.split
    begin = int(split.offsets[piece]) + start
    end = begin + length
    low, high = np.searchsorted(split.bars, [begin, end])
    next_bar = high < len(split.bars) and int(split.bars[high]) == end
    return Stretch(
      ids=split.ids[begin:end].astype(np.int32),
      bars=split.bars[low:high] - begin,
      piece=piece,
      start=start,
      room=room,
      complete=next_bar or end == int(split.offsets[piece + 1]),
    )
