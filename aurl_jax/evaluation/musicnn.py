"""What a network that tags music hears: musicnn, ported, with its weights.

Pons and Serra, "musicnn: pre-trained convolutional neural networks for music
audio tagging", ISMIR 2019 late-breaking; the network: Pons et al., "End-to-end
learning for music audio tagging at scale", ISMIR 2018. The shipped weights are
`MTT_musicnn`, trained on MagnaTagATune, of the package musicnn 0.1.0 under the
ISC licence (`musicnn.LICENSE` beside this file); arrays are named as in its
checkpoint. What is worked out is its inference: batches are normalised by the
means and variances of training, and nothing is dropped.

Sound is heard in windows of 187 frames, 2.99 s, one behind the other; what is
left over at the end is not heard, and sound of less than a window is filled up
with silence. As in the original, powers are rounded to half precision before
their logarithm is taken, in single precision: so numpy did before version 2,
which the original wants.

Axes: `n` samples, `w` windows, `t` frames, `m` bands, `c` channels.
"""

import dataclasses
import functools
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import safetensors.numpy
from jax import lax
from jaxtyping import Float, Float32

from aurl_jax.core.errors import AurlError
from aurl_jax.music.mel import Mel

PATH = pathlib.Path(__file__).with_name('musicnn.safetensors')
FRAMES = 187
"""Of a window: three seconds."""
MEL = Mel()
_COMPRESSION = 10_000
_MOST = float(np.finfo(np.float16).max)
"""Of powers: sound of full scale has less than a hundredth of it."""
_EPSILON = 1e-3
"""Added to variances; the default of the original's layers."""
_AT_ONCE = 4
"""Windows; a feature map of one has 9 MB."""
_CONVOLUTIONS: Mapping[str, tuple[int, ...]] = {
  'conv2d': (7, 38, 1, 204),
  'conv2d_1': (7, 67, 1, 204),
  'conv2d_2': (128, 1, 1, 51),
  'conv2d_3': (64, 1, 1, 51),
  'conv2d_4': (32, 1, 1, 51),
  'conv2d_5': (7, 561, 1, 64),
  'conv2d_6': (7, 64, 1, 64),
  'conv2d_7': (7, 64, 1, 64),
  'dense': (1506, 200),
}
_NORMALISED = (1, 204, 204, 51, 51, 51, 64, 64, 64, 1506, 200)
"""Channels of each normalisation, in order."""
Arrays = Mapping[str, Any]


class WeightsError(AurlError):
  """Weights that are missing, or not of this network (code `weights`)."""


@dataclasses.dataclass(frozen=True)
class Musicnn:
  """The network with its weights.

  Attributes:
    arrays: As of `shapes`.
    name: How reports call it.
  """

  arrays: Arrays
  name: str = 'musicnn'

  rate = MEL.rate
  """Samples a second of what it hears."""

  def __call__(
    self, sound: Float[np.ndarray, ' n']
  ) -> Float32[np.ndarray, 'w 200']:
    """Returns the penultimate layer of each window.

    Args:
      sound: Samples at `rate`, -1..1.
    """
    return self.features(sound)['penultimate']

  def features(
    self, sound: Float[np.ndarray, ' n']
  ) -> dict[str, Float32[np.ndarray, 'w c']]:
    """Returns what it hears of each window, layer by layer.

    `mean_pool` and `max_pool`, 753 channels over the time of a window, and
    `penultimate`, 200.

    Args:
      sound: As of a call.
    """
    heard = windows(sound)
    parts = []
    for first in range(0, len(heard), _AT_ONCE):
      some = heard[first : first + _AT_ONCE]
      # One shape, so that one program does for all.
      full = np.zeros((_AT_ONCE, *some.shape[1:]), np.float32)
      full[: len(some)] = some
      told = self._run(self.arrays, full)
      parts.append({k: np.asarray(v)[: len(some)] for k, v in told.items()})
    return {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}

  @functools.cached_property
  def _run(self) -> Callable[..., dict[str, jax.Array]]:
    return jax.jit(forward)


