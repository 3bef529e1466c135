"""What VGGish hears, with weights that the user has.

Hershey et al., "CNN architectures for large-scale audio classification", ICASSP
2017; the network whose last layer AudioSet is released by, and the one of the
first Fréchet audio distance (Kilgour et al., Interspeech 2019). Its weights do
not come along. They are read from a safetensors file of the layers as PyTorch
names them in the usual port: `features.0`, 3, 6, 8, 11, 13 and `embeddings.0`,
2, 4, each `weight` and `bias`, kernels `[out, in, height, width]`. What is
returned is the 128 values of the last layer, rectified, before AudioSet's
principal components and its quantisation, which Kilgour et al. leave out too.

Windows are 96 frames of 10 ms, one behind the other; sound of less than one is
filled up with silence. Axes: `n` samples, `w` windows, `t` frames, `m` bands.
"""

import dataclasses
import functools
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Float, Float32

from aurl_jax.evaluation import musicnn
from aurl_jax.music.mel import HTK, Mel

FRAMES = 96
MEL = Mel(
  rate=16_000,
  window=400,
  hop=160,
  size=512,
  bands=64,
  low=125.0,
  high=7_500.0,
  scale=HTK,
  centred=False,
  power=1,
)
_OFFSET = 0.01
"""Added before the logarithm."""
_LAYERS = {0: 64, 3: 128, 6: 256, 8: 256, 11: 512, 13: 512}
"""Number in the port -> filters of a convolution."""
_POOLED = (0, 3, 8, 13)
"""Behind these, the image is halved."""
_DENSE = {0: 4096, 2: 4096, 4: 128}
_FLAT = 512 * (FRAMES // 16) * (MEL.bands // 16)


@dataclasses.dataclass(frozen=True)
class Vggish:
  """The network with its weights.

  Attributes:
    arrays: As of `shapes`.
    name: How reports call it.
  """

  arrays: Mapping[str, Any]
  name: str = 'vggish'

  rate = MEL.rate
  """Samples a second of what it hears."""

  def __call__(
    self, sound: Float[np.ndarray, ' n']
  ) -> Float32[np.ndarray, 'w 128']:
    """Returns the embedding of each window.

    Args:
      sound: Samples at `rate`, -1..1.
    """
    # One at a time: a program for each number of windows would be slower.
    rows = [self._run(self.arrays, one[None]) for one in windows(sound)]
    return np.concatenate([np.asarray(row) for row in rows])

  @functools.cached_property
  def _run(self) -> Callable[..., jax.Array]:
    return jax.jit(forward)


def windows(
  sound: Float[np.ndarray, ' n'],
) -> Float32[np.ndarray, 'w 96 64']:
  """Returns the windows of sound that the network hears, one at least.

  Args:
    sound: Samples at 16 kHz, -1..1.
  """
  least = MEL.window + (FRAMES - 1) * MEL.hop
  sound = np.pad(sound, (0, max(0, least - len(sound))))
  heard = np.log(MEL(sound) + np.float32(_OFFSET))
  heard = heard[: len(heard) // FRAMES * FRAMES]
  return np.asarray(heard.reshape(-1, FRAMES, MEL.bands))


def load(path: pathlib.Path) -> Vggish:
  """Returns the network with the weights of a safetensors file.

  Args:
    path: A file of arrays as of `shapes`; others in it are left alone.

  Raises:
    WeightsError: There is no such file, or it is not of this network.
  """
  found = musicnn.read(path, shapes())
  arrays = {key: jnp.asarray(value) for key, value in found.items()}
  return Vggish(arrays, f'vggish:{path.name}')


def shapes() -> dict[str, tuple[int, ...]]:
  """Returns the arrays that the network is made of, and their shapes."""
  found: dict[str, tuple[int, ...]] = {}
  before = 1
  for number, filters in _LAYERS.items():
    found[f'features.{number}.weight'] = (filters, before, 3, 3)
    found[f'features.{number}.bias'] = (filters,)
    before = filters
  before = _FLAT
  for number, units in _DENSE.items():
    found[f'embeddings.{number}.weight'] = (units, before)
    found[f'embeddings.{number}.bias'] = (units,)
    before = units
  return found


def forward(arrays: Mapping[str, Any], heard: jax.Array) -> jax.Array:
  """Returns the embeddings of windows, `[w, 128]`.

  Args:
    arrays: The weights.
    heard: `[w, t, m]`, as of `windows`.
  """
  image = heard[..., None]
  for number in _LAYERS:
    image = lax.conv_general_dilated(
      image,
      arrays[f'features.{number}.weight'],
      (1, 1),
      'SAME',
      dimension_numbers=('NHWC', 'OIHW', 'NHWC'),
      precision=lax.Precision.HIGHEST,
    )
    image = jax.nn.relu(image + arrays[f'features.{number}.bias'])
    if number in _POOLED:
      shape = len(image), image.shape[1] // 2, 2, image.shape[2] // 2, 2, -1
      image = image.reshape(shape).max(axis=(2, 4))
  found = image.reshape(len(image), -1)
  for number in _DENSE:
    weight, bias = (
      arrays[f'embeddings.{number}.{part}'] for part in ('weight', 'bias')
    )
    found = jax.nn.relu(found @ weight.T + bias)
  return found
