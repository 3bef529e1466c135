"""Pure, jitted steps: one of training, one of evaluation.

A step is written for the whole batch, and the compiler divides it over the
mesh: then everything, dropout included, is the same on any number of
devices. (Mapping the step over a data axis by hand, `jax.shard_map`, gave
the same program but for the bits of the dropout: the same products, the same
two reductions.) Axes: `b` batch, `t` time, `f` fields.
"""

import functools
import math
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
from aurl_jax.training import adversarial, update
from aurl_jax.training import state as state_lib
from aurl_jax.training.auxiliary import Auxiliary
from aurl_jax.training.losses import Sums
from aurl_jax.training.options import DEFAULT, StepConfig
from aurl_jax.training.schedules import Schedule
from aurl_jax.training.state import Network, TrainState
from aurl_jax.training.terms import NONE, Rows, Terms
from aurl_jax.training.update import Metrics

Augment = Callable[[Rows, PRNGKeyArray, jax.Array], Rows]
"""Changes the rows of a batch, given the run's key, which is the same at
every step, and the step."""


def make_train_step(
  model: Network,
  optimizer: optax.GradientTransformation,
  schedule: Schedule,
  options: StepConfig = DEFAULT,
  mesh: jax.sharding.Mesh | None = None,
  *,
  augment: Augment | None = None,
  auxiliary: Mapping[str, Auxiliary] = NONE,
  rules: Any = rules_lib.RULES,
) -> Callable[[TrainState, Batch], tuple[TrainState, Metrics]]:
  """Returns the jitted `step(state, batch) -> (state, metrics)`.

  The state is donated: the one handed in is gone afterwards. The metrics
  stay on the devices: those of `update.apply` and the sums of `losses.sums`.
  A step that is not finite, or a spike, changes nothing but counters: its
  sums are zeros, so that records stay finite.

  Args:
    model: What is trained.
    optimizer: As of `optimizer.build`.
    schedule: The learning rate that `optimizer` follows; for the record.
    options: What the step does; the state must be made with the same.
    mesh: Where the state and the batches lie; None for one device.
    augment: Changes the batch on the device, before the targets are taken.
    auxiliary: More losses, those that `options.balance` names.
    rules: As of `state.create`.
  """
  terms = Terms(model, options, auxiliary)

  def step(state: TrainState, batch: Rows) -> tuple[TrainState, Metrics]:
    if augment is not None:
      key = random.fold(jax.random.wrap_key_data(state['key']), 'augment')
      batch = augment(batch, key, state['step'])
    found = _gradients(terms, options, state, batch)
    return update.apply(optimizer, schedule, options, state, *found)

  if mesh is None:
    return jax.jit(step, donate_argnums=0)
  like = state_lib.abstract(model, optimizer, mesh, rules, options)
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
    return Terms(model, DEFAULT)(params, batch, None)[1]

  if mesh is None:
    return jax.jit(step)
  like = state_lib.abstract(model, optax.identity(), mesh, rules)
  places = jax.tree.map(lambda leaf: leaf.sharding, like['params'])
  return jax.jit(
    step,
    in_shardings=(places, rules_lib.batch_sharding(mesh)),
    out_shardings=NamedSharding(mesh, P()),
  )


def _gradients(
  terms: Terms, options: StepConfig, state: TrainState, batch: Rows
) -> tuple[Any, Sums, dict[str, Any] | None]:
  """Returns the gradient of the sum over the batch, the sums, and the balance.

  The last is what `training.balance` learns from them; None for nothing.
  """
  factor = _factor(state, batch)
  balanced = functools.partial(terms.total, state.get('balance', {}))

  def objective(
    params: dict[str, Any], rows: Rows, key: PRNGKeyArray
  ) -> tuple[jax.Array, Sums]:
    found, sums = terms(params, rows, key)
    return balanced(found) * factor, sums

  grad = jax.value_and_grad(objective, has_aux=True)
  if options.balance.mode == 'gradnorm':
    grad = functools.partial(terms.each, factor)
  over = functools.partial(
    _accumulate, grad, options.accumulate, batch=batch, key=_dropout_key(state)
  )
  grads, sums = over(state['params'])
  if options.adversarial:
    worse = adversarial.move(state['params'], grads, options.adversarial)
    grads = jax.tree.map(lambda a, b: (a + b) / 2, grads, over(worse)[0])
  if 'scale' in state:
    grads = jax.tree.map(lambda leaf: leaf / factor, grads)
  return terms.learn(state, grads, sums)


def _factor(state: TrainState, batch: Rows) -> jax.Array | float:
  """Returns what the summed loss is multiplied with before its gradient.

  The loss scale is for a mean; over the batch's ids, counted or not, and
  rounded to a power of two, so that the factor itself rounds nothing.
  """
  if 'scale' not in state:
    return 1.0
  scale: jax.Array = state['scale']['value']
  return scale / 2.0 ** math.ceil(math.log2(batch['ids'].size))


def _dropout_key(state: TrainState) -> PRNGKeyArray:
  """Returns the key of this step's dropout."""
  key = jax.random.wrap_key_data(state['key'])
  return random.fold(key, 'dropout', state['step'])


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
