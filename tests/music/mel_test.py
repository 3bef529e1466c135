"""Spectrograms, against librosa, and against sums written out."""

import math

import numpy as np
import pytest

from aurl_jax.music.mel import Mel

VGGISH = Mel(
  window=400, hop=160, size=512, bands=64, low=125, high=7500,
  scale='htk', centred=False, power=1,
)  # fmt: skip


def noise(count, seed=0):
  return np.random.default_rng(seed).uniform(-1, 1, count).astype(np.float32)


@pytest.mark.parametrize('count', [16_000, 5_001, 300])
def test_it_is_that_of_librosa(count):
  librosa = pytest.importorskip('librosa')
  sound = noise(count)
  wanted = librosa.feature.melspectrogram(
    y=sound, sr=16_000, n_fft=512, hop_length=256, n_mels=96
  )
  found = Mel()(sound)
  assert found.shape == wanted.T.shape
  np.testing.assert_allclose(found, wanted.T, rtol=2e-5, atol=1e-7)


def test_frames_without_centring_by_sums():
  sound = noise(1_000, 3)
  found = VGGISH(sound)
  assert found.shape == ((1_000 - 400) // 160 + 1, 64)
  window = [0.5 - 0.5 * math.cos(2 * math.pi * i / 400) for i in range(400)]
  part = [sound[320 + i] * window[i] for i in range(400)]
  edge = [1127 * math.log(1 + hz / 700) for hz in (125, 7500)]
  wide = (edge[1] - edge[0]) / 65
  for band in (0, 20, 63):
    middle, total = edge[0] + (band + 1) * wide, 0.0
    for k in range(1, 257):
      turns = [-2j * math.pi * k * i / 512 for i in range(400)]
      height = abs(sum(p * np.exp(t) for p, t in zip(part, turns, strict=True)))
      mel = 1127 * math.log(1 + k * 16_000 / 512 / 700)
      total += height * max(0.0, 1 - abs(mel - middle) / wide)
    assert found[2, band] == pytest.approx(total, rel=1e-4)


def test_too_little_sound_has_no_frame():
  assert VGGISH(noise(399)).shape == (0, 64)
  assert VGGISH(noise(0)).shape == (0, 64)
  assert Mel()(noise(0)).shape == (1, 96)


def test_bands_that_cannot_be_are_refused():
  with pytest.raises(ValueError, match='half of 8000'):
    Mel(rate=8_000)
  with pytest.raises(ValueError, match='slaney or htk'):
    Mel(scale='bark')
