"""Exit codes, in this process and of processes that are really interrupted."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from aurl_jax.core import guard
from aurl_jax.core.errors import AurlError, Interrupted


def outcome(command):
  told = []
  code = guard.guarded(command, lambda *words: told.append(words))
  return code, told


def raising(error):
  def command():
    raise error

  return command


def test_a_command_says_itself_how_it_ended():
  assert outcome(lambda: 0) == (0, [])
  assert outcome(lambda: 2) == (2, [])


@pytest.mark.parametrize(
  ('error', 'code', 'told'),
  [
    (AurlError('no', code='bad'), 2, ('no', 'bad')),
    (Interrupted('again', code='signal'), 3, ('again', 'signal')),
    (PermissionError(13, 'denied', 'x.mid'), 2, ('x.mid: denied', 'os')),
  ],
)
def test_errors_of_the_user_are_told(error, code, told):
  assert outcome(raising(error)) == (code, [told])


def test_an_interrupt_can_be_resumed():
  code, told = outcome(raising(KeyboardInterrupt()))
  assert code == guard.INTERRUPTED
  assert told[0][1] == 'interrupted'


def test_faults_of_ours_are_not_hidden():
  with pytest.raises(ZeroDivisionError):
    guard.guarded(lambda: 1 // 0, print)


@pytest.mark.parametrize('module', ['aurl_jax.main', 'aurl_jax.cli'])
def test_an_interrupt_while_the_command_starts_ends_with_3(tmp_path, module):
  """The signal comes when the command waits for its page to be read."""
  ready = tmp_path / 'ready'
  page = tmp_path / 'page.py'
  page.write_text(
    'import pathlib, time\n'
    f'pathlib.Path({str(ready)!r}).touch()\n'
    'time.sleep(60)\n'
  )
  words = [f'--config={page}', f'--workdir={tmp_path / "run"}']
  if module == 'aurl_jax.cli':
    words = ['train', *words]
  # Where the tests themselves run in the background, SIGINT is ignored.
  start = (
    'import runpy, signal\n'
    'signal.signal(signal.SIGINT, signal.default_int_handler)\n'
    f"runpy.run_module({module!r}, run_name='__main__', alter_sys=True)"
  )
  child = subprocess.Popen(
    [sys.executable, '-c', start, *words],
    stderr=subprocess.PIPE,
    cwd=pathlib.Path(__file__).parents[2],
  )
  while not ready.exists():
    assert child.poll() is None
    time.sleep(0.05)
  os.kill(child.pid, signal.SIGINT)
  stderr = child.communicate(timeout=60)[1].decode()
  assert child.returncode == 3, stderr
  assert 'Traceback' not in stderr
