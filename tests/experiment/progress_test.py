"""What people are told, and those who stop to listen."""

import os

from aurl_jax.experiment import progress


def test_it_is_told_unless_quiet(capsys):
  progress.say('one')
  progress.say('two', quiet=True)
  assert capsys.readouterr().err == 'one\n'


def test_a_closed_pipe_ends_no_work(monkeypatch):
  read, write = os.pipe()
  os.close(read)
  stream = os.fdopen(write, 'w')
  monkeypatch.setattr('sys.stderr', stream)
  progress.say('nobody hears it')
  progress.say('nor this')
  monkeypatch.undo()
  try:
    stream.close()
  except BrokenPipeError:
    # It was really closed: what stands in the buffer cannot be written.
    return
  raise AssertionError('the pipe was open')


def test_quiet_work_moves_no_bar():
  with progress.bar('writing', quiet=True) as told:
    assert told is None
