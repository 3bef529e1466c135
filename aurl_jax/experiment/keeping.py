"""Which of a run's checkpoints stay, and which one is the run's model."""

import dataclasses
import logging
from typing import Any

from aurl_jax.core import averaging
from aurl_jax.core.checkpoint import Checkpoints
from aurl_jax.core.errors import CheckpointError, DataError
from aurl_jax.experiment.build import Parts
from aurl_jax.experiment.settings import CheckpointConfig
from aurl_jax.training.collapse import Collapse
from aurl_jax.training.selection import Best, EarlyStop

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pick:
  """Which model of a run is meant; the run's own choice by default.

  Attributes:
    step: That of a checkpoint.
    best: The best by the run's metric.
    average: The mean of so many of the newest; 0 takes one.
  """

  step: int | None = None
  best: bool = False
  average: int = 0

  def __post_init__(self) -> None:
    if (self.step is not None) + self.best + bool(self.average) > 1:
      raise CheckpointError(
        'choose one of step, best and average, not several', code='bad_pick'
      )

  def params(self, kept: Checkpoints, parts: Parts) -> tuple[int, Any]:
    """Returns the step and the parameters to use.

    Raises:
      CheckpointError: There is no such checkpoint, or it is damaged.
    """
    if self.average:
      like = {'params': parts.abstract_state()['params']}
      mean = averaging.average(kept, like, self.average)['params']
      return averaging.newest_good(kept, 1)[0], mean
    return parts.restore_params(kept, self._step(kept, parts.run.checkpoint))

  def _step(self, kept: Checkpoints, config: CheckpointConfig) -> int | None:
    """Returns the step to read, None for the newest."""
    if self.step is not None or not (self.best or config.selects):
      return self.step
    step = kept.best(config.metric, config.mode)
    if step is None and self.best:
      raise CheckpointError(
        f'no good checkpoint of {kept.folder} has a {config.metric}; '
        'leave best away, or name a step',
        code='no_best',
      )
    return step


class Keeper:
  """The callbacks that a config asks for to judge steps as they come."""

  def __init__(
    self, config: CheckpointConfig, *, judged: bool, collapse: int = 0
  ) -> None:
    """Makes the callbacks.

    Args:
      config: What they go by.
      judged: Whether there is anything to judge steps by.
      collapse: Evaluations in a row that may show that latents have
        collapsed before the run stops; 0 for never.

    Raises:
      DataError: There is not, and the config goes by it.
    """
    if config.selects and not judged:
      raise DataError(
        'checkpoint.keep_best and checkpoint.patience need a validation '
        'split, and the data has none; give it more pieces, or set both to 0'
      )
    self._config = config
    self.best: Best | None = None
    self.stop: EarlyStop | None = None
    self.collapse = Collapse(patience=collapse) if collapse else None
    if config.selects:
      self.best = Best(metric=config.metric, mode=config.mode)
    if config.patience:
      self.stop = EarlyStop(
        metric=config.metric,
        mode=config.mode,
        min_delta=config.min_delta,
        patience=config.patience,
      )

  @property
  def memories(self) -> dict[str, Any]:
    """What checkpoints remember, by name."""
    found = {
      'best': self.best,
      'early_stop': self.stop,
      'collapse': self.collapse,
    }
    return {name: who for name, who in found.items() if who is not None}

  @property
  def callbacks(self) -> list[Any]:
    """For the loop, behind the evaluation and before the checkpoint."""
    return list(self.memories.values())

  @property
  def over(self) -> bool:
    """Whether a resumed run has stopped early already."""
    return self.stop is not None and self.stop.over

  def hand_back(self, kept: Checkpoints, like: Any, state: Any) -> Any:
    """Returns the state of the best step if the config selects, or `state`.

    Args:
      kept: The run's checkpoints, the last one complete.
      like: The state's shapes and shardings.
      state: After the last step.
    """
    if not self._config.selects:
      return state
    step = kept.best(self._config.metric, self._config.mode)
    if step is None or step == int(state['step']):
      return state
    _log.info('the best model is that of step %d', step)
    return kept.restore(like, step).state
