import json

import pytest

from aurl_jax.core.errors import BundleError
from aurl_jax.deploy import exports
from aurl_jax.deploy.parity import Parity

PARITY = Parity(prompts=2, steps=3, largest=0.5, agreement=1.0, predictions=6)
NAMES = lambda model: {f'{name}.bin' for name in model['parts']}  # noqa: E731


@pytest.fixture
def folder(tmp_path):
  seen = []

  def measured(work):
    seen.append(exports.read(work, 'thing', NAMES)['parity'])
    return PARITY

  exports.write(
    tmp_path / 'out',
    'thing',
    {'parts': ['a', 'b']},
    {'a.bin': b'1', 'b.bin': b'2', 'loop.py': b'3'},
    measured,
  )
  assert seen == [None]
  return tmp_path / 'out'


def code(folder, kind='thing'):
  with pytest.raises(BundleError) as caught:
    exports.read(folder, kind, NAMES)
  return caught.value.code


def test_an_export_is_read_with_its_parity(folder):
  found = exports.read(folder, 'thing', NAMES)
  assert found['parity']['largest'] == 0.5
  assert found['model'] == {'parts': ['a', 'b']}
  assert set(found['files']) == {'a.bin', 'b.bin', 'loop.py'}


def test_altered_missing_and_unlisted_files_are_refused(folder):
  (folder / 'a.bin').write_bytes(b'9')
  assert code(folder) == 'altered'
  (folder / 'a.bin').unlink()
  assert code(folder) == 'altered'
  (folder / 'a.bin').write_bytes(b'1')
  exports.read(folder, 'thing', NAMES)
  path = folder / 'manifest.json'
  told = json.loads(path.read_text())
  del told['files']['b.bin']
  path.write_text(json.dumps(told))
  assert code(folder) == 'incomplete'


def test_names_of_a_manifest_lead_nowhere(folder):
  path = folder / 'manifest.json'
  told = json.loads(path.read_text())
  told['files']['../secret'] = told['files'].pop('a.bin')
  path.write_text(json.dumps(told))
  assert code(folder) == 'incomplete'


@pytest.mark.parametrize(
  'text', ['', '[]', '{"format": 1}', '{"format": 1, "kind": 2, "files": {}}']
)
def test_damaged_manifests_are_refused(folder, text):
  (folder / 'manifest.json').write_text(text)
  assert code(folder) == 'format'


def test_other_kinds_and_formats_are_refused(folder):
  assert code(folder, 'onnx') == 'format'
  path = folder / 'manifest.json'
  told = json.loads(path.read_text())
  path.write_text(json.dumps(told | {'format': 99}))
  assert code(folder) == 'format'


def test_other_files_are_not_overwritten(tmp_path):
  (tmp_path / 'mine.txt').write_text('keep')
  with pytest.raises(BundleError, match='holds other files'):
    exports.write(tmp_path, 'thing', {}, {}, lambda _: None)
  assert (tmp_path / 'mine.txt').read_text() == 'keep'


def test_an_export_whose_parity_fails_does_not_appear(tmp_path):
  def fails(_):
    raise BundleError('no runtime', code='extra')

  with pytest.raises(BundleError, match='no runtime'):
    exports.write(tmp_path / 'out', 'thing', {}, {'a.bin': b'1'}, fails)
  assert not list(tmp_path.iterdir())


def test_an_export_replaces_an_earlier_one(folder):
  exports.write(folder, 'thing', {'parts': []}, {'c.bin': b''}, lambda _: None)
  assert {p.name for p in folder.iterdir()} == {'c.bin', 'manifest.json'}
