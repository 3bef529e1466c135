"""The command line, killed, stopped and started again by the same command."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from tests.training import tiny_run

STEPS = 60
SETTINGS = {
  'train.steps': STEPS,
  'train.evaluate_every': 20,
  'train.checkpoint_every': 10,
  'train.batch_size': 4,
  'model.layers': 1,
  'model.context': 64,
  'logging.page': False,
  'logging.console': False,
}


@pytest.fixture(scope='module')
def start(repository, folder, tmp_path_factory):
  """Returns what starts the one command for a workdir."""
  cache = tmp_path_factory.mktemp('cache')

  def function(workdir):
    settings = SETTINGS | {'data.source': folder}
    return subprocess.Popen(
      [
        sys.executable,
        '-m',
        'aurl_jax.main',
        '--config=tiny:test',
        f'--workdir={workdir}',
        *(f'--config.{name}={value}' for name, value in settings.items()),
      ],
      cwd=repository,
      env=os.environ | {'AURL_CACHE': str(cache)},
      stdout=subprocess.PIPE,
      stderr=subprocess.PIPE,
      text=True,
    )

  return function


def _finish(process):
  output, errors = process.communicate(timeout=300)
  return process.returncode, output + errors


def _wait_for(workdir, step, process):
  """Returns when a record of the step, or a later one, is written."""
  deadline = time.monotonic() + 240
  while time.monotonic() < deadline:
    assert process.poll() is None, _finish(process)
    metrics = workdir / 'metrics.jsonl'
    if metrics.is_file():
      whole = metrics.read_text().rpartition('\n')[0].splitlines()
      if whole and json.loads(whole[-1])['step'] >= step:
        return
    time.sleep(0.005)
  pytest.fail(f'no record of step {step}: {process.kill()}')


def test_killed_stopped_and_started_again_equals_unbroken(start, tmp_path):
  broken, unbroken = tmp_path / 'broken', tmp_path / 'unbroken'

  process = start(broken)
  _wait_for(broken, 13, process)
  process.kill()
  assert _finish(process)[0] == -signal.SIGKILL
  assert tiny_run.records(broken)[-1]['step'] < STEPS

  process = start(broken)
  _wait_for(broken, 28, process)
  process.send_signal(signal.SIGTERM)
  code, said = _finish(process)
  assert code == 3, said
  assert 'run the same command again' in said

  code, said = _finish(start(broken))
  assert code == 0, said
  code, said = _finish(start(unbroken))
  assert code == 0, said
  assert tiny_run.records(broken) == tiny_run.records(unbroken)
  steps = [record['step'] for record in tiny_run.records(broken)]
  assert steps == list(range(1, STEPS + 1))
