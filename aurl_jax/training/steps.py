"""Pure, jitted steps: one of training, one of evaluation.

A step is written for the whole batch, and the compiler divides it over the
mesh: then everything, dropout included, is the same on any number of
devices. (Mapping the step over a data axis by hand, `jax.shard_map`, gave
the same program but for the bits of the dropout: the same products, the same
two reductions.) Axes: `b` batch, `t` time, `f` fields.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P
from jaxtyping import PRNGKeyArray

from aurl_jax.core import random
from aurl_jax.core.errors import ConfigError
from aurl_jax.core.typing import Batch
from aurl_jax.parallel import rules as rules_lib
from aurl_jax.training import losses
from aurl_jax.training import state as state_lib
from aurl_jax.training.losses import LossConfig, Sums
from aurl_jax.training.schedules import Schedule
from aurl_jax.training.state import Network, TrainState

Metrics = dict[str, jax.Array]
Rows = Mapping[str, jax.Array]
Augment = Callable[[Rows, PRNGKeyArray, jax.Array], Rows]
"""Changes the rows of a batch, given the run's key, which is the same at
every step, and the step."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class StepConfig:
  """How a step uses its batch.

  Attributes:
    accumulate: Parts the batch is worked off in, to save memory; must
      divide its rows. The result is that of the whole batch.
    label_smoothing: See `LossConfig`.
    z_loss: See `LossConfig`.
  """

  accumulate: int = 1
  label_smoothing: float = 0.0
  z_loss: float = 0.0

  def __post_init__(self) -> None:
    if self.accumulate < 1:
      raise ConfigError(f'accumulate: {self.accumulate} must be at least 1')
    _ = self.loss

  @property
  def loss(self) -> LossConfig:
    """The part that `training.losses` reads."""
    return LossConfig(label_smoothing=self.label_smoothing, z_loss=self.z_loss)


def make_train_step(
  model: Network,
  optimizer: optax.GradientTransformation,
  schedule: Schedule,
  options: StepConfig = StepConfig(),
  mesh: jax.sharding.Mesh | None = None,
  *,
  augment: Augment | None = None,
  rules: Any = rules_lib.RULES,
) -> Callable[[TrainState, Batch], tuple[TrainState, Metrics]]:
  """Returns the jitted `step(state, batch) -> (state, metrics)`.

  The state is donated: the one handed in is gone afterwards. The metrics
  stay on the devices: float32 [] `loss` (nats a target id), `grad_norm`
  (before clipping) and `learning_rate`; `bad_step` int32 [], the step's
  number if it was not finite, else 0; and the sums of `losses.sums`.

  Args:
    model: What is trained.
    optimizer: As of `optimizer.build`.
    schedule: The learning rate that `optimizer` follows; for the record.
    options: Accumulation and loss.
    mesh: Where the state and the batches lie; None for one device.
    augment: Changes the batch on the device, before the targets are taken.
    rules: As of `state.create`.
  """
  grad = jax.value_and_grad(
    functools.partial(_objective, model, options.loss), has_aux=True
  )

  def step(state: TrainState, batch: Rows) -> tuple[TrainState, Metrics]:
    if augment is not None:
      key = random.fold(jax.random.wrap_key_data(state['key']), 'augment')
      batch = augment(batch, key, state['step'])
    key = _step_key(state, 'dropout')
    parts = options.accumulate
    grads, sums = _accumulate(grad, parts, state['params'], batch, key)
    return _update(optimizer, schedule, state, grads, sums)

  if mesh is None:
    return jax.jit(step, donate_argnums=0)
  like = state_lib.abstract(model, optimizer, mesh, rules)
  places = jax.tree.map(lambda leaf: leaf.sharding, like)
  return jax.jit(
    step,
    in_shardings=(places, rules_lib.batch_sharding(mesh)),
    out_shardings=(places, NamedSharding(mesh, P())),
    donate_argnums=0,
  )


