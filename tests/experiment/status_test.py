"""Whether a run lives, told from what it left."""

import json
import os
import socket
import subprocess
import sys

import pytest

from aurl_jax.core.errors import Interrupted
from aurl_jax.experiment import status


def _stored(root):
  return json.loads((root / status.NAME).read_text())


def test_a_run_is_running_and_then_finished(tmp_path):
  with status.kept(tmp_path):
    assert status.read(tmp_path)['state'] == 'running'
    assert _stored(tmp_path)['pid'] == os.getpid()
  found = status.read(tmp_path)
  assert (found['state'], found['reason']) == ('finished', '')
  assert found['ended'] >= found['began']


@pytest.mark.parametrize(
  ('error', 'state'),
  [
    (Interrupted('on SIGTERM after step 3'), 'stopped'),
    (KeyboardInterrupt(), 'stopped'),
    (RuntimeError('it broke'), 'failed'),
  ],
)
def test_other_ends_are_told_with_their_reason(tmp_path, error, state):
  with pytest.raises(type(error)), status.kept(tmp_path):
    raise error
  found = status.read(tmp_path)
  assert (found['state'], found['reason']) == (state, str(error))


def test_a_killed_run_is_dead(tmp_path):
  code = (
    'import os, pathlib, signal, sys\n'
    'from aurl_jax.experiment import status\n'
    'with status.kept(pathlib.Path(sys.argv[1])):\n'
    '  os.kill(os.getpid(), signal.SIGKILL)\n'
  )
  subprocess.run([sys.executable, '-c', code, str(tmp_path)], check=False)
  assert _stored(tmp_path)['state'] == 'running'
  found = status.read(tmp_path)
  assert found['state'] == 'dead'
  assert 'same command' in found['reason']


def test_a_number_that_another_process_got_is_not_the_run(tmp_path):
  with status.kept(tmp_path):
    values = _stored(tmp_path)
  values |= {'state': 'running', 'started_by': values['started_by'] - 1}
  (tmp_path / status.NAME).write_text(json.dumps(values))
  assert status.read(tmp_path)['state'] == 'dead'


def test_a_run_of_another_host_is_judged_by_its_silence(tmp_path):
  with status.kept(tmp_path):
    values = _stored(tmp_path)
  host = 'not-' + socket.gethostname()
  values |= {'state': 'running', 'host': host, 'pid': 1}
  (tmp_path / status.NAME).write_text(json.dumps(values))
  (tmp_path / 'metrics.jsonl').write_text('')
  written = (tmp_path / 'metrics.jsonl').stat().st_mtime
  assert status.read(tmp_path, written + 500)['state'] == 'running'
  assert status.read(tmp_path, written + 700)['state'] == 'dead'


def test_runs_of_before_and_damaged_ones_are_unknown(tmp_path):
  assert status.read(tmp_path)['state'] == 'unknown'
  (tmp_path / status.NAME).write_text('{')
  assert status.read(tmp_path)['state'] == 'unknown'
