"""VGGish by sums in numpy: small weights, and a file as a user has one."""

import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy

from aurl_jax.evaluation import musicnn, vggish

LAYERS = (0, 3, 6, 8, 11, 13)


def weights(widths=(3, 4, 5, 4, 3, 4), dense=(7, 6, 5), seed=0):
  rng = np.random.default_rng(seed)
  found, before = {}, 1
  for layer, width in zip(LAYERS, widths, strict=True):
    shape = (width, before, 3, 3)
    found[f'features.{layer}.weight'] = rng.normal(size=shape) / 3
    found[f'features.{layer}.bias'] = rng.normal(size=width) / 9
    before = width
  before *= 6 * 4
  for layer, width in zip((0, 2, 4), dense, strict=True):
    shape = (width, before)
    found[f'embeddings.{layer}.weight'] = rng.normal(size=shape) / before**0.5
    found[f'embeddings.{layer}.bias'] = rng.normal(size=width) / 9
    before = width
  return {name: value.astype(np.float32) for name, value in found.items()}


def judged(arrays, heard):
  """The network as sums over patches, channels first, in float64."""
  image = heard[None].astype(np.float64)
  for layer in LAYERS:
    padded = np.pad(image, [(0, 0), (1, 1), (1, 1)])
    patches = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (1, 2))
    image = np.tensordot(
      arrays[f'features.{layer}.weight'], patches, ([1, 2, 3], [0, 3, 4])
    )
    image += arrays[f'features.{layer}.bias'][:, None, None]
    image = np.maximum(image, 0)
    if layer in (0, 3, 8, 13):
      image = np.maximum(image[:, ::2], image[:, 1::2])
      image = np.maximum(image[:, :, ::2], image[:, :, 1::2])
  # The original flattens channels last.
  flat = np.moveaxis(image, 0, -1).ravel()
  for layer in (0, 2, 4):
    flat = arrays[f'embeddings.{layer}.weight'] @ flat
    flat = np.maximum(flat + arrays[f'embeddings.{layer}.bias'], 0)
  return flat


def test_it_is_the_network_written_out():
  arrays = weights()
  rng = np.random.default_rng(1)
  heard = rng.normal(size=(2, 96, 64)).astype(np.float32)
  found = vggish.forward(arrays, jnp.asarray(heard))
  for row, image in zip(found, heard, strict=True):
    wanted = judged(arrays, image)
    assert (wanted > 0).any()
    np.testing.assert_allclose(row, wanted, rtol=1e-4, atol=1e-5)


def test_windows_are_of_a_second():
  rng = np.random.default_rng(2)
  sound = rng.uniform(-1, 1, 16_000 * 3).astype(np.float32)
  found = vggish.windows(sound)
  assert found.shape == (3, 96, 64)
  # Silence is the logarithm of what is added.
  np.testing.assert_allclose(
    vggish.windows(np.zeros(10, np.float32)), np.log(0.01)
  )
  assert len(vggish.windows(sound[:15_599])) == 1


def test_other_files_are_refused(tmp_path):
  path = tmp_path / 'small.safetensors'
  safetensors.numpy.save_file(weights(), path)
  with pytest.raises(musicnn.WeightsError, match=r'features.0.weight of \(64'):
    vggish.load(path)
  with pytest.raises(musicnn.WeightsError, match='no weights can be read'):
    vggish.load(tmp_path / 'none.safetensors')


@pytest.mark.slow
def test_a_file_of_its_size_is_read(tmp_path):
  wide = weights((64, 128, 256, 256, 512, 512), (4096, 4096, 128))
  assert {k: v.shape for k, v in wide.items()} == vggish.shapes()
  path = tmp_path / 'vggish.safetensors'
  safetensors.numpy.save_file(wide, path)
  network = vggish.load(path)
  sound = np.random.default_rng(3).uniform(-1, 1, 33_000).astype(np.float32)
  found = network(sound)
  assert found.shape == (2, 128)
  wanted = judged(wide, vggish.windows(sound)[1])
  np.testing.assert_allclose(found[1], wanted, rtol=1e-3, atol=1e-4)
