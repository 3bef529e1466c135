"""How far a run has read its data: epochs, batches and pieces, by the plan.

Follows from the number of batches taken alone, like the batches themselves:
it costs a search in a short table, is the same on every process, and needs
nothing in a checkpoint.
"""

import functools
from typing import NamedTuple

import numpy as np

from aurl_jax.data.plans import Timeline


class Position(NamedTuple):
  """Where the batch last taken stands.

  Attributes:
    epoch: From 1.
    batch: In its epoch, from 1.
    batches: Of this epoch.
    pieces: Of which something was read, anew in each epoch.
  """

  epoch: int
  batch: int
  batches: int
  pieces: int


class Passes:
  """Batches taken -> where that is."""

  def __init__(self, timeline: Timeline) -> None:
    """Takes the timeline of a split."""
    self._timeline = timeline
    self._first = functools.lru_cache(maxsize=2)(self._begin)
    # Pieces before each epoch that was asked for.
    self._before = [0]

  def epochs(self, steps: int) -> int:
    """Returns how many epochs so many batches, at least one, reach into."""
    return self._timeline.locate(steps - 1).epoch + 1

  def at(self, taken: int) -> Position:
    """Returns the position after so many batches, at least one."""
    place = self._timeline.locate(taken - 1)
    begun = np.searchsorted(self._first(place.epoch), place.index, 'right')
    pieces = self._earlier(place.epoch) + int(begun)
    return Position(place.epoch + 1, place.index + 1, place.count, pieces)

  def _earlier(self, epoch: int) -> int:
    """Returns how many pieces the epochs before one have."""
    while len(self._before) <= epoch:
      more = self._timeline.eligible(len(self._before) - 1)
      self._before.append(self._before[-1] + more)
    return self._before[epoch]

  def _begin(self, epoch: int) -> np.ndarray:
    """Returns the batch that each piece of an epoch begins in, ascending."""
    plan = self._timeline.plan(epoch)
    rows, places = np.nonzero(plan.rows[:, :, 2])
    # Rows come in order, and `unique` gives where a piece stands first.
    _, first = np.unique(plan.rows[rows, places, 0], return_index=True)
    batches = np.searchsorted(plan.begins, rows[first], side='right') - 1
    return np.sort(batches)
