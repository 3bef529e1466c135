"""`StepConfig`: the options of a step, which also decide what a state holds."""

import dataclasses

from aurl_jax.core.errors import ConfigError
from aurl_jax.training.averages import AverageConfig
from aurl_jax.training.balance import BalanceConfig
from aurl_jax.training.elbo import ElboConfig
from aurl_jax.training.gan import Gan
from aurl_jax.training.guard import GuardConfig
from aurl_jax.training.losses import LossConfig
from aurl_jax.training.scaling import ScalingConfig


@dataclasses.dataclass(frozen=True, kw_only=True)
class StepConfig:
  """How a step uses its batch.

  Attributes:
    accumulate: Parts the batch is worked off in, to save memory; must
      divide its rows. The result is that of the whole batch.
    label_smoothing: See `LossConfig`.
    z_loss: See `LossConfig`.
    weights: See `LossConfig`.
    balance: How the likelihood and auxiliary losses are weighed.
    adversarial: How far the embeddings are moved against the model, over
      their norm; 0 for not at all. See `training.adversarial`.
    guard: What is done about steps that are not finite, or spikes.
    averages: Which averages of the parameters are kept.
    scaling: Of the loss, for float16.
    elbo: Of models with latents: the weight of their divergence.
    gan: The critic of a `vae_gan`, and what it teaches; None for none.
  """

  accumulate: int = 1
  label_smoothing: float = 0.0
  z_loss: float = 0.0
  weights: tuple[tuple[float, ...], ...] = ()
  balance: BalanceConfig = dataclasses.field(default_factory=BalanceConfig)
  adversarial: float = 0.0
  guard: GuardConfig = dataclasses.field(default_factory=GuardConfig)
  averages: AverageConfig = dataclasses.field(default_factory=AverageConfig)
  scaling: ScalingConfig = dataclasses.field(default_factory=ScalingConfig)
  elbo: ElboConfig = dataclasses.field(default_factory=ElboConfig)
  gan: Gan | None = None

  def __post_init__(self) -> None:
    if self.accumulate < 1:
      raise ConfigError(f'accumulate: {self.accumulate} must be at least 1')
    if not self.adversarial >= 0:
      raise ConfigError(f'adversarial: {self.adversarial} is negative')
    if self.adversarial and self.balance.mode == 'gradnorm':
      raise ConfigError(
        'adversarial: it needs one gradient, and balance gradnorm one for each '
        'loss; choose one of the two'
      )
    if self.gan is not None and self.scaling.loss_scale:
      raise ConfigError(
        'gan: its gradients are not scaled, as float16 needs it; set '
        "model.dtype to 'bfloat16' or 'float32'",
        code='gan_config',
      )
    _ = self.loss

  @property
  def loss(self) -> LossConfig:
    """The part that `training.losses` reads."""
    return LossConfig(
      label_smoothing=self.label_smoothing,
      z_loss=self.z_loss,
      weights=self.weights,
    )


DEFAULT = StepConfig()
"""A plain step: guarded, nothing averaged, nothing scaled."""
