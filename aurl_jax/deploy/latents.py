"""The latent space of a model: into it, out of it, and ways through it.

Axes: `n` pieces, `s` slots, `z` dims of a slot's latent, `p` of the piece's.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from aurl_jax.core.errors import ConfigError
from aurl_jax.deploy import dials as dials_lib
from aurl_jax.deploy.composer import Composer
from aurl_jax.deploy.dials import Dials
from aurl_jax.generation import decode as decode_lib
from aurl_jax.generation import oneshot
from aurl_jax.generation.errors import RequestError
from aurl_jax.generation.guidance import Guided
from aurl_jax.generation.piece import Piece
from aurl_jax.generation.sampling import Sampler
from aurl_jax.models.latent import Latents, Posterior
from aurl_jax.music.notes import Notes

_AT_ONCE = 64
_PARALLEL = 1e-6
"""Sine of an angle below which two directions are one."""


@dataclasses.dataclass(frozen=True)
class LatentSpace:
  """Encodes pieces and writes them from latents.

  Attributes:
    composer: A model with latents.

  Raises:
    ConfigError: It has none (code `model_config`).
  """

  composer: Composer

  def __post_init__(self) -> None:
    config = self.composer.model.config
    if not config.has_latents:
      raise ConfigError(
        f'a model of mode {config.mode!r} has no latents; take one that was '
        "trained with model.mode 'vae'",
        code='model_config',
      )

  def posterior(self, pieces: Sequence[Notes | np.ndarray]) -> Posterior:
    """Returns the distributions of the latents of pieces, as numpy arrays.

    Args:
      pieces: Music, or its ids `[t, f]`.

    Raises:
      RequestError: There is none, or one is longer than the model's context
        (code `too_long`).
      TokenError: One is not what the tokenizer can hold.
    """
    rows = [self._ids(piece, at) for at, piece in enumerate(pieces)]
    if not rows:
      raise RequestError('there are no pieces to encode', code='no_pieces')
    found = [
      self._encoded(rows[first : first + _AT_ONCE])
      for first in range(0, len(rows), _AT_ONCE)
    ]
    return jax.tree.map(lambda *parts: np.concatenate(parts), *found)

  def encode(self, pieces: Sequence[Notes | np.ndarray]) -> Latents:
    """Returns the middle of the `posterior` of each piece."""
    found: Latents = self.posterior(pieces).mean
    return found

  def decode(
    self,
    latents: Latents,
    *,
    temperature: float = 0.0,
    seed: int = 0,
    steps: int = 0,
    one_shot: bool = False,
    thresholds: tuple[float, float] = (0.5, 0.5),
  ) -> list[Piece]:
    """Writes a piece of each row of latents, by itself alone.

    Args:
      latents: As of `encode`.
      temperature: 0 takes the likeliest ids.
      seed: Of the first piece; the others count on.
      steps: Most steps of a piece; 0 takes the context.
      one_shot: Whether the one-shot decoder writes all cells at once, of a
        model that has one (`model.latent.oneshot`): pitched notes of a piano,
        without meter and tempo, and without ids. It draws nothing.
      thresholds: Of these: probabilities from which a note begins, and sounds
        on.

    Raises:
      ConfigError: They are not of this model's shapes, or it has no one-shot
        decoder.
      RequestError: A threshold is no probability.
    """
    if one_shot:
      return list(self._at_once(latents, seed, thresholds))
    tokenizer = self.composer.tokenizer
    samples = decode_lib.decode(
      self.composer.model,
      self.composer.params,
      tokenizer.grammar,
      Guided([tokenizer.bos()[None]] * len(latents.slots), latents=latents),
      steps=steps or self.composer.model.config.context,
      seed=seed,
      sampler=Sampler(temperature=temperature),
    )
    return [
      self.composer.piece(sample, seed + row)
      for row, sample in enumerate(samples)
    ]

  def _at_once(
    self, latents: Latents, seed: int, thresholds: tuple[float, float]
  ) -> Iterator[Piece]:
    """Yields what the one-shot decoder writes of latents."""
    oneshot.check(*thresholds)
    composer, count = self.composer, len(latents.slots)
    for first in range(0, count, _AT_ONCE):
      rows = np.arange(first, first + _AT_ONCE) % count
      some = jax.tree.map(lambda x, rows=rows: np.asarray(x)[rows], latents)
      found = self._writer(some, *thresholds)
      begins, lengths, loud = (x[: count - first] for x in found)
      beat = composer.model.places.beat
      music = oneshot.notes(begins, lengths, loud, beat)
      for row, notes in enumerate(music):
        yield Piece(
          notes=notes,
          ids=composer.tokenizer.bos()[None][:0],
          seed=seed + first + row,
          ended=True,
          grammatical=True,
        )

  def standard(
    self, n: int, seed: int = 0, *, dials_of: Latents | None = None
  ) -> Latents:
    """Returns draws of the standard normal, the plain prior.

    Args:
      n: How many pieces.
      seed: Of the draws.
      dials_of: Latents of as many pieces, whose dials the draws get: dials are
        no draws, but attributes of the music. None draws these, too.
    """
    latent, rng = self.composer.model.config.latent, np.random.default_rng(seed)
    draw = lambda *shape: rng.normal(size=(n, *shape)).astype(np.float32)  # noqa: E731
    slots, piece = draw(latent.slots, latent.slot), draw(latent.piece)
    if dials_of is not None:
      count = len(latent.dial_names)
      slots[..., :count] = np.asarray(dials_of.slots)[..., :count]
    return Latents(slots=slots, piece=piece)

  def prior(
    self,
    n: int,
    seed: int = 0,
    *,
    kind: str = '',
    condition: Mapping[str, int | str] | None = None,
  ) -> Latents:
    """Returns draws of a prior that the model carries.

    Args:
      n: How many pieces.
      seed: Of the draws.
      kind: `aggregate`, `autoregressive` or `flow`, `standard` for the
        standard normal; '' takes the one that was fitted last.
      condition: Classes that they shall be of, such as `{'key': 7, 'meter':
        '3/4'}`; see `deploy.conditions`.

    Raises:
      ConfigError: The model carries no such prior (code `prior`), or it knows
        no such condition (`condition`).
    """
    if kind == 'standard':
      if condition:
        raise ConfigError(
          'the standard normal knows no conditions; name another kind',
          code='condition',
        )
      return self.standard(n, seed)
    priors = self.composer.priors
    if priors is None:
      raise ConfigError(
        'the model carries no prior; fit one with `aurl prior RUN`, or take '
        "kind='standard'",
        code='prior',
      )
    return priors.sample(n, seed, kind=kind, condition=condition)

  @property
  def dials(self) -> Dials:
    """What of the latents can be turned.

    Raises:
      ConfigError: The model has no dials, or nobody has measured how far one
        deviation is (code `dials`).
    """
    names = dials_lib.names_of(self.composer.model.config.latent)
    if self.composer.dials is None:
      raise ConfigError(
        f'the model has dials, {", ".join(names)}, but does not carry how far '
        'they turn; bundle its run again (`aurl bundle`), or measure them '
        'with deploy.dials.Dials.fit',
        code='dials',
      )
    return self.composer.dials

  def turn(self, latents: Latents, **by: float) -> Latents:
    """Returns latents with dials turned, in deviations of the data.

    Args:
      latents: Of any pieces.
      **by: Attribute -> how far.

    Raises:
      ConfigError: As `dials` and `Dials.turn`.
    """
    return self.dials.turn(latents, **by)

  def _ids(self, piece: Notes | np.ndarray, at: int) -> np.ndarray:
    encode = self.composer.tokenizer.encode
    ids = encode(piece) if isinstance(piece, Notes) else np.asarray(piece)
    context = self.composer.model.config.context
    if len(ids) > context:
      raise RequestError(
        f'piece {at} has {len(ids)} steps, more than the {context} that the '
        'model encodes at once; cut it into bars (music.cut.slice_bars)',
        code='too_long',
      )
    return ids

  def _encoded(self, rows: Sequence[np.ndarray]) -> Posterior:
    context = self.composer.model.config.context
    # One shape, so that one program does for all.
    ids = np.zeros((_AT_ONCE, context, rows[0].shape[1]), np.int32)
    segments = np.zeros((_AT_ONCE, context), np.int32)
    for at, row in enumerate(rows):
      ids[at, : len(row)], segments[at, : len(row)] = row, 1
    found = self._run(
      self.composer.params, jnp.asarray(ids), jnp.asarray(segments)
    )
    return jax.tree.map(lambda x: np.asarray(x)[: len(rows)], found)

  @functools.cached_property
  def _writer(self) -> oneshot.Writer:
    return oneshot.Writer(self.composer.model, self.composer.params, _AT_ONCE)

  @functools.cached_property
  def _run(self) -> Callable[..., Any]:
    return jax.jit(self.composer.model.posterior)


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
