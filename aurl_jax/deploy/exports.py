"""The folder of an export: its files, a manifest with their digests, a check.

`manifest.json` has `format`, `kind`, facts of the model, the parity that was
measured, and `files`: name -> sha256. What reads an export checks all of them
first, and takes no name that such an export does not have.
"""

import dataclasses
import json
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

from aurl_jax.core import config as config_lib
from aurl_jax.core import files
from aurl_jax.core.errors import AurlError, BundleError
from aurl_jax.deploy.parity import Parity

FORMAT = 1
MANIFEST = 'manifest.json'


def write(
  folder: files.StrPath,
  kind: str,
  model: Mapping[str, Any],
  contents: Mapping[str, bytes],
  measured: Callable[[pathlib.Path], Parity | None],
) -> dict[str, Any]:
  """Writes an export; the folder appears whole or not at all.

  Args:
    folder: Where to; an export that stands there is replaced.
    kind: Such as `onnx`.
    model: Facts that who runs it needs, plain values.
    contents: The files by name.
    measured: Is given the folder before it appears; returns the parity of what
      lies there, None if it was not measured.

  Returns:
    The manifest.

  Raises:
    BundleError: Something else stands at `folder` (code `not_ours`).
  """
  folder = pathlib.Path(folder)
  taken = folder.exists() and not folder.is_dir()
  if taken or (folder.is_dir() and any(folder.iterdir()) and not _ours(folder)):
    raise BundleError(
      f'{folder} holds other files, which are not overwritten; name a new '
      'folder',
      code='not_ours',
    )
  manifest: dict[str, Any] = {
    'format': FORMAT,
    'kind': kind,
    'model': dict(model),
    'parity': None,
    'files': {name: files.digest(data) for name, data in contents.items()},
  }
  with files.atomic_folder(folder) as work:
    for name, data in contents.items():
      files.write_atomic(work / name, data)
    _told(work, manifest)
    found = measured(work)
    if found is not None:
      manifest['parity'] = dataclasses.asdict(found)
      _told(work, manifest)
  return manifest


def read(
  folder: files.StrPath, kind: str, names: Callable[[Any], set[str]]
) -> dict[str, Any]:
  """Returns the manifest of an export whose files are as they were written.

  Args:
    folder: The export.
    kind: Which it shall be.
    names: From the facts of the model to the files that there must be.

  Raises:
    BundleError: It is none, is of another kind or format, or a file is missing,
      altered or one too many.
  """
  folder = pathlib.Path(folder)
  try:
    manifest = config_lib.from_json((folder / MANIFEST).read_bytes())
    model, digests = manifest['model'], manifest['files']
    told = manifest['format'], manifest['kind']
    wanted = names(model)
  except (OSError, AurlError, KeyError, TypeError, ValueError) as error:
    raise BundleError(
      f'{folder} is no export: {MANIFEST} is missing or damaged ({error}); '
      'make it with `aurl export`',
      code='format',
    ) from error
  if told != (FORMAT, kind):
    raise BundleError(
      f'{folder} is {told[1]!r} of format {told[0]!r}, not {kind!r} of '
      f'{FORMAT}; make it again with `aurl export`',
      code='format',
    )
  if not isinstance(digests, dict) or not wanted <= set(digests):
    raise BundleError(
      f'{folder / MANIFEST} lacks some of its files; make the export again',
      code='incomplete',
    )
  for name in sorted(wanted):
    _check(folder / name, digests[name])
  return manifest


def _check(path: pathlib.Path, digest: Any) -> None:
  """Raises BundleError unless a file is as it was written."""
  if not path.is_file() or files.digest(path) != digest:
    raise BundleError(
      f'{path} is missing or not what was written (its sha256 differs); copy '
      'the export again from where it came',
      code='altered',
    )


def _told(folder: pathlib.Path, manifest: Mapping[str, Any]) -> None:
  files.write_atomic(folder / MANIFEST, json.dumps(manifest, indent=1) + '\n')


def _ours(folder: pathlib.Path) -> bool:
  return (folder / MANIFEST).is_file()
