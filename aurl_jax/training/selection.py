"""Which step was best, and when it is no use to go on.

Both callbacks watch a name of the record that evaluation fills, so they
stand behind `Evaluate` and before the log. What they remember is saved in
each checkpoint: a resumed run decides as an unbroken one does. All processes
see equal figures, and so decide alike.
"""

import dataclasses
import logging
import math
from collections.abc import Mapping
from typing import Any

from aurl_jax.core.errors import ConfigError
from aurl_jax.core.retention import MODES
from aurl_jax.training.callbacks import Context

_log = logging.getLogger(__name__)


@dataclasses.dataclass(kw_only=True)
class Best:
  """Remembers the step at which a metric was best.

  Attributes:
    metric: A name of the record, such as `valid/loss`.
    mode: Whether a small (`min`) or a large value (`max`) is good.
    min_delta: By how much a value must be better to count as such.
    value: The best so far; None before the first.
    step: Steps done then.
  """

  metric: str = 'valid/loss'
  mode: str = 'min'
  min_delta: float = 0.0
  value: float | None = None
  step: int = 0

  def __post_init__(self) -> None:
    if self.mode not in MODES:
      raise ConfigError(f'mode is {self.mode!r}; choose min or max')
    if not self.min_delta >= 0:
      raise ConfigError(f'min_delta {self.min_delta} must be 0 or more')

  def due(self, context: Context) -> bool:
    """Returns whether this step was judged.

    Raises:
      ConfigError: It was, but not by this metric.
    """
    if self.metric in context.record:
      return True
    kind = self.metric.partition('/')[0]
    others = [x for x in context.record if x.startswith(f'{kind}/')]
    if others:
      raise ConfigError(
        f'{self.metric} is none of what evaluation finds; choose one of '
        + ', '.join(others)
      )
    return False

  def __call__(self, context: Context) -> None:
    """Compares with the best."""
    value = float(context.record[self.metric])
    if self._better(value):
      self.value, self.step = value, context.step

  def save(self) -> dict[str, Any]:
    """Returns the best value and its step."""
    return {'value': self.value, 'step': self.step}

  def load(self, saved: Mapping[str, Any]) -> None:
    """Takes back what `save` returned."""
    self.value, self.step = saved['value'], int(saved['step'])

  def _better(self, value: float) -> bool:
    if not math.isfinite(value):
      return False
    if self.value is None:
      return True
    gain = self.value - value if self.mode == 'min' else value - self.value
    return gain > self.min_delta


@dataclasses.dataclass(kw_only=True)
class EarlyStop(Best):
  """Ends the loop once a metric has not improved for so many evaluations.

  Attributes:
    patience: Evaluations in a row without a gain of more than `min_delta`
      that end the loop.
    bad: How many there have been.
  """

  patience: int
  bad: int = 0

  def __post_init__(self) -> None:
    super().__post_init__()
    if self.patience < 1:
      raise ConfigError(f'patience {self.patience} must be at least 1')

  def __call__(self, context: Context) -> None:
    """Counts; ends the loop when patience is at its end."""
    super().__call__(context)
    self.bad = 0 if self.step == context.step else self.bad + 1
    if self.over:
      _log.info(
        'step %d: %s has not improved for %d evaluations, since step %d',
        context.step,
        self.metric,
        self.bad,
        self.step,
      )
      context.finish()

  @property
  def over(self) -> bool:
    """Whether patience is at its end; a resumed run need not go on then."""
    return self.bad >= self.patience

  def save(self) -> dict[str, Any]:
    """Returns the best value, its step, and the count."""
    return super().save() | {'bad': self.bad}

  def load(self, saved: Mapping[str, Any]) -> None:
    """Takes back what `save` returned."""
    super().load(saved)
    self.bad = int(saved['bad'])
