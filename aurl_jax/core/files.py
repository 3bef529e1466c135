"""Files that are whole or not there, and digests that tell them apart.

A process can die at any instruction. What is written here becomes visible
by one rename, after its bytes are on the disk, so that a reader meets the
old content, the new one, or nothing, never a half.
"""

import contextlib
import errno
import fcntl
import hashlib
import json
import logging
import os
import pathlib
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator

from aurl_jax.core.errors import AurlError

StrPath = str | os.PathLike[str]

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

_log = logging.getLogger(__name__)


def digest(source: StrPath | bytes) -> str:
  """Returns the sha256 of a file, or of bytes, as 64 hex digits."""
  if isinstance(source, bytes):
    return hashlib.sha256(source).hexdigest()
  with open(source, 'rb') as file:
    return hashlib.file_digest(file, 'sha256').hexdigest()


def parts(source: StrPath) -> list[str]:
  """Returns the paths that a name of one or several stands for.

  Several stand as in PATH; a name that is there is one, whatever it is like.

  Example:
    >>> parts(os.pathsep.join(['scores', 'drums']))
    ['scores', 'drums']
  """
  name = os.fspath(source)
  if os.path.exists(name):
    return [name]
  return [part for part in name.split(os.pathsep) if part] or [name]


def write_atomic(path: StrPath, data: bytes | str) -> None:
  """Writes a file, or leaves it as it was.

  Args:
    path: Where to; missing folders are made.
    data: The whole content; text is written as UTF-8.

  Raises:
    AurlError: No space is left (code `disk_full`), or the file system may
      only be read (`read_only`).
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


@contextlib.contextmanager
def claim(path: StrPath, what: str) -> Iterator[None]:
  """Keeps what lies beside a file to this process while the body runs.

  The lock is of the system and ends with the process, however that ends. The
  file stays and names who had it last. Where the file system has no locks, a
  warning is logged and the body runs unguarded.

  Args:
    path: The file; missing folders are made.
    what: What is claimed, for the message.

  Raises:
    AurlError: Another process has it (code `in_use`; host and process id are
      told), or the place cannot be written (`read_only`, `disk_full`).
  """
  path = pathlib.Path(path)
  with disk_errors(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
  _CLAIMS.add(handle)
  try:
    _claim(handle, path, what)
    yield
  finally:
    _CLAIMS.discard(handle)
    os.close(handle)


def _claim(handle: int, path: pathlib.Path, what: str) -> None:
  try:
    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
  except BlockingIOError as error:
    raise AurlError(
      f'{what} is in use by {_holder(path)}; wait until that ends, stop it, '
      'or choose another folder',
      code='in_use',
    ) from error
  except OSError as error:
    _log.warning(
      '%s cannot be locked (%s): see to it that nothing else uses it',
      what,
      error.strerror,
    )
    return
  me = {'host': socket.gethostname(), 'pid': os.getpid()}
  # A full disk is no reason to refuse: the lock holds without the name.
  with contextlib.suppress(OSError):
    os.ftruncate(handle, 0)
    os.pwrite(handle, json.dumps(me).encode(), 0)


def _holder(path: pathlib.Path) -> str:
  try:
    found = json.loads(path.read_bytes())
    return f'process {found["pid"]} on {found["host"]}'
  except (OSError, ValueError, KeyError, TypeError):
    return 'another process'


_CLAIMS: set[int] = set()


def _leave_to_parent() -> None:
  """A child that outlives its parent must not keep what that claimed."""
  for handle in _CLAIMS:
    os.close(handle)
  _CLAIMS.clear()


os.register_at_fork(after_in_child=_leave_to_parent)


def _take(handle: int, waiting: Callable[[], None]) -> None:
  try:
    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
  except BlockingIOError:
    waiting()
    fcntl.flock(handle, fcntl.LOCK_EX)


@contextlib.contextmanager
def disk_errors(path: StrPath) -> Iterator[None]:
  """Turns errors of a full or read-only disk into one with a remedy.

  Raises:
    AurlError: No space is left (code `disk_full`), or the file system may
      only be read (`read_only`).
  """
  try:
    yield
  except OSError as error:
    if error.errno in _FULL:
      remedy, code = 'free some space there', 'disk_full'
    elif error.errno == errno.EROFS:
      remedy, code = 'make it writable', 'read_only'
    else:
      raise
    raise AurlError(
      f'cannot write {path}: {error.strerror}; {remedy} or choose a folder '
      'on another disk',
      code=code,
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
