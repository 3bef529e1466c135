"""A tiny run of the command line, for campaigns to kill and to compare.

What is compared is read back here and hashed here: arrays of checkpoints and
the batches that come next, one sha256 each.
"""

import contextlib
import hashlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import jax
import numpy as np
import pytest

from aurl_jax.core.checkpoint import Checkpoints
from aurl_jax.experiment import build, data, pages, sections, train
from aurl_jax.experiment.workdir import Workdir
from aurl_jax.music import midi
from aurl_jax.music.notes import Notes

ROOT = pathlib.Path(__file__).resolve().parents[2]
NEXT = 20
_TEMPORARY = '*.orbax-checkpoint-tmp*'
SETTINGS = {
  'train.batch_size': 4,
  'train.evaluate_every': 0,
  'train.checkpoint_every': 10,
  'train.log_every': 1,
  'model.layers': 1,
  'model.width': 16,
  'model.context': 32,
  'logging.page': False,
  'logging.console': False,
  'logging.tensorboard': False,
  'mesh.data': 1,
}
LATENTS = {
  'model.mode': 'vae',
  'model.latent.slot': 4,
  'model.latent.slots': 8,
  'model.context': 48,
  'data.batching': 'pad',
  'data.excerpt': 1,
}
"""What makes of it a model with latents."""


def songs(folder, count=12):
  """Writes short pieces, no two alike."""
  folder.mkdir(parents=True, exist_ok=True)
  random = np.random.default_rng(0)
  for number in range(count):
    pitch = 60 + np.cumsum(random.integers(-2, 3, 48))
    columns = {'onset': np.arange(48) * 120, 'duration': 120, 'pitch': pitch}
    midi.write(Notes.build(480, columns), folder / f'{number}.mid')
  return folder


@contextlib.contextmanager
def trained(home, settings):
  """Gives the folder of a run of the tiny page, trained in this process."""
  told = settings | {'data.source': songs(home / 'songs', count=16)}
  texts = [f'{key}={value}' for key, value in told.items()]
  with pytest.MonkeyPatch.context() as patch:
    patch.setenv('AURL_CACHE', str(home / 'cache'))
    page = pages.load(pages.find('tiny:test'), texts)
    train.run(page, Workdir(home / 'run'))
    yield Workdir(home / 'run')


class Victim:
  """A run in a folder, started by the command line as often as needed."""

  def __init__(self, home, name, **settings):
    home = pathlib.Path(home)
    self.workdir = home / name
    self.checkpoints = self.workdir / 'checkpoints'
    self.settings = SETTINGS | {'data.source': home / 'songs'} | settings
    self.env = {'AURL_CACHE': str(home / 'cache')}
    if not (home / 'songs').is_dir():
      songs(home / 'songs')

  @property
  def words(self):
    """The command, as a list."""
    return [
      sys.executable,
      '-m',
      'aurl_jax.main',
      '--config=tiny:test',
      f'--workdir={self.workdir}',
      *(f'--config.{name}={value}' for name, value in self.settings.items()),
    ]

  def start(self):
    """Starts it; returns the process."""
    return subprocess.Popen(
      self.words,
      cwd=ROOT,
      env=os.environ | self.env,
      stdout=subprocess.PIPE,
      stderr=subprocess.STDOUT,
      text=True,
    )

  def run(self):
    """Runs it to its end; returns exit code and output."""
    process = self.start()
    said, _ = process.communicate(timeout=1200)
    return process.returncode, said

  def wait_for_loop(self, process, timeout=300):
    """Returns when this start has written a record, or has ended."""
    before = self._size()
    deadline = time.monotonic() + timeout
    while process.poll() is None and time.monotonic() < deadline:
      if self._size() > max(before, 0):
        return
      # A restart cuts the log back before it goes on.
      before = min(before, self._size())
      time.sleep(0.002)

  def wait_for_save(self, process, timeout=60):
    """Returns whether a save began, by its temporary folder."""
    deadline = time.monotonic() + timeout
    while process.poll() is None and time.monotonic() < deadline:
      if self.saving():
        return True
    return False

  def saving(self):
    """Whether a temporary folder is there."""
    return any(self.checkpoints.glob(_TEMPORARY))

  def committed(self):
    """Returns the steps whose folders have their final name, with a manifest.

    Looked up without the code under test.
    """
    with contextlib.suppress(FileNotFoundError):
      return sorted(
        int(path.parent.name)
        for path in self.checkpoints.glob('*/MANIFEST.json')
        if path.parent.name.isdecimal()
      )
    return []

  def records(self):
    """Returns the log, but for what depends on the machine."""
    lines = (self.workdir / 'metrics.jsonl').read_text().splitlines()
    names = ('step', 'loss', 'objective', 'accuracy', 'tokens', 'grad_norm')
    return [
      {name: record.get(name) for name in names}
      for record in map(json.loads, lines)
    ]

  def _size(self):
    try:
      return (self.workdir / 'metrics.jsonl').stat().st_size
    except FileNotFoundError:
      return -1


class Reader:
  """Reads what victims of one setting left; built once, as it compiles."""

  def __init__(self, victim):
    overrides = [f'{name}={value}' for name, value in victim.settings.items()]
    os.environ.update(victim.env)
    run = sections.parse(pages.load(pages.find('tiny:test'), overrides))
    self.parts = build.build(run)
    self.like = self.parts.abstract_state()
    self.cache = data.prepared(run, quiet=True)

  def state(self, folder, step=None):
    """Returns the step, its parts' digests and what lies beside them."""
    restored = Checkpoints(folder).restore(self.like, step)
    digests = {
      name: digest(part) for name, part in sorted(restored.state.items())
    }
    return restored.step, digests, restored.extra

  def batches(self, extra=None, count=NEXT):
    """Returns digests of the next batches after a checkpoint."""
    stream = data.train_batches(self.parts.run, self.cache, self.parts.mesh)
    if extra is not None:
      stream.set_state(extra['data'])
    return [digest(next(stream)) for _ in range(count)]


def digest(tree):
  """Returns the sha256 of all arrays of a tree with their paths and types."""
  total = hashlib.sha256()
  for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
    array = np.asarray(leaf)
    total.update(f'{jax.tree_util.keystr(path)} {array.dtype}'.encode())
    total.update(f'{array.shape}'.encode())
    total.update(array.tobytes())
  return total.hexdigest()


def kill(process):
  """Ends a process as a power failure would; returns what it said."""
  process.send_signal(signal.SIGKILL)
  return process.communicate()[0]
