"""Pickles and names planted where this package keeps things never run.

The digests are right: whoever plants something can compute them, too.
"""

import contextlib
import hashlib
import io
import json
import pathlib
import pickle
import shutil
import zipfile

import numpy as np
import pytest
import safetensors.numpy

from aurl_jax.core import checkpoint, files, manifest
from aurl_jax.core.errors import AurlError, BundleError, CheckpointError
from aurl_jax.data import cache, store
from aurl_jax.deploy import bundle, sealed
from aurl_jax.music import midi
from tests.deploy import bundle_test
from tests.generation import writers


class Planted:
  """Touches a file when it is unpickled."""

  def __init__(self, mark):
    self.mark = mark

  def __reduce__(self):
    return pathlib.Path.touch, (self.mark,)


@pytest.fixture
def mark(tmp_path):
  path = tmp_path / 'it ran'
  yield path
  assert not path.exists(), 'what was planted ran'
  # It would have: this is no blank.
  pickle.loads(pickle.dumps(Planted(path)))  # noqa: S301
  assert path.exists()


def forms(mark):
  """A pickle as it is, and inside of files of numpy."""
  plain = pickle.dumps(Planted(mark))
  array, archive = io.BytesIO(), io.BytesIO()
  np.save(array, np.array([Planted(mark)]), allow_pickle=True)
  np.savez(archive, x=np.array([Planted(mark)], object))
  return {
    'pickle': plain,
    'npy': array.getvalue(),
    'npz': archive.getvalue(),
  }


FORMS = ('pickle', 'npy', 'npz')


@pytest.mark.parametrize('form', FORMS)
def test_in_the_store_of_what_was_heard(tmp_path, mark, form, caplog):
  kept = store.Store(tmp_path / 'store')
  key = 'ab' * 32
  payload = forms(mark)[form]
  path = kept.path(key)
  path.parent.mkdir(parents=True)
  path.write_bytes(hashlib.sha256(payload).digest() + payload)
  assert not kept.check(path)
  assert kept.get(key) is None
  assert 'is damaged' in caplog.text


@pytest.mark.parametrize('form', FORMS)
@pytest.mark.parametrize('name', ['ids', 'offsets', 'bars', 'checks', 'pieces'])
def test_in_the_cache_of_ids(tmp_path, mark, form, name):
  folder = tmp_path / 'tokens'
  with cache.CacheWriter(
    folder, sizes=(300, 300), tokenizer={'name': 'x'}
  ) as writer:
    entry = {'name': 'p', 'digest': 'd', 'notes': 1}
    writer.add('train', entry, np.ones((5, 2), np.int32), np.array([1]))
  suffix = 'json' if name == 'pieces' else 'npy'
  path = folder / 'train' / f'{name}.{suffix}'
  path.write_bytes(forms(mark)[form])
  told = (folder / cache.MANIFEST).read_text()
  listed = json.loads(told)

  def relisted(part):
    if isinstance(part, dict):
      return {
        k: cache.fingerprint(path) if k == path.name else relisted(v)
        for k, v in part.items()
      }
    return part

  (folder / cache.MANIFEST).write_text(json.dumps(relisted(listed)))
  with pytest.raises((AurlError, ValueError)):
    split = cache.TokenCache.open(folder)['train']
    assert split.pieces


@pytest.mark.parametrize('form', FORMS)
def test_in_a_checkpoint(tmp_path, mark, form):
  state = {'w': np.arange(6.0)}
  with checkpoint.Checkpoints(tmp_path / 'checkpoints') as made:
    made.save(1, state, {'batch': 1})
  step = tmp_path / 'checkpoints' / '1'
  data = forms(mark)[form]
  paths = sorted(p for p in step.rglob('*') if p.is_file())
  assert len(paths) > 3
  for path in paths:
    if path.name == manifest.NAME:
      continue
    copy = shutil.copytree(step, tmp_path / 'copy' / '1')
    victim = copy / path.relative_to(step)
    victim.write_bytes(data)
    facts = manifest.facts(step)
    (copy / manifest.NAME).unlink()
    manifest.write(copy, facts=facts)
    # Refused, or of no use to whoever planted it.
    with contextlib.suppress(CheckpointError, ValueError, OSError, KeyError):
      found = checkpoint.Checkpoints(tmp_path / 'copy').restore(state)
      np.testing.assert_array_equal(found.state['w'], state['w'])
    shutil.rmtree(tmp_path / 'copy')


@pytest.mark.parametrize('form', FORMS)
@pytest.mark.parametrize(
  'name', ['weights.safetensors', 'config.json', 'prior.safetensors']
)
def test_in_a_bundle(tmp_path, mark, form, name):
  folder = bundle_test.save(tmp_path / 'bundle')
  bundle_test.rewrite(folder, name, forms(mark)[form])
  with pytest.raises(BundleError):
    bundle.load(folder)


