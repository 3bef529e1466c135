"""The losses of a step: the likelihood, and auxiliary ones beside it.

All are sums in units of target ids, so that parts of a batch add up. Axes:
`b` batch, `t` time, `f` fields, `n` losses.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from aurl_jax.core.errors import ConfigError
from aurl_jax.core.typing import Keys
from aurl_jax.training import balance, elbo, losses
from aurl_jax.training.auxiliary import Auxiliary
from aurl_jax.training.losses import Sums
from aurl_jax.training.metrics import AUXILIARY
from aurl_jax.training.options import StepConfig
from aurl_jax.training.state import Network, TrainState

Rows = Mapping[str, Any]
Each = dict[str, jax.Array]
"""Loss -> its sum."""
NONE: Mapping[str, Auxiliary] = MappingProxyType({})


class Beside(NamedTuple):
  """What the losses of a step need beside parameters and rows.

  Attributes:
    factor: What multiplies the summed loss.
    balance: State of the balance; empty if nothing is learnt.
    beta: Weight of the latents' divergence.
  """

  factor: jax.Array | float
  balance: balance.State
  beta: jax.Array | float


class Terms:
  """The losses of a batch as functions of the parameters."""

  def __init__(
    self,
    model: Network,
    options: StepConfig,
    auxiliary: Mapping[str, Auxiliary] = NONE,
  ) -> None:
    """Takes what all steps share.

    Args:
      model: What is trained.
      options: Of the step; `balance.names` are the auxiliary losses.
      auxiliary: These losses.

    Raises:
      ConfigError: Names and losses differ.
    """
    if set(auxiliary) != set(options.balance.names):
      raise ConfigError(
        f'balance.names {list(options.balance.names)} are not the auxiliary '
        f'losses that there are, {list(auxiliary)}'
      )
    self._model, self._options = model, options
    self._auxiliary = auxiliary

  def __call__(
    self, params: dict[str, Any], batch: Rows, key: Keys | None
  ) -> tuple[Each, Sums]:
    """Returns the sum of each loss, and the sums that metrics are made of."""
    outputs, counted = self.outputs(params, batch, key)
    sums = losses.sums(outputs.logits, counted, self._options.loss)
    found = {balance.LIKELIHOOD: sums['objective']}
    count = sums['counts'].sum()
    for name, loss in self._auxiliary.items():
      found[name] = loss(outputs, batch) * count
      sums[f'{AUXILIARY}{name}'] = found[name]
    aux = elbo.divergence(outputs)
    if aux:
      found[elbo.KL] = elbo.excess(aux, self._options.elbo.free_bits)
      sums |= elbo.sums(aux, batch['segments'], sums['nats'])
    return found, sums

  def outputs(
    self, params: dict[str, Any], batch: Rows, key: Keys | None
  ) -> tuple[Any, jax.Array]:
    """Returns what the model gives, and the target ids that count."""
    targets = losses.shift_targets(batch['ids'], batch['segments'])
    steps = (batch['ids'], batch['segments'], batch['positions'])
    outputs = self._model.apply(params, *steps, targets, key)
    return outputs, losses.counted(targets, batch.get('weights'))

  def total(self, beside: Beside, found: Each) -> jax.Array:
    """Returns the weighted sum of the losses, times the factor."""
    total = found[balance.LIKELIHOOD]
    if self._auxiliary:
      total = balance.total(found, self._options.balance, beside.balance)
    if elbo.KL in found:
      total = total + beside.beta * found[elbo.KL]
    return total * beside.factor

  def each(
    self,
    params: dict[str, Any],
    beside: Beside,
    batch: Rows,
    key: Keys,
  ) -> tuple[tuple[None, Sums], dict[str, Any]]:
    """Returns the sums, and the gradient of each loss times the factor.

    Args:
      params: As of the model.
      beside: Of the step; only the factor is read.
      batch: Rows.
      key: Of the dropout, one a row.
    """
    factor = beside.factor

    def losses_of(params: dict[str, Any]) -> tuple[Each, Sums]:
      found, sums = self(params, batch, key)
      return {name: value * factor for name, value in found.items()}, sums

    found, pull, sums = jax.vjp(losses_of, params, has_aux=True)
    grads = {
      name: pull({other: jnp.float32(name == other) for other in found})[0]
      for name in found
    }
    return (None, sums), grads

  def learn(
    self, state: TrainState, grads: Any, sums: Sums
  ) -> tuple[Any, Sums, dict[str, Any] | None]:
    """Returns one gradient, the sums, and what the balance learns, or None.

    Args:
      state: Before the step.
      grads: Of the weighted sum; of each loss with `gradnorm`.
      sums: Over the batch.
    """
    config = self._options.balance
    if config.mode == 'fixed':
      return grads, sums, None
    count = sums['counts'].sum()
    norms = None
    if config.mode == 'gradnorm':
      trees = [grads[name] for name in config.terms]
      norms = balance.shared_norms(config, trees, count)
      weights = balance.weights(config, state['balance'])
      grads = jax.tree.map(
        lambda *leaves: sum(
          weight * leaf for weight, leaf in zip(weights, leaves, strict=True)
        ),
        *trees,
      )
    means = [sums['objective']]
    means += [sums[f'{AUXILIARY}{name}'] for name in config.names]
    mean = jnp.stack([losses.mean(value, count) for value in means])
    return grads, sums, balance.update(config, state['balance'], mean, norms)
