"""What a run learns: the section `loss`, and the mixture of objectives."""

import dataclasses
from typing import Any

from aurl_jax.core.errors import ConfigError
from aurl_jax.data.objective import KINDS, TOLD, Mixture, ObjectiveConfig
from aurl_jax.experiment.settings import TrainConfig
from aurl_jax.models.config import ModelConfig
from aurl_jax.tokens import control_dropout
from aurl_jax.tokens.tokenizer import Tokenizer
from aurl_jax.training import auxiliary, perceptual
from aurl_jax.training.balance import BalanceConfig
from aurl_jax.training.gan import GanConfig
from aurl_jax.training.oneshot import FRAMES

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
    auxiliary: Weights of these losses, such as `frames=0.1`; see
      `training.auxiliary.named`.
    likelihood: Weight of the likelihood; 0 trains the auxiliary losses alone.
    balance_rate: How fast weights are learnt.
    balance_alpha: Of `gradnorm`.
  """

  weights: str = ''
  z_loss: float = 0.0
  balance: str = 'fixed'
  auxiliary: str = ''
  likelihood: float = 1.0
  balance_rate: float = 0.025
  balance_alpha: float = 1.5

  def __post_init__(self) -> None:
    perceptual.parse(self.weights)
    if not self.z_loss >= 0:
      raise ConfigError(f'loss.z_loss {self.z_loss} must be 0 or more')
    for name in perceptual.parse(self.auxiliary):
      auxiliary.named(name)
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
      likelihood=self.likelihood,
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


def mixture(
  config: ObjectiveConfig, tokenizer: Tokenizer, heard: tuple[str, ...] = ()
) -> Mixture | None:
  """Returns the mixture of a run; None if batches stay as they are.

  Args:
    config: The section `objective`.
    tokenizer: Of the run.
    heard: Kinds of control that are asked, not told.

  Raises:
    ConfigError: The tokenization cannot tell what the mixture asks for.
  """
  try:
    found = Mixture(config=config, codec=tokenizer.codec, heard=heard)
  except ConfigError as error:
    if error.code != 'no_infill':
      raise
    asked = [name for name in KINDS[1:] if getattr(config, name)]
    raise ConfigError(
      f'objective.{" and objective.".join(asked)}: {error}', code=error.code
    ) from error
  return found if found.changes else None


def check_heard(model: ModelConfig, loss: LossSection, controls: str) -> None:
  """Raises ConfigError unless what is asked of states is weighed, and known.

  Args:
    model: Whose states are asked.
    loss: What weighs the answers.
    controls: `data.controls`, which fills in the labels.
  """
  asked = perceptual.parse(loss.auxiliary)
  names = {name for name in asked if not name.startswith(FRAMES)}
  if names != set(model.heard_names):
    raise ConfigError(
      f'model.heard {model.heard!r} and loss.auxiliary {loss.auxiliary!r} '
      'must name the same kinds: model.heard=harmony,section goes with '
      'loss.auxiliary=harmony=0.1,section=0.1'
    )
  if names and controls == 'none':
    raise ConfigError(
      f'model.heard {model.heard!r}: data.controls fills in the labels; set it '
      "to 'studied' (or 'bars' for those that no study hears)"
    )


def check_controls(asked: str, tokenizer: Tokenizer) -> None:
  """Raises ConfigError if controls are to be told that no step tells."""
  if asked != 'none' and not control_dropout.has_controls(tokenizer.codec):
    raise ConfigError(
      f'data.controls is {asked!r}, and the tokenizer tells none; set '
      'tokenizer.controls=True (compound or remi)'
    )


def check_latents(
  model: ModelConfig,
  batching: str,
  loss: LossSection,
  objective: ObjectiveConfig,
) -> None:
  """Raises ConfigError if a model cannot be trained so with its latents."""
  asked = perceptual.parse(loss.auxiliary)
  of_frames = [name for name in asked if name.startswith(FRAMES)]
  if of_frames and not model.latent.oneshot:
    raise ConfigError(
      f'loss.auxiliary: {", ".join(of_frames)} is of a one-shot decoder, which '
      "there is none of; set model.latent.oneshot to 2, say, of mode 'vae'"
    )
  if model.latent.oneshot and not asked.get(FRAMES):
    raise ConfigError(
      'model.latent.oneshot: nothing would train the one-shot decoder; set '
      'loss.auxiliary to frames=0.1, say, or leave it at 0'
    )
  if not model.has_latents:
    return
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


def check_gan(gan: GanConfig, model: ModelConfig, train: TrainConfig) -> None:
  """Raises ConfigError if a critic has no place, or cannot learn or be judged.

  Args:
    gan: The section.
    model: What is trained.
    train: How long, and how often it is judged.
  """
  if model.mode != 'vae_gan':
    if gan != GanConfig():
      raise ConfigError(
        f'gan: there is no critic where model.mode is {model.mode!r}; leave '
        "its keys at their defaults, or set the mode to 'vae_gan'",
        code='gan_config',
      )
    return
  if gan.warmup >= train.steps:
    raise ConfigError(
      f'gan.warmup {gan.warmup} leaves no step of the {train.steps} to teach '
      'in; lower it, or raise train.steps',
      code='gan_config',
    )
  if not 0 < train.checkpoint_every <= train.evaluate_every:
    raise ConfigError(
      'gan: evaluations open its gate, and the generator goes back to '
      'checkpoints: set train.evaluate_every, and train.checkpoint_every to '
      'that or less',
      code='gan_config',
    )


def judged(config: ObjectiveConfig) -> tuple[str, ...]:
  """Returns the objectives beside causal that a run is judged by."""
  return tuple(name for name in KINDS[1:] if getattr(config, name))


def unheard(model: ModelConfig, tokenizer: Tokenizer) -> Mixture | None:
  """Returns causal alone, without what is asked; None if nothing is."""
  if not model.heard:
    return None
  return alone(ObjectiveConfig(), tokenizer, 'causal', model.heard_names)


def alone(
  config: ObjectiveConfig,
  tokenizer: Tokenizer,
  kind: str,
  heard: tuple[str, ...] = (),
) -> Mixture:
  """Returns one objective, for judging: nothing else, no dropout.

  Args:
    config: Of the run.
    tokenizer: Of the run.
    kind: One of `data.objective.KINDS`, or of its `TOLD`.
    heard: Kinds of control that are asked, not told.
  """
  told = kind if kind in TOLD else ''
  only = config.only('bars' if told else kind)
  plain = dataclasses.replace(only, context_loss=False)
  return Mixture(config=plain, codec=tokenizer.codec, told=told, heard=heard)
