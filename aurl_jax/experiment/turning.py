"""Music with the dials of its latents turned, beside what it is without.

Both are written from the same latents but for the dials, the likeliest ids, so
that what differs is what the turn did. The latents are those of given music,
or a draw of the model's prior, or those of embedded chorales.
"""

import dataclasses
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from aurl_jax.core.errors import ConfigError, TokenError
from aurl_jax.data import sources
from aurl_jax.deploy import bundle as bundle_lib
from aurl_jax.deploy.composer import Composer
from aurl_jax.deploy.latents import LatentSpace
from aurl_jax.evaluation import attributes
from aurl_jax.experiment import dials, generate
from aurl_jax.experiment.workdir import Workdir
from aurl_jax.generation.errors import RequestError
from aurl_jax.generation.piece import Piece
from aurl_jax.generation.request import Request
from aurl_jax.models.latent import Latents
from aurl_jax.music import cut, time
from aurl_jax.music.notes import Notes

_ASKED = ('n', 'seed', 'prompt')
"""Fields of a request that mean something here."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Turned:
  """What turning dials did.

  Attributes:
    before: Pieces as their latents are.
    after: The same with the dials turned.
    by: Attribute -> how far it was turned, in deviations, of all dials.
  """

  before: list[Piece]
  after: list[Piece]
  by: Mapping[str, float]

  @property
  def measured(self) -> dict[str, dict[str, float | None]]:
    """Attribute -> `by`, and its mean `before` and `after`, of the notes.

    In its own unit (`evaluation.attributes`); None where no piece has one.
    """
    before, after = _means(self.before), _means(self.after)
    return {
      name: {'by': by, 'before': before[name], 'after': after[name]}
      for name, by in self.by.items()
    }


def load(model: str) -> Composer:
  """Returns the model of a run, a bundle or a shipped name, and its dials.

  Raises:
    BundleError, CheckpointError: There is no such model, or it is damaged.
    DataError: A run's dials were never measured, and its data is gone.
  """
  folder = Workdir(pathlib.Path(model))
  if not folder.holds_run:
    return bundle_lib.load(model)
  return dials.known(generate.from_run(folder), folder)


def turn(
  composer: Composer, by: Mapping[str, float], changes: Mapping[str, Any]
) -> Turned:
  """Writes pieces with and without dials turned.

  Args:
    composer: A model with dials.
    by: Attribute -> how far, in deviations of the model's data.
    changes: Of a `Request`: `n` and `seed` of what is drawn, or a `prompt`,
      whose first bars are turned, as many as the model has latents for.

  Raises:
    ConfigError: The model has no latents or no such dials, or the changes are
      others.
    RequestError: A value is out of its range, or the prompt cannot be read.
    TokenError: The prompt is not what the tokenizer can hold.
  """
  space = LatentSpace(composer)
  other = sorted(set(changes) - set(_ASKED))
  if other:
    raise ConfigError(
      f'{", ".join(other)}: turned music is as long as the latents of the '
      f'model, and its likeliest ids; ask for {", ".join(_ASKED)} alone'
    )
  # What cannot be turned is told before anything is made.
  space.turn(space.standard(1), **by)
  told = _told(space, Request(**changes))
  seed = int(changes.get('seed', 0))
  return Turned(
    before=space.decode(told, seed=seed),
    after=space.decode(space.turn(told, **by), seed=seed),
    by={name: float(by.get(name, 0)) for name in space.dials.deviations},
  )


def leave(
  found: Turned, out: pathlib.Path, title: str = 'Turned'
) -> dict[str, Any]:
  """Writes MIDI files, rolls and a page, each piece before and after.

  Returns:
    As `generate.write`, and `turned`: what was `measured`.
  """
  pairs = list(zip(found.before, found.after, strict=True))
  pieces = [piece for pair in pairs for piece in pair]
  names = [
    f'{when}_{number}'
    for number in range(1, len(pairs) + 1)
    for when in ('before', 'after')
  ]
  result = generate.leave(pieces, out, title=title, names=names)
  return {**result, 'turned': found.measured}


def to_folder(
  model: str, out: str, by: Mapping[str, float], changes: Mapping[str, Any]
) -> dict[str, Any]:
  """Turns dials of a run, a bundle or a shipped name, and writes the pieces.

  Args:
    model: Its folder or name.
    out: Folder for the files.
    by: As of `turn`.
    changes: Likewise.

  Returns:
    As `leave`; raises as `load` and `turn`.
  """
  return leave(turn(load(model), by, changes), pathlib.Path(out))


def _told(space: LatentSpace, request: Request) -> Latents:
  """Returns the latents that are turned."""
  latent = space.composer.model.config.latent
  beats, given = latent.slots * latent.beats, request.prompt_notes()
  if given is not None:
    return space.encode([_opening(given, beats)])
  if space.composer.priors is not None:
    return space.prior(request.n, request.seed)
  found = _embedded(space, beats, request.seed)
  music = [notes for _, notes in zip(range(request.n), found, strict=False)]
  if len(music) < request.n:
    raise RequestError(
      f'{len(music)} embedded pieces fit the model, and {request.n} were asked '
      'for; fit a prior to its latents (`aurl prior RUN`), or give a prompt',
      code='no_pieces',
    )
  return space.encode(music)


def _embedded(
  space: LatentSpace, beats: int, seed: int
) -> Iterator[np.ndarray]:
  """Yields ids of openings of chorales that the model can read."""
  known = sources.chorales()
  for at in np.random.default_rng(seed).permutation(len(known)).tolist():
    if isinstance(known[at], sources.Unusable):
      continue
    try:
      notes = _opening(known[at].read().notes, beats)
      ids = space.composer.tokenizer.encode(notes)
    except TokenError:
      continue
    if len(ids) <= space.composer.model.config.context:
      yield ids


def _opening(notes: Notes, beats: int) -> Notes:
  """Returns the first bars of a piece, those that begin in so many beats."""
  starts = time.bar_starts(notes)
  count = int((starts < beats * notes.ticks_per_beat).sum())
  return cut.slice_bars(notes, 0, count, held=True)


def _means(pieces: list[Piece]) -> dict[str, float | None]:
  """Returns the mean of each attribute over the pieces that have it."""
  found = attributes.means([piece.notes for piece in pieces])
  return {
    name: round(mean, 4) if np.isfinite(mean) else None
    for name, mean in found.items()
  }
