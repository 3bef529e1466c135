"""Pure, jitted steps: one of training, one of evaluation.

A step is written for the whole batch, and the compiler divides it over the
mesh; where the parameters are whole on each device, `parallel.rowwise` divides
the rows by hand for CPUs. Either way everything is the same on any number of
devices, dropout included: each row has a key of its own. Axes: `b` batch, `t`
time, `f` fields.
"""

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P
from jaxtyping import PRNGKeyArray

from aurl_jax.core import random
from aurl_jax.core.errors import ConfigError
from aurl_jax.core.typing import Batch, Keys
from aurl_jax.parallel import gather, rowwise
from aurl_jax.parallel import rules as rules_lib
from aurl_jax.training import adversarial, finite, losses, update
from aurl_jax.training import state as state_lib
from aurl_jax.training.losses import LossConfig, Sums
from aurl_jax.training.options import DEFAULT, StepConfig
from aurl_jax.training.schedules import Schedule
from aurl_jax.training.state import Network, TrainState
from aurl_jax.training.update import Metrics

Rows = Mapping[str, jax.Array]
Measure = Callable[
  [Sequence[jax.Array], jax.Array], Mapping[str, tuple[jax.Array, jax.Array]]
]
"""From the logits of each field and the targets to named (sum, divisor)."""

