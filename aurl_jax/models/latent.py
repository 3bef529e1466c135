"""Latents of a piece: their posterior, samples of it, how steps are told.

A piece has a latent a slot, a stretch of one or more beats, and one of its
own. A step of the decoder is told its slot's latent, those of the slots
behind it (what comes next may stand there) and the piece's. One latent a beat
reconstructs what one pooled vector cannot (Roberts et al. 2018, MusicVAE, for
the pooled one; Wu & Yang 2023, MuseMorphose, for latents told all along).
Axes: `b` batch, `t` steps, `s` slots, `z` dims of a slot's latent, `p` dims
of the piece's, `n` any.
"""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from aurl_jax.core import random
from aurl_jax.core.errors import ConfigError
from aurl_jax.core.typing import Keys
from aurl_jax.models.config import LatentConfig

CERTAIN = -5.0
"""Log-variance of a dial: a deviation of 0.08."""
_TIME = 2
"""Index of the time among the coordinates of a step."""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class Latents:
  """What a piece is told as: standard normal under the plain prior.

  A tree, so that it may hold arrays of any kind, and what JAX puts in their
  place.

  Attributes:
    slots: float32 [b, s, z], a latent a slot; what stands behind a piece's
      last one is not read.
    piece: float32 [b, p], the latent of the whole.
  """

  slots: Any
  piece: Any


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class Posterior:
  """Normal distributions of the latents of pieces, independent dims.

  Attributes:
    mean: Of all latents.
    log_variance: Likewise, in a bounded range.
    used: bool [b, s], the slots that a piece has.
    dials: How many of the first dims of slots are attributes (`with_dials`).
  """

  mean: Latents
  log_variance: Latents
  used: Any
  dials: int = dataclasses.field(default=0, metadata={'static': True})

  def sample(self, key: Keys | None) -> Latents:
    """Returns latents drawn with a key, or one a row; None gives the mean."""
    if key is None:
      return self.mean
    first, second = random.split(key, 2)
    means, logs = self.mean, self.log_variance
    return Latents(
      slots=_drawn(means.slots, logs.slots, first),
      piece=_drawn(means.piece, logs.piece, second),
    )

  def kl(self) -> Latents:
    """Returns the nats of each dim from the standard normal, 0 if unused.

    Dials have none: a model with them is one of music given its attributes.
    """
    slots = normal_kl(self.mean.slots, self.log_variance.slots)
    learnt = jnp.arange(slots.shape[-1]) >= self.dials
    return Latents(
      slots=jnp.where(self.used[..., None] & learnt, slots, 0),
      piece=normal_kl(self.mean.piece, self.log_variance.piece),
    )


def normal_kl(
  mean: Float[Array, '*n'], log_variance: Float[Array, '*n']
) -> Float[Array, '*n']:
  """Returns the divergence of a normal from the standard one, in nats.

  Kingma & Welling 2014, appendix B, dim by dim.

  Example:
    >>> float(normal_kl(jnp.float32(1.0), jnp.float32(0.0)))
    0.5
  """
  return 0.5 * (jnp.exp(log_variance) + mean * mean - 1 - log_variance)


def with_dials(
  posterior: Posterior, attributes: Sequence[Float[Array, 'b s']]
) -> Posterior:
  """Returns a posterior whose first dims are attributes of the slots.

  They are all but certain; slots that a piece does not have get 0.

  Args:
    posterior: As an encoder gives it.
    attributes: One a dim, scaled.
  """
  if not attributes:
    return posterior
  count = len(attributes)
  known = jnp.where(posterior.used[..., None], jnp.stack(attributes, -1), 0)
  mean = posterior.mean.slots.at[..., :count].set(known)
  log = posterior.log_variance.slots.at[..., :count].set(CERTAIN)
  return dataclasses.replace(
    posterior,
    mean=dataclasses.replace(posterior.mean, slots=mean),
    log_variance=dataclasses.replace(posterior.log_variance, slots=log),
    dials=count,
  )


def blurred(latents: Latents, dials: int, chance: float, key: Keys) -> Latents:
  """Returns latents of which some rows have noise in all but their dials.

  In such a row each slot, and the piece, is `sqrt(1 - u^2) z + u e`, with an
  even draw `u` of 0..1 and normal noise `e`: as wide as the plain prior.

  Args:
    latents: Of any rows.
    dials: First dims of a slot that stay.
    chance: Of a row, 0..1.
    key: One, or one for each row.
  """
  keys = key if key.ndim else random.by_row(key, len(latents.piece))
  draw = functools.partial(_noisy, dials, chance)
  slots, piece = jax.vmap(draw)(latents.slots, latents.piece, keys)
  return Latents(slots=slots, piece=piece)


