"""From gradients to the next state: judge, update, or leave all as it is."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool

from aurl_jax.training import averages, guard, losses, scaling
from aurl_jax.training.losses import Sums
from aurl_jax.training.options import StepConfig
from aurl_jax.training.schedules import Schedule
from aurl_jax.training.state import TrainState

Metrics = dict[str, jax.Array]


class Found(NamedTuple):
  """What a batch says of the next state.

  Attributes:
    grads: Gradient of the summed loss, a tree as the parameters.
    sums: Those of `losses.sums` over the batch.
    beside: Other parts of the state as they are after a good step.
    finite: Whether what these were made of is finite.
  """

  grads: Any
  sums: Sums
  beside: Mapping[str, Any]
  finite: Bool[Array, '']


def apply(
  optimizer: optax.GradientTransformation,
  schedule: Schedule,
  options: StepConfig,
  state: TrainState,
  found: Found,
) -> tuple[TrainState, Metrics]:
  """Returns the state after a step, and its metrics.

  Args:
    optimizer: Turns gradients of the mean loss into updates.
    schedule: The learning rate that it follows; for the record.
    options: Those of the step.
    state: Before the step.
    found: Of its batch.

  Returns:
    The state, and: the sums (zeros if the step was skipped); float32 []
    `loss` (nats a target id) and `grad_norm` (before clipping), zeros if
    skipped; `learning_rate` float32 []; int32 [] `skipped`, `streak` (bad
    steps in a row), `cause`; with loss scaling `loss_scale`, the next step's.
  """
  sums = found.sums
  count = sums['counts'].sum()
  grads = jax.tree.map(lambda leaf: losses.mean(leaf, count), found.grads)
  loss, norm = losses.mean(sums['nats'].sum(), count), optax.tree.norm(grads)
  finite = jnp.isfinite(sums['objective']) & jnp.isfinite(norm) & found.finite
  scale, mendable = _scale(options, state, finite)
  cause, guarded = guard.judge(
    options.guard, state['guard'], loss, norm, finite, mendable
  )
  good = cause == guard.FINE
  now = {'step': state['step'] + 1, 'guard': guarded, **scale}
  now |= _moved(optimizer, options, state, grads, good)
  before = {name: state[name] for name in found.beside}
  now |= guard.only_if(good, dict(found.beside), before)
  told = sums | {'loss': loss, 'grad_norm': norm}
  zeros = jax.tree.map(jnp.zeros_like, told)
  metrics = guard.only_if(good, told, zeros) | {
    'learning_rate': jnp.float32(schedule(state['guard']['updates'])),
    'skipped': jnp.int32(~good),
    'streak': guarded['streak'],
    'cause': cause,
  }
  if scale:
    metrics['loss_scale'] = scale['scale']['value']
  return state | now, metrics


def _moved(
  optimizer: optax.GradientTransformation,
  options: StepConfig,
  state: TrainState,
  grads: Any,
  good: Bool[Array, ''],
) -> dict[str, Any]:
  """Returns what a good step changes; bit for bit as it was otherwise."""
  updates, opt = optimizer.update(grads, state['opt'], state['params'])
  params = optax.apply_updates(state['params'], updates)
  params = guard.only_if(good, params, state['params'])
  return {
    'params': params,
    'opt': guard.only_if(good, opt, state['opt']),
    **averages.update(
      options.averages,
      state,
      params,
      good,
      state['guard']['updates'],
      state['step'] + 1,
    ),
  }


def _scale(
  options: StepConfig, state: TrainState, finite: Bool[Array, '']
) -> tuple[dict[str, Any], Bool[Array, ''] | bool]:
  """Returns the next loss scale, if there is one, and whether it may mend."""
  if 'scale' not in state:
    return {}, False
  scale = state['scale']
  after = scaling.update(options.scaling, scale, finite)
  return {'scale': after}, scaling.mendable(scale)
