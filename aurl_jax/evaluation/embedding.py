"""Networks that listen, by name: what a Fréchet distance of sound is told by.

    musicnn             the weights that are shipped (`evaluation.musicnn`)
    musicnn:FILE        the same network with weights of one's own
    vggish:FILE         VGGish (`evaluation.vggish`), whose weights are not ours
    clap:FOLDER         a CLAP model as transformers keeps it: Wu et al.,
                        "Large-scale contrastive language-audio pretraining",
                        ICASSP 2023; wants torch and transformers, the extra
                        `clap`

A distance depends on the embedding as a length depends on its unit: two of
different embeddings say nothing to each other. Axes: `n` samples, `w` windows,
`v` samples of one, `d` parts of a vector.
"""

import dataclasses
import importlib
import pathlib
from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Float32

from aurl_jax.core.errors import AurlError
from aurl_jax.evaluation import musicnn, vggish

DEFAULT = 'musicnn'
_CLAP_RATE, _CLAP_SECONDS = 48_000, 10


class EmbeddingError(AurlError):
  """An embedding that there is not, or that cannot be loaded."""


@runtime_checkable
class Embedding(Protocol):
  """What hears sound as vectors.

  Attributes:
    name: How reports call it.
    rate: Samples a second of what it hears.
  """

  @property
  def name(self) -> str:
    """How reports call it."""

  @property
  def rate(self) -> int:
    """Samples a second of what it hears."""

  def __call__(self, sound: Float[np.ndarray, ' n']) -> np.ndarray:
    """Returns a vector of each window, `[w, d]`, one at least."""


def load(name: str = DEFAULT) -> Embedding:
  """Returns an embedding.

  Args:
    name: As listed above.

  Raises:
    EmbeddingError: There is no such embedding (code `no_embedding`), its file
      is missing (`missing`), or a package is (`missing_extra`).
    WeightsError: The weights are not of this network.
  """
  kind, _, path = name.partition(':')
  if name == DEFAULT:
    return musicnn.shipped()
  if kind not in _LOADERS or not path:
    raise EmbeddingError(
      f'there is no embedding {name!r}; name {DEFAULT}, or '
      + ', '.join(f'{known}:PATH' for known in _LOADERS),
      code='no_embedding',
    )
  place = pathlib.Path(path).expanduser()
  if not place.exists():
    raise EmbeddingError(
      f'{place} does not exist; {kind} needs weights that you have, and the '
      f'default, {DEFAULT}, comes with its own',
      code='missing',
    )
  return _LOADERS[kind](place)


def cut(
  sound: Float[np.ndarray, ' n'], window: int
) -> Float32[np.ndarray, 'w v']:
  """Returns sound in windows one behind the other, the first filled up."""
  sound = np.asarray(sound, np.float32)
  sound = sound[: max(len(sound) // window, 1) * window]
  return np.pad(sound, (0, -len(sound) % window)).reshape(-1, window)


@dataclasses.dataclass(frozen=True)
class Clap:
  """A CLAP model of transformers.

  Attributes:
    name: How reports call it.
    model: A `ClapModel`.
    extractor: Its `ClapFeatureExtractor`.
    torch: The package.
  """

  name: str
  model: Any
  extractor: Any
  torch: Any

  rate = _CLAP_RATE
  """Samples a second of what it hears."""

  def __call__(
    self, sound: Float[np.ndarray, ' n']
  ) -> Float32[np.ndarray, 'w d']:
    """Returns a vector of each window of ten seconds."""
    rows = []
    for one in cut(sound, _CLAP_SECONDS * self.rate):
      told = self.extractor(one, sampling_rate=self.rate, return_tensors='pt')
      with self.torch.no_grad():
        found = self.model.get_audio_features(**told)
      # Newer versions return a record of it.
      found = getattr(found, 'pooler_output', found)
      rows.append(found.numpy())
    return np.concatenate(rows).astype(np.float32)


def _clap(path: pathlib.Path) -> Clap:
  try:
    torch = importlib.import_module('torch')
    transformers = importlib.import_module('transformers')
  except ImportError as error:
    raise EmbeddingError(
      f'CLAP needs packages that are not installed ({error}): '
      "pip install 'aurl-jax[clap]'",
      code='missing_extra',
    ) from error
  try:
    model = transformers.ClapModel.from_pretrained(path, local_files_only=True)
    extractor = transformers.ClapFeatureExtractor.from_pretrained(
      path, local_files_only=True
    )
  except (OSError, ValueError, KeyError) as error:
    raise EmbeddingError(
      f'{path} is no folder of a ClapModel of transformers: {error}',
      code='missing',
    ) from error
  return Clap(f'clap:{path.name}', model.eval(), extractor, torch)


_LOADERS: dict[str, Callable[[pathlib.Path], Embedding]] = {
  'musicnn': musicnn.load,
  'vggish': vggish.load,
  'clap': _clap,
}
