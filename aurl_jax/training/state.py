"""The train state: a plain dict of arrays that holds all a step needs.

    step     int32 [], steps done, skipped ones too: how many batches were used
    params   the parameters, nested dicts of float32
    opt      the optimizer's state
    key      uint32 [2], the raw run key, from which a step derives its own by
             folding in `step`, so that the state never carries a stream
    guard    what is remembered of bad steps; see `training.guard`
    ema      only if configured: a moving average, a tree as `params`
    average  only if configured: `params`, an even average, and its `count`
    scale    only if configured: the loss scale; see `training.scaling`
    balance  only if configured: learnt weights; see `training.balance`
    gan      only of a `vae_gan`: critic and gate; see `training.gan`

`eval_params` chooses what to evaluate, to sample and to export with.
"""

import functools
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Int, PRNGKeyArray

from aurl_jax.core.typing import Keys
from aurl_jax.parallel import rules as rules_lib
from aurl_jax.training import averages, balance, guard, scaling
from aurl_jax.training.options import DEFAULT, StepConfig

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
    key: Keys | None = None,
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
  options: StepConfig = DEFAULT,
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
    options: Those of the step, which decide what the state holds.
  """
  shardings = None
  if mesh is not None:
    like = abstract(model, optimizer, mesh, rules, options)
    shardings = jax.tree.map(lambda leaf: leaf.sharding, like)
  fresh = functools.partial(_fresh, model, optimizer, options)
  once = _ONCE if jax.default_backend() == 'cpu' else None
  draw = jax.jit(fresh, out_shardings=shardings, compiler_options=once)
  return draw(jnp.uint32(seed))


def abstract(
  model: Network,
  optimizer: optax.GradientTransformation,
  mesh: jax.sharding.Mesh | None = None,
  rules: Any = rules_lib.RULES,
  options: StepConfig = DEFAULT,
) -> TrainState:
  """Returns the state's shapes, dtypes and shardings, for a restore."""
  fresh = functools.partial(_fresh, model, optimizer, options)
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


def eval_params(state: TrainState) -> dict[str, Any]:
  """Returns the parameters to evaluate, to sample and to export with.

  The even average, once it has taken any in; else the moving average; else
  the parameters as they are. Waits for the state's last step if there is an
  even average.

  Args:
    state: A train state, or one with nothing but these parts.
  """
  return state_part(state, eval_part(state))


def eval_part(state: TrainState) -> str:
  """Returns where `eval_params` lie: `average`, `ema` or `params`.

  Args:
    state: As for `eval_params`; of an average its `count` is enough.
  """
  if 'average' in state and int(state['average']['count']):
    return 'average'
  return 'ema' if 'ema' in state else 'params'


def state_part(state: TrainState, name: str) -> dict[str, Any]:
  """Returns the tree of parameters in one of these parts of a state."""
  part: dict[str, Any] = state[name]
  return part['params'] if name == 'average' else part


def _fresh(
  model: Network,
  optimizer: optax.GradientTransformation,
  options: StepConfig,
  seed: jax.Array,
) -> TrainState:
  first, run = jax.random.split(jax.random.key(seed))
  params = model.init(first)
  state = {
    'step': jnp.zeros((), jnp.int32),
    'params': params,
    'opt': optimizer.init(params),
    'key': jax.random.key_data(run),
    'guard': guard.init(),
    **averages.init(options.averages, params),
  }
  if options.scaling.loss_scale:
    state['scale'] = scaling.init(options.scaling)
  if options.balance.mode != 'fixed':
    state['balance'] = balance.init(options.balance)
  if options.gan is not None:
    state['gan'] = options.gan.init(jax.random.fold_in(first, 1))
  return state
