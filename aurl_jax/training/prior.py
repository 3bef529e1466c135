"""Fits a prior to the posteriors of a trained encoder.

Each step draws pieces, samples of their posteriors, and what of their
conditions is told; it follows the gradient of the log density. All is drawn by
(seed, step), so that the same call gives the same prior. Axes: `b` pieces, `s`
slots, `c` kinds of conditions.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from aurl_jax.core import random
from aurl_jax.core.errors import ConfigError
from aurl_jax.models.latent import Latents, Posterior
from aurl_jax.models.prior import Prior
from aurl_jax.training import averages
from aurl_jax.training import optimizer as optimizer_lib
from aurl_jax.training.averages import AverageConfig
from aurl_jax.training.optimizer import OptimizerConfig

_OPTIMIZER = OptimizerConfig(
  learning_rate=2e-3, final_fraction=0.02, weight_decay=0.05
)
_LogProb = Callable[[Latents, Any], Any]


@dataclasses.dataclass(frozen=True, kw_only=True)
class FitConfig:
  """How a prior is fitted.

  Attributes:
    steps: Most steps.
    batch_size: Pieces of a step.
    open: Chance in [0, 1] that none of a piece's conditions is told, and,
      where some are, that each is left out by itself: so one prior serves
      with and without them.
    ema: Decay of the average of the parameters that is judged and kept.
    evaluate_every: Steps between evaluations.
    patience: Evaluations without a better one before the fit stops.
    draws: Samples of each held-out posterior.
    seed: Of all that is drawn.
    optimizer: Of the parameters.
  """

  steps: int = 3000
  batch_size: int = 64
  open: float = 0.2
  ema: float = 0.99
  evaluate_every: int = 200
  patience: int = 4
  draws: int = 4
  seed: int = 0
  optimizer: OptimizerConfig = _OPTIMIZER

  def __post_init__(self) -> None:
    for name in ('steps', 'batch_size', 'evaluate_every', 'patience', 'draws'):
      if getattr(self, name) < 1:
        raise ConfigError(f'fit.{name}: must be at least 1', code='fit_config')
    if not 0 <= self.open <= 1:
      raise ConfigError('fit.open: must lie in [0, 1]', code='fit_config')
    if not 0 <= self.ema < 1:
      raise ConfigError('fit.ema: must lie in [0, 1)', code='fit_config')


class Encoded(NamedTuple):
  """Posteriors of pieces, and what conditions they meet.

  Attributes:
    posterior: Of the pieces.
    condition: int32 [b, c], 0 where unknown.
  """

  posterior: Posterior
  condition: Any

  @property
  def rows(self) -> int:
    """How many pieces."""
    return len(self.posterior.used)


class Fitted(NamedTuple):
  """A fitted prior.

  Attributes:
    params: Those of the best evaluation.
    nats: Held-out nats a slot with nothing told, as `nats` gives them.
    told: Likewise, told all conditions.
    step: Of that evaluation.
    history: Step and nats (the mean of both kinds) of each evaluation.
  """

  params: Any
  nats: float
  told: float
  step: int
  history: tuple[tuple[int, float], ...]


def fit(
  prior: Prior,
  train: Encoded,
  valid: Encoded,
  config: FitConfig | None = None,
) -> Fitted:
  """Fits a prior to `train`, and stops by `valid`.

  Args:
    prior: Which density.
    train: What it learns from.
    valid: What it is judged by.
    config: How; None takes the defaults.

  Raises:
    ConfigError: One of them holds no pieces, or conditions that the prior
      does not have.
  """
  config = config or FitConfig()
  for name, part in (('train', train), ('valid', valid)):
    if not part.rows:
      raise ConfigError(
        f'there are no posteriors of {name} to fit a prior to; encode some',
        code='no_pieces',
      )
    prior.condition(part.condition, part.rows)
  held_out = functools.partial(_judged, prior, valid, config)
  advance = _chunk(prior, train, config)
  state = _fresh(prior, config)
  best, history = None, []
  for step in range(0, config.steps, config.evaluate_every):
    count = min(config.evaluate_every, config.steps - step)
    state = advance(state, jnp.arange(step, step + count))
    params = state.get('ema', state['params'])
    plain, told = held_out(params)
    history.append((step + count, 0.5 * (plain + told)))
    if best is None or history[-1][1] < 0.5 * (best.nats + best.told):
      best = Fitted(params, plain, told, step + count, ())
    if len(history) - _place(history) >= config.patience:
      break
  if best is None:
    raise ConfigError(
      'the fit gave no numbers; lower optimizer.learning_rate',
      code='fit_config',
    )
  host = jax.tree.map(np.asarray, best.params)
  return best._replace(params=host, history=tuple(history))


def nats(
  log_prob: _LogProb, posterior: Posterior, *, draws: int = 4, seed: int = 0
) -> float:
  """Returns the mean nats a used slot of samples of posteriors under a prior.

  Those of the piece's latent count, too. It is the cross-entropy; less the
  entropy of the posteriors (`entropy`), it is what a piece's latents cost
  (the divergence from the prior). Where pieces have no slots' latents, a slot
  still counts.

  Args:
    log_prob: From latents and used slots to [b] nats.
    posterior: Of pieces.
    draws: Samples of each.
    seed: Of the samples.
  """
  keys = jax.random.split(jax.random.key(seed), draws)
  posterior = jax.tree.map(jnp.asarray, posterior)
  used = posterior.used
  drawn = [
    np.asarray(log_prob(posterior.sample(key), used), np.float64)
    for key in keys
  ]
  return float(-np.sum(drawn) / (draws * np.asarray(used).sum()))


def entropy(posterior: Posterior) -> float:
  """Returns the nats a used slot of the posteriors themselves."""
  constant = 1 + np.log(2 * np.pi)
  logs = posterior.log_variance
  slots = 0.5 * (np.asarray(logs.slots, np.float64) + constant).sum(-1)
  piece = 0.5 * (np.asarray(logs.piece, np.float64) + constant).sum(-1)
  used = np.asarray(posterior.used)
  return float((np.where(used, slots, 0).sum() + piece.sum()) / used.sum())


def left_open(
  condition: Int[Array, 'b c'], share: float, key: Any
) -> Int[Array, 'b c']:
  """Returns a condition with some ids set to 0.

  Args:
    condition: Of pieces.
    share: Chance that all of a piece's are, and else that each one is.
    key: Of the draws.
  """
  whole, each = jax.random.split(key)
  kept = jax.random.bernoulli(whole, 1 - share, (condition.shape[0], 1))
  kept &= jax.random.bernoulli(each, 1 - share, condition.shape)
  return jnp.where(kept, condition, 0)


def _place(history: list[tuple[int, float]]) -> int:
  """Returns the number of the best evaluation, from 1."""
  values = [np.inf if np.isnan(value) else value for _, value in history]
  return int(np.argmin(values)) + 1


def _judged(
  prior: Prior, valid: Encoded, config: FitConfig, params: Any
) -> tuple[float, float]:
  """Returns the held-out nats a slot, told nothing and told everything."""
  log_prob = _jitted(prior)
  figure = lambda told: nats(  # noqa: E731
    lambda latents, used: log_prob(params, latents, used, told),
    valid.posterior,
    draws=config.draws,
    seed=config.seed,
  )
  condition = jnp.asarray(valid.condition, jnp.int32)
  plain = figure(jnp.zeros_like(condition))
  return plain, figure(condition) if prior.config.classes else plain


@functools.lru_cache(maxsize=8)
def _jitted(prior: Prior) -> Any:
  return jax.jit(prior.log_prob)


def _fresh(prior: Prior, config: FitConfig) -> dict[str, Any]:
  key = random.fold(jax.random.key(config.seed), 'prior')
  params = prior.init(key)
  optimizer, _ = optimizer_lib.build(config.optimizer, config.steps)
  average = averages.init(AverageConfig(ema=config.ema), params)
  return {'params': params, 'opt': optimizer.init(params)} | average


def _chunk(
  prior: Prior, train: Encoded, config: FitConfig
) -> Callable[[Any, Any], Any]:
  """Returns a jitted function over the steps of given numbers."""
  optimizer, _ = optimizer_lib.build(config.optimizer, config.steps)
  average = AverageConfig(ema=config.ema)
  posterior = jax.tree.map(jnp.asarray, train.posterior)
  condition = jnp.asarray(train.condition, jnp.int32)
  seed = random.fold(jax.random.key(config.seed), 'fit')

  def loss(params: Any, key: Any) -> Float[Array, '']:
    which, noise, told, drop = jax.random.split(key, 4)
    size = (config.batch_size,)
    at = jax.random.randint(which, size, 0, train.rows)
    some = jax.tree.map(lambda x: x[at], posterior)
    asked = left_open(condition[at], config.open, told)
    latents, used = some.sample(noise), some.used
    found = prior.log_prob(params, latents, used, asked, drop)
    return -found.sum() / used.sum()

  def step(state: Any, number: Any) -> tuple[Any, None]:
    grads = jax.grad(loss)(state['params'], random.fold(seed, number))
    updates, opt = optimizer.update(grads, state['opt'], state['params'])
    params = jax.tree.map(jnp.add, state['params'], updates)
    good: Bool[Array, ''] = jnp.array(True)
    mean = averages.update(average, state, params, good, number, number + 1)
    return {'params': params, 'opt': opt} | mean, None

  return jax.jit(lambda state, numbers: jax.lax.scan(step, state, numbers)[0])
