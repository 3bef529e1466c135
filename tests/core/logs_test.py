import errno
import gzip
import logging
import re
from collections.abc import Iterator

import pytest

from aurl_jax.core import logline, logs


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
  for message in (
    'read ours',
    'skipped ours',
    '[ERROR] [absl] their traceback',
  ):
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
def test_what_is_logged_has_the_agreed_form_and_reads_back(tmp_path):
  logs.setup(tmp_path)
  told = logline.Details(position=(1, 2, 3, 4), losses={'recon': 0.25})
  log = logging.getLogger('aurl_jax.training')
  log.info('step %d', 3, extra={'details': told})
  try:
    raise ValueError('two\nlines')
  except ValueError:
    log.exception('it\nbroke')
  text = (tmp_path / 'logs' / 'run.log').read_text()
  first, *rest = text.split('\n')
  assert re.fullmatch(
    r'\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}\] \[INFO\] '
    r'\[aurl_jax\.training\] step 3',
    first,
  )
  assert rest[:2] == ['- Epoch: 1/2, Batch: 3/4', '- Losses: {recon: 0.25}']
  step, failure = logline.parse(text)
  assert (step.message, step.details) == ('step 3', told)
  assert failure.level == 'ERROR'
  assert failure.details is None
  lines = failure.message.split('\n')
  assert lines[:3] == ['it', 'broke', 'Traceback (most recent call last):']
  assert lines[-2:] == ['ValueError: two', 'lines']


@pytest.mark.usefixtures('restored_logging')
def test_the_console_shows_records_of_training_if_asked(capsys):
  log = logging.getLogger('aurl_jax.training')
  for records in (False, True):
    logs.setup(records=records)
    log.info('step 1', extra={'details': logline.Details(ram=1.0)})
    log.info('something else')
    shown = capsys.readouterr().err
    assert shown.endswith('step 1\n- Memory: RAM: 1.0GB\n') == records
    assert 'else' not in shown


@pytest.fixture
def small_files(monkeypatch):
  monkeypatch.setattr(logs, '_FILE_BYTES', 2000)


def _rotated(folder):
  for number in range(200):
    logging.getLogger('aurl_jax').info('message %d', number)
  return sorted(path.name for path in (folder / 'logs').iterdir())


@pytest.mark.usefixtures('restored_logging', 'small_files')
def test_log_files_rotate_and_lose_nothing_that_is_kept(tmp_path):
  logs.setup(tmp_path)
  names = _rotated(tmp_path)
  assert names == ['run.log', *(f'run.log.{n}.gz' for n in range(1, 6))]
  text = ''
  for number in range(5, 0, -1):
    part = (tmp_path / 'logs' / f'run.log.{number}.gz').read_bytes()
    assert len(part) < len(gzip.decompress(part)) <= 2000
    text += gzip.decompress(part).decode()
  text += (tmp_path / 'logs' / 'run.log').read_text()
  told = [int(e.message.removeprefix('message ')) for e in logline.parse(text)]
  assert told == list(range(told[0], 200))
  assert len(told) > 100


@pytest.mark.usefixtures('restored_logging', 'small_files')
def test_a_full_disk_keeps_the_old_files(tmp_path, monkeypatch, capsys):
  logs.setup(tmp_path)
  logging.getLogger('aurl_jax').info('x' * 1950)
  logging.getLogger('aurl_jax').info('second')

  def full(*_):
    raise OSError(errno.ENOSPC, 'no space')

  monkeypatch.setattr(logs.files, 'write_atomic', full)
  assert _rotated(tmp_path) == ['run.log', 'run.log.1.gz']
  entries = list(logline.parse((tmp_path / 'logs' / 'run.log').read_text()))
  assert [e.message for e in entries][::200] == ['second', 'message 199']
  assert 'Logging error' not in capsys.readouterr().err


@pytest.mark.usefixtures('restored_logging')
def test_a_log_that_cannot_be_written_is_complained_of_once(tmp_path, capsys):
  logs.setup(tmp_path)
  (handler,) = [h for _, h in logs._installed if hasattr(h, 'baseFilename')]
  handler.stream.close()
  handler.stream = open('/dev/full', 'a')  # noqa: SIM115
  for _ in range(3):
    logging.getLogger('aurl_jax').info('nobody hears')
  logs.setup()
  assert capsys.readouterr().err.count('going on without') == 1


@pytest.mark.usefixtures('restored_logging')
def test_names_that_are_no_text_are_logged(tmp_path, monkeypatch):
  logs.setup(tmp_path)
  # What pytest captures goes from process to process as text.
  root = logging.getLogger()
  ours = [x for x in root.handlers if 'pytest' not in type(x).__module__]
  monkeypatch.setattr(root, 'handlers', ours)
  logging.getLogger('aurl_jax').info('skipped caf\udce9.mid')
  (told,) = logline.parse((tmp_path / 'logs' / 'run.log').read_text())
  assert told.message == r'skipped caf\udce9.mid'
