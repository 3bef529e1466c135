"""What the cache holds, whether it is sound, and keeping it small.

    <root>/prepared/NAME_DIGEST/   prepared sets, memory-mapped (`data.cache`)
    <root>/store/                  single pieces, compressed (`data.store`)

What was not used for longest goes first when there is more than the limit:
`AURL_CACHE_LIMIT`, such as `50G`; 20 GB if it is not set. What was used in
the last minutes stays, since a process may be about to open it. A set that a
training run has open may be taken out: the run keeps its pages.
"""

import contextlib
import dataclasses
import os
import pathlib
import re
import shutil
import time
from collections.abc import Iterator
from typing import Any

from aurl_jax.core.errors import DataError
from aurl_jax.data import cache as cache_lib
from aurl_jax.data import sources
from aurl_jax.data.store import Store

DEFAULT_LIMIT = 20 * 10**9
_IN_USE = 600
"""Seconds since the last use for which nothing is taken out."""
_ABANDONED = 86_400
"""Seconds after which a folder that was not published is no one's."""
_UNITS = {'': 1, 'K': 10**3, 'M': 10**6, 'G': 10**9, 'T': 10**12}
_SIZE = re.compile(r'(\d+(?:\.\d+)?)\s*([KMGT]?)B?', re.IGNORECASE)


@dataclasses.dataclass(frozen=True)
class Item:
  """One thing in the cache.

  Attributes:
    kind: `prepared` or `piece`.
    path: A folder, or a file.
    bytes: What it takes on the disk.
    used: When it was last used, seconds since the epoch.
  """

  kind: str
  path: pathlib.Path
  bytes: int
  used: float


def store() -> Store:
  """Returns the store of pieces of this user."""
  return Store(sources.cache_root() / 'store')


def prepared_folder() -> pathlib.Path:
  """Returns where the prepared sets of this user lie."""
  return sources.cache_root() / 'prepared'


def note_use(folder: pathlib.Path) -> None:
  """Notes that a prepared set is used now."""
  with contextlib.suppress(OSError):
    os.utime(folder / cache_lib.KEY)


def parse_size(text: str) -> int:
  """Returns the bytes of a size such as `500M` or `2.5 GB`.

  Raises:
    DataError: It is no size.
  """
  found = _SIZE.fullmatch(text.strip())
  if not found:
    raise DataError(
      f'{text!r} is no size; write it like 500M or 20G', code='size'
    )
  return int(float(found[1]) * _UNITS[found[2].upper()])


def limit() -> int:
  """Returns how many bytes the cache may take."""
  given = os.environ.get('AURL_CACHE_LIMIT')
  return parse_size(given) if given else DEFAULT_LIMIT


def items() -> Iterator[Item]:
  """Yields all that the cache holds; what vanishes meanwhile is left out."""
  for path in store():
    with contextlib.suppress(OSError):
      status = path.stat()
      yield Item('piece', path, status.st_size, status.st_mtime)
  folder = prepared_folder()
  for path in sorted(folder.iterdir()) if folder.is_dir() else ():
    with contextlib.suppress(OSError):
      if path.is_dir() and not _is_in_work(path):
        yield Item('prepared', path, _size(path), _last_use(path))


def _is_in_work(folder: pathlib.Path) -> bool:
  """Returns whether a process may be filling a folder.

  One that is hidden and a day old was left by a process that died.
  """
  age = time.time() - folder.stat().st_mtime
  return folder.name.startswith('.') and age < _ABANDONED


def _size(folder: pathlib.Path) -> int:
  return sum(f.stat().st_size for f in folder.rglob('*') if f.is_file())


def _last_use(folder: pathlib.Path) -> float:
  key = folder / cache_lib.KEY
  return (key if key.exists() else folder).stat().st_mtime


def stats() -> dict[str, Any]:
  """Returns where the cache is, its limit, and count and bytes by kind."""
  found = list(items())
  counts = {
    kind: {
      'items': sum(item.kind == kind for item in found),
      'bytes': sum(item.bytes for item in found if item.kind == kind),
    }
    for kind in ('prepared', 'piece')
  }
  return {
    'folder': str(sources.cache_root()),
    'limit': limit(),
    'bytes': sum(item.bytes for item in found),
    **counts,
  }


def verify(*, remove: bool = False) -> dict[str, Any]:
  """Reads all of the cache and returns what is damaged.

  Args:
    remove: Whether what is damaged is taken out; it is made again when it is
      asked for.

  Returns:
    How many items were read, and the paths of the damaged ones.
  """
  damaged, read = [], 0
  for item in items():
    read += 1
    if not _is_sound(item):
      damaged.append(str(item.path))
      if remove:
        _take_out(item)
  return {'items': read, 'damaged': damaged, 'removed': remove}


def _is_sound(item: Item) -> bool:
  if item.kind == 'piece':
    return store().check(item.path)
  try:
    cache_lib.TokenCache.open(item.path)
  except DataError:
    return False
  return (item.path / cache_lib.KEY).exists()


def prune(most: int | None = None) -> dict[str, Any]:
  """Takes out what was not used for longest until the rest is small enough.

  Args:
    most: Bytes that may stay; by default `limit()`.

  Returns:
    How many items and bytes were taken out, and the bytes that stay.
  """
  most = limit() if most is None else most
  found = sorted(items(), key=lambda item: item.used)
  total, out = sum(item.bytes for item in found), []
  newest = time.time() - _IN_USE
  for item in found:
    if total <= most or item.used > newest:
      break
    if _take_out(item):
      total -= item.bytes
      out.append(item)
  removed = sum(item.bytes for item in out)
  return {'items': len(out), 'removed_bytes': removed, 'bytes': total}


def clear() -> dict[str, Any]:
  """Takes out everything that this library can make again."""
  found = [item for item in items() if _take_out(item)]
  removed = sum(item.bytes for item in found)
  return {'items': len(found), 'removed_bytes': removed}


def _take_out(item: Item) -> bool:
  """Removes an item; a set at once, so that no process opens half of it."""
  try:
    if item.kind == 'piece':
      item.path.unlink()
      return True
    aside = item.path.with_name(f'.{item.path.name}.{os.getpid()}.old')
    item.path.rename(aside)
  except OSError:
    return False
  shutil.rmtree(aside, ignore_errors=True)
  return True
