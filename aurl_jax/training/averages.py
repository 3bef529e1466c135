"""Averages of the parameters along a run, to evaluate and to export with.

Both are parts of the train state, divided over the devices as the
parameters are, and follow good steps only.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

from aurl_jax.core.errors import ConfigError

Params = dict[str, Any]


@dataclasses.dataclass(frozen=True, kw_only=True)
class AverageConfig:
  """Which averages a run keeps; each costs the memory of the parameters.

  Attributes:
    ema: Decay of an exponential moving average (Polyak & Juditsky 1992);
      0 for none, 0.999 is usual. The first updates decay faster: by
      (1 + n) / (10 + n) after n, so that the start is soon forgotten.
    average_every: Steps between the parameters that an even average takes
      in (stochastic weight averaging, Izmailov et al. 2018); 0 for none.
    average_from: Steps before its first.
  """

  ema: float = 0.0
  average_every: int = 0
  average_from: int = 0

  def __post_init__(self) -> None:
    if not 0 <= self.ema < 1:
      raise ConfigError(f'ema: {self.ema} is not in [0, 1)')
    for name in ('average_every', 'average_from'):
      if getattr(self, name) < 0:
        raise ConfigError(f'{name}: {getattr(self, name)} is negative')


def init(config: AverageConfig, params: Params) -> dict[str, Any]:
  """Returns the parts of the state that a config asks for.

  `ema`: a tree as the parameters, at first equal to them. `average`:
  `params`, such a tree, and `count` int32 [], how many it is the mean of.
  """
  # A state is donated: no two of its leaves may be one array.
  copy = lambda: jax.tree.map(jnp.array, params)  # noqa: E731
  parts: dict[str, Any] = {}
  if config.ema:
    parts['ema'] = copy()
  if config.average_every:
    parts['average'] = {'params': copy(), 'count': jnp.zeros((), jnp.int32)}
  return parts


def update(
  config: AverageConfig,
  state: dict[str, Any],
  params: Params,
  good: Bool[Array, ''],
  updates: Int[Array, ''],
  step: Int[Array, ''],
) -> dict[str, Any]:
  """Returns the averages after a step.

  Args:
    config: As of `init`.
    state: The train state before the step.
    params: After the step.
    good: Whether the step changed them; else nothing changes here.
    updates: Good steps before this one.
    step: Steps done, this one included.
  """
  parts: dict[str, Any] = {}
  if config.ema:
    decay = jnp.minimum(config.ema, (1 + updates) / (10 + updates))
    share = jnp.where(good, 1 - decay, 0)
    parts['ema'] = _toward(state['ema'], params, share, good)
  if config.average_every:
    beyond = step - jnp.maximum(config.average_from, 1)
    due = good & (beyond >= 0) & (beyond % config.average_every == 0)
    # Most steps take nothing in; a branch spares them the memory traffic.
    parts['average'] = jax.lax.cond(
      due, _take_in, lambda average, _: average, state['average'], params
    )
  return parts


def _toward(
  old: Params, new: Params, share: Array, good: Bool[Array, '']
) -> Params:
  """Returns a tree moved towards another; bit for bit `old` unless `good`."""
  return jax.tree.map(
    lambda a, b: jnp.where(good, a + share * (b - a), a), old, new
  )


def _take_in(average: dict[str, Any], params: Params) -> dict[str, Any]:
  count = average['count'] + 1
  mean = jax.tree.map(
    lambda a, b: jnp.where(count == 1, b, a + (b - a) / count),
    average['params'],
    params,
  )
  return {'params': mean, 'count': count}
