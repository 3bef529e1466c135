"""Whether a step may change anything: not if it is not finite, or a spike.

A step that may not leaves parameters, optimizer and averages bit-unchanged,
on all devices, as the verdict is made of sums over all of them. After
`rollback_after` such steps in a row the guard stays shut, until the loop has
gone back to an earlier state: so what was handed to the devices in the
meantime changes nothing, and a run that is killed and resumed decides the
same.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from aurl_jax.core.errors import ConfigError

Guard = dict[str, Array]
"""Part of the train state, all scalars but the last two:

int32 `streak`: bad steps in a row; `skipped`: steps skipped in all;
`updates`: steps that changed the parameters, counted back by a rollback;
`rollbacks`: times the loop went back; `seen`: values that the spike
detection knows. float32 [2] `centre` and `spread`: running mean and mean
absolute deviation of the loss and of the gradient's norm.
"""

FINE, NOT_FINITE, SPIKE, OVERFLOW, WAITING = range(5)
"""Why a step was skipped; `OVERFLOW` is one that loss scaling is to mend."""

# Values before a spike can be told, the weight of a new one (its share while
# there are fewer), and how many deviations one value may move the mean by.
_WARM_UP = 32
_WEIGHT = 0.02
_INFLUENCE = 3.0
# Least deviation over the mean: that of a loss that hardly moves is noise.
_LEAST = 0.01


@dataclasses.dataclass(frozen=True, kw_only=True)
class GuardConfig:
  """What is done about bad steps.

  Attributes:
    spike: Mean absolute deviations above the running mean from which on a
      loss or the norm of a gradient is a spike; 0 for never.
    rollback_after: Bad steps in a row that make the loop go back to an
      earlier state; 0 for never.
    rollbacks: Times that it may go back before the run ends.
  """

  spike: float = 0.0
  rollback_after: int = 10
  rollbacks: int = 3

  def __post_init__(self) -> None:
    for name in ('spike', 'rollback_after', 'rollbacks'):
      if not getattr(self, name) >= 0:
        raise ConfigError(f'{name}: {getattr(self, name)} is negative')


def init() -> Guard:
  """Returns the guard before the first step."""
  names = ('streak', 'skipped', 'updates', 'rollbacks', 'seen')
  counts = {name: jnp.zeros((), jnp.int32) for name in names}
  return counts | {name: jnp.zeros(2) for name in ('centre', 'spread')}


def judge(
  config: GuardConfig,
  guard: Guard,
  loss: Float[Array, ''],
  norm: Float[Array, ''],
  finite: Bool[Array, ''],
  mendable: Bool[Array, ''] | bool = False,
) -> tuple[Int[Array, ''], Guard]:
  """Returns why a step is to be skipped (`FINE`: it is not), and the guard.

  Args:
    config: What counts as bad.
    guard: Before the step.
    loss: Of the step.
    norm: Of its gradient.
    finite: Whether all that the step computed is finite.
    mendable: Whether loss scaling may mend what is not finite: then the step
      is skipped, but is not one of a streak.
  """
  cause = jnp.where(finite, FINE, jnp.where(mendable, OVERFLOW, NOT_FINITE))
  remembered = {}
  if config.spike:
    values = jnp.stack([loss, norm])
    cause = jnp.where(finite & _spikes(config, guard, values), SPIKE, cause)
    remembered = _remember(guard, values)
  if config.rollback_after:
    shut = guard['streak'] >= config.rollback_after
    cause = jnp.where(shut, WAITING, cause)
  good = cause == FINE
  one = jnp.where(good | (cause == OVERFLOW), 0, 1)
  after = {
    'streak': jnp.where(good, 0, guard['streak'] + one),
    'skipped': guard['skipped'] + ~good,
    'updates': guard['updates'] + good,
  }
  kept = {
    name: jnp.where(good, value, guard[name])
    for name, value in remembered.items()
  }
  return cause, guard | after | kept


def only_if(good: Bool[Array, ''], new: Any, old: Any) -> Any:
  """Returns one of two equal trees of arrays, bit for bit."""
  return jax.tree.map(lambda a, b: jnp.where(good, a, b), new, old)


def _spikes(
  config: GuardConfig, guard: Guard, values: Float[Array, '2']
) -> Bool[Array, '']:
  centre = guard['centre']
  spread = jnp.maximum(guard['spread'], _LEAST * jnp.abs(centre))
  high = values > centre + config.spike * spread
  return high.any() & (guard['seen'] >= _WARM_UP)


def _remember(guard: Guard, values: Float[Array, '2']) -> Guard:
  """Moves mean and deviation; one value has bounded influence.

  Exponential forms of a mean and a mean absolute deviation, winsorised
  (Huber 1981, section 1.7): so a slow climb towards a spike cannot teach the
  guard that spikes are usual.
  """
  seen, spread = guard['seen'], guard['spread']
  centre = jnp.where(seen == 0, values, guard['centre'])
  limit = jnp.where(seen < _WARM_UP, jnp.inf, _INFLUENCE * spread)
  away = jnp.clip(values - centre, -limit, limit)
  weight = jnp.maximum(1 / (seen + 1), _WEIGHT)
  return {
    'seen': seen + 1,
    'centre': centre + weight * away,
    'spread': spread + weight * (jnp.abs(away) - spread),
  }
