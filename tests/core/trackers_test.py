"""Trackers: the real ones where they are installed, a double of each else."""

import importlib.util
import json
import os
import pathlib
import sqlite3
import subprocess
import sys
import types

import pytest

from aurl_jax.core import trackers
from aurl_jax.core.errors import ConfigError

RECORDS = (
  {'step': 1, 'loss': 0.5, 'note': 'x', 'bad': float('nan')},
  {'step': 3, 'loss': 0.25, 'system/mfu': 0.5},
)
WRITERS = {'wandb': 'WandbWriter', 'trackio': 'TrackioWriter'}


class Double(types.ModuleType):
  """Takes what either tracker takes."""

  def __init__(self, name):
    super().__init__(name)
    self.asked, self.logged, self.finished = None, [], False

  def Settings(self, **given):
    return given

  def init(self, **asked):
    self.asked = asked
    return self

  def log(self, numbers, step):
    self.logged.append((step, dict(numbers)))

  def finish(self):
    self.finished = True


@pytest.fixture(params=sorted(WRITERS))
def double(request, monkeypatch):
  fake = Double(request.param)
  monkeypatch.setitem(sys.modules, request.param, fake)
  for name in ('WANDB_MODE', 'TRACKIO_DIR', 'HF_HUB_DISABLE_TELEMETRY'):
    monkeypatch.setenv(name, 'x')
    monkeypatch.delenv(name)
  return fake


def test_numbers_reach_the_tracker_at_their_steps(double, tmp_path):
  folder = tmp_path / 'mine'
  kind = getattr(trackers, WRITERS[double.__name__])
  writer = kind(folder, {'model.width': 32})
  for record in RECORDS:
    writer.write(record)
  assert double.logged == [
    (1, {'loss': 0.5}),
    (3, {'loss': 0.25, 'system/mfu': 0.5}),
  ]
  assert (double.asked['name'], double.asked['project']) == ('mine', 'aurl_jax')
  assert double.asked['config'] == {'model.width': 32}
  assert not double.finished
  writer.close()
  assert double.finished


def test_nothing_leaves_the_machine_unless_asked(double, tmp_path, monkeypatch):
  kind = getattr(trackers, WRITERS[double.__name__])
  kind(tmp_path, {})
  if double.__name__ == 'wandb':
    assert double.asked['mode'] == 'offline'
    monkeypatch.setenv('WANDB_MODE', 'online')
    kind(tmp_path, {})
    assert double.asked['mode'] == 'online'
  else:
    assert os.environ['TRACKIO_DIR'] == str(tmp_path / 'trackio')
    assert not {'space_id', 'server_url'} & double.asked.keys()


@pytest.mark.parametrize('name', sorted(WRITERS))
def test_a_missing_tracker_is_named_with_its_extra(name, tmp_path, monkeypatch):
  monkeypatch.setitem(sys.modules, name, None)
  monkeypatch.setenv('TRACKIO_DIR', str(tmp_path))
  with pytest.raises(ConfigError) as caught:
    getattr(trackers, WRITERS[name])(tmp_path, {})
  assert caught.value.code == 'missing_extra'
  assert f'aurl_jax[{name}]' in str(caught.value)
  assert f'logging.{name}' in str(caught.value)


def real(name, folder):
  """Runs a writer with the real library, in a process of its own."""
  python = os.environ.get('AURL_TRACKERS_PYTHON', sys.executable)
  if python == sys.executable and not importlib.util.find_spec(name):
    pytest.skip(
      f'{name} is not installed; name a Python that has it, and the '
      'dependencies of aurl_jax.core, in AURL_TRACKERS_PYTHON'
    )
  code = (
    'import sys, json\n'
    'from aurl_jax.core import trackers\n'
    f'writer = trackers.{WRITERS[name]}(sys.argv[1], {{"model.width": 32}})\n'
    'for record in json.loads(sys.argv[2]):\n'
    '  writer.write(record)\n'
    'writer.close()\n'
  )
  root = pathlib.Path(trackers.__file__).parents[2]
  keep = {'PATH', 'HOME', 'LANG', 'TMPDIR'}
  env = {k: v for k, v in os.environ.items() if k in keep}
  run = subprocess.run(
    [python, '-c', code, str(folder), json.dumps(RECORDS)],
    env=env | {'PYTHONPATH': str(root)},
    cwd=folder.parent,
    capture_output=True,
    text=True,
    check=False,
  )
  assert run.returncode == 0, run.stderr


@pytest.mark.slow
def test_the_real_wandb_keeps_an_offline_run(tmp_path):
  real('wandb', tmp_path / 'mine')
  (offline,) = (tmp_path / 'mine' / 'wandb').glob('offline-run-*')
  (stored,) = offline.glob('*.wandb')
  content = stored.read_bytes()
  for expected in (b'loss', b'0.25', b'model.width', b'aurl_jax'):
    assert expected in content


@pytest.mark.slow
def test_the_real_trackio_keeps_a_local_database(tmp_path):
  real('trackio', tmp_path / 'mine')
  (path,) = (tmp_path / 'mine' / 'trackio').glob('aurl_jax*.db')
  with sqlite3.connect(path) as base:
    rows = base.execute('SELECT step, metrics FROM metrics ORDER BY step')
    found = [(step, json.loads(text)) for step, text in rows]
  assert found == [
    (1, {'loss': 0.5}),
    (3, {'loss': 0.25, 'system/mfu': 0.5}),
  ]
