"""What tests of `tools/` share."""

import importlib.util
import subprocess
import sys

import pytest


@pytest.fixture(scope='session')
def load_tool(repository):
  """Returns what loads a script of `tools/` by its name, as a module."""

  def load(name):
    path = repository / 'tools' / f'{name}.py'
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

  return load


@pytest.fixture(scope='module')
def tool_folder(repository):
  """Lets scripts of `tools/` import each other, as in their own folder."""
  folder = str(repository / 'tools')
  sys.path.insert(0, folder)
  yield
  sys.path.remove(folder)


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
