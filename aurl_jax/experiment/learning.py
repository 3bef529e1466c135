"""What a run learns: the section `loss`, and the mixture of objectives."""

import dataclasses
from typing import Any

from aurl_jax.core.errors import ConfigError
from aurl_jax.data.objective import KINDS, TOLD, Mixture, ObjectiveConfig
from aurl_jax.tokens import control_dropout
from aurl_jax.tokens.tokenizer import Tokenizer
from aurl_jax.training import perceptual
from aurl_jax.training.balance import BalanceConfig

_ALONE = ('pad', 'bucket')
"""Ways to fill rows that put one piece into each."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class LossSection:
  """How losses are weighed; by default all ids alike.

  Attributes:
    weights: Of kinds of event, or of fields, such as
      `velocity=0.5,duration=0.8`; what is not named has 1. See
      `training.perceptual`.
    z_loss: Weight of the squared log-normaliser; see `training.losses`.
    balance: `fixed`, `uncertainty` or `gradnorm`: how auxiliary losses are
      weighed against the likelihood; see `training.balance`.
    auxiliary: Weights of these losses, such as `key=0.1`.
    balance_rate: How fast weights are learnt.
    balance_alpha: Of `gradnorm`.
  """

  weights: str = ''
  z_loss: float = 0.0
  balance: str = 'fixed'
  auxiliary: str = ''
  balance_rate: float = 0.025
  balance_alpha: float = 1.5

  def __post_init__(self) -> None:
    perceptual.parse(self.weights)
    if not self.z_loss >= 0:
      raise ConfigError(f'loss.z_loss {self.z_loss} must be 0 or more')
    try:
      _ = self._balance
    except ConfigError as error:
      raise ConfigError(f'loss.{error}', code=error.code) from error

  @property
  def _balance(self) -> BalanceConfig:
    found = perceptual.parse(self.auxiliary)
    return BalanceConfig(
      mode=self.balance,
      names=tuple(found),
      weights=tuple(found.values()),
      rate=self.balance_rate,
      alpha=self.balance_alpha,
    )

  def options(self, tokenizer: Tokenizer) -> dict[str, Any]:
    """Returns the part of `StepConfig` that this section decides.

    Args:
      tokenizer: Whose events are weighed.

    Raises:
      ConfigError: It has no such event or field.
    """
    fields = [
      (field.name, [(part.event, part.size) for part in field.ranges])
      for field in tokenizer.codec.fields
    ]
    return {
      'weights': perceptual.tables(fields, perceptual.parse(self.weights)),
      'z_loss': self.z_loss,
      'balance': self._balance,
    }


def mixture(config: ObjectiveConfig, tokenizer: Tokenizer) -> Mixture | None:
  """Returns the mixture of a run; None if batches stay as they are.

  Raises:
    ConfigError: The tokenization cannot tell what the mixture asks for.
  """
  try:
    found = Mixture(config=config, codec=tokenizer.codec)
  except ConfigError as error:
    if error.code != 'no_infill':
      raise
    asked = [name for name in KINDS[1:] if getattr(config, name)]
    raise ConfigError(
      f'objective.{" and objective.".join(asked)}: {error}', code=error.code
    ) from error
  return found if found.changes else None


def check_controls(asked: str, tokenizer: Tokenizer) -> None:
  """Raises ConfigError if controls are to be told that no step tells."""
  if asked != 'none' and not control_dropout.has_controls(tokenizer.codec):
    raise ConfigError(
      f'data.controls is {asked!r}, and the tokenizer tells none; set '
      'tokenizer.controls=True (compound or remi)'
    )


def check_latents(
  batching: str, loss: LossSection, objective: ObjectiveConfig
) -> None:
  """Raises ConfigError if a model with latents cannot be trained so."""
  if batching not in _ALONE:
    raise ConfigError(
      f'data.batching: {batching!r} puts several pieces into a row, but a row '
      'has one set of latents; set it to ' + ' or '.join(map(repr, _ALONE))
    )
  if loss.balance != 'fixed':
    raise ConfigError(
      f'loss.balance: {loss.balance!r} does not weigh the divergence of '
      "latents; set it to 'fixed' (elbo.beta weighs it)"
    )
  if objective.infills:
    raise ConfigError(
      'objective: what is taken out would stand in the latents all the same; '
      'set bars, tracks and given to 0, or model.mode to transformer'
    )


def judged(config: ObjectiveConfig) -> tuple[str, ...]:
  """Returns the objectives beside causal that a run is judged by."""
  return tuple(name for name in KINDS[1:] if getattr(config, name))


def alone(config: ObjectiveConfig, tokenizer: Tokenizer, kind: str) -> Mixture:
  """Returns one objective, for judging: nothing else, no dropout.

  Args:
    config: Of the run.
    tokenizer: Of the run.
    kind: One of `data.objective.KINDS`, or of its `TOLD`.
  """
  told = kind if kind in TOLD else ''
  only = config.only('bars' if told else kind)
  plain = dataclasses.replace(only, context_loss=False)
  return Mixture(config=plain, codec=tokenizer.codec, told=told)
