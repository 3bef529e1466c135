"""`aurl cache`, as a machine reads it."""

import hashlib
import json

import numpy as np
import pytest

from aurl_jax.cli import __main__ as cli
from aurl_jax.data import housekeeping


@pytest.fixture(autouse=True)
def entry(tmp_path, monkeypatch):
  monkeypatch.setenv('AURL_CACHE', str(tmp_path))
  key = hashlib.sha256(b'one').hexdigest()
  housekeeping.store().put(key, {'ids': np.arange(100)})
  return housekeeping.store().path(key)


def told(capsys):
  return json.loads(capsys.readouterr().out)


def test_stats(capsys):
  assert cli.main(['cache', 'stats', '--json']) == 0
  assert told(capsys)['piece']['items'] == 1
  assert cli.main(['cache', 'stats']) == 0
  assert 'limit' in capsys.readouterr().out


def test_verify_fails_on_damage_until_it_is_removed(entry, capsys):
  assert cli.main(['cache', 'verify', '--json']) == 0
  assert told(capsys)['damaged'] == []
  entry.write_bytes(b'x')
  assert cli.main(['cache', 'verify', '--json']) == 1
  assert told(capsys)['damaged'] == [str(entry)]
  assert cli.main(['cache', 'verify', '--remove', '--json']) == 0
  assert not entry.exists()


def test_prune_and_clear(entry, capsys):
  assert cli.main(['cache', 'prune', '--limit', '1K', '--json']) == 0
  # It was written a moment ago.
  assert told(capsys)['items'] == 0
  assert cli.main(['cache', 'clear', '--json']) == 0
  assert told(capsys)['items'] == 1
  assert not entry.exists()


def test_a_size_that_is_none(capsys):
  assert cli.main(['cache', 'prune', '--limit', 'huge', '--json']) == 2
  assert told(capsys)['error']['code'] == 'size'