def windows(
  sound: Float[np.ndarray, ' n'],
) -> Float32[np.ndarray, 'w 187 96']:
  """Returns the windows of sound that the network hears, one at least.

  Args:
    sound: Samples at 16 kHz, -1..1.
  """
  power = MEL(sound).clip(max=_MOST).astype(np.float16).astype(np.float32)
  heard = np.log10(_COMPRESSION * power + 1)
  heard = heard[: max(len(heard) // FRAMES, 1) * FRAMES]
  heard = np.pad(heard, [(0, -len(heard) % FRAMES), (0, 0)])
  return np.asarray(heard.reshape(-1, FRAMES, MEL.bands))


@functools.cache
def shipped() -> Musicnn:
  """Returns the network with the weights of MTT_musicnn."""
  return load(PATH, name='musicnn')


def load(path: pathlib.Path, name: str = '') -> Musicnn:
  """Returns the network with the weights of a safetensors file.

  Args:
    path: A file of arrays as of `shapes`; others in it are left alone.
    name: How reports call it; the file's name by default.

  Raises:
    WeightsError: There is no such file, or it is not of this network.
  """
  arrays = read(path, shapes())
  return Musicnn(
    {key: jnp.asarray(value) for key, value in arrays.items()},
    name or f'musicnn:{path.name}',
  )


def read(
  path: pathlib.Path, wanted: Mapping[str, tuple[int, ...]]
) -> dict[str, Float32[np.ndarray, '...']]:
  """Returns arrays of a safetensors file, by name, float32.

  Args:
    path: The file.
    wanted: Names of the arrays, and their shapes.

  Raises:
    WeightsError: There is no such file, or one of these is not in it.
  """
  try:
    found = safetensors.numpy.load_file(path)
  except (OSError, ValueError, safetensors.SafetensorError) as error:
    raise WeightsError(
      f'no weights can be read from {path} ({error}); name a safetensors file',
      code='weights',
    ) from error
  for name, shape in wanted.items():
    if name not in found or found[name].shape != shape:
      has = 'none' if name not in found else f'one of {found[name].shape}'
      raise WeightsError(
        f'{path} are no weights of this network: it wants an array {name} of '
        f'{shape}, there is {has}',
        code='weights',
      )
  return {name: found[name].astype(np.float32) for name in wanted}


def shapes() -> dict[str, tuple[int, ...]]:
  """Returns the arrays that the network is made of, and their shapes."""
  found: dict[str, tuple[int, ...]] = {}
  for name, shape in _CONVOLUTIONS.items():
    found |= {f'{name}/kernel': shape, f'{name}/bias': shape[-1:]}
  for number, size in enumerate(_NORMALISED):
    for part in ('gamma', 'beta', 'moving_mean', 'moving_variance'):
      found[f'{_normalisation(number)}/{part}'] = (size,)
  return found


def _normalisation(number: int) -> str:
  return f'batch_normalization_{number}' if number else 'batch_normalization'


def forward(arrays: Arrays, heard: jax.Array) -> dict[str, jax.Array]:
  """Returns the layers of windows, as `Musicnn.features` tells.

  Args:
    arrays: The weights.
    heard: `[w, t, m]`, as of `windows`.
  """
  image = _normal(arrays, 0, heard[..., None])
  padded = _in_time(image)
  front = [_picked(arrays, k, padded, 'VALID') for k in (0, 1)]
  front += [_picked(arrays, k, image, 'SAME') for k in (2, 3, 4)]
  known = jnp.concatenate(front, axis=-1)
  first = _along(arrays, 5, known)
  second = _along(arrays, 6, first) + first
  third = _along(arrays, 7, second) + second
  known = jnp.concatenate([known, first, second, third], axis=-1)
  most, mean = known.max(axis=1), known.mean(axis=1)
  # Of each channel, the largest stands before the mean.
  pooled = jnp.stack([most, mean], axis=-1).reshape(len(heard), -1)
  pooled = _normal(arrays, 9, pooled)
  dense = pooled @ arrays['dense/kernel'] + arrays['dense/bias']
  return {
    'mean_pool': mean,
    'max_pool': most,
    'penultimate': _normal(arrays, 10, jax.nn.relu(dense)),
  }


def _convolved(
  arrays: Arrays, number: int, image: jax.Array, padding: str
) -> jax.Array:
  """Returns a rectified, normalised convolution, `[w, t, m, c]`."""
  name = f'conv2d_{number}' if number else 'conv2d'
  made = lax.conv_general_dilated(
    image,
    arrays[f'{name}/kernel'],
    (1, 1),
    padding,
    dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
    precision=lax.Precision.HIGHEST,
  )
  made = jax.nn.relu(made + arrays[f'{name}/bias'])
  return _normal(arrays, number + 1, made)


def _picked(
  arrays: Arrays, number: int, image: jax.Array, padding: str
) -> jax.Array:
  """Returns the most that each filter finds over all bands, `[w, t, c]`."""
  return _convolved(arrays, number, image, padding).max(axis=2)


def _along(arrays: Arrays, number: int, known: jax.Array) -> jax.Array:
  """Returns a convolution over time of all channels, `[w, t, c]`."""
  image = _in_time(known[..., None])
  return _convolved(arrays, number, image, 'VALID')[:, :, 0]


def _in_time(image: jax.Array) -> jax.Array:
  """Returns an image with silence of three frames on both sides."""
  return jnp.pad(image, [(0, 0), (3, 3), (0, 0), (0, 0)])


def _normal(arrays: Arrays, number: int, values: jax.Array) -> jax.Array:
  """Returns values normalised by the moments of training."""
  name = _normalisation(number)
  gamma, beta, mean, variance = (
    arrays[f'{name}/{part}']
    for part in ('gamma', 'beta', 'moving_mean', 'moving_variance')
  )
  return (values - mean) * (gamma / jnp.sqrt(variance + _EPSILON)) + beta
