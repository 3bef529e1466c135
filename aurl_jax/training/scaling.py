"""Dynamic loss scaling for float16 (Micikevicius et al. 2018, section 3.2).

The loss is multiplied before the backward pass, so that small gradients do
not vanish in float16, and gradients are divided by as much. A step that
overflows is skipped and halves the scale; many good ones double it.
"""

import dataclasses

import jax.numpy as jnp
from jaxtyping import Array, Bool

from aurl_jax.core.errors import ConfigError

Scale = dict[str, Array]
"""Part of the train state: `value` float32 [], a power of two; `good`
int32 [], finite steps since it last changed."""

FLOOR = 1.0
_CEILING = 2.0**24


@dataclasses.dataclass(frozen=True, kw_only=True)
class ScalingConfig:
  """How the scale begins and grows.

  Attributes:
    loss_scale: At the start; 0 for no scaling.
    loss_scale_steps: Finite steps after which it doubles.
  """

  loss_scale: float = 0.0
  loss_scale_steps: int = 2000

  def __post_init__(self) -> None:
    if self.loss_scale and not FLOOR <= self.loss_scale <= _CEILING:
      raise ConfigError(
        f'loss_scale: {self.loss_scale} is not in [{FLOOR:g}, {_CEILING:g}]'
      )
    if self.loss_scale_steps < 1:
      raise ConfigError(
        f'loss_scale_steps: {self.loss_scale_steps} must be at least 1'
      )


def init(config: ScalingConfig) -> Scale:
  """Returns the scale before the first step."""
  return {
    'value': jnp.float32(config.loss_scale),
    'good': jnp.zeros((), jnp.int32),
  }


def update(
  config: ScalingConfig, scale: Scale, finite: Bool[Array, '']
) -> Scale:
  """Returns the scale after a step; `finite`: it did not overflow."""
  good = jnp.where(finite, scale['good'] + 1, 0)
  grown = good >= config.loss_scale_steps
  factor = jnp.where(finite, jnp.where(grown, 2.0, 1.0), 0.5)
  return {
    'value': jnp.clip(scale['value'] * factor, FLOOR, _CEILING),
    'good': jnp.where(grown, 0, good),
  }


def mendable(scale: Scale) -> Bool[Array, '']:
  """Whether a smaller scale is left to try after an overflow."""
  return scale['value'] > FLOOR
