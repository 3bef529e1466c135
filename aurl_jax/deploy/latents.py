"""The latent space of a model: into it, out of it, and ways through it.

Axes: `n` pieces, `s` slots, `z` dims of a slot's latent, `p` of the piece's.
"""

import dataclasses
import functools
from collections.abc import Iterator, Mapping, Sequence

import jax
import numpy as np

from aurl_jax.core.errors import ConfigError
from aurl_jax.deploy import dials as dials_lib
from aurl_jax.deploy import encoder as encoder_lib
from aurl_jax.deploy.composer import Composer
from aurl_jax.deploy.dials import Dials
from aurl_jax.generation import decode as decode_lib
from aurl_jax.generation import oneshot
from aurl_jax.generation.guidance import Guided
from aurl_jax.generation.piece import Piece
from aurl_jax.generation.sampling import Sampler
from aurl_jax.models.latent import Latents, Posterior
from aurl_jax.music.notes import Notes

_AT_ONCE = 64


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
    encoder_lib.check(self.composer.model)

  def posterior(self, pieces: Sequence[Notes | np.ndarray]) -> Posterior:
    """Returns the distributions of the latents of pieces, as numpy arrays.

    Args:
      pieces: Music, or its ids `[t, f]`.

    Raises:
      RequestError: There is none, or one is longer than the model's context
        (code `too_long`).
      TokenError: One is not what the tokenizer can hold.
    """
    return self.composer.encoder.posterior(pieces)

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
    latent = self.composer.model.config.latent
    found = encoder_lib.standard(latent, n, seed)
    if dials_of is None:
      return found
    dials, rest = len(latent.dial_names), np.asarray(dials_of.slots)
    slots = np.concatenate([rest[..., :dials], found.slots[..., dials:]], -1)
    return dataclasses.replace(found, slots=slots)

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

  @functools.cached_property
  def _writer(self) -> oneshot.Writer:
    return oneshot.Writer(self.composer.model, self.composer.params, _AT_ONCE)
