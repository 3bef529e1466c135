import errno
import hashlib
import logging
import multiprocessing
import os
import pathlib
import resource

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from aurl_jax.data import store as store_lib
from aurl_jax.data.store import Store

KEY = hashlib.sha256(b'a').hexdigest()
OTHER = hashlib.sha256(b'b').hexdigest()
ENTRY = {'ids': np.arange(5000, dtype=np.uint16), 'bars': np.zeros(0, np.int64)}


@pytest.fixture
def store(tmp_path, monkeypatch):
  monkeypatch.setattr(store_lib, '_told', set())
  return Store(tmp_path / 'store')


def same(one, other):
  assert one.keys() == other.keys()
  for name in one:
    np.testing.assert_array_equal(one[name], other[name])
    assert one[name].dtype == other[name].dtype


arrays = hnp.arrays(
  st.sampled_from([np.uint8, np.uint16, np.int64, np.float32]),
  hnp.array_shapes(min_dims=1, max_dims=2, min_side=0, max_side=40),
)


@given(
  st.dictionaries(
    st.text('abcxyz_', min_size=1, max_size=8), arrays, max_size=4
  )
)
def test_what_is_kept_comes_back(tmp_path_factory, entry):
  store = Store(tmp_path_factory.mktemp('store'))
  assert store.get(KEY) is None
  assert store.put(KEY, entry)
  same(store.get(KEY), entry)
  assert store.get(OTHER) is None


def test_equal_entries_are_equal_bytes(store):
  store.put(KEY, ENTRY)
  store.put(OTHER, ENTRY)
  assert store.path(KEY).read_bytes() == store.path(OTHER).read_bytes()
  assert store.path(KEY).stat().st_size < ENTRY['ids'].nbytes
  assert sorted(store) == sorted([store.path(KEY), store.path(OTHER)])


@pytest.mark.parametrize('damage', ['flip', 'cut', 'empty', 'swap'])
def test_a_damaged_entry_is_taken_out_and_told(store, damage, caplog):
  store.put(KEY, ENTRY)
  path = store.path(KEY)
  data = bytearray(path.read_bytes())
  data[len(data) // 2] ^= 1
  damaged = {
    'flip': bytes(data),
    'cut': path.read_bytes()[:-1],
    'empty': b'',
    'swap': b'\x80\x04N.' * 100,
  }
  path.write_bytes(damaged[damage])
  assert not store.check(path)
  with caplog.at_level(logging.WARNING):
    assert store.get(KEY) is None
  assert 'is damaged' in caplog.text
  assert not path.exists()
  assert store.put(KEY, ENTRY)
  same(store.get(KEY), ENTRY)


def test_no_array_of_objects_is_kept_or_read(store):
  with pytest.raises(ValueError, match='Object arrays'):
    store.put(KEY, {'x': np.array([object()])})
  assert store.get(KEY) is None
  assert not list(store)


def test_only_digests_are_keys(store):
  for key in ('', 'a', '../' + KEY, KEY.upper()):
    with pytest.raises(ValueError, match='sha256'):
      store.get(key)


def test_a_place_that_cannot_be_written_is_told_once(
  store, monkeypatch, caplog
):
  def refuse(*_):
    raise OSError(errno.EROFS, os.strerror(errno.EROFS))

  monkeypatch.setattr(store_lib.os, 'replace', refuse)
  with caplog.at_level(logging.WARNING):
    assert not store.put(KEY, ENTRY)
    assert not store.put(OTHER, ENTRY)
  assert caplog.text.count('set AURL_CACHE') == 1
  assert 'Read-only file system' in caplog.text
  assert not [p for p in store.folder.rglob('*') if p.is_file()]


def _fill(folder, sender):
  resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
  # The system kills whoever ignores this limit.
  import signal

  signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
  sender.send(Store(pathlib.Path(folder)).put(KEY, ENTRY))


def test_a_full_disk_leaves_nothing_half_written(store):
  context = multiprocessing.get_context('spawn')
  receiver, sender = context.Pipe()
  process = context.Process(target=_fill, args=(str(store.folder), sender))
  process.start()
  assert receiver.recv() is False
  process.join()
  assert not [p for p in store.folder.rglob('*') if p.is_file()]


def _race(folder, seed):
  store = Store(pathlib.Path(folder))
  for _ in range(40):
    found = store.get(KEY)
    if found is not None:
      same(found, ENTRY)
    store.put(KEY, ENTRY)
    if seed == 0:
      store_lib.remove(store.path(KEY))


def test_processes_that_write_and_delete_at_once_meet_whole_entries(store):
  context = multiprocessing.get_context('spawn')
  workers = [
    context.Process(target=_race, args=(str(store.folder), seed))
    for seed in range(3)
  ]
  for worker in workers:
    worker.start()
  for worker in workers:
    worker.join()
    assert worker.exitcode == 0


def test_use_is_noted_at_most_once_an_hour(store):
  store.put(KEY, ENTRY)
  path = store.path(KEY)
  for age, noted in ((1800, False), (7200, True)):
    long_ago = path.stat().st_mtime - age
    os.utime(path, (long_ago, long_ago))
    store.get(KEY)
    assert (path.stat().st_mtime > long_ago + 10) is noted
    os.utime(path)


def test_keys_tell_inputs_apart():
  one = store_lib.key_of({'file': 'a', 'version': 1})
  assert one == store_lib.key_of({'version': 1, 'file': 'a'})
  assert one != store_lib.key_of({'file': 'a', 'version': 2})
