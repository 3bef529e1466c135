"""A folder's manifest: what every file in it must be, byte for byte.

Disks and copies lose bits in silence, and weights with a flipped bit still
load. A manifest lists size and sha256 of each file; it is written when all
the others are complete, so that a folder without one was never finished.
"""

import json
import pathlib
from collections.abc import Iterator

from aurl_jax.core import files

NAME = 'MANIFEST.json'
_VERSION = 1


def write(
  folder: pathlib.Path, leave_out: frozenset[str] = frozenset()
) -> None:
  """Writes the manifest of a folder whose files are complete.

  Args:
    folder: The folder. Its files need not be on the disk yet: what a power
      failure takes from them, `problem` finds.
    leave_out: Files that may still change, as paths inside the folder.
  """
  entries = {
    name: {'bytes': path.stat().st_size, 'sha256': files.digest(path)}
    for name, path in _files(folder)
    if name not in leave_out
  }
  content = {'version': _VERSION, 'files': entries}
  files.write_atomic(folder / NAME, json.dumps(content, indent=1))


def problem(folder: pathlib.Path) -> str | None:
  """Returns what is wrong with a folder, or None if all is as written."""
  try:
    content = json.loads((folder / NAME).read_bytes())
    if content['version'] != _VERSION:
      return f'{NAME} is of an unknown version'
    expected = {
      name: (entry['bytes'], entry['sha256'])
      for name, entry in content['files'].items()
    }
  except FileNotFoundError:
    return f'{NAME} is missing, so it was never completed'
  except (ValueError, KeyError, TypeError, AttributeError):
    return f'{NAME} is damaged'
  found = dict(_files(folder))
  for name, (size, sha256) in expected.items():
    if name not in found:
      return f'{name} is missing'
    if found[name].stat().st_size != size:
      return f'{name} has another size than when it was written'
    if files.digest(found[name]) != sha256:
      return f'{name} has changed since it was written'
  return None


def _files(folder: pathlib.Path) -> Iterator[tuple[str, pathlib.Path]]:
  for path in sorted(folder.rglob('*')):
    if path.is_file() and path != folder / NAME:
      yield path.relative_to(folder).as_posix(), path
