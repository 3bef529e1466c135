"""What tests of `tools/` share."""

import subprocess
import sys

import pytest


@pytest.fixture
def assert_wants_a_run(repository, tmp_path):
  """Returns what checks that a script tells of a folder without a run."""

  def check(name):
    done = subprocess.run(
      [sys.executable, repository / 'tools' / f'{name}.py', tmp_path],
      capture_output=True,
      text=True,
      check=False,
    )
    assert done.returncode != 0
    assert str(tmp_path) in done.stderr
    assert 'Traceback' not in done.stderr
    assert not done.stdout

  return check