def make_eval_step(
  model: Network,
  mesh: jax.sharding.Mesh | None = None,
  *,
  rules: Any = rules_lib.RULES,
) -> Callable[[dict[str, Any], Batch], Sums]:
  """Returns the jitted `step(params, batch) -> losses.sums`, no dropout."""

  def step(params: dict[str, Any], batch: Rows) -> Sums:
    return _objective(model, LossConfig(), params, batch, None)[1]

  if mesh is None:
    return jax.jit(step)
  like = state_lib.abstract(model, optax.identity(), mesh, rules)
  places = jax.tree.map(lambda leaf: leaf.sharding, like['params'])
  return jax.jit(
    step,
    in_shardings=(places, rules_lib.batch_sharding(mesh)),
    out_shardings=NamedSharding(mesh, P()),
  )


def _step_key(state: TrainState, use: str) -> PRNGKeyArray:
  """Returns the key of one use at this step."""
  key = jax.random.wrap_key_data(state['key'])
  return random.fold(key, use, state['step'])


def _objective(
  model: Network,
  config: LossConfig,
  params: dict[str, Any],
  batch: Rows,
  key: PRNGKeyArray | None,
) -> tuple[jax.Array, Sums]:
  targets = losses.shift_targets(batch['ids'], batch['segments'])
  steps = (batch['ids'], batch['segments'], batch['positions'])
  outputs = model.apply(params, *steps, targets, key)
  sums = losses.sums(outputs.logits, targets, config)
  return sums['objective'], sums


def _accumulate(
  grad: Callable[..., Any],
  parts: int,
  params: dict[str, Any],
  batch: Rows,
  key: PRNGKeyArray,
) -> tuple[Any, Sums]:
  """Returns gradients and sums over the batch, worked off in parts."""

  def part(rows: Rows, key: PRNGKeyArray) -> tuple[Any, Sums]:
    (_, sums), grads = grad(params, rows, key)
    return grads, sums

  if parts == 1:
    return part(batch, key)

  def body(total: Any, inputs: Any) -> tuple[Any, None]:
    index, rows = inputs
    more = part(rows, random.fold(key, index))
    return jax.tree.map(jnp.add, total, more), None

  rows = jax.tree.map(functools.partial(_split, parts=parts), batch)
  first = jax.tree.map(lambda x: x[0], rows)
  zeros = jax.tree.map(
    lambda leaf: jnp.zeros(leaf.shape, leaf.dtype),
    jax.eval_shape(part, first, key),
  )
  return jax.lax.scan(body, zeros, (jnp.arange(parts), rows))[0]


def _split(rows: jax.Array, parts: int) -> jax.Array:
  """Deals rows to parts in turn: those of one device stay on it."""
  if rows.shape[0] % parts:
    raise ConfigError(
      f'accumulate: {parts} parts do not divide a batch of '
      f'{rows.shape[0]} rows; change accumulate or the batch size'
    )
  return rows.reshape(-1, parts, *rows.shape[1:]).swapaxes(0, 1)


def _update(
  optimizer: optax.GradientTransformation,
  schedule: Schedule,
  state: TrainState,
  grads: Any,
  sums: Sums,
) -> tuple[TrainState, Metrics]:
  count = sums['counts'].sum()
  grads = jax.tree.map(lambda leaf: losses.mean(leaf, count), grads)
  norm = optax.tree.norm(grads)
  updates, opt = optimizer.update(grads, state['opt'], state['params'])
  step = state['step'] + 1
  finite = jnp.isfinite(sums['objective']) & jnp.isfinite(norm)
  metrics = sums | {
    'loss': losses.mean(sums['nats'].sum(), count),
    'grad_norm': norm,
    'learning_rate': jnp.float32(schedule(state['step'])),
    'bad_step': jnp.where(finite, 0, step),
  }
  fresh = {
    'step': step,
    'params': optax.apply_updates(state['params'], updates),
    'opt': opt,
  }
  return state | fresh, metrics
