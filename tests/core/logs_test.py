import io
import json
import logging
import os
import pathlib
import subprocess
import sys
from collections.abc import Iterator

import jax.numpy as jnp
import numpy as np
import pytest
import rich.console

from aurl_jax.core import logs


def lines(path: pathlib.Path) -> list[dict]:
  return [json.loads(line) for line in path.read_text().splitlines()]


def test_records_are_json_lines_of_plain_numbers(tmp_path):
  path = tmp_path / 'new' / 'metrics.jsonl'
  writer = logs.JsonlWriter(path)
  writer.write({'step': 1, 'loss': np.float32(0.5), 'rate': jnp.array(2)})
  writer.write({'step': np.int64(2), 'loss': float('nan'), 'note': 'x'})
  # Read while the writer is open: each line is there at once.
  assert lines(path) == [
    {'step': 1, 'loss': 0.5, 'rate': 2},
    {'step': 2, 'loss': None, 'note': 'x'},
  ]
  writer.close()


def test_a_resumed_run_drops_what_it_will_write_again(tmp_path):
  path = tmp_path / 'metrics.jsonl'
  writer = logs.JsonlWriter(path)
  for step in range(1, 6):
    writer.write({'step': step})
  writer.close()
  again = logs.JsonlWriter(path)
  again.truncate(3)
  again.write({'step': 4, 'new': True})
  again.close()
  assert [r['step'] for r in lines(path)] == [1, 2, 3, 4]
  assert lines(path)[-1] == {'step': 4, 'new': True}


def test_a_line_torn_by_a_crash_is_dropped(tmp_path):
  path = tmp_path / 'metrics.jsonl'
  path.write_text('{"step": 1}\n{"step": 2, "lo')
  writer = logs.JsonlWriter(path)
  writer.write({'step': 2})
  writer.close()
  assert lines(path) == [{'step': 1}, {'step': 2}]


def test_a_full_disk_leaves_whole_lines(tmp_path):
  code = (
    'import resource, signal, sys\n'
    'from aurl_jax.core import errors, logs\n'
    'signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n'
    'writer = logs.JsonlWriter(sys.argv[1])\n'
    'resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n'
    'try:\n'
    '  for step in range(100):\n'
    '    writer.write({"step": step, "text": "x" * 30})\n'
    'except errors.AurlError as error:\n'
    '  writer.close()\n'
    '  sys.exit(error.code)\n'
  )
  path = tmp_path / 'metrics.jsonl'
  run = subprocess.run(
    [sys.executable, '-c', code, str(path)],
    capture_output=True,
    text=True,
    check=False,
    env={k: v for k, v in os.environ.items() if not k.startswith('COV')},
  )
  assert run.stderr.strip() == 'disk_full'
  assert path.read_text().endswith('}\n')
  assert len(lines(path)) == 1000 // len(
    path.read_text().splitlines()[0] + '\n'
  )


def test_tensorboard_gets_numbers_at_their_steps(tmp_path):
  from tensorboardX.proto import event_pb2

  writer = logs.TensorBoardWriter(tmp_path / 'tb')
  writer.write({'step': 7, 'loss': jnp.float32(0.25), 'note': 'x', 'n': None})
  writer.write({'step': 8, 'loss': float('inf')})
  writer.close()
  (path,) = (tmp_path / 'tb').iterdir()
  data, events = path.read_bytes(), []
  while data:  # TFRecord: length, crc, event, crc.
    size = int.from_bytes(data[:8], 'little')
    events.append(event_pb2.Event.FromString(data[12 : 12 + size]))
    data = data[16 + size :]
  values = [
    (event.step, value.tag, value.simple_value)
    for event in events
    for value in event.summary.value
  ]
  assert values == [(7, 'loss', 0.25)]


def test_the_console_line_holds_step_and_numbers():
  out = io.StringIO()
  console = rich.console.Console(file=out, width=200)
  writer = logs.ConsoleWriter(total=100, console=console)
  writer.write({'step': 20, 'loss': 0.123456, 'tokens/s': 12345.6})
  writer.close()
  logs.ConsoleWriter(console=console).write({'step': 3})
  assert out.getvalue() == (
    'step 20/100  loss 0.1235  tokens/s 12,346\nstep 3\n'
  )


def _uninstall() -> None:
  logs.setup()
  for logger, handler in logs._installed:
    logger.removeHandler(handler)
  logs._installed.clear()


@pytest.fixture
def restored_logging() -> Iterator[None]:
  root, ours = logging.getLogger(), logging.getLogger('aurl_jax')
  _uninstall()  # what a run in another test has left
  before = list(root.handlers), list(ours.handlers), ours.level
  yield
  _uninstall()
  assert (list(root.handlers), list(ours.handlers)) == before[:2]
  ours.setLevel(before[2])


@pytest.mark.usefixtures('restored_logging')
def test_console_and_file_each_get_their_messages(tmp_path, capsys):
  logs.setup(tmp_path)
  logging.getLogger('aurl_jax.data').info('read ours')
  logging.getLogger('aurl_jax.data').warning('skipped ours')
  logging.getLogger('absl').error('their traceback')
  shown = capsys.readouterr().err
  written = (tmp_path / 'logs' / 'run.log').read_text()
  assert 'skipped ours' in shown
  assert 'read ours' not in shown
  assert 'their traceback' not in shown
  for message in ('read ours', 'skipped ours', 'ERROR absl: their traceback'):
    assert message in written


@pytest.mark.usefixtures('restored_logging')
def test_setup_replaces_itself_and_can_show_everything(tmp_path, capsys):
  logs.setup(tmp_path)
  logs.setup(tmp_path, verbose=True, process_index=2)
  logging.getLogger('absl').warning('theirs')
  assert 'theirs' in capsys.readouterr().err
  assert (tmp_path / 'logs' / 'run.log').read_text() == ''
  assert 'theirs' in (tmp_path / 'logs' / 'run-2.log').read_text()


@pytest.mark.usefixtures('restored_logging')
def test_log_files_rotate(tmp_path, monkeypatch):
  monkeypatch.setattr(logs, '_FILE_BYTES', 2000)
  logs.setup(tmp_path)
  for number in range(200):
    logging.getLogger('aurl_jax').info('message %d', number)
  names = sorted(path.name for path in (tmp_path / 'logs').iterdir())
  assert names == ['run.log', *(f'run.log.{n}' for n in range(1, 6))]
  assert max(p.stat().st_size for p in (tmp_path / 'logs').iterdir()) <= 2000
