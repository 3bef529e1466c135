"""A trainer with data workers: stopped with its whole group, and gone on."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from aurl_jax.music import midi
from aurl_jax.music.notes import Notes

STEPS = 30
SETTINGS = {
  'train.steps': STEPS,
  'train.evaluate_every': 15,
  'train.checkpoint_every': 10,
  'train.batch_size': 4,
  'train.accumulate': 2,
  'model.layers': 1,
  'model.context': 64,
  'mesh.host_devices': 2,
  'data.batching': 'bucket',
  'data.buckets': 32,
  'curriculum.by': 'length',
  'curriculum.first': 0.4,
  'curriculum.ramp': 2,
  'augment.transpose': 3,
  'logging.page': False,
  'logging.console': False,
}
MACHINE = ('tokens_per_second', 'system/')
"""Begin the names of what is of the machine, not of the run."""


@pytest.fixture(scope='module')
def start(repository, tmp_path_factory):
  """Returns what starts the one command for a workdir."""
  songs = tmp_path_factory.mktemp('songs')
  for number in range(24):
    count = 4 + 2 * number
    pitch = 50 + (np.arange(count) * (number % 5 + 1)) % 23
    columns = {'onset': np.arange(count) * 480, 'duration': 480}
    notes = Notes.build(480, columns | {'pitch': pitch})
    midi.write(notes, songs / f'{number}.mid')
  cache = tmp_path_factory.mktemp('cache')

  def function(workdir, workers):
    settings = SETTINGS | {'data.source': songs, 'data.workers': workers}
    words = [f'--config.{name}={value}' for name, value in settings.items()]
    command = [sys.executable, '-m', 'aurl_jax.main', '--config=tiny:test']
    return subprocess.Popen(
      [*command, f'--workdir={workdir}', *words],
      cwd=repository,
      env=os.environ | {'AURL_CACHE': str(cache)},
      stdout=subprocess.PIPE,
      stderr=subprocess.STDOUT,
      text=True,
      process_group=0,
    )

  return function


def finish(process):
  said = process.communicate(timeout=300)[0]
  return process.returncode, said


def records(workdir):
  path = workdir / 'metrics.jsonl'
  lines = path.read_text().rpartition('\n')[0].splitlines()
  found = [json.loads(line) for line in lines]
  return [
    {k: v for k, v in record.items() if not k.startswith(MACHINE)}
    for record in found
  ]


def workers_of(pid):
  """Returns the data workers that a process has started."""
  found = []
  for path in pathlib.Path('/proc').glob('[0-9]*/stat'):
    try:
      state, parent = path.read_text().rpartition(')')[2].split()[:2]
      command = (path.parent / 'cmdline').read_bytes()
    except OSError:
      continue
    if int(parent) == pid and state != 'Z' and b'data.worker' in command:
      found.append(int(path.parent.name))
  return found


def wait_for(workdir, step, process):
  deadline = time.monotonic() + 240
  while time.monotonic() < deadline:
    assert process.poll() is None, finish(process)
    if (workdir / 'metrics.jsonl').is_file() and len(records(workdir)) >= step:
      return
    time.sleep(0.01)
  pytest.fail(f'no record of step {step}: {process.kill()}')


@pytest.mark.slow
def test_a_stop_of_the_whole_group_saves_and_goes_on_exactly(start, tmp_path):
  broken, unbroken = tmp_path / 'broken', tmp_path / 'unbroken'
  process = start(broken, 2)
  wait_for(broken, 7, process)
  assert len(workers_of(process.pid)) == 2
  os.kill(workers_of(process.pid)[0], signal.SIGKILL)
  wait_for(broken, 11, process)
  # All that a shell or a scheduler may send to.
  begin = time.monotonic()
  workers = workers_of(process.pid)
  for pid in workers:
    os.kill(pid, signal.SIGTERM)
  os.killpg(process.pid, signal.SIGTERM)
  code, said = finish(process)
  assert code == 3, said
  assert time.monotonic() - begin < 30
  assert not any(pathlib.Path(f'/proc/{pid}').exists() for pid in workers)

  code, said = finish(start(broken, 0))
  assert code == 0, said
  code, said = finish(start(unbroken, 0))
  assert code == 0, said
  assert records(broken) == records(unbroken)
  assert len(records(broken)) == STEPS
