"""What a run tells: records for machines, a line for people, a log for both.

A record is a flat mapping of names to numbers that holds `step`. Writers take
records; `setup` sends log messages to the console and to a rotated file.
"""

import json
import logging
import logging.handlers
import math
import pathlib
from collections.abc import Collection, Mapping
from typing import Any, Protocol

import rich.console
import rich.logging

from aurl_jax.core import files

_FORMAT = '%(asctime)s %(levelname)s %(name)s: %(message)s'
_FILE_BYTES, _FILES = 1 << 20, 5

_installed: list[tuple[logging.Logger, logging.Handler]] = []


class Writer(Protocol):
  """Takes the records of a run."""

  def write(self, record: Mapping[str, Any]) -> None:
    """Takes a record."""
    ...

  def close(self) -> None:
    """Completes what was written."""
    ...


class JsonlWriter:
  """One JSON object a line, whole lines only, on the disk at once.

  A number that is not finite is written as null, as JSON has no other way.
  """

  def __init__(self, path: files.StrPath) -> None:
    """Opens a file to append to; a line that a crash tore is dropped."""
    self._path = pathlib.Path(path)
    self._path.parent.mkdir(parents=True, exist_ok=True)
    if self._path.exists():
      content = self._path.read_bytes()
      if content and not content.endswith(b'\n'):
        files.write_atomic(self._path, content[: content.rfind(b'\n') + 1])
    self._file = self._path.open('ab', buffering=0)

  def write(self, record: Mapping[str, Any]) -> None:
    """Appends a record.

    Raises:
      AurlError: No space is left (code `disk_full`).
    """
    text = json.dumps({key: plain(value) for key, value in record.items()})
    line, start = f'{text}\n'.encode(), self._file.tell()
    with files.disk_errors(self._path):
      try:
        while line:
          line = line[self._file.write(line) :]
      except OSError:
        self._file.truncate(start)
        raise

  def truncate(self, step: int) -> None:
    """Drops the records after `step`, which a resumed run writes again."""
    self._file.close()
    lines = self._path.read_text(encoding='utf-8').splitlines(keepends=True)
    kept = [line for line in lines if json.loads(line).get('step', 0) <= step]
    files.write_atomic(self._path, ''.join(kept))
    self._file = self._path.open('ab', buffering=0)

  def close(self) -> None:
    """Closes the file."""
    self._file.close()


class TensorBoardWriter:
  """Event files for TensorBoard; only numbers, at their step."""

  def __init__(self, folder: files.StrPath) -> None:
    """Opens a folder; tensorboardX is imported here and nowhere else."""
    import tensorboardX

    self._writer = tensorboardX.SummaryWriter(str(folder))

  def write(self, record: Mapping[str, Any]) -> None:
    """Adds each number of a record to the curve of its name."""
    step = int(plain(record['step']))
    for key, value in record.items():
      number = plain(value)
      if key != 'step' and isinstance(number, int | float):
        self._writer.add_scalar(key, number, step)
    self._writer.flush()

  def close(self) -> None:
    """Closes the event file."""
    self._writer.close()


class ConsoleWriter:
  """A line a record, for people."""

  def __init__(
    self,
    total: int | None = None,
    console: rich.console.Console | None = None,
    shown: Collection[str] | None = None,
  ) -> None:
    """Opens the console.

    Args:
      total: Steps of the whole run, shown beside each step.
      shown: Which values of a record to print; all by default.
      console: Where to; standard error by default, as standard output
        belongs to what programs read.
    """
    self._total = total
    self._shown = shown
    self._console = console or rich.console.Console(stderr=True)

  def write(self, record: Mapping[str, Any]) -> None:
    """Prints a record."""
    of = '' if self._total is None else f'/{self._total}'
    cells = [f'[bold]step {plain(record["step"])}{of}[/bold]'] + [
      f'{key} [cyan]{show(value)}[/cyan]'
      for key, value in record.items()
      if key != 'step' and (self._shown is None or key in self._shown)
    ]
    self._console.print('  '.join(cells), soft_wrap=True, highlight=False)

  def close(self) -> None:
    """Leaves the console, which is not ours to close."""


def plain(value: Any) -> Any:
  """Returns a value as what JSON holds; arrays of one number as that number.

  Example:
    >>> import numpy as np
    >>> plain(np.float32(0.5)), plain(float('nan')), plain('a')
    (0.5, None, 'a')
  """
  if hasattr(value, 'item'):
    value = value.item()
  if isinstance(value, float) and not math.isfinite(value):
    return None
  return value


def show(value: Any) -> str:
  """Returns a value as people read it: four significant digits.

  Example:
    >>> show(0.123456), show(12345.678), show(3), show(float('nan'))
    ('0.1235', '12,346', '3', 'nan')
  """
  if hasattr(value, 'item'):
    value = value.item()
  if isinstance(value, int) and not isinstance(value, bool):
    return f'{value:,}'
  if isinstance(value, float):
    return f'{value:,.0f}' if abs(value) >= 10_000 else f'{value:.4g}'
  return str(value)


def setup(
  workdir: files.StrPath | None = None,
  verbose: bool = False,
  process_index: int = 0,
) -> None:
  """Sends log messages where they belong; a second call replaces the first.

  The console shows warnings of ours (with `verbose`, everything of anyone);
  the file has information of ours and warnings of the libraries, so that
  their tracebacks do not hide our message.

  Args:
    workdir: Folder of the run, which gets `logs/run.log`, rotated at 1 MiB;
      None writes no file.
    verbose: Whether the console shows everything.
    process_index: Which of several hosts this is; each has its own file.
  """
  for logger, handler in _installed:
    logger.removeHandler(handler)
    handler.close()
  _installed.clear()
  root, ours = logging.getLogger(), logging.getLogger('aurl_jax')
  ours.setLevel(logging.INFO)
  console = rich.logging.RichHandler(
    level=logging.INFO if verbose else logging.WARNING,
    console=rich.console.Console(stderr=True),
    show_path=False,
  )
  _install(root if verbose else ours, console)
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


def _file_handler(workdir: pathlib.Path, process_index: int) -> logging.Handler:
  name = f'run-{process_index}.log' if process_index else 'run.log'
  path = workdir / 'logs' / name
  with files.disk_errors(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.handlers.RotatingFileHandler(
      path, maxBytes=_FILE_BYTES, backupCount=_FILES, encoding='utf-8'
    )
  handler.setFormatter(logging.Formatter(_FORMAT))
  return handler
