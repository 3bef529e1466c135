"""A file of lines: damage, and who may write it."""

import json
import os
import subprocess
import sys

import pytest

from aurl_jax.core.errors import AurlError
from aurl_jax.studies import corpus
from tests.conftest import ROOT
from tests.studies import outside
from tests.studies.outside import Halves, Tops

BOTH = {'tops': Tops(), 'halves': Halves()}


def test_damage_is_found_and_made_again(tmp_path, caplog):
  out = tmp_path / 'out.jsonl'
  paths = outside.songs(tmp_path, [''] * 5)
  corpus.run(paths, BOTH, out, workers=0)
  whole = out.read_bytes()
  for at in range(0, len(whole), 97):
    out.write_bytes(whole[:at])
    assert list(corpus.read(out)) == [
      json.loads(line) for line in whole[:at].split(b'\n')[:-1]
    ]
    corpus.run(paths, BOTH, out, workers=0)
    assert out.read_bytes() == whole
  second = whole.index(b'\n') + 1
  for bad in (b'\0\0\0', b'[1]', b'{"key": 3, "piece": 4}', b'7'):
    out.write_bytes(whole[:second] + bad + b'\n' + whole[second:])
    corpus.run(paths, BOTH, out, workers=0)
    assert out.read_bytes() == whole
  assert 'damaged' in caplog.text


def test_two_runs_do_not_write_one_file(tmp_path):
  (path,) = outside.songs(tmp_path, [''])
  out = tmp_path / 'out.jsonl'

  def while_it_runs():
    yield path
    with pytest.raises(AurlError, match='in use by process') as told:
      corpus.run([path], BOTH, out, workers=0)
    assert told.value.code == 'in_use'

  assert corpus.run(while_it_runs(), BOTH, out, workers=0).pieces == 1


def test_a_full_disk_leaves_whole_lines(tmp_path):
  # A real limit of the kernel: no file of this process may pass 6 kB.
  paths = outside.songs(tmp_path / 'songs', [''] * 8)
  out = tmp_path / 'out.jsonl'
  code = (
    'import resource, signal\n'
    'from aurl_jax.core.errors import AurlError\n'
    'from aurl_jax.studies import corpus\n'
    'from tests.studies.outside import Halves, Tops\n'
    f'paths = {[str(path) for path in paths]!r}\n'
    'studies = {"tops": Tops(), "halves": Halves()}\n'
    'signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n'
    'resource.setrlimit(resource.RLIMIT_FSIZE, (6000, 6000))\n'
    'try:\n'
    f'  corpus.run(paths, studies, {str(out)!r}, workers=0)\n'
    'except AurlError as error:\n'
    '  print(error.code)\n'
  )
  done = subprocess.run(
    [sys.executable, '-c', code],
    env=os.environ | {'PYTHONPATH': str(ROOT)},
    capture_output=True,
    text=True,
    check=False,
  )
  assert done.stdout == 'disk_full\n', done.stderr
  kept = out.read_bytes()
  assert kept.endswith(b'\n')
  assert len(kept) < 6000
  corpus.run(paths, BOTH, out, workers=0)
  assert out.read_bytes().startswith(kept)


def test_a_file_that_is_not_there_has_no_lines(tmp_path):
  assert list(corpus.read(tmp_path / 'none.jsonl')) == []
