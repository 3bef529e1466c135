"""Balancing several losses: fixed weights, or weights that are learnt.

The total is the sum of weight times loss over `n` losses, the likelihood
first. Weights change slowly, beside the parameters; what they are learnt from
lies in the train state, so that a resumed run goes on alike.

  fixed        the given weights
  uncertainty  exp(-s) with s = log(variance) learnt by the gradient of
               sum(exp(-s) loss + s / 2): Kendall, Gal and Cipolla, "Multi-Task
               Learning Using Uncertainty to Weigh Losses", CVPR 2018, eq. 10
  gradnorm     so that weighted gradients of a shared layer have norms in
               proportion to how slowly losses fall, to the power alpha: Chen
               et al., "GradNorm", ICML 2018, algorithm 1
"""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from aurl_jax.core.errors import ConfigError
from aurl_jax.parallel import rules

MODES = ('fixed', 'uncertainty', 'gradnorm')
LIKELIHOOD = 'likelihood'
"""The first of the losses."""
_EXTREME = 10.0
"""Bounds |s|: weights lie within e^-10 and e^10."""
_LEAST = 1e-3
"""A weight of GradNorm never vanishes."""
_TINY = 1e-12

State = dict[str, Array]
"""Part of the train state: float32 [n] `log_variance`; or float32 [n]
`weights` and `first`, the losses of the first step, and int32 [] `seen`."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class BalanceConfig:
  """How losses are weighed.

  Attributes:
    mode: One of `MODES`.
    names: Of the auxiliary losses, in order.
    weights: Of these losses; fewer than names: 1 for the others. With a
      learnt mode they are where weights start.
    likelihood: Weight of the likelihood; 0 trains the auxiliary losses alone.
    rate: Learning rate of the weights.
    alpha: Of GradNorm: how strongly slow losses are helped; 1.5 is usual.
    shared: Of GradNorm: regex on the paths of the shared layer's parameters.
  """

  mode: str = 'fixed'
  names: tuple[str, ...] = ()
  weights: tuple[float, ...] = ()
  likelihood: float = 1.0
  rate: float = 0.025
  alpha: float = 1.5
  shared: str = r'(^|/)decoder/'

  def __post_init__(self) -> None:
    if self.mode not in MODES:
      raise ConfigError(
        f'balance: {self.mode!r}; choose one of {", ".join(MODES)}'
      )
    if self.mode != 'fixed' and not self.names:
      raise ConfigError(
        f'balance: {self.mode} weighs several losses, and there is but the '
        "likelihood; set loss.balance='fixed', or add auxiliary losses"
      )
    if not min((self.rate, self.alpha, self.likelihood, *self.weights)) >= 0:
      raise ConfigError('balance: rate, alpha and weights must be 0 or more')
    if not (self.likelihood or self.names):
      raise ConfigError(
        'balance: the likelihood has weight 0, and there is no other loss'
      )
    if len(self.weights) > len(self.names):
      raise ConfigError('balance: more weights than auxiliary losses')

  @property
  def terms(self) -> tuple[str, ...]:
    """All losses."""
    return (LIKELIHOOD, *self.names)

  @property
  def start(self) -> Float[Array, ' n']:
    """The weights before the first step."""
    missing = len(self.names) - len(self.weights)
    return jnp.array([self.likelihood, *self.weights, *[1.0] * missing])


def init(config: BalanceConfig) -> State:
  """Returns the state before the first step; empty if nothing is learnt."""
  if config.mode == 'uncertainty':
    return {'log_variance': -jnp.log(jnp.maximum(config.start, _LEAST))}
  if config.mode == 'gradnorm':
    start = jnp.maximum(config.start, _LEAST)
    return {
      'weights': start * len(config.terms) / start.sum(),
      'first': jnp.ones(len(config.terms)),
      'seen': jnp.zeros((), jnp.int32),
    }
  return {}


def weights(config: BalanceConfig, state: State) -> Float[Array, ' n']:
  """Returns what the losses are multiplied with."""
  if config.mode == 'uncertainty':
    return jnp.exp(-state['log_variance'])
  return state['weights'] if config.mode == 'gradnorm' else config.start


def update(
  config: BalanceConfig,
  state: State,
  losses: Float[Array, ' n'],
  norms: Float[Array, ' n'] | None = None,
) -> State:
  """Returns the state after a step.

  Args:
    config: How losses are weighed.
    state: Before the step.
    losses: Their means, unweighted.
    norms: Of GradNorm: norms of their gradients by the shared parameters,
      unweighted.
  """
  if config.mode == 'uncertainty':
    s = state['log_variance']
    slope = 0.5 - jnp.exp(-s) * losses
    moved = jnp.clip(s - config.rate * slope, -_EXTREME, _EXTREME)
    return {'log_variance': moved}
  if config.mode != 'gradnorm' or norms is None:
    return state
  first = jnp.where(state['seen'] == 0, losses, state['first'])
  ratio = losses / jnp.maximum(first, _TINY)
  rate = ratio / jnp.maximum(ratio.mean(), _TINY)
  weighted = state['weights'] * norms
  target = weighted.mean() * rate**config.alpha
  slope = jnp.sign(weighted - target) * norms
  moved = jnp.maximum(state['weights'] - config.rate * slope, _LEAST)
  return {
    'weights': moved * len(config.terms) / moved.sum(),
    'first': first,
    'seen': state['seen'] + 1,
  }


def shared_norms(
  config: BalanceConfig, grads: Sequence[Any], count: Array
) -> Float[Array, ' n']:
  """Returns the norm of each gradient's shared part.

  Args:
    config: Names the shared parameters.
    grads: Of each loss, summed over the batch.
    count: What sums are divided by.

  Raises:
    ConfigError: No parameter is shared.
  """
  return jnp.stack([_norm(config, tree, count) for tree in grads])


def _norm(config: BalanceConfig, grads: Any, count: Array) -> Float[Array, '']:
  found = [
    jnp.sum((leaf / jnp.maximum(count, 1)) ** 2)
    for path, leaf in jax.tree_util.tree_leaves_with_path(grads)
    if re.search(config.shared, rules.path_name(path))
  ]
  if not found:
    raise ConfigError(
      f'balance: no parameter matches {config.shared!r}; name those of a layer '
      'that all losses share'
    )
  return jnp.sqrt(jnp.stack(found).sum())


def total(
  terms: Mapping[str, Array], config: BalanceConfig, state: State
) -> Array:
  """Returns the weighted sum of losses."""
  stacked = jnp.stack([terms[name] for name in config.terms])
  return (weights(config, state) * stacked).sum()
