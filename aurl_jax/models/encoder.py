"""From the steps of a piece to the posterior of its latents.

Blocks that read both ways; the mean of what they make of a slot's steps; a
block that reads the slots both ways, so that a slot without a step of its own
knows what sounds on. Rows hold one piece each. Axes: `b` batch, `t` steps,
`s` slots, `d` model width, `k` head width.
"""

import dataclasses

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from aurl_jax.core import random
from aurl_jax.core.typing import Keys
from aurl_jax.models import positions
from aurl_jax.models.attention import naive
from aurl_jax.models.config import LatentConfig, ModelConfig
from aurl_jax.models.hierarchy import Stack
from aurl_jax.models.latent import Latents, Posterior
from aurl_jax.models.layers import INIT_SCALE, Linear, RMSNorm, normal

LOG_VARIANCE = 5.0
"""Bound of log-variances: a deviation from 0.08 to 12."""


class Encoder(nnx.Module):
  """Called with embedded steps; gives a `Posterior`."""

  def __init__(self, config: ModelConfig, key: PRNGKeyArray) -> None:
    steps, slots, one, whole, blank = jax.random.split(key, 5)
    latent, d = config.latent, config.width
    blocks = plain(config)
    self.steps = Stack(blocks, latent.layers, steps)
    self.slots = Stack(blocks, 1, slots)
    self.norm = RMSNorm(d)
    # Stands for what nothing begins in.
    self.blank_embed = normal(blank, (d,))
    # An array without numbers cannot be kept.
    if latent.slot:
      self.slot = Linear(d, 2 * latent.slot, one, INIT_SCALE)
    if latent.piece:
      self.piece = Linear(d, 2 * latent.piece, whole, INIT_SCALE)
    self.config = blocks
    self.latent = latent

  def __call__(
    self,
    x: Float[Array, 'b t d'],
    real: Bool[Array, 'b t'],
    slot: Int[Array, 'b t'],
    key: Keys | None = None,
    last: Int[Array, ' b'] | None = None,
  ) -> Posterior:
    """Returns the posterior of each row's latents.

    Args:
      x: Embedded steps.
      real: Which are no padding.
      slot: The slot that each stands in.
      key: Of the dropout; None keeps everything.
      last: The last slot that a row has if that is beyond the last one that a
        step stands in; None for that.
    """
    first, second = (None, None) if key is None else random.split(key, 2)
    read = both_ways(self.steps, x, real, first)
    stands = jnp.max(jnp.where(real, slot, 0), axis=1)
    last = stands if last is None else jnp.maximum(stands, last)
    index = jnp.arange(self.latent.slots)
    used = index <= last[:, None]
    at = (slot[:, None] == index[:, None]) & real[:, None]
    share = at / jnp.maximum(at.sum(-1, keepdims=True), 1)
    pooled = jnp.einsum('bst,btd->bsd', share.astype(read.dtype), read)
    blank = self.blank_embed[...].astype(read.dtype)
    pooled = pooled + jnp.where(at.any(-1)[..., None], 0, blank)
    pooled = self.norm(both_ways(self.slots, pooled, used, second))
    weight = used / used.sum(-1, keepdims=True)
    whole = jnp.einsum('bs,bsd->bd', weight.astype(read.dtype), pooled)
    latent = self.latent
    slots = self.slot(pooled) if latent.slot else pooled[..., :0]
    piece = self.piece(whole) if latent.piece else whole[..., :0]
    means, logs = zip(_halves(slots), _halves(piece), strict=True)
    return Posterior(
      mean=Latents(slots=means[0], piece=means[1]),
      log_variance=Latents(slots=logs[0], piece=logs[1]),
      used=used,
    )


def _halves(
  x: Float[Array, '*n z'],
) -> tuple[Float[Array, '*n _'], Float[Array, '*n _']]:
  """Returns the mean and the bounded log-variance that a map gives."""
  mean, log = jnp.split(x.astype(jnp.float32), 2, axis=-1)
  return mean, LOG_VARIANCE * jnp.tanh(log / LOG_VARIANCE)


def plain(config: ModelConfig) -> ModelConfig:
  """Returns the config of blocks that are told no latents, beside a decoder."""
  return dataclasses.replace(
    config,
    mode='transformer',
    latent=LatentConfig(),
    positions='rope',
    pattern='full',
    window=0,
    scan=False,
  )


def both_ways(
  stack: Stack,
  x: Float[Array, 'b t d'],
  real: Bool[Array, 'b t'],
  key: Keys | None = None,
) -> Float[Array, 'b t d']:
  """Returns the stream after blocks that see all that is no padding.

  Args:
    stack: The blocks.
    x: The stream.
    real: Which steps are no padding.
    key: Of the dropout; None keeps everything.
  """
  config = stack.config
  index = jnp.broadcast_to(jnp.arange(x.shape[1]), x.shape[:2])
  rope = positions.angles(index, config.head_dim, config.rope_base, x.shape[1])
  mask = jnp.broadcast_to(real[:, None], (*x.shape[:2], x.shape[1]))
  return stack(x, rope, lambda q, k, v: naive(q, k, v, mask), key)
