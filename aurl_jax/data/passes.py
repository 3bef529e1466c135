"""How far a run has read its data: epochs, batches and pieces, by the plan.

Follows from the number of batches taken alone, like the batches themselves:
it costs a search in a short table, is the same on every process, and needs
nothing in a checkpoint.
"""

import functools
from typing import NamedTuple

import numpy as np

from aurl_jax.data.batching import Planner


class Position(NamedTuple):
  """Where the batch last taken stands.

  Attributes:
    epoch: From 1.
    batch: In its epoch, from 1.
    batches: Of every epoch.
    pieces: Of which something was read, anew in each epoch.
  """

  epoch: int
  batch: int
  batches: int
  pieces: int


class Passes:
  """Batches taken -> where that is."""

  def __init__(self, planner: Planner, batch_size: int) -> None:
    """Takes a split's planner, and the rows of the global batch."""
    self._planner, self._size = planner, batch_size
    self._first = functools.lru_cache(maxsize=2)(self._begin)

  @functools.cached_property
  def batches(self) -> int:
    """Batches of an epoch."""
    return self._planner.rows // self._size

  def epochs(self, steps: int) -> int:
    """Returns how many epochs so many batches reach into."""
    return -(-steps // self.batches)

  def at(self, taken: int) -> Position:
    """Returns the position after so many batches, at least one."""
    epoch, number = divmod(taken - 1, self.batches)
    begun = np.searchsorted(self._first(epoch), number, side='right')
    pieces = epoch * len(self._planner.lengths.pieces) + int(begun)
    return Position(epoch + 1, number + 1, self.batches, pieces)

  def _begin(self, epoch: int) -> np.ndarray:
    """Returns the batch that each piece of an epoch begins in, ascending."""
    plan = self._planner.plan(epoch)
    rows, places = np.nonzero(plan[:, :, 2])
    # Rows come in order, and `unique` gives where a piece stands first.
    _, first = np.unique(plan[rows, places, 0], return_index=True)
    return np.sort(rows[first] // self._size)
