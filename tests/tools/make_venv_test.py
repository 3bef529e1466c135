"""The script that makes `.venv`, with stand-ins for all that it calls."""

import shutil
import subprocess

import pytest

PYTHONS = ('python3', 'python3.13', 'python3.12', 'python3.11')


@pytest.fixture
def checkout(repository, tmp_path):
  """A folder with the script, and one with nothing but what it may call."""
  home = tmp_path / 'checkout'
  (home / 'tools' / 'env').mkdir(parents=True)
  shutil.copy(repository / 'tools/env/make_venv', home / 'tools' / 'env')
  programs = tmp_path / 'programs'
  programs.mkdir()
  (programs / 'dirname').symlink_to(shutil.which('dirname'))
  return home, programs


def stand_in(programs, name, script):
  path = programs / name
  path.write_text(f'#!/bin/sh\n{script}\n')
  path.chmod(0o755)


def run(checkout, *words):
  home, programs = checkout
  return subprocess.run(
    ['/bin/sh', home / 'tools' / 'env' / 'make_venv', *words],
    env={'PATH': str(programs)},
    capture_output=True,
    text=True,
    check=False,
  )


def test_no_python_that_fits_is_told_with_the_remedy(checkout):
  for name in PYTHONS:
    stand_in(checkout[1], name, 'exit 1')
  done = run(checkout)
  assert done.returncode == 2
  assert 'needs Python 3.11, 3.12 or 3.13: install one, or name it with' in (
    done.stderr
  )


@pytest.mark.parametrize(('words', 'extra'), [((), 'dev'), (('docs',), 'docs')])
def test_uv_installs_the_extra_that_is_named(checkout, words, extra):
  stand_in(checkout[1], 'python3', 'exit 0')
  stand_in(checkout[1], 'uv', 'echo "$@"')
  done = run(checkout, *words)
  assert done.returncode == 0, done.stderr
  *_, last = done.stdout.splitlines()
  assert last.startswith('pip install')
  assert '--constraint constraints.txt' in last
  assert last.endswith(f'--editable .[{extra}]')
