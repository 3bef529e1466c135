"""A folder's manifest: what every file in it must be, byte for byte.

Disks and copies lose bits in silence, and weights with a flipped bit still
load. A manifest lists size and sha256 of each file, and holds a digest of
itself; it is written when all the others are complete, so that a folder
without one was never finished.
"""

import json
import pathlib
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from aurl_jax.core import files

NAME = 'MANIFEST.json'
_VERSION = 2
_OLD = 1
"""Written before there were facts: without them, and without `sha256`."""


def write(
  folder: pathlib.Path,
  leave_out: frozenset[str] = frozenset(),
  facts: Mapping[str, Any] | None = None,
) -> None:
  """Writes the manifest of a folder whose files are complete.

  Args:
    folder: The folder. Its files need not be on the disk yet: what a power
      failure takes from them, `problem` finds.
    leave_out: Files that may still change, as paths inside the folder.
    facts: JSON to find again without reading the files, such as metrics.
  """
  entries = {
    name: {'bytes': path.stat().st_size, 'sha256': files.digest(path)}
    for name, path in _files(folder)
    if name not in leave_out
  }
  content = {
    'version': _VERSION,
    'facts': dict(facts or {}),
    'files': entries,
  }
  content['sha256'] = _own_digest(content)
  files.write_atomic(folder / NAME, json.dumps(content, indent=1))


def problem(folder: pathlib.Path, closed: Collection[str] = ()) -> str | None:
  """Returns what is wrong with a folder, or None if all is as written.

  Args:
    folder: The folder.
    closed: Folders inside it that must hold no file but those listed.
  """
  content, wrong = _read(folder)
  if content is None:
    return wrong
  found = dict(_files(folder))
  for name, entry in content['files'].items():
    if name not in found:
      return f'{name} is missing'
    if wrong := _difference(found[name], entry):
      return f'{name} {wrong}'
  for name in strays(folder):
    if name.partition('/')[0] in closed:
      return f'{name} does not belong to it'
  return None


def strays(folder: pathlib.Path, known: Collection[str] = ()) -> list[str]:
  """Returns files that neither the manifest nor `known` names.

  None of a folder without a readable manifest. What systems leave in any
  folder (`.DS_Store`, `.nfs…`) does not count.
  """
  content, _ = _read(folder)
  if content is None:
    return []
  return [
    name
    for name, path in _files(folder)
    if name not in content['files']
    and name not in known
    and not _is_noise(path.name)
  ]


def facts(folder: pathlib.Path) -> dict[str, Any]:
  """Returns the facts of a folder; none if its manifest is not readable."""
  content, _ = _read(folder)
  return {} if content is None else dict(content.get('facts', {}))


def _read(folder: pathlib.Path) -> tuple[dict[str, Any] | None, str]:
  """Returns a sound manifest, or None and what is wrong with it."""
  try:
    content = json.loads((folder / NAME).read_bytes())
    if content['version'] not in (_OLD, _VERSION):
      return None, f'{NAME} is of an unknown version'
    entries = content['files'].values()
    sound = all({'bytes', 'sha256'} <= entry.keys() for entry in entries)
    if content['version'] == _VERSION:
      sound = sound and content['sha256'] == _own_digest(content)
  except FileNotFoundError:
    return None, f'{NAME} is missing, so it was never completed'
  except OSError as error:
    return None, f'{NAME} cannot be read: {error.strerror}'
  except (ValueError, KeyError, TypeError, AttributeError):
    sound = False
  return (content, '') if sound else (None, f'{NAME} is damaged')


def _own_digest(content: Mapping[str, Any]) -> str:
  rest = {name: part for name, part in content.items() if name != 'sha256'}
  return files.digest(json.dumps(rest, sort_keys=True).encode())


def _difference(path: pathlib.Path, entry: Mapping[str, Any]) -> str:
  """Returns how a file differs from its entry, or ''."""
  try:
    if path.stat().st_size != entry['bytes']:
      return 'has another size than when it was written'
    if files.digest(path) != entry['sha256']:
      return 'has changed since it was written'
  except OSError as error:
    return f'cannot be read: {error.strerror}'
  return ''


def _is_noise(name: str) -> bool:
  if name in ('.DS_Store', 'Thumbs.db', 'desktop.ini'):
    return True
  return name.startswith(('.nfs', '._', '.fuse_hidden'))


def _files(folder: pathlib.Path) -> Iterator[tuple[str, pathlib.Path]]:
  for path in sorted(folder.rglob('*')):
    if path.is_file() and path != folder / NAME:
      yield path.relative_to(folder).as_posix(), path