def redrawn(
  latents: Latents, dials: int, chosen: Bool[Array, ' b'], keys: Keys
) -> Latents:
  """Returns latents of which chosen rows are draws of the standard normal.

  Args:
    latents: Of any rows.
    dials: First dims of a slot, which stay.
    chosen: Which rows.
    keys: One for each row.
  """

  def draw(slots: Array, piece: Array, row: Array, key: PRNGKeyArray) -> Any:
    near, whole = jax.random.split(key)
    learnt = row & (jnp.arange(slots.shape[-1]) >= dials)
    slots = jnp.where(learnt, jax.random.normal(near, slots.shape), slots)
    noise = jax.random.normal(whole, piece.shape)
    return slots, jnp.where(row, noise, piece)

  slots, piece = jax.vmap(draw)(latents.slots, latents.piece, chosen, keys)
  return Latents(slots=slots, piece=piece)


def _noisy(
  dials: int,
  chance: float,
  slots: Float[Array, 's z'],
  piece: Float[Array, 'p'],
  key: PRNGKeyArray,
) -> tuple[Float[Array, 's z'], Float[Array, 'p']]:
  """Returns the latents of one row, which may get noise."""
  row, share, near, whole = jax.random.split(key, 4)
  chosen = jax.random.bernoulli(row, chance)
  u = jax.random.uniform(share, (len(slots) + 1, 1)) * chosen
  told = jnp.sqrt(1 - u[:-1] ** 2) * slots
  told = told + u[:-1] * jax.random.normal(near, slots.shape)
  told = jnp.where(jnp.arange(slots.shape[-1]) < dials, slots, told)
  noise = jax.random.normal(whole, piece.shape)
  return told, jnp.sqrt(1 - u[-1] ** 2) * piece + u[-1] * noise


def _drawn(
  mean: Float[Array, 'b *n'], log_variance: Float[Array, 'b *n'], key: Keys
) -> Float[Array, 'b *n']:
  shape = mean.shape[key.ndim :]
  draw = lambda one: jax.random.normal(one, shape)  # noqa: E731
  noise = jax.vmap(draw)(key) if key.ndim else draw(key)
  return mean + jnp.exp(0.5 * log_variance) * noise


def slot_of(
  config: LatentConfig, places: Any, coordinates: Int[Array, '*n 5']
) -> Int[Array, '*n']:
  """Returns the slot that each step stands in, the last one for what follows.

  Args:
    config: Of the latents.
    places: Of the tokenizer.
    coordinates: Of the steps.
  """
  slot = coordinates[..., _TIME] // (config.beats * places.beat)
  return jnp.minimum(slot, config.slots - 1)


def told(
  config: LatentConfig,
  places: Any,
  latents: Latents,
  coordinates: Int[Array, 'b t 5'],
) -> Float[Array, 'b t _']:
  """Returns what each step is told: `reach` slots and the piece, side by side.

  The slots begin where the next step will stand, as far as that is known: in
  a grid of frames a cell later, else in the step's own slot.
  """
  later = coordinates.at[..., _TIME].add(int(places.frames))
  first = slot_of(config, places, later)
  padded = jnp.pad(latents.slots, ((0, 0), (0, config.reach), (0, 0)))
  slots = first[..., None] + jnp.arange(config.reach)
  b, t, _ = slots.shape
  near = jnp.take_along_axis(padded, slots.reshape(b, -1, 1), axis=1)
  piece = jnp.broadcast_to(
    latents.piece[:, None], (b, t, latents.piece.shape[-1])
  )
  return jnp.concatenate([near.reshape(b, t, -1), piece], axis=-1)


def check(config: LatentConfig, latents: Latents, rows: int) -> None:
  """Raises ConfigError unless latents have the shapes of a model's."""
  wanted = (rows, config.slots, config.slot), (rows, config.piece)
  found = latents.slots.shape, latents.piece.shape
  if wanted != found:
    raise ConfigError(
      f'latents of slots {found[0]} and of the piece {found[1]} are not what '
      f'the model reads: {wanted[0]} and {wanted[1]}',
      code='latents',
    )
