"""A store of results by what they were made of, shared by all processes.

    store/ab/abcdef….aurl     32 bytes of sha256, then a compressed payload

A key is the digest of everything that a result follows from, so an entry
never goes out of date: other inputs have another key. An entry appears by
one rename and is checked whenever it is read; one that is damaged is taken
out and made again. Nothing is pickled. Any number of processes may read and
write at once: those that make the same entry write the same bytes.

Entries are arrays, by name: the members of an npz archive. An ArrayRecord
with zstd is as small and unpacks faster, but a file of it takes at least
64 kB and its records can be neither added nor taken out.
"""

import dataclasses
import hashlib
import io
import json
import logging
import os
import pathlib
import re
import tempfile
import time
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from aurl_jax.core import files

SUFFIX = '.aurl'
_KEY = re.compile(r'[0-9a-f]{64}')
_DIGEST = 32
_FRESH = 3600
"""Seconds in which the use of an entry is noted once: a write each time would
cost more than the read."""
_LEVEL = 1
"""Of the compression: level 6 saves an eighth more and packs half as fast."""

Entry = dict[str, np.ndarray]
_log = logging.getLogger(__name__)


def key_of(parts: Mapping[str, Any]) -> str:
  """Returns the key of what follows from JSON values.

  Example:
    >>> key_of({'file': 'a', 'version': 1})[:8]
    'f3256432'
  """
  return files.digest(json.dumps(parts, sort_keys=True).encode())


@dataclasses.dataclass(frozen=True)
class Store:
  """Entries below a folder, which need not be there yet."""

  folder: pathlib.Path

  def path(self, key: str) -> pathlib.Path:
    """Returns where an entry lies, if it is there.

    Raises:
      ValueError: Not a key.
    """
    if not _KEY.fullmatch(key):
      raise ValueError(f'{key!r} is no sha256 in hex')
    return self.folder / key[:2] / f'{key}{SUFFIX}'

  def get(self, key: str) -> Entry | None:
    """Returns an entry, or None if it is not there or damaged."""
    path = self.path(key)
    try:
      entry = _unpacked(path.read_bytes())
    except OSError:
      return None
    if entry is None:
      _log.warning('%s is damaged: it is taken out and made again', path)
      remove(path)
      return None
    _note_use(path)
    return entry

  def put(self, key: str, entry: Mapping[str, np.ndarray]) -> bool:
    """Keeps an entry, if it can be kept; returns whether.

    A store that cannot be written (read-only, full) costs time, never a
    result, so it is told once and no error.
    """
    path = self.path(key)
    try:
      path.parent.mkdir(parents=True, exist_ok=True)
      _publish(path, _packed(entry))
    except OSError as error:
      _tell_once(self.folder, error.strerror or str(error))
      return False
    return True

  def __iter__(self) -> Iterator[pathlib.Path]:
    """Yields the paths of the entries."""
    return self.folder.glob(f'??/*{SUFFIX}')

  def check(self, path: pathlib.Path) -> bool:
    """Returns whether an entry's content is what was written."""
    try:
      return _unpacked(path.read_bytes()) is not None
    except OSError:
      return False


def remove(path: pathlib.Path) -> None:
  """Takes an entry out, if it is there and can be."""
  try:
    path.unlink(missing_ok=True)
  except OSError as error:
    _tell_once(path.parent, error.strerror or str(error))


_told: set[pathlib.Path] = set()


def _tell_once(folder: pathlib.Path, cause: str) -> None:
  if folder not in _told:
    _told.add(folder)
    _log.warning(
      'the cache %s cannot be written (%s): work goes on without it; free '
      'space there, or set AURL_CACHE to another folder',
      folder,
      cause,
    )


def _note_use(path: pathlib.Path) -> None:
  now = time.time()
  try:
    if now - path.stat().st_mtime > _FRESH:
      os.utime(path)
  except OSError as error:
    _tell_once(path.parent, error.strerror or str(error))


def _publish(path: pathlib.Path, data: bytes) -> None:
  """Writes a file by one rename.

  Without waiting for the disk, as `files.write_atomic` does: what a crash
  leaves half-written fails its check and is made again.
  """
  handle, name = tempfile.mkstemp(prefix='.', dir=path.parent)
  try:
    with os.fdopen(handle, 'wb') as file:
      file.write(data)
    os.replace(name, path)
  except BaseException:
    pathlib.Path(name).unlink(missing_ok=True)
    raise


def _packed(entry: Mapping[str, np.ndarray]) -> bytes:
  buffer = io.BytesIO()
  with zipfile.ZipFile(buffer, 'w') as archive:
    for name, array in entry.items():
      content = io.BytesIO()
      np.lib.format.write_array(content, np.asarray(array), allow_pickle=False)
      # Without a date, so that equal entries are equal bytes.
      info = zipfile.ZipInfo(f'{name}.npy')
      archive.writestr(
        info, content.getvalue(), zipfile.ZIP_DEFLATED, compresslevel=_LEVEL
      )
  payload = buffer.getvalue()
  return hashlib.sha256(payload).digest() + payload


def _unpacked(data: bytes) -> Entry | None:
  digest, payload = data[:_DIGEST], data[_DIGEST:]
  if hashlib.sha256(payload).digest() != digest:
    return None
  try:
    # A digest tells of rot, not of who wrote it: nothing here is unpickled.
    with np.load(io.BytesIO(payload), allow_pickle=False) as archive:
      return {name: archive[name] for name in archive.files}
  except (ValueError, AttributeError, EOFError, zipfile.BadZipFile, zlib.error):
    return None
