"""Music with its latents moved: dials turned, or towards drawn directions.

A piece is read in stretches that the model's latents hold (`deploy.windows`);
all are moved alike, and each is written as the likeliest ids. What no stretch
can hold stays.
"""

import dataclasses
from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from aurl_jax.deploy import splicing, windows
from aurl_jax.deploy.composer import Composer
from aurl_jax.deploy.latents import LatentSpace
from aurl_jax.generation import kinship
from aurl_jax.generation.errors import RequestError
from aurl_jax.generation.piece import Piece
from aurl_jax.models.latent import Latents
from aurl_jax.music.notes import Notes

FARTHEST = 5.0
"""Deviations that a dial is turned, and lengths of a draw, at most."""
_WHAT = 'music to turn'
_FEW = 16
"""Stretches that are written together: one size, one program."""
_WAYS = 2
"""Directions that are drawn: a plane."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Turn:
  """How latents are moved.

  Attributes:
    dials: Attribute -> how far, in deviations of the model's data.
    toward: How far to go along two directions that the seed draws: 1 is as
      far as draws of the prior are from its middle. Dials stay.
    seed: Of the directions.
  """

  dials: Mapping[str, float | int] = dataclasses.field(default_factory=dict)
  toward: tuple[float | int, float | int] = (0.0, 0.0)
  seed: int = 0

  def __post_init__(self) -> None:
    far = [*self.dials.values(), *self.toward]
    if not all(abs(value) <= FARTHEST for value in far):
      raise RequestError(
        f'dials and directions go {FARTHEST:g} far at most, not '
        + ', '.join(f'{value:g}' for value in far if abs(value) > FARTHEST),
        code='turn',
      )


def turned(composer: Composer, notes: Notes, asked: Turn) -> Piece:
  """Returns a piece with its latents moved.

  Args:
    composer: A model with latents.
    notes: The piece.
    asked: How far.

  Raises:
    ConfigError: The model has no latents, or no such dial.
    RequestError: It cannot read the piece.
  """
  space = LatentSpace(composer)
  music = windows.held(composer.encoder, notes, _WHAT)
  found = windows.read(composer.encoder, notes, _WHAT)
  parts: list[Notes] = []
  for first in range(0, len(found), _FEW):
    some = found[first : first + _FEW]
    # The last one again and again, so that no other program is needed.
    ids = [window.ids for window in some + some[-1:] * (_FEW - len(some))]
    latents = space.encode(ids)
    moved = _moved(space, latents, asked) if _moves(asked) else latents
    written = space.decode(moved, seed=asked.seed)
    parts += [piece.notes for piece in written[: len(some)]]
  after = splicing.spliced(music, found, parts)
  told = {
    'dials': dict(asked.dials),
    'toward': list(asked.toward),
    'notes_kept': round(kinship.notes_kept(music, after), 4),
  }
  return splicing.piece(composer.tokenizer, after, asked.seed, turned=told)


def _moves(asked: Turn) -> bool:
  return any(asked.dials.values()) or any(asked.toward)


def _moved(space: LatentSpace, latents: Latents, asked: Turn) -> Latents:
  """Returns latents moved as is asked."""
  if asked.dials:
    far = {name: float(value) for name, value in asked.dials.items()}
    latents = space.turn(latents, **far)
  if not any(asked.toward):
    return latents
  dials = len(space.composer.model.config.latent.dial_names)
  draw = np.random.default_rng(asked.seed)
  return dataclasses.replace(
    latents,
    slots=_along(np.asarray(latents.slots), asked.toward, draw, dials),
    piece=_along(np.asarray(latents.piece), asked.toward, draw, 0),
  )


def _along(
  told: Float[np.ndarray, '... z'],
  toward: tuple[float | int, float | int],
  draw: np.random.Generator,
  fixed: int,
) -> Float[np.ndarray, '... z']:
  """Returns latents moved along two directions at right angles.

  Args:
    told: Latents.
    toward: How far.
    draw: What draws the directions.
    fixed: Dims at the beginning that stay.
  """
  dims = told.shape[-1] - fixed
  if dims < _WAYS:
    return told
  ways, _ = np.linalg.qr(draw.standard_normal((dims, _WAYS)))
  move = np.sqrt(dims) * (ways @ np.asarray(toward))
  moved = np.array(told)
  moved[..., fixed:] += move
  return moved
