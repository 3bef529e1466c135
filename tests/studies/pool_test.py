"""Workers that die, hang or never start, and commands that are killed."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest

from aurl_jax.core.errors import AurlError
from aurl_jax.studies import corpus
from tests.studies import outside
from tests.studies.outside import Halves, Tops

BOTH = {'tops': Tops(), 'halves': Halves()}


def lines_of(path):
  return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize('title', ['die', 'leave', 'hang'])
def test_a_worker_that_dies_or_hangs_costs_one_line(tmp_path, title):
  paths = outside.songs(tmp_path, ['', title, '', '', '', ''])
  out = tmp_path / 'out.jsonl'
  limit = 1.5 if title == 'hang' else 60.0
  report = corpus.run(paths, BOTH, out, workers=2, limit=limit)
  assert (report.pieces, report.made, report.failed) == (6, 12, 1)
  (lost,) = (row for row in lines_of(out) if 'error' in row)
  assert (lost['piece'], lost['study']) == (str(paths[1]), 'tops')
  reason = {
    'die': 'signal SIGKILL',
    'leave': 'exit status 3',
    'hang': 'no answer within 1.5 s',
  }[title]
  assert reason in lost['error']['message']
  code = 'worker.hung' if title == 'hang' else 'worker.died'
  assert lost['error']['code'] == code
  # It may have been the machine's fault: only this line is tried again.
  again = corpus.run(paths, BOTH, out, workers=2, limit=limit)
  assert (again.kept, again.made, again.failed) == (5, 1, 1)
  assert len(lines_of(out)) == 12


def test_one_study_alone_that_dies(tmp_path):
  paths = outside.songs(tmp_path, ['die', ''])
  found = list(corpus.stream(paths, {'tops': Tops()}, workers=1))
  assert [['error' in row for row in rows] for rows in found] == [
    [True],
    [False],
  ]


def test_a_study_that_no_worker_can_import(tmp_path, monkeypatch, capfd):
  stray = type('Stray', (Tops,), {'__module__': 'stray_module'})
  module = type(sys)('stray_module')
  module.Stray = stray
  monkeypatch.setitem(sys.modules, 'stray_module', module)
  (path,) = outside.songs(tmp_path, [''])
  with pytest.raises(AurlError, match='does not start') as told:
    list(corpus.stream([path], {'stray': stray()}, workers=1))
  assert told.value.code == 'worker'
  assert "No module named 'stray_module'" in capfd.readouterr().err


def workers_of(pid):
  """Process ids of the children, as the system tells them."""
  tasks = pathlib.Path(f'/proc/{pid}/task')
  return [
    int(child)
    for task in tasks.iterdir()
    for child in (task / 'children').read_text().split()
  ]


def alive(pid):
  try:
    state = pathlib.Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2]
  except OSError:
    return False
  return state.split()[0] != 'Z'


def until(what, seconds=30):
  end = time.monotonic() + seconds
  while not (found := what()):
    assert time.monotonic() < end, 'it never came'
    time.sleep(0.01)
  return found


@pytest.fixture
def command(tmp_path, repository):
  """Starts a run over slow songs in a process of its own."""
  folder = tmp_path / 'songs'
  outside.songs(folder, ['slow 0.03'] * 20)
  code = textwrap.dedent(f"""
    import pathlib
    from aurl_jax.studies import corpus
    from tests.studies.outside import Halves, Tops
    corpus.run(
      sorted(pathlib.Path({str(folder)!r}).iterdir()),
      {{'tops': Tops(), 'halves': Halves()}},
      {str(tmp_path / 'out.jsonl')!r},
      workers=2,
    )
  """)

  def start():
    return subprocess.Popen(
      [sys.executable, '-c', code],
      env=os.environ | {'PYTHONPATH': str(repository)},
    )

  return start


def test_kill_9_at_any_moment_loses_nothing(command, tmp_path):
  out = tmp_path / 'out.jsonl'
  rng = np.random.default_rng(0)
  before = 0
  for _ in range(2):
    process = command()
    goal = before + int(rng.integers(2, 12))
    until(lambda goal=goal: out.exists() and len(lines_whole(out)) >= goal)
    children = workers_of(process.pid)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    # No worker is left behind, idle or not.
    until(lambda children=children: not any(map(alive, children)))
    kept = lines_whole(out)
    assert len(kept) >= goal
    before = len(kept)
  assert before < 40
  assert command().wait() == 0
  fresh = tmp_path / 'fresh.jsonl'
  corpus.run(sorted((tmp_path / 'songs').iterdir()), BOTH, fresh, workers=1)
  assert out.read_bytes() == fresh.read_bytes()


def lines_whole(path):
  return path.read_bytes().split(b'\n')[:-1]


def test_a_worker_that_hangs_ends_with_its_parent(tmp_path, repository):
  (path,) = outside.songs(tmp_path, ['hang'])
  code = (
    'from aurl_jax.studies import corpus\n'
    'from tests.studies.outside import Tops\n'
    f"list(corpus.stream([{str(path)!r}], {{'tops': Tops()}}, workers=1))\n"
  )
  process = subprocess.Popen(
    [sys.executable, '-c', code],
    env=os.environ | {'PYTHONPATH': str(repository)},
  )
  (child,) = until(lambda: workers_of(process.pid))
  time.sleep(0.5)
  process.kill()
  process.wait()
  until(lambda: not alive(child))
