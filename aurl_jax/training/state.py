"""The train state: a plain dict of arrays that holds all a step needs.

`{'step': int32 [], 'params': ..., 'opt': ..., 'key': uint32 [2]}`. `step`
counts the steps done; `key` is the raw run key, from which a step derives
its own by folding in `step`, so that the state never carries a stream.
"""

import functools
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Int, PRNGKeyArray

from aurl_jax.parallel import rules as rules_lib

TrainState = dict[str, Any]

_ONCE = {'xla_backend_optimization_level': 0}
"""Options for a program that runs once: half the time to compile."""


@runtime_checkable
class Network(Protocol):
  """What training asks of a model; `models.Model` is one."""

  def init(self, key: PRNGKeyArray) -> dict[str, Any]:
    """Returns fresh parameters."""
    ...

  def apply(
    self,
    params: dict[str, Any],
    ids: Int[Array, 'b t f'],
    segments: Int[Array, 'b t'],
    positions: Int[Array, 'b t'],
    targets: Int[Array, 'b t f'],
    key: PRNGKeyArray | None = None,
  ) -> Any:
    """Returns an object whose `logits` hold one `[b, t, v]` a field."""
    ...


def create(
  model: Network,
  optimizer: optax.GradientTransformation,
  *,
  seed: int,
  mesh: jax.sharding.Mesh | None = None,
  rules: Any = rules_lib.RULES,
) -> TrainState:
  """Returns the state before the first step, made where it will live.

  Every device computes its own shard only, and the values do not depend on
  the mesh: a model need not fit on one device.

  Args:
    model: Whose parameters are drawn.
    optimizer: Whose state is made.
    seed: Of the parameters and of all later randomness.
    mesh: Where to put the state; None for the default device.
    rules: Regex on the path of a leaf -> its partition.
  """
  shardings = None
  if mesh is not None:
    like = abstract(model, optimizer, mesh, rules)
    shardings = jax.tree.map(lambda leaf: leaf.sharding, like)
  fresh = functools.partial(_fresh, model, optimizer)
  options = _ONCE if jax.default_backend() == 'cpu' else None
  draw = jax.jit(fresh, out_shardings=shardings, compiler_options=options)
  return draw(jnp.uint32(seed))


def abstract(
  model: Network,
  optimizer: optax.GradientTransformation,
  mesh: jax.sharding.Mesh | None = None,
  rules: Any = rules_lib.RULES,
) -> TrainState:
  """Returns the state's shapes, dtypes and shardings, for a restore."""
  fresh = functools.partial(_fresh, model, optimizer)
  like = jax.eval_shape(fresh, jax.ShapeDtypeStruct((), jnp.uint32))
  if mesh is None:
    return like
  shardings = rules_lib.shardings(like, mesh, rules)
  return jax.tree.map(
    lambda leaf, where: jax.ShapeDtypeStruct(
      leaf.shape, leaf.dtype, sharding=where
    ),
    like,
    shardings,
  )


def _fresh(
  model: Network, optimizer: optax.GradientTransformation, seed: jax.Array
) -> TrainState:
  first, run = jax.random.split(jax.random.key(seed))
  params = model.init(first)
  return {
    'step': jnp.zeros((), jnp.int32),
    'params': params,
    'opt': optimizer.init(params),
    'key': jax.random.key_data(run),
  }
