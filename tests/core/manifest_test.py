"""Manifests by themselves; `checkpoint_test` has them in their place."""

import hashlib
import json
import random

import pytest

from aurl_jax.core import manifest


@pytest.fixture
def folder(tmp_path):
  (tmp_path / 'state').mkdir()
  (tmp_path / 'state' / 'a').write_bytes(b'weights')
  (tmp_path / 'note').write_bytes(b'')
  manifest.write(tmp_path, facts={'metrics': {'loss': 0.5}})
  return tmp_path


def test_it_lists_every_file_with_its_digest(folder):
  content = json.loads((folder / manifest.NAME).read_text())
  assert content['files'] == {
    'note': {'bytes': 0, 'sha256': hashlib.sha256(b'').hexdigest()},
    'state/a': {'bytes': 7, 'sha256': hashlib.sha256(b'weights').hexdigest()},
  }
  assert manifest.problem(folder) is None
  assert manifest.facts(folder) == {'metrics': {'loss': 0.5}}


def test_every_single_bit_of_it_counts(folder):
  path = folder / manifest.NAME
  whole = path.read_bytes()
  for bit in range(8 * len(whole)):
    data = bytearray(whole)
    data[bit // 8] ^= 1 << bit % 8
    path.write_bytes(data)
    assert manifest.problem(folder) is not None, bit
    assert manifest.facts(folder) == {}


def test_a_list_that_is_sound_json_but_not_the_one_written(folder):
  path = folder / manifest.NAME
  content = json.loads(path.read_text())
  for change in ({'files': {}}, {'facts': {'metrics': {'loss': 0.1}}}):
    path.write_text(json.dumps(content | change))
    assert manifest.problem(folder) == f'{manifest.NAME} is damaged'


def test_one_of_before_there_were_facts_is_read(folder):
  path = folder / manifest.NAME
  content = json.loads(path.read_text())
  path.write_text(json.dumps({'version': 1, 'files': content['files']}))
  assert manifest.problem(folder) is None
  assert manifest.facts(folder) == {}
  (folder / 'state' / 'a').write_bytes(b'Weights')
  assert 'state/a has changed' in manifest.problem(folder)


def test_a_stray_file_is_told_and_refused_where_nothing_else_may_be(folder):
  (folder / 'stray').write_bytes(b'x')
  (folder / '.DS_Store').write_bytes(b'x')
  (folder / 'state' / '.nfs0001').write_bytes(b'x')
  assert manifest.strays(folder) == ['stray']
  assert manifest.strays(folder, known={'stray'}) == []
  assert manifest.problem(folder, closed={'state'}) is None
  (folder / 'state' / 'b').write_bytes(b'x')
  said = manifest.problem(folder, closed={'state'})
  assert said == 'state/b does not belong to it'
  assert manifest.problem(folder) is None


def test_a_file_that_cannot_be_read_is_a_damaged_one(folder, monkeypatch):
  def fails(_):
    raise OSError(5, 'Input/output error')

  monkeypatch.setattr(manifest.files, 'digest', fails)
  content = json.loads((folder / manifest.NAME).read_text())
  content['version'] = 1
  (folder / manifest.NAME).write_text(json.dumps(content))
  assert 'cannot be read: Input/output error' in manifest.problem(folder)


def test_swapped_files_are_noticed(tmp_path):
  chance = random.Random(0)
  for name in 'ab':
    (tmp_path / name).write_bytes(chance.randbytes(32))
  manifest.write(tmp_path)
  a, b = ((tmp_path / name).read_bytes() for name in 'ab')
  (tmp_path / 'a').write_bytes(b)
  (tmp_path / 'b').write_bytes(a)
  assert manifest.problem(tmp_path) == 'a has changed since it was written'
