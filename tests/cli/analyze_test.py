"""`aurl analyze`, as a person and as a machine call it."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from aurl_jax.cli import __main__ as cli
from tests.studies import outside


@pytest.fixture
def known(tmp_path, monkeypatch):
  home = outside.install(
    tmp_path / 'site',
    tops='tests.studies.outside:Tops',
    halves='tests.studies.outside:Halves',
  )
  monkeypatch.syspath_prepend(str(home))
  return home


@pytest.fixture
def folder(known, tmp_path):
  outside.songs(tmp_path / 'music', ['', 'print', ''])
  (tmp_path / 'music' / 'bad.mid').write_bytes(b'no music')
  return tmp_path / 'music'


STUDIES = ('--study', 'tops,halves')


def told(capsys):
  return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_json_of_a_file_is_its_parts(folder, capsys):
  song = str(folder / '000.mid')
  assert cli.main(['analyze', song, *STUDIES, '--json']) == 0
  (found,) = told(capsys)
  assert list(found) == ['tops', 'halves']
  assert list(found['halves'][0]) == ['start', 'end', 'label']


def test_json_of_a_folder_is_a_line_a_file(folder, tmp_path, capsys):
  words = ['analyze', str(folder), *STUDIES, '--json', '--workers', '1']
  assert cli.main(words) == 0
  found = told(capsys)
  assert [row['file'] for row in found] == [
    '000.mid',
    '001.mid',
    '002.mid',
    'bad.mid',
  ]
  assert list(found[-1]) == ['file', 'error']
  assert cli.main([*words, '--out', str(tmp_path / 'out')]) == 0
  assert told(capsys) == found
  assert (tmp_path / 'out' / 'index.html').exists()


def test_people_get_tables(folder, tmp_path, capsys):
  song = str(folder / '000.mid')
  assert cli.main(['analyze', song, *STUDIES]) == 0
  shown = capsys.readouterr().out
  for word in ('tops.notes', 'pitch', 'halves', 'label'):
    assert word in shown
  words = ['analyze', str(folder), *STUDIES, '--workers', '1']
  assert cli.main(words) == 0
  shown = capsys.readouterr().out
  for word in ('tops.mean_pitch', 'median', 'not heard', 'bad.mid'):
    assert word in shown
  assert cli.main([*words, '--out', str(tmp_path / 'out')]) == 0
  assert 'index.html' in capsys.readouterr().out


def test_errors_end_with_2(folder, tmp_path, capsys):
  for words, code in (
    ([str(tmp_path / 'no')], 'no_path'),
    ([str(folder), '--study', 'harmonies'], 'study.unknown'),
    ([str(folder / 'bad.mid'), *STUDIES], 'no_header'),
    ([str(folder), *STUDIES, '--workers', '-2'], 'workers'),
  ):
    assert cli.main(['analyze', *words, '--json']) == 2
    (error,) = told(capsys)
    assert error['error']['code'] == code


def test_kill_9_of_the_command(known, tmp_path, repository):
  """Killed while it hears, the same command goes on and writes the page."""
  music, out = tmp_path / 'slow', tmp_path / 'out'
  outside.songs(music, ['slow 0.05'] * 12)
  command = [
    sys.executable, '-m', 'aurl_jax.cli', 'analyze', str(music),
    '--out', str(out), *STUDIES, '--workers', '2', '--json',
  ]  # fmt: skip
  paths = os.pathsep.join([str(repository), str(known)])
  env = os.environ | {'PYTHONPATH': paths}
  process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL)
  records = out / 'records.jsonl'
  end = time.monotonic() + 60
  while not records.exists() or records.read_bytes().count(b'\n') < 6:
    assert time.monotonic() < end
    time.sleep(0.01)
  process.kill()
  assert process.wait() == -signal.SIGKILL
  kept = records.read_bytes()
  assert kept.count(b'\n') < 24
  assert not (out / 'index.html').exists()
  done = subprocess.run(
    command, env=env, capture_output=True, text=True, check=False
  )
  assert done.returncode == 0, done.stderr
  assert records.read_bytes().startswith(kept[: kept.rfind(b'\n') + 1])
  assert len(done.stdout.splitlines()) == 12
  assert (out / 'index.html').exists()
  assert len(list(out.glob('*.json'))) == 12