Factor = jax.Array | float

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
    rules: As of `state.create`.
  """

  def step(state: TrainState, batch: Rows) -> tuple[TrainState, Metrics]:
    if augment is not None:
      key = random.fold(jax.random.wrap_key_data(state['key']), 'augment')
      batch = augment(batch, key, state['step'])
    grads, sums = _gradients(model, options, state, batch, mesh)
    return update.apply(optimizer, schedule, options, state, grads, sums)

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
  measures: Sequence[Measure] = (),
) -> Callable[[dict[str, Any], Batch], Sums]:
  """Returns the jitted `step(params, batch) -> losses.sums`, no dropout.

  Args:
    model: What is judged.
    mesh: Where parameters and batches lie; None for one device.
    rules: As of `state.create`.
    measures: What else to sum up; each name of theirs is among the sums as
      `ratio/NAME`, float32 [2].
  """

  def step(params: dict[str, Any], batch: Rows) -> Sums:
    logits, targets = _predictions(model, params, batch, None)
    sums = losses.sums(logits, targets)
    for measure in measures:
      for name, pair in measure(logits, targets).items():
        sums[f'ratio/{name}'] = jnp.stack([jnp.float32(x) for x in pair])
    return sums

  if mesh is None:
    return jax.jit(step)
  like = state_lib.abstract(model, optax.identity(), mesh, rules)
  places = jax.tree.map(lambda leaf: leaf.sharding, like['params'])
  return jax.jit(
    step,
    in_shardings=(places, rules_lib.batch_sharding(mesh)),
    out_shardings=NamedSharding(mesh, P()),
  )


def make_diagnosis(
  model: Network,
  options: StepConfig = DEFAULT,
  *,
  augment: Augment | None = None,
) -> Callable[[TrainState, Batch, int], str]:
  """Returns `why(state, batch, step)`: what of a bad step is not finite.

  It names the first such tensor of the step of that number, done again op
  by op with the same dropout; see `training.finite`. All processes must call
  it together. The state keeps all it has but `step`: a bad step has changed
  no more.

  Args:
    model: What is trained.
    options: Those of the step.
    augment: Likewise.
  """

  def why(state: TrainState, batch: Batch, step: int) -> str:
    needed = {k: state[k] for k in ('params', 'key', 'scale') if k in state}
    if jax.process_count() > 1:
      needed, batch = gather.to_host((needed, dict(batch)))
    now = needed | {'step': jnp.int32(step - 1)}
    whole: Rows = jax.tree.map(jnp.asarray, dict(batch))
    if augment is not None:
      key = random.fold(jax.random.wrap_key_data(now['key']), 'augment')
      whole = jax.jit(augment)(whole, key, now['step'])
    factor = _factor(now, whole)
    keys = random.by_row(_dropout_key(now), len(whole['ids']))
    for rows, own in _parts((whole, keys), options.accumulate):

      def loss(params: Any, rows: Rows = rows, own: Any = own) -> jax.Array:
        return _objective(model, options.loss, params, rows, own)[0] * factor

      found = finite.first(loss, now['params'])
      if found is not None:
        return str(found)
    return 'none: done again, op by op, all is finite'

  return why


def _parts(rows: tuple[Rows, Keys], parts: int) -> list[tuple[Rows, Keys]]:
  """Returns what `_accumulate` works off in turn."""
  if parts == 1:
    return [rows]
  dealt = jax.tree.map(functools.partial(_split, parts=parts), rows)
  return [jax.tree.map(lambda x, i=i: x[i], dealt) for i in range(parts)]


def _gradients(
  model: Network,
  options: StepConfig,
  state: TrainState,
  batch: Rows,
  mesh: jax.sharding.Mesh | None,
) -> tuple[Any, Sums]:
  """Returns the gradient of the sum over the batch, and the sums."""

  def objective(
    params: dict[str, Any], factor: Factor, rows: Rows, keys: Keys
  ) -> tuple[jax.Array, Sums]:
    total, sums = _objective(model, options.loss, params, rows, keys)
    return total * factor, sums

  grad = jax.value_and_grad(objective, has_aux=True)
  over = rowwise.over_rows(
    functools.partial(_accumulate, grad, options.accumulate), mesh
  )
  factor = _factor(state, batch)
  rows = batch, random.by_row(_dropout_key(state), len(batch['ids']))
  grads, sums = over((state['params'], factor), rows)
  if options.adversarial:
    worse = adversarial.move(state['params'], grads, options.adversarial)
    more = over((worse, factor), rows)[0]
    grads = jax.tree.map(lambda a, b: (a + b) / 2, grads, more)
  if 'scale' in state:
    grads = jax.tree.map(lambda leaf: leaf / factor, grads)
  return grads, sums


def _factor(state: TrainState, batch: Rows) -> Factor:
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


def _objective(
  model: Network,
  config: LossConfig,
  params: dict[str, Any],
  batch: Rows,
  key: Keys | None,
) -> tuple[jax.Array, Sums]:
  sums = losses.sums(*_predictions(model, params, batch, key), config)
  return sums['objective'], sums


def _predictions(
  model: Network,
  params: dict[str, Any],
  batch: Rows,
  key: Keys | None,
) -> tuple[Sequence[jax.Array], jax.Array]:
  """Returns the logits of each field, `[b, t, v]`, and the targets."""
  targets = losses.shift_targets(batch['ids'], batch['segments'])
  steps = (batch['ids'], batch['segments'], batch['positions'])
  return model.apply(params, *steps, targets, key).logits, targets


def _accumulate(
  grad: Callable[..., Any],
  parts: int,
  same: tuple[dict[str, Any], Factor],
  rows: tuple[Rows, Keys],
) -> tuple[Any, Sums]:
  """Returns gradients and sums over the rows, worked off in parts."""

  def part(rows: tuple[Rows, Keys]) -> tuple[Any, Sums]:
    (_, sums), grads = grad(*same, *rows)
    return grads, sums

  if parts == 1:
    return part(rows)

  def body(total: Any, rows: tuple[Rows, Keys]) -> tuple[Any, None]:
    return jax.tree.map(jnp.add, total, part(rows)), None

  dealt = jax.tree.map(functools.partial(_split, parts=parts), rows)
  first = jax.tree.map(lambda x: x[0], dealt)
  zeros = jax.tree.map(
    lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), jax.eval_shape(part, first)
  )
  return jax.lax.scan(body, zeros, dealt)[0]


def _split(rows: jax.Array, parts: int) -> jax.Array:
  """Deals rows to parts in turn: those of one device stay on it."""
  if rows.shape[0] % parts:
    raise ConfigError(
      f'accumulate: {parts} parts do not divide a batch of '
      f'{rows.shape[0]} rows; change accumulate or the batch size'
    )
  return rows.reshape(-1, parts, *rows.shape[1:]).swapaxes(0, 1)
