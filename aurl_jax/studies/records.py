"""A file of lines that a kill at any moment cannot harm.

Lines are only appended. Whoever opens the file again drops a line that a
crash tore, passes over lines that are damaged, and goes on. When all is done
the file is put in order: it then holds each line once, in the order in which
its piece came, whatever happened on the way.

In memory there are 32 bytes a line.
"""

import array
import contextlib
import json
import logging
import os
import pathlib
import tempfile
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

import numpy as np

from aurl_jax.core import files
from aurl_jax.studies.analysis import Line

_log = logging.getLogger(__name__)


class Records:
  """The lines of a file, and which of them are wanted.

  Of two processes that want the same file, one is refused.
  """

  def __init__(self, path: files.StrPath) -> None:
    """Opens a file, made if it is not there.

    Raises:
      AurlError: Another process has it (code `in_use`), or it cannot be
        written (`disk_full`, `read_only`).
    """
    self._path = pathlib.Path(path)
    self._held = contextlib.ExitStack()
    lock = self._path.with_name(f'.{self._path.name}.lock')
    self._held.enter_context(files.claim(lock, str(self._path)))
    # Key and place of each line, and the keys in the order of the stream.
    self._keys, self._places = array.array('Q'), array.array('Q')
    self._order = array.array('Q')
    self._loose = 0
    with files.disk_errors(self._path):
      self._file = self._path.open('ab', buffering=0)
    self._held.callback(self._file.close)
    self._scan()
    self._before = np.sort(np.array(self._keys, np.uint64))

  def __enter__(self) -> 'Records':
    return self

  def __exit__(self, *exc: object) -> None:
    self._held.close()

  def _scan(self) -> None:
    """Reads what is there already."""
    place = 0
    with self._path.open('rb') as file:
      for line in file:
        if not line.endswith(b'\n'):
          _log.warning('%s: the last line is torn and dropped', self._path)
          os.truncate(self._path, place)
          break
        key = _kept(line)
        if key is None:
          self._loose += 1
        else:
          self._note(key, place)
        place += len(line)
    if self._loose:
      _log.warning(
        '%s: %d lines are damaged, or of studies that failed: they are made '
        'again',
        self._path,
        self._loose,
      )

  def _note(self, key: int, place: int) -> None:
    self._keys.append(key)
    self._places.append(place)

  def has(self, key: str) -> bool:
    """Returns whether a line was there when the file was opened."""
    wanted = np.uint64(int(key, 16))
    at = int(np.searchsorted(self._before, wanted))
    return at < len(self._before) and bool(self._before[at] == wanted)

  def append(self, lines: Iterable[Line]) -> None:
    """Appends lines, all or none.

    Raises:
      AurlError: No space is left (code `disk_full`).
    """
    lines = list(lines)
    start = place = self._file.seek(0, os.SEEK_END)
    rest = b''.join(line.text for line in lines)
    with files.disk_errors(self._path):
      try:
        while rest:
          rest = rest[self._file.write(rest) :]
      except OSError:
        self._file.truncate(start)
        raise
    for line in lines:
      self._note(int(line.key, 16), place)
      place += len(line.text)

  def want(self, keys: Iterable[str]) -> None:
    """Tells which lines come next in the order of the stream."""
    self._order.extend(int(key, 16) for key in keys)

  def finish(self) -> None:
    """Puts the file in order: the lines that were wanted, and no others."""
    if not self._loose and self._keys == self._order:
      os.fsync(self._file.fileno())
      return
    with files.disk_errors(self._path):
      handle, name = tempfile.mkstemp(
        prefix=f'.{self._path.name}.', dir=self._path.parent
      )
      try:
        with os.fdopen(handle, 'wb') as out, self._path.open('rb') as file:
          os.fchmod(handle, self._path.stat().st_mode & 0o777)
          out.writelines(self._ordered(file))
          out.flush()
          os.fsync(handle)
        os.replace(name, self._path)
      except BaseException:
        pathlib.Path(name).unlink(missing_ok=True)
        raise

  def _ordered(self, file: BinaryIO) -> Iterator[bytes]:
    keys = np.array(self._keys, np.uint64)
    order = np.argsort(keys, kind='stable')
    wanted = np.array(self._order, np.uint64)
    found = order[np.searchsorted(keys[order], wanted)]
    for place in np.array(self._places, np.uint64)[found].tolist():
      file.seek(place)
      yield file.readline()


def read(path: files.StrPath) -> Iterator[dict[str, Any]]:
  """Yields the lines of a file that may be written to right now.

  Args:
    path: A file of lines; one that is not there has none.
  """
  with (
    contextlib.suppress(FileNotFoundError),
    pathlib.Path(path).open('rb') as f,
  ):
    for line in f:
      row = _row(line)
      if row is not None:
        yield row


def _row(line: bytes) -> dict[str, Any] | None:
  """Returns what a line holds; None for one that is damaged."""
  try:
    row = json.loads(line)
  except ValueError:
    return None
  whole = isinstance(row, dict) and 'key' in row and 'piece' in row
  return row if whole and line.endswith(b'\n') else None


def _kept(line: bytes) -> int | None:
  """Returns the key of a line; None for one that is to be made again."""
  row = _row(line)
  # What failed may have been the machine's fault, or has been mended since.
  if row is None or ('error' in row and row.get('study') is not None):
    return None
  try:
    return int(row['key'], 16)
  except (TypeError, ValueError):
    return None
