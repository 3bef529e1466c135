"""Which checkpoints stay: the last, the best, every m-th.

A run keeps few checkpoints, or its disk is full. What stays is decided from
the steps and their metrics alone, so that a restarted run decides the same.
"""

import dataclasses
import math
from collections.abc import Mapping

from aurl_jax.core.errors import CheckpointError

MODES = ('min', 'max')
Metrics = Mapping[str, float]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Keep:
  """What stays; a step stays if any of the rules keeps it.

  Attributes:
    last: The newest so many.
    best: The best so many by `metric`, of those that have it.
    every: Steps that this divides; 0 for none.
    metric: A name of the record, such as `valid/loss`.
    mode: Whether a small (`min`) or a large value (`max`) is good.
  """

  last: int = 3
  best: int = 0
  every: int = 0
  metric: str = 'valid/loss'
  mode: str = 'min'

  def __post_init__(self) -> None:
    if self.last < 1:
      raise CheckpointError(
        f'must keep at least one checkpoint, not {self.last}'
      )
    if min(self.best, self.every) < 0:
      raise CheckpointError('best and every must be 0 (none) or more')
    if self.mode not in MODES:
      raise CheckpointError(f'mode is {self.mode!r}; choose min or max')

  def kept(self, found: Mapping[int, Metrics]) -> set[int]:
    """Returns which steps stay.

    Args:
      found: Step -> its metrics.

    >>> loss = {1: 0.9, 2: 0.5, 3: 0.7, 4: 0.8, 5: 0.9}
    >>> found = {step: {'valid/loss': loss[step]} for step in loss}
    >>> sorted(Keep(last=1, best=1, every=3).kept(found))
    [2, 3, 5]
    """
    steps = sorted(found)
    every = {step for step in steps if self.every and step % self.every == 0}
    best = ranked(found, self.metric, self.mode)[: self.best]
    return {*steps[-self.last :], *best, *every}


def ranked(found: Mapping[int, Metrics], metric: str, mode: str) -> list[int]:
  """Returns the steps that have a finite metric, the best first.

  Of equal ones the older comes first: what came later was no better.
  """
  sign = {'min': 1.0, 'max': -1.0}[mode]
  values = {step: metrics.get(metric) for step, metrics in found.items()}
  finite = {
    step: sign * value
    for step, value in values.items()
    if value is not None and math.isfinite(value)
  }
  return sorted(finite, key=lambda step: (finite[step], step))
