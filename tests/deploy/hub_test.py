"""Published bundles: what is fetched, what is refused, and by which word."""

import sys

import jax
import numpy as np
import pytest

import aurl_jax
from aurl_jax.core.errors import BundleError
from aurl_jax.deploy import bundle

hub = pytest.importorskip('huggingface_hub')


@pytest.fixture
def published(tmp_path, monkeypatch):
  """A cache as the Hub's package keeps it: names that are links to contents."""
  (tmp_path / 'blobs').mkdir()
  snapshot = tmp_path / 'snapshots' / 'abc'
  snapshot.mkdir(parents=True)
  asked = []

  def download(repository, *, revision, allow_patterns):
    asked.append((repository, revision))
    for file in bundle.shipped_folder('chorale').iterdir():
      if file.name in allow_patterns:
        (tmp_path / 'blobs' / file.name).write_bytes(file.read_bytes())
        (snapshot / file.name).symlink_to(tmp_path / 'blobs' / file.name)
    return str(snapshot)

  monkeypatch.setattr(hub, 'snapshot_download', download)
  return snapshot, asked


def test_it_is_the_model_that_was_published(published):
  snapshot, asked = published
  found = aurl_jax.load('hf:someone/chorales.v2@0123abc')
  assert asked == [('someone/chorales.v2', '0123abc')]
  own = aurl_jax.load('chorale')
  assert found.model == own.model
  assert found.tokenizer == own.tokenizer
  jax.tree.map(np.testing.assert_array_equal, found.params, own.params)
  assert found.index is not None
  assert {file.name for file in snapshot.iterdir()} == {
    file.name for file in bundle.shipped_folder('chorale').iterdir()
  }


def test_what_is_fetched_is_checked(published):
  snapshot, _ = published
  bundle.outline('hf:someone/chorales')
  weights = (snapshot / bundle.WEIGHTS).resolve()
  content = bytearray(weights.read_bytes())
  content[-1] ^= 1
  weights.write_bytes(content)
  with pytest.raises(BundleError, match=r'weights\.safetensors'):
    bundle.load(snapshot)


@pytest.mark.parametrize(
  'name',
  [
    'hf:',
    'hf:chorales',
    'hf:../chorales',
    'hf:a/b/c',
    'hf:a/..',
    'hf:a/b@../../main',
    'hf:a/b@',
    'hf:a/b c',
    'hf:a/b\n',
    'hf:' + 'a' * 5000 + '/b',
    'a' * 5000,
    'chorale\0',
  ],
)
def test_other_names_are_refused(name, published):
  with pytest.raises(BundleError) as error:
    bundle.load(name)
  assert error.value.code == 'no_bundle'
  assert published[1] == []


def test_what_cannot_be_fetched_is_told(monkeypatch):
  def download(*_, **__):
    raise hub.errors.LocalEntryNotFoundError('nothing here, and no network')

  monkeypatch.setattr(hub, 'snapshot_download', download)
  with pytest.raises(BundleError, match='no network') as error:
    bundle.load('hf:someone/chorales')
  assert error.value.code == 'hub'


def test_without_the_package_the_extra_is_named(monkeypatch):
  monkeypatch.setitem(sys.modules, 'huggingface_hub', None)
  with pytest.raises(BundleError, match=r"pip install 'aurl-jax\[hub\]'"):
    bundle.load('hf:someone/chorales')
