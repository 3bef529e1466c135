"""Two processes that train together, through the command line.

Each has one CPU device; gloo carries what they tell each other. They must
end where one process with two devices ends.
"""

import json
import os
import socket
import subprocess
import sys

import numpy as np
import pytest
import safetensors.numpy

from aurl_jax.experiment import bundle

STEPS = 4
SETTINGS = {
  'train.steps': STEPS,
  'train.evaluate_every': 2,
  'train.checkpoint_every': 2,
  'train.batch_size': 4,
  'model.layers': 1,
  'model.context': 64,
  'generate.n': 1,
}
FSDP = {'mesh.data': 1, 'mesh.fsdp': 2}


@pytest.fixture(scope='module')
def start(repository, folder, tmp_path_factory):
  """Returns what starts one process of a run."""
  cache = tmp_path_factory.mktemp('cache')

  def function(workdir, settings):
    settings = SETTINGS | {'data.source': folder} | settings
    return subprocess.Popen(
      [
        *(sys.executable, '-m', 'aurl_jax.main', '--config=tiny:test'),
        f'--workdir={workdir}',
        *(f'--config.{name}={value}' for name, value in settings.items()),
      ],
      cwd=repository,
      env=os.environ | {'AURL_CACHE': str(cache)},
      stdout=subprocess.PIPE,
      stderr=subprocess.STDOUT,
      text=True,
    )

  return function


def _together(start, workdir, settings):
  """Runs two processes to their end; returns what each printed."""
  with socket.socket() as probe:
    probe.bind(('localhost', 0))
    address = f'localhost:{probe.getsockname()[1]}'
  shared = {
    'mesh.coordinator': address,
    'mesh.processes': 2,
    'mesh.host_devices': 1,
  }
  running = [
    start(workdir, settings | shared | {'mesh.process': number})
    for number in range(2)
  ]
  return _finish(running)


def _finish(running):
  said = []
  try:
    for process in running:
      said.append(process.communicate(timeout=240)[0])
  finally:
    # One that waits for another that has died waits for minutes.
    for process in running:
      process.kill()
  assert [process.returncode for process in running] == [0] * len(running), said
  return said


def _alone(start, workdir, settings):
  _finish([start(workdir, settings | {'mesh.host_devices': 2})])


def _weights(workdir, out):
  bundle.from_run(str(workdir), str(out))
  return safetensors.numpy.load_file(out / 'weights.safetensors')


def _losses(workdir):
  lines = (workdir / 'metrics.jsonl').read_text().splitlines()
  records = [json.loads(line) for line in lines]
  assert [record['step'] for record in records] == list(range(1, STEPS + 1))
  return [record['loss'] for record in records]


def _compare(one, two, tmp_path):
  expected = _weights(one, tmp_path / 'one_bundle')
  found = _weights(two, tmp_path / 'two_bundle')
  assert expected.keys() == found.keys()
  for name, array in expected.items():
    np.testing.assert_allclose(found[name], array, atol=1e-6, err_msg=name)
  np.testing.assert_allclose(_losses(two), _losses(one), rtol=1e-6)


def test_split_over_hosts_they_end_where_one_process_ends(start, tmp_path):
  # No process has all of the parameters, and the end needs all of them.
  one, two = tmp_path / 'one', tmp_path / 'two'
  said = _together(start, two, FSDP)
  assert all('valid/loss' in text for text in said)
  assert (two / 'MODEL_CARD.md').is_file()
  assert (two / 'samples/piece_1.mid').stat().st_size
  assert (two / 'samples/index.html').is_file()
  _alone(start, one, FSDP | {'logging.page': False})
  _compare(one, two, tmp_path)


@pytest.mark.slow
def test_whole_copies_end_where_one_process_ends(start, tmp_path):
  one, two = tmp_path / 'one', tmp_path / 'two'
  _together(start, two, {'train.sample_every': 2})
  assert (two / 'samples/step_2/piece_1.mid').stat().st_size
  _alone(start, one, {'train.sample_every': 2})
  _compare(one, two, tmp_path)
  first, second = (path / 'samples/step_2/piece_1.mid' for path in (one, two))
  assert first.read_bytes() == second.read_bytes()


@pytest.mark.slow
def test_two_processes_go_on_from_one_and_one_from_two(start, tmp_path):
  turns, one = tmp_path / 'turns', tmp_path / 'one'
  quick = FSDP | {'logging.page': False}
  _together(start, turns, quick | {'train.steps': 2})
  _alone(start, turns, quick | {'train.steps': 3})
  _together(start, turns, quick)
  _alone(start, one, quick)
  _compare(one, turns, tmp_path)


@pytest.mark.slow
def test_heads_split_over_hosts_end_where_one_process_ends(start, tmp_path):
  one, two = tmp_path / 'one', tmp_path / 'two'
  tensor = {'mesh.data': 1, 'mesh.tensor': 2, 'logging.page': False}
  _together(start, two, tensor)
  _alone(start, one, tensor)
  _compare(one, two, tmp_path)
