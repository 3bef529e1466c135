import json

import numpy as np
import pytest

from aurl_jax.core.errors import DataError
from aurl_jax.data import cache

SECTION = {'name': 'some.module:Tokenizer', 'cells_per_beat': 12}


def piece(steps, fields=2, size=300, seed=0):
  rng = np.random.default_rng(seed)
  return rng.integers(1, size, (steps, fields)).astype(np.int32)


def write(folder, pieces, sizes=(300, 300), split='train'):
  with cache.CacheWriter(folder, sizes=sizes, tokenizer=SECTION) as writer:
    for index, ids in enumerate(pieces):
      entry = {'name': f'p{index}', 'digest': f'd{index}', 'notes': index}
      writer.add(split, entry, ids, np.arange(1, len(ids), 4))


@pytest.fixture
def folder(tmp_path):
  write(tmp_path / 'tokens', [piece(7), piece(1, seed=1), piece(30, seed=2)])
  return tmp_path / 'tokens'


def test_what_goes_in_comes_out(folder):
  split = cache.TokenCache.open(folder)['train']
  assert len(split) == 3
  np.testing.assert_array_equal(split[0], piece(7))
  np.testing.assert_array_equal(split[2], piece(30, seed=2))
  assert split[1].dtype == np.int32
  assert split.offsets.tolist() == [0, 7, 8, 38]
  assert split.bars.tolist() == [1, 5, 9, 13, 17, 21, 25, 29, 33, 37]
  assert split.pieces[2] == {
    'name': 'p2',
    'digest': 'd2',
    'steps': 30,
    'notes': 2,
  }


def test_a_split_is_told_in_a_line(folder):
  told = repr(cache.TokenCache.open(folder)['train'])
  assert "'train': 3 pieces, 38 steps of 2 fields" in told
  assert len(told.splitlines()) == 1


def test_the_header_is_plain_npy_and_memory_mapped(folder):
  stored = np.load(folder / 'train' / 'ids.npy')
  assert stored.shape == (38, 2)
  assert isinstance(cache.TokenCache.open(folder)['train'].ids, np.memmap)


@pytest.mark.parametrize(
  ('size', 'dtype'), [(256, 'uint8'), (257, 'uint16'), (70_000, 'uint32')]
)
def test_ids_take_the_smallest_type_that_holds_them(tmp_path, size, dtype):
  ids = np.array([[size - 1, 0]], np.int32)
  write(tmp_path, [ids], sizes=(size, 2))
  split = cache.TokenCache.open(tmp_path)['train']
  assert split.ids.dtype == dtype
  np.testing.assert_array_equal(split[0], ids)


def test_the_manifest_says_what_made_it(folder):
  opened = cache.TokenCache.open(folder.parent)
  assert opened.tokenizer == SECTION
  assert opened.sizes == (300, 300)
  assert list(opened) == ['train']
  assert opened.manifest['splits'] == {
    'train': {'pieces': 3, 'steps': 38, 'notes': 3}
  }


def test_an_empty_split_is_named_with_those_that_are_there(folder):
  opened = cache.TokenCache.open(folder)
  assert 'valid' not in opened
  with pytest.raises(DataError, match=r"'valid'.*it has train"):
    opened['valid']


@pytest.mark.parametrize(
  'ids', [piece(3, fields=1), piece(0), piece(3) + 300, piece(3) - 300]
)
def test_ids_that_do_not_fit_are_refused(tmp_path, ids):
  with pytest.raises(ValueError, match='ids of'):
    write(tmp_path, [ids])
  assert not (tmp_path / cache.MANIFEST).exists()


@pytest.mark.parametrize(
  'name', ['ids.npy', 'offsets.npy', 'bars.npy', 'pieces.json']
)
def test_one_flipped_bit_is_refused(folder, name):
  path = folder / 'train' / name
  data = bytearray(path.read_bytes())
  data[len(data) // 2] ^= 1
  path.write_bytes(data)
  with pytest.raises(DataError, match=name) as caught:
    cache.TokenCache.open(folder)
  assert caught.value.code == 'cache_damaged'


def test_a_missing_file_is_refused(folder):
  (folder / 'train' / 'bars.npy').unlink()
  with pytest.raises(DataError, match=r'bars\.npy.*missing'):
    cache.TokenCache.open(folder)


def test_no_cache_names_the_command_that_makes_one(tmp_path):
  with pytest.raises(DataError, match='aurl prepare'):
    cache.TokenCache.open(tmp_path)


def test_half_a_manifest_is_refused(folder):
  text = (folder / cache.MANIFEST).read_text()
  (folder / cache.MANIFEST).write_text(text[: len(text) // 2])
  with pytest.raises(DataError, match='damaged'):
    cache.TokenCache.open(folder)


def test_another_version_is_refused(folder):
  manifest = json.loads((folder / cache.MANIFEST).read_text())
  manifest['version'] = 0
  (folder / cache.MANIFEST).write_text(json.dumps(manifest))
  with pytest.raises(DataError, match='version'):
    cache.TokenCache.open(folder)


def test_a_fingerprint_reads_ends_and_blocks_of_large_files(
  tmp_path, monkeypatch
):
  monkeypatch.setattr(cache, '_BLOCK', 16)
  monkeypatch.setattr(cache, '_BLOCKS', 4)
  path = tmp_path / 'large'
  data = bytearray(range(200)) * 2
  path.write_bytes(data)
  before = cache.fingerprint(path)
  for place in (0, len(data) - 1):
    changed = data.copy()
    changed[place] ^= 1
    path.write_bytes(changed)
    assert cache.fingerprint(path) != before
  path.write_bytes(data[:-1])
  assert cache.fingerprint(path) != before


def test_a_fingerprint_of_an_empty_file(tmp_path):
  path = tmp_path / 'empty'
  path.touch()
  assert cache.fingerprint(path)['bytes'] == 0