@pytest.mark.parametrize('form', FORMS)
def test_in_a_sealed_file_and_as_music(mark, form):
  data = forms(mark)[form]
  with pytest.raises(BundleError, match='damaged'):
    sealed.unseal(data, 'it', 1, 'make it again')
  with pytest.raises(AurlError):
    midi.read(data)


@pytest.mark.parametrize(
  'name',
  [
    'pickle:loads',
    'builtins:eval',
    'os:system',
    'subprocess:Popen',
    'aurl_jax.core.files:os',
    'aurl_jax.deploy.bundle:json',
    'aurl_jax.core.config:build',
    '../../../etc/passwd:x',
    'tests.integration.planted_test:Planted',
    '',
    'x' * 10_000 + ':y',
  ],
)
def test_a_tokenizer_that_a_bundle_names(tmp_path, mark, name):
  folder = bundle_test.save(tmp_path / 'bundle')
  bundle_test.change_config(folder, tokenizer={'name': name, 'mark': str(mark)})
  with pytest.raises(AurlError):
    bundle.load(folder)


@pytest.mark.parametrize(
  'name',
  ['../outside', '/etc/passwd', 'weights.safetensors/../../outside', 'a\0b'],
)
def test_lists_that_name_files_outside(tmp_path, name):
  """Only the files of the layout are read, whatever a list names."""
  folder = bundle_test.save(tmp_path / 'bundle')
  (tmp_path / 'outside').write_bytes(b'secret')
  digests = json.loads((folder / bundle.DIGESTS).read_text())
  digests[name] = files.digest(b'secret')
  (folder / bundle.DIGESTS).write_text(json.dumps(digests))
  assert bundle.load(folder).index is None, 'what it names is not read'
  step = tmp_path / 'step'
  step.mkdir()
  (step / 'a').write_bytes(b'x')
  manifest.write(step)
  content = json.loads((step / manifest.NAME).read_text())
  content['files'][name] = content['files']['a']
  del content['sha256']
  text = json.dumps(content, sort_keys=True).encode()
  content['sha256'] = files.digest(text)
  (step / manifest.NAME).write_text(json.dumps(content))
  assert manifest.problem(step) == f'{name} is missing'
  # A link to outside is a file of the bundle that no list describes.
  (folder / 'link').symlink_to(tmp_path / 'outside')
  with pytest.raises(BundleError, match='link'):
    bundle.load(folder)


@pytest.mark.parametrize(
  'shape', [[1 << 40, 1 << 40], [-1, 4], [1 << 62], [10**30]]
)
def test_giant_shapes_are_refused_before_memory_is_asked_for(tmp_path, shape):
  folder = bundle_test.save(tmp_path / 'bundle')
  weights = (folder / 'weights.safetensors').read_bytes()
  size = int.from_bytes(weights[:8], 'little')
  header = json.loads(weights[8 : 8 + size])
  name = next(key for key in header if key != '__metadata__')
  header[name]['shape'] = shape
  told = json.dumps(header).encode()
  data = len(told).to_bytes(8, 'little') + told + weights[8 + size :]
  bundle_test.rewrite(folder, 'weights.safetensors', data)
  with pytest.raises(BundleError):
    bundle.load(folder)
  lie = (1 << 62).to_bytes(8, 'little') + weights[8:]
  bundle_test.rewrite(folder, 'weights.safetensors', lie)
  with pytest.raises(BundleError):
    bundle.load(folder)


@pytest.mark.parametrize('where', ['weights', 'digest', 'none'])
def test_wrong_digests_are_told_before_anything_is_built(
  tmp_path, where, monkeypatch
):
  folder = bundle_test.save(tmp_path / 'bundle')
  digests = json.loads((folder / bundle.DIGESTS).read_text())
  name = 'weights.safetensors'
  changed = {'weights': 'f' * 64, 'digest': 7, 'none': None}
  digests[name] = changed[where]
  (folder / bundle.DIGESTS).write_text(json.dumps(digests))
  monkeypatch.setattr(
    safetensors.numpy, 'load', lambda _: pytest.fail('it was read')
  )
  with pytest.raises(BundleError, match='sha256'):
    bundle.load(folder)


def test_a_model_too_large_is_no_bundle_of_these_weights(tmp_path):
  """Shapes come from the config, and weights must be there for them."""
  folder = bundle_test.save(tmp_path / 'bundle')
  config = json.loads((folder / 'config.json').read_text())
  model = config['model'] | {'width': 1 << 16, 'heads': 1, 'layers': 64}
  bundle_test.change_config(folder, model=model)
  with pytest.raises(AurlError):
    bundle.load(folder)


def test_what_the_fixture_is_of():
  # The small model of these tests is one that loads.
  assert writers.model_of('grid')[0].config.width == 16
  assert zipfile.is_zipfile(io.BytesIO(forms(pathlib.Path('x'))['npz']))
