"""The ported network, against the original on 20 files.

The golden numbers are those of tensorflow and librosa by
`tools/musicnn_golden.py`.
"""

import io
import pathlib
import wave

import numpy as np
import pytest

from aurl_jax.evaluation import musicnn

GOLDEN = pathlib.Path(__file__).parent / 'golden' / 'musicnn.npz'


@pytest.fixture(scope='module')
def sounds(load_tool):
  found = []
  for data in load_tool('musicnn_golden').sounds():
    with wave.open(io.BytesIO(data)) as file:
      assert file.getframerate() == 16_000
      samples = np.frombuffer(file.readframes(file.getnframes()), '<i2')
    found.append((samples / 32768).astype(np.float32))
  return found


def test_it_hears_what_the_original_hears(sounds):
  network = musicnn.shipped()
  with np.load(GOLDEN) as golden:
    wanted = {name: golden[name] for name in golden.files}
  assert set(wanted) == {'mean_pool', 'max_pool', 'penultimate'}
  assert len(sounds) == len(wanted['penultimate']) == 20
  for number, sound in enumerate(sounds):
    found = network.features(sound)
    for name, rows in wanted.items():
      # The largest of a window are sums of up to 122: they are held to 1e-4 of
      # the greatest, all else to 1e-4.
      most = max(1, abs(rows[number]).max()) if name == 'max_pool' else 1
      far = abs(found[name] - rows[number]).max()
      assert far < 1e-4 * most, (number, name)
    np.testing.assert_array_equal(network(sound), found['penultimate'])
  # Pieces are told apart by far more than that.
  first = wanted['penultimate'][:, 0]
  assert abs(first[:, None] - first[None]).max(axis=2)[0, 1:].min() > 0.05


def test_windows_are_of_whole_frames():
  rng = np.random.default_rng(0)
  sound = rng.uniform(-0.1, 0.1, 100_000).astype(np.float32)
  # 391 frames: two windows, and what is left over is not heard.
  assert musicnn.windows(sound).shape == (2, 187, 96)
  (short,) = musicnn.windows(sound[:20_000])
  assert (short[:79].max(axis=1) > 0).all()
  assert not short[80:].any()
  network = musicnn.shipped()
  long = np.tile(sound, 5)
  found = network(long)
  assert found.shape == (10, 200)
  np.testing.assert_allclose(found[:2], network(sound), atol=1e-4)


def test_powers_are_rounded_to_half_precision():
  clock = np.arange(60_000) / 16_000
  loud = np.sin(2 * np.pi * 110 * clock).astype(np.float32)
  (heard,) = musicnn.windows(loud)
  power = (10 ** heard.astype(np.float64) - 1) / 10_000
  assert power.max() > 100
  half = power.astype(np.float16).astype(np.float64)
  np.testing.assert_allclose(power, half, rtol=1e-5, atol=1e-9)


def test_silence_is_a_number():
  found = musicnn.shipped()(np.zeros(1, np.float32))
  assert found.shape == (1, 200)
  assert np.isfinite(found).all()


def test_what_is_no_file_of_weights_is_refused(tmp_path):
  path = tmp_path / 'w.safetensors'
  with pytest.raises(musicnn.WeightsError, match='no weights can be read'):
    musicnn.load(path)
  path.write_bytes(b'nothing')
  with pytest.raises(musicnn.WeightsError, match=r'w\.safetensors'):
    musicnn.load(path)
