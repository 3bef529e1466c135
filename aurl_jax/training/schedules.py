"""Learning rates as functions of the number of steps already done.

All warm up linearly: step `i` (from 0) takes `(i + 1) / warmup_steps` of
the peak, so that the first step already learns.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import jax
import jax.numpy as jnp

Schedule = Callable[[Any], jax.Array]
"""Steps done, an int or an int32 [] array -> learning rate, float32 []."""


def cosine(
  peak: float,
  warmup_steps: int,
  steps: int,
  final_fraction: float,
  decay_fraction: float = 0.0,
) -> Schedule:
  """Falls as half a cosine from the peak to a fraction of it.

  Loshchilov & Hutter 2017 (SGDR), without restarts.

  Args:
    peak: Learning rate after the warm-up.
    warmup_steps: Steps until the peak.
    steps: Steps of the run; after them the rate stays at its end.
    final_fraction: Last rate over peak.
    decay_fraction: Has no effect.
  """
  del decay_fraction
  fall = max(1, steps - warmup_steps)

  def schedule(step: Any) -> jax.Array:
    done = jnp.clip((jnp.asarray(step) - warmup_steps) / fall, 0, 1)
    shape = 0.5 * (1 + jnp.cos(jnp.pi * done))
    level = final_fraction + (1 - final_fraction) * shape
    return peak * level * _warmup(step, warmup_steps)

  return schedule


def wsd(
  peak: float,
  warmup_steps: int,
  steps: int,
  final_fraction: float,
  decay_fraction: float = 0.2,
) -> Schedule:
  """Stays at the peak, then falls: warm-up, stable, decay.

  Hu et al. 2024 (MiniCPM, section 4); the fall is by one minus a root, the
  best of those that Hägele et al. 2024 (section 3) compare. A checkpoint of
  the stable part can go on as a run of any length.

  Args:
    peak: Learning rate after the warm-up.
    warmup_steps: Steps until the peak.
    steps: Steps of the run; after them the rate stays at its end.
    final_fraction: Last rate over peak.
    decay_fraction: Share of the steps in which the rate falls.
  """
  fall = max(1, round(steps * decay_fraction))

  def schedule(step: Any) -> jax.Array:
    done = jnp.clip((jnp.asarray(step) - (steps - fall)) / fall, 0, 1)
    level = 1 - (1 - final_fraction) * jnp.sqrt(done)
    return peak * level * _warmup(step, warmup_steps)

  return schedule


def constant(
  peak: float,
  warmup_steps: int,
  steps: int,
  final_fraction: float,
  decay_fraction: float = 0.0,
) -> Schedule:
  """Stays at the peak; only `peak` and `warmup_steps` have an effect."""
  del steps, final_fraction, decay_fraction
  return lambda step: peak * _warmup(step, warmup_steps)


def rsqrt(
  peak: float,
  warmup_steps: int,
  steps: int,
  final_fraction: float,
  decay_fraction: float = 0.0,
) -> Schedule:
  """Falls with the root of the step number (Vaswani et al. 2017, 5.3).

  `final_fraction` is the least fraction of the peak; `steps` and
  `decay_fraction` have no effect.
  """
  del steps, decay_fraction
  hold = max(1, warmup_steps)

  def schedule(step: Any) -> jax.Array:
    ordinal = jnp.maximum(jnp.asarray(step, jnp.float32) + 1, hold)
    level = jnp.maximum(jnp.sqrt(hold / ordinal), final_fraction)
    return peak * level * _warmup(step, warmup_steps)

  return schedule


SCHEDULES: Mapping[str, Callable[..., Schedule]] = MappingProxyType(
  {'cosine': cosine, 'wsd': wsd, 'rsqrt': rsqrt, 'constant': constant}
)


def _warmup(step: Any, warmup_steps: int) -> jax.Array:
  done = jnp.asarray(step, jnp.float32) + 1
  return jnp.minimum(done / max(1, warmup_steps), 1)
