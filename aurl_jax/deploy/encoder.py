"""`Encoder`: from pieces to their latents."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from aurl_jax.core.errors import ConfigError
from aurl_jax.generation.errors import RequestError
from aurl_jax.models.config import LatentConfig
from aurl_jax.models.functional import Model
from aurl_jax.models.latent import Latents, Posterior
from aurl_jax.music.notes import Notes
from aurl_jax.tokens.tokenizer import Tokenizer

_AT_ONCE = 64


def check(model: Model) -> None:
  """Raises ConfigError unless a model has latents (code `model_config`)."""
  if not model.config.has_latents:
    raise ConfigError(
      f'a model of mode {model.config.mode!r} has no latents; take one that '
      "was trained with model.mode 'vae'",
      code='model_config',
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Encoder:
  """Encodes pieces.

  Attributes:
    model: A network, with latents if it is to encode.
    params: Its parameters.
    tokenizer: Between notes and its ids.
  """

  model: Model
  params: Any
  tokenizer: Tokenizer

  def posterior(self, pieces: Sequence[Notes | np.ndarray]) -> Posterior:
    """Returns the distributions of the latents of pieces, as numpy arrays.

    Args:
      pieces: Music, or its ids `[t, f]`.

    Raises:
      ConfigError: The model has no latents (code `model_config`).
      RequestError: There is none, or one is longer than the model's context
        (code `too_long`).
      TokenError: One is not what the tokenizer can hold.
    """
    check(self.model)
    rows = [self._ids(piece, at) for at, piece in enumerate(pieces)]
    if not rows:
      raise RequestError('there are no pieces to encode', code='no_pieces')
    found = [
      self._encoded(rows[first : first + _AT_ONCE])
      for first in range(0, len(rows), _AT_ONCE)
    ]
    return jax.tree.map(lambda *parts: np.concatenate(parts), *found)

  def _ids(self, piece: Notes | np.ndarray, at: int) -> np.ndarray:
    encode = self.tokenizer.encode
    ids = encode(piece) if isinstance(piece, Notes) else np.asarray(piece)
    context = self.model.config.context
    if len(ids) > context:
      raise RequestError(
        f'piece {at} has {len(ids)} steps, more than the {context} that the '
        'model encodes at once; cut it into bars (music.cut.slice_bars)',
        code='too_long',
      )
    return ids

  def _encoded(self, rows: Sequence[np.ndarray]) -> Posterior:
    context = self.model.config.context
    # One shape, so that one program does for all.
    ids = np.zeros((_AT_ONCE, context, rows[0].shape[1]), np.int32)
    segments = np.zeros((_AT_ONCE, context), np.int32)
    for at, row in enumerate(rows):
      ids[at, : len(row)], segments[at, : len(row)] = row, 1
    found = self._run(self.params, jnp.asarray(ids), jnp.asarray(segments))
    return jax.tree.map(lambda x: np.asarray(x)[: len(rows)], found)

  @functools.cached_property
  def _run(self) -> Callable[..., Any]:
    return jax.jit(self.model.posterior)


def standard(latent: LatentConfig, n: int, seed: int) -> Latents:
  """Returns draws of the standard normal, the plain prior, of `n` pieces."""
  rng = np.random.default_rng(seed)
  draw = lambda *shape: rng.normal(size=(n, *shape)).astype(np.float32)  # noqa: E731
  return Latents(
    slots=draw(latent.slots, latent.slot), piece=draw(latent.piece)
  )
