"""What the first pages tell a newcomer to type, typed.

The very lines of the README and of the questions, one after the other in an
empty folder with a home of its own, which holds the MIDI. What takes long is
asked for less of: `LESS`.
"""

import json
import os
import shlex
import shutil
import subprocess
import sys

import pytest

from tests.docs import pages

LESS = {
  '--minutes 3': '--minutes 0.4',
  # A quarter of an hour becomes two steps; the rest stays as it is.
  'aurl train ': (
    'aurl train --set train.steps=2 --set train.batch_size=1 '
    '--set data.context=128 --set generate.bars=2 '
  ),
}
"""What is changed of the commands, so that they end within minutes."""


@pytest.fixture(scope='module')
def home(tmp_path_factory):
  """A folder to work in, which is also the home."""
  folder = tmp_path_factory.mktemp('home')
  (folder / 'my_midi').mkdir()
  return folder


def heading(name, page):
  """The blocks of a page behind a heading, up to the next one."""
  lines = [(n, line) for n, line in page.prose if line.startswith('#')]
  start = next(n for n, line in lines if line == name)
  end = next((n for n, _ in lines if n > start), 10**6)
  return [block for block in page.blocks if start < block.line < end]


def typed(words, home):
  """Runs a command of `aurl` as it is shown; returns what it printed."""
  words = [word.replace('~', str(home), 1) for word in words]
  env = {**os.environ, 'HOME': str(home), 'PYTHONPATH': str(pages.ROOT)}
  env['AURL_CACHE'] = str(home / 'cache')
  run = subprocess.run(
    [sys.executable, '-m', 'aurl_jax.cli', *words[1:]],
    cwd=home,
    env=env,
    capture_output=True,
    text=True,
    check=False,
  )
  assert run.returncode == 0, f'{shlex.join(words)}: {run.stderr}'
  return run.stdout


@pytest.mark.slow
def test_the_commands_of_first_sound(home):
  page = pages.read(pages.ROOT / 'README.md')
  text = heading('## First sound', page)[0].text
  for long, short in LESS.items():
    assert long in text
    text = text.replace(long, short)
  block = pages.Block(1, '', text.splitlines())
  shown = pages.commands(pages.Page(page.path, [], [block]))
  assert len(shown) >= 7
  for command in shown:
    if command.words[:2] == ['aurl', 'train']:
      # The reader's own music: what has been written so far.
      for path in home.rglob('*.mid'):
        name = '-'.join(path.relative_to(home).parts)
        shutil.copy(path, home / 'my_midi' / name)
    typed(command.words, home)
  assert len(list((home / 'song').glob('*.mid'))) == 1
  assert len(list((home / 'out').glob('*.mid'))) == 4
  assert (home / 'out' / 'index.html').exists()
  assert (home / 'runs' / 'mine' / 'config.json').exists()


@pytest.mark.slow
def test_the_commands_of_the_questions(tmp_path):
  page = pages.read(pages.ROOT / 'docs' / 'faq.md')
  shown = pages.commands(page)
  assert len(shown) >= 20
  for command in shown:
    if command.words[0] == 'aurl':
      typed(command.words, tmp_path)
    else:
      assert command.words[0] in ('cp', 'mkdir')
      line = ' '.join(command.words)
      subprocess.run(line, shell=True, cwd=tmp_path, check=True)
  assert list((tmp_path / 'mine_out').glob('*.mid'))


@pytest.mark.slow
def test_the_python_of_first_sound(home):
  block = heading('## First sound', pages.read(pages.ROOT / 'README.md'))[1]
  assert pages.is_python(block)
  env = {**os.environ, 'PYTHONPATH': str(pages.ROOT)}
  run = subprocess.run(
    [sys.executable, '-c', block.text],
    cwd=home,
    env=env,
    capture_output=True,
    text=True,
    check=False,
  )
  assert run.returncode == 0, run.stderr
  found = json.loads(typed(['aurl', 'inspect', 'piece.mid', '--json'], home))
  assert found
