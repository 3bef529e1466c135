"""From a bundle to programs for other runtimes, held against the model."""

import pathlib
from collections.abc import Iterator
from typing import Any

from aurl_jax.core import files
from aurl_jax.core.errors import BundleError, DataError
from aurl_jax.data import bach
from aurl_jax.deploy import bundle as bundle_lib
from aurl_jax.deploy import parity
from aurl_jax.experiment import music_sets
from aurl_jax.music.notes import Notes

KINDS = ('onnx', 'stablehlo')
"""What a bundle can be exported to."""


def run(
  model: str,
  kind: str,
  out: files.StrPath,
  *,
  prompts: str = '',
  count: int = parity.PROMPTS,
) -> dict[str, Any]:
  """Writes an export and holds it against its model.

  Args:
    model: A bundle or a shipped name.
    kind: Of `KINDS`.
    out: Folder of the export.
    prompts: Music that both read, a folder of MIDI files or JSON of frames; ''
      takes Bach's chorales, as the music21 package has them.
    count: Pieces of it, at most; 0 measures nothing.

  Returns:
    `export`, the folder; `kind`; `bytes`; `files`; `parity`.

  Raises:
    BundleError, DataError: There is no such model or music, or it cannot be
      exported so.
  """
  if kind not in KINDS or count < 0:
    raise BundleError(
      f'cannot export to {kind!r} with {count} prompts; choose one of '
      f'{", ".join(KINDS)}, and 0 prompts or more',
      code='export',
    )
  manifest = _written(model, kind, out, prompts, count)
  paths = sorted(pathlib.Path(out).iterdir())
  return {
    'export': str(out),
    'kind': kind,
    'bytes': sum(path.stat().st_size for path in paths),
    'files': [path.name for path in paths],
    'parity': manifest['parity'],
  }


def _written(
  model: str, kind: str, out: files.StrPath, prompts: str, count: int
) -> dict[str, Any]:
  """Writes an export and returns its manifest."""
  rows = None
  if count:
    outline = bundle_lib.outline(model)
    rows = parity.prompts(outline, _music(prompts), count)
  # Each needs packages that the other does not.
  if kind == 'onnx':
    from aurl_jax.deploy import onnx_export

    return onnx_export.write(out, model, rows)
  from aurl_jax.deploy import stablehlo

  return stablehlo.write(out, model, rows)


def _music(name: str) -> Iterator[Notes]:
  """Yields pieces, those of Bach without a name."""
  if name:
    yield from music_sets.of_files(name).pieces
    return
  for path in sorted(bach.corpus().glob('*.mxl')):
    try:
      yield bach.read(path)
    except DataError:
      # Not of four voices.
      continue
