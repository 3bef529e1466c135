"""Small campaigns on a real small disk; skipped where none can be mounted."""

import os
import shutil
import subprocess
import sys

import pytest

from tests.integration import disks, victim


@pytest.fixture
def disk(tmp_path):
  """A tmpfs of a few megabytes."""
  folder = tmp_path / 'disk'
  if said := disks.mount(folder):
    pytest.skip(f'no tmpfs can be mounted here: {said}')
  yield folder
  disks.unmount(folder)


def campaign(home, moments):
  """Runs it in a process of its own, which must also come to its end."""
  run = subprocess.run(
    [
      sys.executable,
      '-m',
      'tests.integration.disks',
      f'--home={home}',
      f'--moments={moments}',
    ],
    cwd=victim.ROOT,
    capture_output=True,
    text=True,
    check=False,
    timeout=60 + 10 * moments,
  )
  if run.returncode == 2 and 'nothing was tried' in run.stderr:
    pytest.skip(run.stderr)
  assert run.returncode == 0, run.stdout + run.stderr
  assert run.stdout.count('"faults": []') == 2


def test_a_full_or_read_only_disk_harms_no_checkpoint(tmp_path):
  campaign(tmp_path, 4)


@pytest.mark.slow
def test_fifty_times(tmp_path):
  campaign(tmp_path, 50)


@pytest.mark.slow
def test_a_run_on_a_full_disk_ends_with_a_word_and_goes_on_with_space(
  disk, tmp_path
):
  run = victim.Victim(tmp_path, 'run', **{'train.steps': 400})
  run.workdir.parent.mkdir(exist_ok=True)
  os.symlink(disk, run.workdir)
  free = shutil.disk_usage(disk).free
  (disk / 'ballast').write_bytes(bytes(free - (1 << 20)))
  code, said = run.run()
  assert code == 2, said
  assert 'free some' in said
  assert 'Traceback' not in said
  reader = victim.Reader(run)
  steps = run.committed()
  assert steps
  for step in steps:
    reader.state(run.checkpoints, step)
  (disk / 'ballast').unlink()
  code, said = run.run()
  assert code == 0, said
  assert run.committed()[-1] == 400
