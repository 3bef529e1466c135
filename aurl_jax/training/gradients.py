"""Gradients of a batch: each row with its own key, in parts, over devices.

Axes: `b` batch, `t` time, `f` fields.
"""

import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import PRNGKeyArray

from aurl_jax.core import random
from aurl_jax.core.errors import ConfigError
from aurl_jax.core.typing import Keys
from aurl_jax.parallel import rowwise
from aurl_jax.training import adversarial
from aurl_jax.training.losses import Sums
from aurl_jax.training.options import StepConfig
from aurl_jax.training.state import TrainState
from aurl_jax.training.terms import Beside, Rows, Terms


def gradients(
  terms: Terms,
  options: StepConfig,
  state: TrainState,
  batch: Rows,
  mesh: jax.sharding.Mesh | None,
) -> tuple[Any, Sums, dict[str, Any]]:
  """Returns the gradient of the sum over the batch, the sums, and the balance.

  The last is the part `balance` of the next state, if weights are learnt.

  Args:
    terms: The losses.
    options: Of the step.
    state: Before it.
    batch: All rows.
    mesh: Where they lie; None for one device.
  """

  def objective(
    params: dict[str, Any], beside: Beside, rows: Rows, keys: Keys
  ) -> tuple[jax.Array, Sums]:
    found, sums = terms(params, rows, keys)
    return terms.total(beside, found), sums

  grad: Callable[..., Any] = jax.value_and_grad(objective, has_aux=True)
  if options.balance.mode == 'gradnorm':
    grad = terms.each
  over = rowwise.over_rows(
    functools.partial(_accumulate, grad, options.accumulate), mesh
  )
  around, rows = beside(state, batch, options), with_keys(state, batch)
  grads, sums = over((state['params'], around), rows)
  if options.adversarial:
    worse = adversarial.move(state['params'], grads, options.adversarial)
    more = over((worse, around), rows)[0]
    grads = jax.tree.map(lambda a, b: (a + b) / 2, grads, more)
  if 'scale' in state:
    grads = jax.tree.map(lambda leaf: leaf / around.factor, grads)
  grads, sums, learned = terms.learn(state, grads, sums)
  return grads, sums, {} if learned is None else {'balance': learned}


def beside(state: TrainState, batch: Rows, options: StepConfig) -> Beside:
  """Returns what the losses need beside parameters and rows.

  The loss scale is for a mean; over the batch's ids, counted or not, and
  rounded to a power of two, so that the factor itself rounds nothing.
  """
  factor: jax.Array | float = 1.0
  if 'scale' in state:
    rounded = 2.0 ** math.ceil(math.log2(batch['ids'].size))
    factor = state['scale']['value'] / rounded
  return Beside(
    factor=factor,
    balance=state.get('balance', {}),
    beta=options.elbo.weight(state['step']),
  )


def with_keys(state: TrainState, batch: Rows) -> tuple[Rows, Keys]:
  """Returns the rows of a batch, and the key of each one's dropout."""
  key: PRNGKeyArray = jax.random.wrap_key_data(state['key'])
  key = random.fold(key, 'dropout', state['step'])
  return batch, random.by_row(key, len(batch['ids']))


def parts(rows: tuple[Rows, Keys], count: int) -> list[tuple[Rows, Keys]]:
  """Returns what is worked off in turn if a batch is done in parts."""
  if count == 1:
    return [rows]
  dealt = jax.tree.map(functools.partial(_split, parts=count), rows)
  return [jax.tree.map(lambda x, i=i: x[i], dealt) for i in range(count)]


def _accumulate(
  grad: Callable[..., Any],
  parts: int,
  same: tuple[dict[str, Any], Beside],
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
  # Not -1: a latent of no dims has no numbers to divide.
  each = rows.shape[0] // parts
  return rows.reshape(each, parts, *rows.shape[1:]).swapaxes(0, 1)
