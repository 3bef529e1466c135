"""Auxiliary losses: what else a network is asked of the same hidden states.

One is a callable `(outputs, batch) -> scalar`, a mean over what it counts in
the batch. Targets travel as `batch['aux'][name]`, predictions as
`outputs.aux[name]`. Axes: `b` batch, `t` time, `c` classes.
"""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from aurl_jax.core.errors import ConfigError
from aurl_jax.training import musical, oneshot

Auxiliary = Callable[[Any, Mapping[str, Any]], Array]


def classes(name: str) -> Auxiliary:
  """Returns the cross-entropy of a target with classes, in nats.

  `batch['aux'][name]` is int32 [b] (a piece) or [b, t] (steps), negative
  where there is no target; `outputs.aux[name]` float32 [b, c] or [b, t, c].
  """

  def loss(outputs: Any, batch: Mapping[str, Any]) -> Float[Array, '']:
    logits, target = _pair(name, outputs, batch)
    counted = target >= 0
    log_probs = jax.nn.log_softmax(logits, axis=-1)
    chosen = jnp.maximum(target, 0)[..., None]
    nats = -jnp.take_along_axis(log_probs, chosen, axis=-1)[..., 0]
    return _mean(nats, counted)

  return loss


def scalars(name: str) -> Auxiliary:
  """Returns the squared error of a number.

  `batch['aux'][name]` is float32 [b] or [b, t], NaN where there is none;
  `outputs.aux[name]` float32 of the same shape.
  """

  def loss(outputs: Any, batch: Mapping[str, Any]) -> Float[Array, '']:
    found, target = _pair(name, outputs, batch)
    counted = ~jnp.isnan(target)
    # Not NaN * 0: its gradient would be NaN, too.
    error = found - jnp.where(counted, target, 0)
    return _mean(error**2, counted)

  return loss


def named(name: str) -> Auxiliary:
  """Returns the loss that a config's name means.

  Args:
    name: `frames`, of a one-shot decoder (`training.oneshot`); one of
      `musical.NAMES`, of its frames; else what the network is to say of a
      piece, or of steps: `classes`.

  Raises:
    ConfigError: It begins like one of frames, and is none.
  """
  if name == oneshot.FRAMES:
    return oneshot.frames
  if name in musical.NAMES:
    return musical.of_frames(name)
  if name.startswith(f'{oneshot.FRAMES}_'):
    raise ConfigError(
      f'auxiliary loss {name!r}: those of frames are {oneshot.FRAMES}, '
      + ', '.join(musical.NAMES)
    )
  return classes(name)


def _pair(
  name: str, outputs: Any, batch: Mapping[str, Any]
) -> tuple[Array, Array]:
  found, targets = getattr(outputs, 'aux', {}), batch.get('aux', {})
  if name not in found or name not in targets:
    side = 'the model gives no' if name not in found else 'batches have no'
    raise ConfigError(
      f'auxiliary loss {name!r}: {side} aux[{name!r}]; add it, or leave the '
      'loss out'
    )
  return found[name], jnp.asarray(targets[name])


def _mean(values: Array, counted: Array) -> Float[Array, '']:
  total = jnp.where(counted, values, 0).sum()
  return total / jnp.maximum(counted.sum(), 1)
