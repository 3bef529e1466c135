"""`GanConfig` and `Gan`: what a `vae_gan` has beside its `vae`.

The part `gan` of the train state:

    critic   variables of `models.critic`: parameters and spectral vectors
    opt      state of the critic's optimizer
    matcher, matcher_opt   the same of `models.latent_critic`, if configured
    open     float32 [], 1 while the gate lets the critic teach
    since    int32 [], good steps since it opened
    on       int32 [], good steps with a weight above 0
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, PRNGKeyArray

from aurl_jax.core.errors import ConfigError
from aurl_jax.models.critic import Critic, CriticConfig, Variables
from aurl_jax.models.functional import Model
from aurl_jax.models.latent_critic import LatentCritic
from aurl_jax.models.replay import Replay
from aurl_jax.tokens.marks import Marks
from aurl_jax.tokens.tokenizer import Tokenizer
from aurl_jax.training import critic as critic_lib

GanState = dict[str, Any]
_BETAS = (0.0, 0.9)
"""Of Adam: no momentum, as the generator moves (Gulrajani et al. 2017)."""
_POSITIVE = ('ramp', 'steps', 'penalty_every', 'learning_rate', 'temperature')
_COUNTS = ('weight', 'drawn', 'features', 'latents', 'penalty', 'first', 'grow')


@dataclasses.dataclass(frozen=True, kw_only=True)
class GanConfig:
  """How the critic is trained, and what it teaches.

  Attributes:
    critic: Its shape.
    loss: `hinge` or `wgan`.
    weight: Length of the adversarial gradient over that of the decoder's
      own, once the gate is open and the ramp is over; 0 only trains the critic.
    drawn: Share of the rows that are written of draws of the standard normal,
      with the dials of the music beside them, and not of its latents (Larsen
      et al. 2016, algorithm 1, has both), 0..1.
    ramp: Steps from the opening of the gate to the whole weight.
    features: Weight of feature matching in the adversarial loss, on rows that
      are reconstructions.
    latents: Length of the gradient by which the encoder is to make latents
      as the prior has them, over that of its own, after the warm-up; 0 for
      none (`models.latent_critic`).
    steps: Steps of the critic a step of the generator; the rows of a batch
      are dealt to them, and the first part teaches the generator.
    learning_rate: Of the critic.
    penalty: Weight of R1 (`hinge`) or of the gradient penalty (`wgan`, where
      10 is usual).
    penalty_every: Steps between penalties, which then count as often (Karras
      et al. 2020, appendix B, lazy regularisation).
    warmup: Steps that the critic learns before the gate may open.
    accuracy: Share of held-out scores on their side above which it opens.
    tolerance: Share by which the nats of the validation may rise above their
      least before the generator goes back and the gate shuts.
    temperature: Of the straight-through softmax.
    first: Steps of pieces that the critic sees at first; 0 for all.
    grow: Steps of training until it sees all, evenly; 0 for at once.
  """

  critic: CriticConfig = dataclasses.field(default_factory=CriticConfig)
  loss: str = 'hinge'
  weight: float = 0.5
  drawn: float = 0.0
  ramp: int = 500
  features: float = 5.0
  latents: float = 0.0
  steps: int = 2
  learning_rate: float = 3e-4
  penalty: float = 0.1
  penalty_every: int = 8
  warmup: int = 200
  accuracy: float = 0.7
  tolerance: float = 0.03
  temperature: float = 1.0
  first: int = 0
  grow: int = 0

  def __post_init__(self) -> None:
    if self.loss not in critic_lib.KINDS:
      raise _wrong(f'loss {self.loss!r}; choose hinge or wgan')
    for name in _POSITIVE:
      if not getattr(self, name) > 0:
        raise _wrong(f'{name} must be above 0')
    for name in _COUNTS:
      if not getattr(self, name) >= 0:
        raise _wrong(f'{name} must be 0 or more')
    if self.warmup < 1:
      raise _wrong(
        'warmup is 0, so that a critic that has seen nothing would teach; give '
        'it some steps of its own, 200 say'
      )
    if not 0.5 <= self.accuracy < 1 or not self.tolerance > 0:
      raise _wrong(
        'accuracy must lie in [0.5, 1), as half of them is chance, and '
        'tolerance be above 0'
      )
    if self.drawn > 1:
      raise _wrong(f'drawn is a share of the rows, 0..1, not {self.drawn:g}')
    if bool(self.first) != bool(self.grow):
      raise _wrong('first and grow go together: set both, or none')

  def length(self, step: Int[Array, ''], most: int) -> Int[Array, '']:
    """Returns the steps of pieces that the critic sees, at most `most`.

    Example:
      >>> config = GanConfig(first=16, grow=100)
      >>> [int(config.length(jnp.int32(s), 96)) for s in (0, 50, 100, 150)]
      [16, 56, 96, 96]
    """
    if not self.grow:
      return jnp.full_like(step, most)
    first = min(self.first, most)
    share = jnp.minimum(step / self.grow, 1)
    return first + jnp.int32(share * (most - first))


@dataclasses.dataclass(frozen=True)
class Gan:
  """The objects of a `vae_gan`.

  Attributes:
    config: How it is trained.
    critic: Of music.
    replay: Writes music, and its distributions.
  """

  config: GanConfig
  critic: Critic
  replay: Replay

  @classmethod
  def build(
    cls, config: GanConfig, model: Model, tokenizer: Tokenizer
  ) -> 'Gan':
    """Returns the objects for a model of latents and its tokenizer."""
    critic = Critic(
      config.critic, model.vocabulary, model.places, Marks.of(tokenizer)
    )
    bos = tuple(tokenizer.bos().tolist())
    return cls(config, critic, Replay(model, tokenizer.grammar, bos))

  @property
  def matcher(self) -> LatentCritic | None:
    """The critic of latents, if there is one."""
    latent = self.replay.model.config.latent
    return LatentCritic(latent) if self.config.latents else None

  @property
  def optimizer(self) -> optax.GradientTransformation:
    """Of each critic."""
    return optax.adam(self.config.learning_rate, *_BETAS)

  def init(self, key: PRNGKeyArray) -> GanState:
    """Returns the part of the train state before the first step."""
    first, second = jax.random.split(key)
    critic, zero = self.critic.init(first), jnp.zeros((), jnp.int32)
    state = {
      'critic': critic,
      'opt': self.optimizer.init(critic['params']),
      'open': jnp.zeros(()),
      'since': zero,
      # A state is donated: no two of its leaves may be one array.
      'on': jnp.zeros((), jnp.int32),
    }
    if self.matcher is not None:
      matcher = self.matcher.init(second)
      state['matcher'] = matcher
      state['matcher_opt'] = self.optimizer.init(matcher['params'])
    return state

  def weight(self, state: GanState) -> Float[Array, '']:
    """Returns the weight of the next step."""
    ramp = jnp.minimum((state['since'] + 1) / self.config.ramp, 1)
    return self.config.weight * state['open'] * ramp


def stepped(
  optimizer: optax.GradientTransformation,
  variables: Variables,
  opt: Any,
  grads: Any,
  rows: Array,
) -> tuple[Variables, Any, Float[Array, '']]:
  """Returns variables and optimizer after a step, and the gradient's norm.

  Args:
    optimizer: Of a critic.
    variables: Of it.
    opt: State of the optimizer.
    grads: Summed over rows.
    rows: How many.
  """
  grads = jax.tree.map(lambda x: x / jnp.maximum(rows, 1), grads)
  updates, opt = optimizer.update(grads, opt, variables['params'])
  params = optax.apply_updates(variables['params'], updates)
  return variables | {'params': params}, opt, optax.tree.norm(grads)


def _wrong(cause: str) -> ConfigError:
  return ConfigError(f'gan: {cause}', code='gan_config')
