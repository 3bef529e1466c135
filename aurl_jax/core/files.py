"""Files that are whole or not there, and digests that tell them apart.

A process can die at any instruction. What is written here becomes visible
by one rename, after its bytes are on the disk, so that a reader meets the
old content, the new one, or nothing, never a half.
"""

import contextlib
import errno
import fcntl
import hashlib
import os
import pathlib
import shutil
import tempfile
from collections.abc import Callable, Iterator

from aurl_jax.core.errors import AurlError

StrPath = str | os.PathLike[str]

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def digest(source: StrPath | bytes) -> str:
  """Returns the sha256 of a file, or of bytes, as 64 hex digits."""
  if isinstance(source, bytes):
    return hashlib.sha256(source).hexdigest()
  with open(source, 'rb') as file:
    return hashlib.file_digest(file, 'sha256').hexdigest()


def write_atomic(path: StrPath, data: bytes | str) -> None:
  """Writes a file, or leaves it as it was.

  Args:
    path: Where to; missing folders are made.
    data: The whole content; text is written as UTF-8.

  Raises:
    AurlError: No space is left (code `disk_full`).
    OSError: The place cannot be written for another reason.
  """
  path = pathlib.Path(path)
  data = data.encode() if isinstance(data, str) else data
  with disk_errors(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f'.{path.name}.', dir=path.parent)
    try:
      with os.fdopen(handle, 'wb') as file:
        file.write(data)
        file.flush()
        # mkstemp is private by design; a result file is not.
        os.fchmod(file.fileno(), 0o666 & ~_umask())
        os.fsync(file.fileno())
      os.replace(name, path)
    except BaseException:
      pathlib.Path(name).unlink(missing_ok=True)
      raise
    _sync_one(path.parent)


@contextlib.contextmanager
def atomic_folder(path: StrPath) -> Iterator[pathlib.Path]:
  """Gives an empty folder to fill, which becomes `path` when the body ends.

  A folder that stands at `path` is replaced. If the body fails, what it
  wrote is removed and `path` stays as it was.

  Args:
    path: The folder to make.

  Yields:
    A temporary sibling of `path`.

  Raises:
    AurlError: No space is left (code `disk_full`).
  """
  path = pathlib.Path(path)
  with disk_errors(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    work = pathlib.Path(
      tempfile.mkdtemp(prefix=f'.{path.name}.', dir=path.parent)
    )
    try:
      yield work
      work.chmod(0o777 & ~_umask())
      sync(work)
      _replace_folder(work, path)
    finally:
      shutil.rmtree(work, ignore_errors=True)
    _sync_one(path.parent)


@contextlib.contextmanager
def lock(path: StrPath, waiting: Callable[[], None]) -> Iterator[None]:
  """Keeps other processes out while the body runs, on this and other hosts.

  The lock is of the system and ends with the process, however that ends. A
  file system without locks gives none, and neither does a folder that cannot
  be written: then processes may do the same work twice, and what they
  publish must be whole by itself.

  Args:
    path: A file beside what is guarded; it stays, empty.
    waiting: Called once if another process has the lock.
  """
  path = pathlib.Path(path)
  try:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
  except OSError:
    yield
    return
  try:
    with contextlib.suppress(OSError):
      _take(handle, waiting)
    yield
  finally:
    os.close(handle)


def _take(handle: int, waiting: Callable[[], None]) -> None:
  try:
    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
  except BlockingIOError:
    waiting()
    fcntl.flock(handle, fcntl.LOCK_EX)


@contextlib.contextmanager
def disk_errors(path: StrPath) -> Iterator[None]:
  """Turns the body's errors of a full disk into one with a remedy.

  Raises:
    AurlError: No space is left (code `disk_full`).
  """
  try:
    yield
  except OSError as error:
    if error.errno not in _FULL:
      raise
    raise AurlError(
      f'cannot write {path}: {error.strerror}; free some space there or '
      'choose a folder on another disk',
      code='disk_full',
    ) from error


def sync(path: StrPath) -> None:
  """Brings a file, or a folder with all that it holds, onto the disk."""
  path = pathlib.Path(path)
  if path.is_dir():
    for child in path.iterdir():
      if not child.is_symlink():
        sync(child)
  _sync_one(path)


def _sync_one(path: pathlib.Path) -> None:
  """Brings a file, or the names in a folder but not what they name."""
  handle = os.open(path, os.O_RDONLY)
  try:
    os.fsync(handle)
  finally:
    os.close(handle)


def _replace_folder(new: pathlib.Path, path: pathlib.Path) -> None:
  """Renames `new` to `path`; a folder there steps aside first."""
  if not path.exists():
    new.rename(path)
    return
  old = pathlib.Path(
    tempfile.mkdtemp(prefix=f'.{path.name}.old.', dir=path.parent)
  )
  path.rename(old / path.name)
  try:
    new.rename(path)
  except BaseException:
    (old / path.name).rename(path)
    raise
  finally:
    shutil.rmtree(old, ignore_errors=True)


def _umask() -> int:
  """Returns the process's file mode mask, which cannot be read unset."""
  mask = os.umask(0o022)
  os.umask(mask)
  return mask
