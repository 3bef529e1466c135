"""Embeddings by name: what is there, and what each missing thing says."""

import importlib
import types

import numpy as np
import pytest
import safetensors.numpy

from aurl_jax.evaluation import embedding, musicnn


def sound(seconds, rate=16_000):
  rng = np.random.default_rng(0)
  return rng.uniform(-0.1, 0.1, int(seconds * rate)).astype(np.float32)


def test_the_default_is_shipped():
  found = embedding.load()
  assert found is musicnn.shipped()
  assert isinstance(found, embedding.Embedding)
  assert (found.name, found.rate) == ('musicnn', 16_000)


def test_own_weights_of_the_same_network(tmp_path):
  arrays = {k: np.asarray(v) for k, v in musicnn.shipped().arrays.items()}
  arrays['dense/bias'] = arrays['dense/bias'] + 1
  path = tmp_path / 'mine.safetensors'
  safetensors.numpy.save_file(arrays, path)
  found = embedding.load(f'musicnn:{path}')
  assert found.name == 'musicnn:mine.safetensors'
  heard = sound(3)
  assert abs(found(heard) - embedding.load()(heard)).max() > 0.01
  del arrays['dense/bias']
  safetensors.numpy.save_file(arrays, path)
  with pytest.raises(musicnn.WeightsError, match='array dense/bias'):
    embedding.load(f'musicnn:{path}')


def test_windows_stand_behind_each_other():
  heard = sound(1.7)
  rows = embedding.cut(heard, 8_000)
  np.testing.assert_array_equal(rows, heard[:24_000].reshape(3, 8_000))
  # Less than a window is filled up with silence.
  (short,) = embedding.cut(heard[:5_000], 8_000)
  np.testing.assert_array_equal(short[:5_000], heard[:5_000])
  assert not short[5_000:].any()


@pytest.mark.parametrize(
  ('name', 'code', 'match'),
  [
    ('encodec', 'no_embedding', 'musicnn, or musicnn:PATH'),
    ('vggish', 'no_embedding', 'vggish:PATH'),
    ('vggish:/none.safetensors', 'missing', 'weights that you have'),
    ('clap:/none', 'missing', '/none does not exist'),
  ],
)
def test_what_is_missing_is_told(name, code, match):
  with pytest.raises(embedding.EmbeddingError, match=match) as told:
    embedding.load(name)
  assert told.value.code == code


def test_clap_without_its_packages(tmp_path, monkeypatch):
  def missing(name):
    raise ImportError(f'No module named {name!r}')

  monkeypatch.setattr(importlib, 'import_module', missing)
  with pytest.raises(embedding.EmbeddingError, match='clap') as told:
    embedding.load(f'clap:{tmp_path}')
  assert told.value.code == 'missing_extra'


def test_clap_hears_windows_of_ten_seconds():
  """With stand-ins: the real packages are not installed where tests run."""
  told = []

  def extractor(one, sampling_rate, return_tensors):
    told.append((len(one), sampling_rate, return_tensors))
    return {'input_features': one}

  class Model:
    def get_audio_features(self, input_features):
      value = types.SimpleNamespace(numpy=lambda: np.ones((1, 4)))
      return types.SimpleNamespace(pooler_output=value)

  class NoGrad:
    def __enter__(self):
      return self

    def __exit__(self, *_):
      return None

  torch = types.SimpleNamespace(no_grad=NoGrad)
  found = embedding.Clap('clap:x', Model(), extractor, torch)
  assert found(sound(21, 48_000)).shape == (2, 4)
  assert told == [(480_000, 48_000, 'pt')] * 2
