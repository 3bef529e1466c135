"""What latents cost: their divergence from the prior, with its schedules.

A VAE minimises the reconstruction's nats plus beta times the divergence of
the posterior (Kingma & Welling 2014; Higgins et al. 2017 for beta). Free bits
let each dim have so many nats for nothing (Kingma et al. 2016, appendix C.8);
annealing raises beta from 0 once (Bowman et al. 2016) or in cycles (Fu et al.
2019). All are sums over rows, so that parts of a batch add up. Axes: `b`
batch, `s` slots, `z` and `p` dims of latents.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from aurl_jax.core.errors import ConfigError

KL = 'kl'
"""Name of the loss."""
SCHEDULES = ('constant', 'linear', 'cyclical')
_PARTS = ('kl_slots', 'kl_piece')
"""Nats of each dim, as models give them."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ElboConfig:
  """The weight of the divergence.

  Attributes:
    beta: Weight, once it has been raised; 1 is the evidence lower bound.
    free_bits: Nats that each dim of each latent may have for nothing.
    schedule: `constant`; `linear`, from 0 to `beta` in `ramp` steps; or
      `cyclical`, the same again every `ramp` steps, raised in the first half.
    ramp: Steps, 1 or more unless it is constant.
    patience: Evaluations in a row that may show a collapse before the run
      stops (`training.collapse`); 0 for never.
  """

  beta: float = 1.0
  free_bits: float = 0.0
  schedule: str = 'constant'
  ramp: int = 0
  patience: int = 0

  def __post_init__(self) -> None:
    if self.schedule not in SCHEDULES:
      raise ConfigError(
        f'schedule {self.schedule!r}; choose one of {", ".join(SCHEDULES)}'
      )
    if not (self.beta >= 0 and self.free_bits >= 0):
      raise ConfigError('beta and free_bits must be 0 or more')
    if self.patience < 0:
      raise ConfigError('patience must be 0 (never) or more')
    if self.schedule != 'constant' and self.ramp < 1:
      raise ConfigError(
        f'schedule {self.schedule!r} needs the steps of its ramp, 1 or more; '
        f'ramp is {self.ramp}'
      )

  def weight(self, step: Int[Array, ''] | int) -> Float[Array, '']:
    """Returns beta at a step, counted from 0.

    Example:
      >>> config = ElboConfig(beta=0.5, schedule='cyclical', ramp=8)
      >>> [float(config.weight(step)) for step in (0, 2, 4, 7, 8)]
      [0.0, 0.25, 0.5, 0.5, 0.0]
    """
    now = jnp.asarray(step, jnp.float32)
    if self.schedule == 'constant':
      return jnp.full_like(now, self.beta)
    if self.schedule == 'linear':
      return self.beta * jnp.minimum(now / self.ramp, 1)
    return self.beta * jnp.minimum(2 * (now % self.ramp) / self.ramp, 1)


def divergence(outputs: Any) -> dict[str, Array]:
  """Returns the nats of each dim that a model gave; empty without latents.

  Args:
    outputs: Of the model; if it has latents, its `aux` has them.
  """
  aux: Mapping[str, Array] = getattr(outputs, 'aux', {})
  return {name: aux[name] for name in _PARTS if name in aux}


def excess(aux: Mapping[str, Array], free_bits: float) -> Float[Array, '']:
  """Returns the nats above what is free, summed up over rows and dims.

  Args:
    aux: What a model gives: `kl_slots` [b, s, z] and `kl_piece` [b, p].
    free_bits: As of `ElboConfig`.
  """
  parts = (jnp.maximum(aux[name] - free_bits, 0).sum() for name in _PARTS)
  return sum(parts, start=jnp.zeros(()))


def sums(
  aux: Mapping[str, Array], segments: Int[Array, 'b t'], nats: Array
) -> dict[str, Array]:
  """Returns what metrics of latents are made of, as pairs of sums.

  Args:
    aux: As of `excess`.
    segments: 0 for padding.
    nats: Of the reconstruction, summed up.

  Returns:
    `ratio/kl`, nats a piece; `ratio/elbo`, all nats a piece.
  """
  rows = (segments > 0).any(axis=1)
  total = jnp.zeros(())
  for name in _PARTS:
    by_row = aux[name].reshape(len(rows), -1).sum(axis=1)
    total = total + jnp.where(rows, by_row, 0).sum()
  count = rows.sum().astype(jnp.float32)
  return {
    'ratio/kl': jnp.stack([total, count]),
    'ratio/elbo': jnp.stack([total + nats.sum(), count]),
  }
