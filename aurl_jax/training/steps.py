"""Pure, jitted steps: one of training, one of evaluation.

A step is written for the whole batch, and the compiler divides it over the
mesh; where the parameters are whole on each device, `parallel.rowwise` divides
the rows by hand for CPUs. Either way everything is the same on any number of
devices, dropout included: each row has a key of its own. Axes: `b` batch, `t`
time, `f` fields.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P
from jaxtyping import PRNGKeyArray

from aurl_jax.core import random
from aurl_jax.core.typing import Batch
from aurl_jax.parallel import rules as rules_lib
from aurl_jax.training import elbo, gradients, losses, update
from aurl_jax.training import state as state_lib
from aurl_jax.training.auxiliary import Auxiliary
from aurl_jax.training.game import Game
from aurl_jax.training.losses import Sums
from aurl_jax.training.options import DEFAULT, StepConfig
from aurl_jax.training.schedules import Schedule
from aurl_jax.training.state import Network, TrainState
from aurl_jax.training.terms import NONE, Rows, Terms
from aurl_jax.training.update import Metrics

Measure = Callable[
  [Sequence[jax.Array], jax.Array], Mapping[str, tuple[jax.Array, jax.Array]]
]
"""From the logits of each field and the targets to named (sum, divisor)."""

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
  game = None if options.gan is None else Game(options.gan, mesh)

  def step(state: TrainState, batch: Rows) -> tuple[TrainState, Metrics]:
    if augment is not None:
      key = random.fold(jax.random.wrap_key_data(state['key']), 'augment')
      batch = augment(batch, key, state['step'])
    plain = gradients.gradients(terms, options, state, batch, mesh)
    found = _played(game, state, batch, update.Found(*plain, jnp.bool_(True)))
    return update.apply(optimizer, schedule, options, state, found)

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


def _played(
  game: Game | None, state: TrainState, batch: Rows, found: update.Found
) -> update.Found:
  """Returns what a step found, with what a game against a critic adds."""
  if game is None:
    return found
  grads, sums, beside, _ = found
  played = game(state, batch, grads, sums['counts'].sum())
  beside = {**beside, 'gan': played.gan}
  return update.Found(played.grads, sums | played.sums, beside, played.finite)


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
  terms = Terms(model, DEFAULT)

  def step(params: dict[str, Any], batch: Rows) -> Sums:
    outputs, targets = terms.outputs(params, batch, None)
    sums = losses.sums(outputs.logits, targets)
    aux = elbo.divergence(outputs)
    if aux:
      sums |= elbo.sums(aux, batch['segments'], sums['nats'])
    for measure in measures:
      for name, pair in measure(outputs.logits, targets).items():
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
