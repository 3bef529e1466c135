"""Latents made of others: ways between them, and one's style in another's.

Axes: `n` rows, `d` dims.
"""

import dataclasses

import jax
import numpy as np
from jaxtyping import Float

from aurl_jax.core.errors import ConfigError
from aurl_jax.models.latent import Latents

_PARALLEL = 1e-6
"""Sine of an angle below which two directions are one."""


def slerp(
  one: Float[np.ndarray, '*n d'], other: Float[np.ndarray, '*n d'], share: float
) -> Float[np.ndarray, '*n d']:
  """Returns vectors on the great circle between others (Shoemake 1985).

  A straight line between two draws of a normal in many dims passes nearer to
  the middle than draws ever are; here the length goes evenly from one to the
  other, and the direction turns evenly.

  Args:
    one: Where it starts, `share` 0.
    other: Where it ends, `share` 1.
    share: How far to go, 0..1.
  """
  lengths = [np.linalg.norm(x, axis=-1, keepdims=True) for x in (one, other)]
  units = [
    np.divide(x, length, out=np.zeros_like(x), where=length > 0)
    for x, length in zip((one, other), lengths, strict=True)
  ]
  cosine = np.clip((units[0] * units[1]).sum(-1, keepdims=True), -1, 1)
  angle = np.arccos(cosine)
  sine = np.sin(angle)
  near = sine < _PARALLEL
  safe = np.where(near, 1, sine)
  first = np.where(near, 1 - share, np.sin((1 - share) * angle) / safe)
  second = np.where(near, share, np.sin(share * angle) / safe)
  length = (1 - share) * lengths[0] + share * lengths[1]
  return (first * units[0] + second * units[1]) * length


def restyled(latents: Latents, style: Latents) -> Latents:
  """Returns latents of slots with the piece's latents of other pieces.

  What each slot plays stays, what is told of the whole goes: style transfer
  by swapping (as Brunner et al. 2018, "MIDI-VAE", swap theirs), as far as a
  model has learnt to tell the two apart.

  Args:
    latents: Of pieces, whose slots stay.
    style: Of as many pieces, or of one for all.

  Raises:
    ConfigError: The model has no latent of the piece (code `latents`), or
      rows do not fit.
  """
  rows, dims = latents.piece.shape
  if not dims:
    raise ConfigError(
      'this model has no latent of the whole piece to swap; train one with '
      'model.latent.piece=32, say',
      code='latents',
    )
  if style.piece.shape not in ((rows, dims), (1, dims)):
    raise ConfigError(
      f'latents of shape {style.piece.shape} are no style for {rows} pieces of '
      f'{dims} dims each; give one, or as many',
      code='latents',
    )
  piece = np.broadcast_to(np.asarray(style.piece), (rows, dims)).copy()
  return dataclasses.replace(latents, piece=piece)


def between(one: Latents, other: Latents, share: float) -> Latents:
  """Returns latents between two sets of as many rows: `slerp` of each."""
  return jax.tree.map(lambda x, y: slerp(x, y, share), one, other)
