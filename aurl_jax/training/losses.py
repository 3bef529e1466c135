"""Next-step cross-entropy over fields, as sums that add up over batches.

A loss is a mean over all counted target ids, wherever they lie: so parts of
a batch (devices, accumulation) report sums, and who has them all divides.
Axes: `b` batch, `t` time, `f` fields, `v` ids of a field.
"""

import dataclasses
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from aurl_jax.core.errors import ConfigError

Sums = dict[str, Array]


@dataclasses.dataclass(frozen=True, kw_only=True)
class LossConfig:
  """What is minimised beside the likelihood.

  Attributes:
    label_smoothing: Share of a target, 0..1, that is spread evenly over the
      field's ids (Szegedy et al. 2016, section 7), the reserved 0 excepted.
    z_loss: Weight of the squared log-normaliser, which keeps logits from
      drifting (Chowdhery et al. 2022, PaLM, section 5); 1e-4 is usual.
    weights: What a target counts in the objective, a table over the ids of
      each field (`training.perceptual`); empty for 1 everywhere. Nats are
      unweighted always.
  """

  label_smoothing: float = 0.0
  z_loss: float = 0.0
  weights: tuple[tuple[float, ...], ...] = ()

  def __post_init__(self) -> None:
    if not 0 <= self.label_smoothing < 1:
      raise ConfigError(
        f'label_smoothing: {self.label_smoothing} is not in [0, 1)'
      )
    if self.z_loss < 0:
      raise ConfigError(f'z_loss: {self.z_loss} is negative; use 0 for none')
    if any(weight < 0 for table in self.weights for weight in table):
      raise ConfigError('weights: one is negative; use 0 for none')


def shift_targets(
  ids: Int[Array, 'b t f'], segments: Int[Array, 'b t']
) -> Int[Array, 'b t f']:
  """Returns the step that follows each step in its segment, else zeros.

  Args:
    ids: Steps of packed pieces.
    segments: Number of the piece at each step, 0 for padding.
  """
  follows = (segments[:, 1:] == segments[:, :-1]) & (segments[:, 1:] != 0)
  targets = jnp.where(follows[..., None], ids[:, 1:], 0)
  return jnp.pad(targets, ((0, 0), (0, 1), (0, 0)))


def counted(
  targets: Int[Array, 'b t f'], weights: Int[Array, 'b t f'] | None
) -> Int[Array, 'b t f']:
  """Returns the targets, those that do not count as zeros.

  Args:
    targets: As of `shift_targets`.
    weights: Whether each id of the steps, not of the targets, counts where it
      is one; None for all.
  """
  if weights is None:
    return targets
  shifted = jnp.pad(weights[:, 1:], ((0, 0), (0, 1), (0, 0)))
  return jnp.where(shifted != 0, targets, 0)


def sums(
  logits: Sequence[Float[Array, 'b t _']],
  targets: Int[Array, 'b t f'],
  config: LossConfig = LossConfig(),
) -> Sums:
  """Returns the sums over a batch that losses and metrics are made of.

  Args:
    logits: Scores of each field's ids, float32.
    targets: Ids to predict; an id 0 does not count.
    config: Smoothing and z-loss.

  Returns:
    `objective` float32 [], what is minimised; `nats` float32 [f]; `counts`
    and `correct` int32 [f], ids that count and those ranked first; `tokens`
    int32 [], steps with anything to predict.
  """
  fields = [
    _field(scores, targets[..., f], config, f)
    for f, scores in enumerate(logits)
  ]
  total = {
    name: jnp.stack([field[name] for field in fields]) for name in fields[0]
  }
  total['objective'] = total['objective'].sum()
  total['tokens'] = (targets != 0).any(-1).sum(dtype=jnp.int32)
  return total


def mean(total: Array, counts: Array) -> Array:
  """Returns `total` a counted id; 0 where nothing counts."""
  return total / jnp.maximum(counts, 1)


def _field(
  logits: Float[Array, 'b t v'],
  target: Int[Array, 'b t'],
  config: LossConfig,
  field: int,
) -> Sums:
  counted = target != 0
  normaliser = jax.scipy.special.logsumexp(logits, axis=-1)
  picked = _pick(logits, target)
  nats = normaliser - picked
  objective = nats
  if config.label_smoothing:
    even = normaliser - logits[..., 1:].mean(-1)
    objective = objective + config.label_smoothing * (even - nats)
  if config.z_loss:
    objective = objective + config.z_loss * normaliser**2
  if config.weights:
    objective = objective * jnp.array(config.weights[field])[target]
  first = counted & (picked >= logits.max(-1))
  return {
    'objective': _sum(objective, counted),
    'nats': _sum(nats, counted),
    'counts': counted.sum(dtype=jnp.int32),
    'correct': first.sum(dtype=jnp.int32),
  }


def _pick(
  logits: Float[Array, 'b t v'], target: Int[Array, 'b t']
) -> Float[Array, 'b t']:
  return jnp.take_along_axis(logits, target[..., None], axis=-1)[..., 0]


def _sum(
  values: Float[Array, 'b t'], counted: Bool[Array, 'b t']
) -> Float[Array, '']:
  return jnp.where(counted, values, 0).sum()
