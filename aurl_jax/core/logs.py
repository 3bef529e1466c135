"""Where log messages go: the console, and rotated, compressed files.

Both write the lines of `core.logline`.
"""

import contextlib
import datetime
import gzip
import logging
import logging.handlers
import os
import pathlib
import sys

from aurl_jax.core import files, logline
from aurl_jax.core.errors import AurlError

_FILE_BYTES, _FILES = 1 << 20, 5

_installed: list[tuple[logging.Logger, logging.Handler]] = []


class LineFormatter(logging.Formatter):
  """Log records as lines of `core.logline`, tracebacks and all."""

  def format(self, record: logging.LogRecord) -> str:
    """Returns the lines of a record; `details` of it follow, if it has any."""
    entry = logline.Entry(
      time=datetime.datetime.fromtimestamp(record.created),
      level=record.levelname,
      module=record.name,
      message=super().format(record),
      details=getattr(record, 'details', None),
    )
    return logline.render(entry)


def setup(
  workdir: files.StrPath | None = None,
  verbose: bool = False,
  process_index: int = 0,
  records: bool = False,
) -> None:
  """Sends log messages where they belong; a second call replaces the first.

  The console shows warnings of ours (with `verbose`, everything of anyone);
  the file has information of ours and warnings of the libraries, so that
  their tracebacks do not hide our message.

  Args:
    workdir: Folder of the run, which gets `logs/run.log`; at 1 MiB it becomes
      `run.log.1.gz`, and five of these are kept. None writes no file.
    verbose: Whether the console shows everything.
    process_index: Which of several hosts this is; each has its own file.
    records: Whether the console shows the records of training, too.
  """
  for logger, handler in _installed:
    logger.removeHandler(handler)
    handler.close()
  _installed.clear()
  root, ours = logging.getLogger(), logging.getLogger('aurl_jax')
  ours.setLevel(logging.INFO)
  _install(root if verbose else ours, _console_handler(verbose, records))
  # A root without a handler prints warnings by itself.
  _install(root, logging.NullHandler())
  # A library may have given the root a console of its own, which would say
  # ours once more.
  for handler in root.handlers:
    if type(handler) is logging.StreamHandler:
      handler.addFilter(_is_foreign)
  if workdir is not None:
    _install(root, _file_handler(pathlib.Path(workdir), process_index))


def _is_foreign(record: logging.LogRecord) -> bool:
  return record.name.partition('.')[0] != 'aurl_jax'


def _install(logger: logging.Logger, handler: logging.Handler) -> None:
  logger.addHandler(handler)
  _installed.append((logger, handler))


class _Console(logging.StreamHandler):
  """Standard error: standard output belongs to what programs read."""


def _console_handler(verbose: bool, records: bool) -> logging.Handler:
  def wanted(record: logging.LogRecord) -> bool:
    told = records and hasattr(record, 'details')
    return verbose or told or record.levelno >= logging.WARNING

  handler = _Console(sys.stderr)
  handler.setLevel(logging.INFO)
  handler.addFilter(wanted)
  handler.setFormatter(LineFormatter())
  return handler


class _File(logging.handlers.RotatingFileHandler):
  """A rotated file; one that cannot be written is no reason to stop a run."""

  _complained = False

  def doRollover(self) -> None:
    # Compressed before anything is moved: a full disk loses no old file.
    full = pathlib.Path(self.baseFilename)
    try:
      packed = gzip.compress(full.read_bytes(), mtime=0)
      files.write_atomic(_packed(str(full)), packed)
    except (AurlError, OSError):
      return
    super().doRollover()

  def handleError(self, record: logging.LogRecord) -> None:
    if not self._complained:
      self._complained = True
      print(
        f'cannot write {self.baseFilename}: {sys.exc_info()[1]}; going on '
        'without what cannot be logged',
        file=sys.stderr,
      )

  def close(self) -> None:
    with contextlib.suppress(OSError):
      super().close()


def _file_handler(workdir: pathlib.Path, process_index: int) -> logging.Handler:
  name = f'run-{process_index}.log' if process_index else 'run.log'
  path = workdir / 'logs' / name
  with files.disk_errors(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = _File(
      path,
      maxBytes=_FILE_BYTES,
      backupCount=_FILES,
      encoding='utf-8',
      # Names of files may hold bytes that are no text.
      errors='backslashreplace',
    )
  handler.setFormatter(LineFormatter())
  handler.namer = _packed
  handler.rotator = _rotate
  return handler


def _packed(name: str) -> str:
  return f'{name}.gz'


def _rotate(source: str, target: str) -> None:
  os.replace(_packed(source), target)
  os.remove(source)
