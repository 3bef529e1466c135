"""Which batch stands where: plans of epochs, and epochs one after the other.

Axes: `r` rows, `k` chunks in a row, `n` batches of an epoch.

A batch is known by its number, counted from the start of training. The
`Timeline` turns it into (epoch, place in it); the epoch's `Plan` says which
rows that is. Both follow from the config and the cache alone.
"""

import bisect
import dataclasses
import functools
import threading
from collections.abc import Callable
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int64

from aurl_jax.data import batching


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
  """The batches of one epoch.

  Attributes:
    rows: int64 [r, k, 3] of (piece, start, length), batch after batch.
    begins: int64 [n + 1] first row of each batch, and the end of all.
    contexts: int64 [n] steps of the rows of each batch.
  """

  rows: Int64[np.ndarray, 'r k 3']
  begins: Int64[np.ndarray, ' begins']
  contexts: Int64[np.ndarray, ' n']

  def __len__(self) -> int:
    return len(self.contexts)

  def share(
    self, number: int, index: int = 0, count: int = 1
  ) -> Int64[np.ndarray, 'b k 3']:
    """Returns one of `count` equal shares of the rows of a batch."""
    begin, end = self.begins[number : number + 2].tolist()
    size = (end - begin) // count
    return self.rows[begin + size * index : begin + size * (index + 1)]

  @property
  def padding(self) -> float:
    """Share of the steps of all batches that is padding, 0..1."""
    steps = np.diff(self.begins) @ self.contexts
    return float(1 - self.rows[:, :, 2].sum() / max(steps, 1))


@runtime_checkable
class Planner(Protocol):
  """Plans the epochs over some pieces, each with as many batches."""

  @property
  def batches(self) -> int:
    """Batches of an epoch."""
    ...

  def plan(self, epoch: int) -> Plan:
    """Returns the plan of an epoch, which follows from its number alone."""
    ...


@dataclasses.dataclass(frozen=True, kw_only=True)
class Even:
  """Batches that are all of one shape.

  Attributes:
    planner: Fills the rows; their number is a multiple of `size`.
    size: Rows of a batch.
  """

  planner: batching.Planner
  size: int

  @property
  def batches(self) -> int:
    """Batches of an epoch."""
    return self.planner.rows // self.size

  def plan(self, epoch: int) -> Plan:
    """Returns the plan of an epoch."""
    rows = self.planner.plan(epoch)
    return Plan(
      rows=rows,
      begins=np.arange(0, len(rows) + 1, self.size),
      contexts=np.full(self.batches, self.planner.context),
    )


@dataclasses.dataclass(frozen=True)
class Place:
  """Where a batch stands: number `index`, from 0, of the `count` of its epoch.

  Attributes:
    epoch: Which pass, from 0.
    index: Which batch of it, from 0.
    count: How many batches it has.
  """

  epoch: int
  index: int
  count: int


class Timeline:
  """Epochs one after the other, over more and more of the pieces.

  An epoch's pieces are decided where it begins, so the epochs up to one must
  be counted to know where it does. That is done once, as far as is asked for;
  from the first epoch with all pieces on, each has the same count.
  """

  def __init__(
    self,
    planner: Callable[[int], Planner],
    eligible: Callable[[int, int], int],
    pieces: int,
  ) -> None:
    """Makes the timeline.

    Args:
      planner: How many of the easiest pieces -> their planner.
      eligible: (epoch, batches before it) -> how many pieces, growing.
      pieces: How many there are in all.
    """
    self._whole = functools.cache(lambda: planner(pieces))
    self._part = functools.lru_cache(maxsize=2)(planner)
    self._plans = functools.lru_cache(maxsize=2)(self._planned)
    self._eligible, self._pieces = eligible, pieces
    # Of the epochs counted so far: what each begins with, and its pieces.
    self._begins, self._counts = [0], [eligible(0, 0)]
    self._lock = threading.RLock()

  def locate(self, number: int) -> Place:
    """Returns where batch `number`, from 0, stands."""
    with self._lock:
      while self._begins[-1] <= number and not self._is_whole:
        self._count()
      if self._is_whole and number >= self._begins[-1]:
        count = self._whole().batches
        more, index = divmod(number - self._begins[-1], count)
        return Place(len(self._begins) - 1 + more, index, count)
      epoch = bisect.bisect_right(self._begins, number) - 1
      begin, end = self._begins[epoch : epoch + 2]
      return Place(epoch, number - begin, end - begin)

  def begin(self, epoch: int) -> int:
    """Returns how many batches stand before an epoch."""
    with self._lock:
      while len(self._begins) <= epoch and not self._is_whole:
        self._count()
      more = epoch - (len(self._begins) - 1)
      if more <= 0:
        return self._begins[epoch]
      return self._begins[-1] + more * self._whole().batches

  def plan(self, epoch: int) -> Plan:
    """Returns the plan of an epoch; those around the last are remembered."""
    with self._lock:
      return self._plans(epoch)

  def eligible(self, epoch: int) -> int:
    """Returns how many pieces an epoch is of."""
    self.begin(epoch)
    return self._counts[min(epoch, len(self._counts) - 1)]

  @property
  def _is_whole(self) -> bool:
    """Whether the last epoch counted, and so all that follow, has it all."""
    return self._counts[-1] >= self._pieces

  def _count(self) -> None:
    """Appends where the next epoch begins."""
    begin = self._begins[-1] + self._part(self._counts[-1]).batches
    self._begins.append(begin)
    self._counts.append(self._eligible(len(self._begins) - 1, begin))

  def _planned(self, epoch: int) -> Plan:
    count = self.eligible(epoch)
    planner = self._whole() if count >= self._pieces else self._part(count)
    return planner.plan(epoch)
