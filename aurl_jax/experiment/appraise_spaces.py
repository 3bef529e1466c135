"""Distances of sets in other spaces than metrics: of sound, of an encoder."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from aurl_jax.core.errors import TokenError
from aurl_jax.deploy import windows
from aurl_jax.deploy.encoder import Encoder, check
from aurl_jax.evaluation import embedding as embedding_lib
from aurl_jax.evaluation import spaces
from aurl_jax.evaluation.spaces import Vectors
from aurl_jax.experiment import generate, progress
from aurl_jax.music import cut, time
from aurl_jax.music.notes import Notes

ENCODER = 'pop_dials'
"""The shipped model with latents."""
WINDOWS = 4
"""Of each piece that are encoded, spread evenly: of two bars, with it."""
_AT_ONCE = 16
"""Pieces whose windows are encoded together."""
_BARS = 4
"""In which a window is looked for."""


class Sound:
  """How sets sound to an embedding, the reference heard once."""

  def __init__(self, name: str, seconds: float | int) -> None:
    """Loads the embedding.

    Args:
      name: As of `embedding.load`.
      seconds: Of each piece that are heard.

    Raises:
      EmbeddingError, WeightsError: As of `embedding.load`.
    """
    self._embedding = embedding_lib.load(name)
    self._seconds = seconds

  def vectors(
    self, pieces: Sequence[Notes], told: progress.Report | None = None
  ) -> Vectors:
    """Returns a set as what is heard of it."""
    return spaces.heard(
      pieces, self._embedding, seconds=self._seconds, told=told
    )

  def facts(self) -> dict[str, Any]:
    """Returns what figures are of, which belongs beside them."""
    return {
      'embedding': self._embedding.name,
      'synthesiser': 'additive',
      'seconds': self._seconds,
    }


class Latents:
  """What the encoder of a model with latents says of sets."""

  def __init__(self, name: str) -> None:
    """Loads the model.

    Args:
      name: A run, a bundle, or a shipped name.

    Raises:
      BundleError: There is no such model.
      ConfigError: It has no latents (code `model_config`).
    """
    composer = generate.load(name)
    check(composer.model)
    self._name, self._encoder = name, composer.encoder

  def vectors(
    self, pieces: Sequence[Notes], told: progress.Report | None = None
  ) -> Vectors:
    """Returns a set as the middles of latents of windows of its pieces."""
    return spaces.gathered(encoded(self._encoder, pieces, told))

  def facts(self) -> dict[str, Any]:
    """Returns what figures are of, which belongs beside them."""
    return {'encoder': self._name, 'windows_of_a_piece': WINDOWS}


def encoded(
  encoder: Encoder, pieces: Sequence[Notes], told: progress.Report | None = None
) -> Iterator[np.ndarray]:
  """Yields the latents of windows of each piece, `[w, d]`.

  A piece that the model cannot read has no window.

  Args:
    encoder: Of a model with latents.
    pieces: Any music.
    told: Is told how many are done, of how many.
  """
  for first in range(0, len(pieces), _AT_ONCE):
    some = pieces[first : first + _AT_ONCE]
    ids = [_ids(encoder, notes) for notes in some]
    every = [row for rows in ids for row in rows]
    if every:
      found = encoder.posterior(every)
      # A slot that a window has not says what all music says together.
      slots = np.where(found.used[..., None], found.mean.slots, 0)
      parts = [slots.reshape(len(every), -1), found.mean.piece]
      table = np.concatenate(parts, axis=1)
      yield from np.split(table, np.cumsum([len(rows) for rows in ids])[:-1])
    else:
      yield from (np.zeros((0, 0)) for _ in some)
    if told is not None:
      told(first + len(some), len(pieces))


def _ids(encoder: Encoder, notes: Notes) -> list[np.ndarray]:
  """Returns the ids of some windows of a piece, spread evenly."""
  try:
    held = encoder.tokenizer.quantise(notes)
  except TokenError:
    return []
  if not len(held):
    return []
  bars = len(time.bar_starts(held))
  rows = []
  for first in sorted({k * bars // WINDOWS for k in range(WINDOWS)}):
    part = cut.slice_bars(held, first, min(first + _BARS, bars), held=True)
    rows += [window.ids for window in windows.of(encoder, part)[:1]]
  return rows
