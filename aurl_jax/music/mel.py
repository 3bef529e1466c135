"""Mel spectrograms: how much of each band of pitch sounds, and when.

What networks that listen are given. Scales of mel: Slaney, "Auditory Toolbox"
(technical report, Interval Research 1998), linear up to 1 kHz and logarithmic
above, with filters of equal area; and that of the HTK book, 1127 log(1 + f /
700), with triangles of height 1 over mel. In numpy and scipy alone. Axes: `n`
samples, `t` frames, `f` bins, `m` bands.
"""

import dataclasses
import functools

import numpy as np
from jaxtyping import Float, Float32
from scipy import signal

_LINEAR = 200 / 3
"""Hertz of a mel of Slaney's scale, below its break."""
_BREAK = 1000.0
_STEP = np.log(6.4) / 27
"""Of a mel above it, in the logarithm of the frequency."""
SLANEY, HTK = 'slaney', 'htk'


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mel:
  """How sound is cut into frames and bands.

  Attributes:
    rate: Samples a second.
    window: Samples of a frame, under a periodic Hann window.
    hop: From one frame to the next.
    size: Of the transform; the window lies at its beginning.
    bands: How many.
    low: Hertz where the lowest begins.
    high: Hertz where the highest ends.
    scale: `slaney` or `htk`.
    centred: Whether frames lie around multiples of `hop`, with silence before
      and behind, or begin there and lie inside.
    power: To which amplitudes are raised before they are summed: 1 or 2.
  """

  rate: int = 16_000
  window: int = 512
  hop: int = 256
  size: int = 512
  bands: int = 96
  low: float | int = 0.0
  high: float | int = 8_000.0
  scale: str = SLANEY
  centred: bool = True
  power: int = 2

  def __post_init__(self) -> None:
    if self.scale not in (SLANEY, HTK):
      raise ValueError(f'a mel scale is slaney or htk, not {self.scale!r}')
    if not 0 <= self.low < self.high <= self.rate / 2:
      raise ValueError(
        f'bands from {self.low} to {self.high} Hz do not lie within 0 and '
        f'half of {self.rate}'
      )

  def __call__(
    self, sound: Float[np.ndarray, ' n']
  ) -> Float32[np.ndarray, 't m']:
    """Returns how much of each band sounds in each frame, at least 0.

    Args:
      sound: Samples, -1..1.

    Example:
      >>> clock = np.arange(16_000) / 16_000
      >>> found = Mel()(np.sin(2 * np.pi * 1000 * clock))
      >>> found.shape, int(found.mean(axis=0).argmax())
      ((63, 96), 31)
    """
    sound = np.asarray(sound, np.float32)
    if self.centred:
      sound = np.pad(sound, self.size // 2)
    count = max(0, (len(sound) - self.window) // self.hop + 1)
    if not count:
      return np.zeros((0, self.bands), np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(sound, self.window)
    frames = frames[:: self.hop][:count] * signal.get_window(
      'hann', self.window
    )
    # In single precision from here on, as librosa does: what is rounded
    # afterwards is rounded alike.
    turned = np.fft.rfft(frames, self.size, axis=1).astype(np.complex64)
    return np.asarray(abs(turned) ** self.power @ self.filters)

  @functools.cached_property
  def filters(self) -> Float32[np.ndarray, 'f m']:
    """How much of each bin counts for each band."""
    bins = np.arange(self.size // 2 + 1) * self.rate / self.size
    to_mel = _slaney if self.scale == SLANEY else _htk
    ends = to_mel(np.array([self.low, self.high], np.float64))
    edges = np.linspace(ends[0], ends[1], self.bands + 2)
    if self.scale == HTK:
      found = _triangles(_htk(bins), edges)
      found[0] = 0  # What does not change is no sound.
      return found.astype(np.float32)
    hertz = _hertz(edges)
    area = 2 / (hertz[2:] - hertz[:-2])
    return (_triangles(bins, hertz).astype(np.float32) * area).astype(
      np.float32
    )


def _triangles(bins: np.ndarray, edges: np.ndarray) -> np.ndarray:
  """Returns triangles between every three edges, of height 1, [f, m]."""
  rise = (bins[:, None] - edges[:-2]) / np.diff(edges)[:-1]
  fall = (edges[2:] - bins[:, None]) / np.diff(edges)[1:]
  return np.asarray(np.minimum(rise, fall).clip(min=0))


def _htk(hertz: np.ndarray) -> np.ndarray:
  return np.asarray(1127 * np.log1p(hertz / 700))


def _slaney(hertz: np.ndarray) -> np.ndarray:
  above = np.log(np.maximum(hertz, _BREAK) / _BREAK) / _STEP
  return np.asarray(np.minimum(hertz, _BREAK) / _LINEAR + above)


def _hertz(mel: np.ndarray) -> np.ndarray:
  """Returns the frequencies of mels of Slaney's scale."""
  knee = _BREAK / _LINEAR
  above = np.exp(np.maximum(mel - knee, 0) * _STEP)
  return np.asarray(np.minimum(mel, knee) * _LINEAR * above)
