import hashlib
import os
import time

import numpy as np
import pytest

from aurl_jax.core.errors import DataError
from aurl_jax.data import housekeeping, prepare
from aurl_jax.tokens.remi import Remi
from tests.data.prepare_test import fill


@pytest.fixture
def root(tmp_path, monkeypatch):
  monkeypatch.setenv('AURL_CACHE', str(tmp_path))
  monkeypatch.delenv('AURL_CACHE_LIMIT', raising=False)
  return tmp_path / 'aurl_jax'


def piece(number, size=10_000):
  """Keeps an entry that does not compress; returns its path."""
  noise = np.random.default_rng(number).integers(0, 256, size, np.uint8)
  key = hashlib.sha256(str(number).encode()).hexdigest()
  store = housekeeping.store()
  assert store.put(key, {'noise': noise})
  return store.path(key)


def age(path, seconds):
  then = time.time() - seconds
  os.utime(path, (then, then))


@pytest.fixture
def prepared(root, tmp_path):
  folder = housekeeping.prepared_folder() / 'songs'
  prepare.prepare(fill(tmp_path / 'music', range(4)), Remi(), folder)
  return folder


def test_an_empty_cache_is_told_as_such(root):
  found = housekeeping.stats()
  assert found['folder'] == str(root)
  assert found['bytes'] == 0
  assert found['limit'] == 20 * 10**9
  assert housekeeping.verify() == {'items': 0, 'damaged': [], 'removed': False}
  assert housekeeping.prune(0)['items'] == housekeeping.clear()['items'] == 0


def test_everything_is_counted(prepared):
  piece(0)
  found = housekeeping.stats()
  assert found['piece']['items'] == found['prepared']['items'] == 1
  on_disk = sum(
    path.stat().st_size for path in prepared.rglob('*') if path.is_file()
  )
  assert found['prepared']['bytes'] == on_disk
  assert found['bytes'] == on_disk + found['piece']['bytes']


def test_what_was_not_used_for_longest_goes_first(root):
  paths = [piece(number) for number in range(4)]
  for number, path in enumerate(paths):
    # The second was used last, then the fourth.
    age(path, 3600 * [4, 1, 3, 2][number])
  found = housekeeping.prune(25_000)
  assert [path.exists() for path in paths] == [False, True, False, True]
  assert found['items'] == 2
  assert found['bytes'] < 25_000


def test_what_is_in_use_stays(root, prepared):
  paths = [piece(number) for number in range(3)]
  age(paths[0], 3600)
  found = housekeeping.prune(0)
  assert [path.exists() for path in paths] == [False, True, True]
  assert prepared.exists()
  assert found['bytes'] > 0


def test_an_old_set_goes_whole(prepared):
  age(prepared / 'key.json', 10_000)
  assert housekeeping.prune(0)['items'] == 1
  assert not list(housekeeping.prepared_folder().iterdir())


def test_a_used_set_is_as_good_as_new(prepared):
  age(prepared / 'key.json', 10_000)
  housekeeping.note_use(prepared)
  housekeeping.prune(0)
  assert prepared.exists()


def test_damage_is_found_and_taken_out(prepared):
  good, bad = piece(0), piece(1)
  bad.write_bytes(bad.read_bytes()[:-3])
  tokens = next((prepared / 'tokens').rglob('ids.npy'))
  data = bytearray(tokens.read_bytes())
  data[-1] ^= 255
  tokens.write_bytes(bytes(data))
  found = housekeeping.verify()
  assert found['items'] == 3
  assert sorted(found['damaged']) == sorted([str(bad), str(prepared)])
  assert bad.exists()
  housekeeping.verify(remove=True)
  assert good.exists()
  assert not bad.exists()
  assert not prepared.exists()
  assert housekeeping.verify()['damaged'] == []


def test_clear_leaves_nothing(prepared):
  piece(0)
  found = housekeeping.clear()
  assert found['items'] == 2
  assert housekeeping.stats()['bytes'] == 0


@pytest.mark.parametrize(
  ('text', 'size'),
  [('500', 500), ('2.5G', 2_500_000_000), ('10 MB', 10_000_000), ('1k', 1000)],
)
def test_sizes_are_read(text, size, monkeypatch):
  assert housekeeping.parse_size(text) == size
  monkeypatch.setenv('AURL_CACHE_LIMIT', text)
  assert housekeeping.limit() == size


@pytest.mark.parametrize('text', ['', 'big', '-1', '1X', 'G'])
def test_what_is_no_size_is_refused(text):
  with pytest.raises(DataError, match='500M or 20G'):
    housekeeping.parse_size(text)
