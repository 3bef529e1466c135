"""From an `OptimizerConfig` to an optax transformation and its schedule."""

import dataclasses
import math
import re
from collections.abc import Mapping
from typing import Any

import jax
import optax

from aurl_jax.core.errors import ConfigError
from aurl_jax.parallel import rules
from aurl_jax.training.schedules import SCHEDULES, Schedule

# Parameters whose size means something other than complexity: gains, biases
# and rows of tables. Norms are vectors, but stacked layers hide that.
_EXEMPT = re.compile(r'(^|/)(embed|[^/]*norm|[^/]*bias|scale)(/|$)')

_NAMES = ('adamw', 'lion', 'sgd')


@dataclasses.dataclass(frozen=True, kw_only=True)
class OptimizerConfig:
  """How parameters follow their gradients.

  Attributes:
    name: `adamw` (Loshchilov & Hutter 2019), `lion` (Chen et al. 2023) or
      `sgd` with momentum `b1`.
    learning_rate: At its peak.
    warmup_steps: Steps until the peak.
    schedule: `cosine`, `constant` or `rsqrt`; see `training.schedules`.
    final_fraction: Last (`cosine`) or least (`rsqrt`) rate over the peak.
    b1: Decay of the mean of gradients.
    b2: Decay of the mean of their squares.
    eps: Added to the root of the latter.
    weight_decay: Pull to zero, times the learning rate; not on norms,
      biases, embeddings and anything with fewer than two axes.
    clip_norm: Largest global norm of a gradient; 0 for no limit.
  """

  name: str = 'adamw'
  learning_rate: float = 1e-3
  warmup_steps: int = 100
  schedule: str = 'cosine'
  final_fraction: float = 0.1
  b1: float = 0.9
  b2: float = 0.98
  eps: float = 1e-8
  weight_decay: float = 0.1
  clip_norm: float = 1.0

  def __post_init__(self) -> None:
    _choice('name', self.name, _NAMES)
    _choice('schedule', self.schedule, tuple(SCHEDULES))
    for name in ('learning_rate', 'eps'):
      _require(getattr(self, name) > 0, name, 'must be positive')
    for name in ('b1', 'b2'):
      _require(0 <= getattr(self, name) < 1, name, 'must lie in [0, 1)')
    for name in ('warmup_steps', 'weight_decay', 'clip_norm'):
      _require(getattr(self, name) >= 0, name, 'must not be negative')
    fraction = 0 <= self.final_fraction <= 1
    _require(fraction, 'final_fraction', 'must lie in [0, 1]')


def build(
  config: OptimizerConfig, steps: int
) -> tuple[optax.GradientTransformation, Schedule]:
  """Returns the optimizer of a run of so many steps, and its schedule."""
  schedule = SCHEDULES[config.schedule](
    config.learning_rate, config.warmup_steps, steps, config.final_fraction
  )
  # The same parts always: a checkpoint fits a run with another limit.
  limit = config.clip_norm or math.inf
  return optax.chain(
    optax.clip_by_global_norm(limit),
    _direction(config),
    optax.add_decayed_weights(config.weight_decay, mask=decay_mask),
    optax.scale_by_learning_rate(schedule),
  ), schedule


def decay_mask(params: Mapping[str, Any]) -> Any:
  """Returns a tree of bools: which parameters weight decay pulls."""

  def decays(path: tuple[Any, ...], leaf: Any) -> bool:
    name = rules.path_name(path)
    return leaf.ndim > 1 and not _EXEMPT.search(name)

  return jax.tree_util.tree_map_with_path(decays, params)


def _direction(config: OptimizerConfig) -> optax.GradientTransformation:
  if config.name == 'adamw':
    return optax.scale_by_adam(b1=config.b1, b2=config.b2, eps=config.eps)
  if config.name == 'lion':
    return optax.scale_by_lion(b1=config.b1, b2=config.b2)
  return optax.trace(decay=config.b1)


def _choice(name: str, value: str, choices: tuple[str, ...]) -> None:
  cause = f'is {value!r}; choose one of {", ".join(choices)}'
  _require(value in choices, name, cause)


def _require(holds: bool, name: str, cause: str) -> None:
  if not holds:
    raise ConfigError(f'optimizer.{name}: {cause}', code='optimizer_config')
