"""Music by the shipped models: no data, no training, no network."""

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from aurl_jax.core import files
from aurl_jax.core.errors import BundleError
from aurl_jax.deploy import bundle as bundle_lib
from aurl_jax.experiment import generate
from aurl_jax.generation.piece import Piece


def run(
  names: Sequence[str], out: str, changes: Mapping[str, Any]
) -> list[dict[str, Any]]:
  """Lets shipped models write, each into a folder of its name.

  Args:
    names: Of shipped models; none means all of them.
    out: Where the folders go.
    changes: Fields of `Request`; those left out are the model's own.

  Returns:
    For each model `model`, and `page` and `rows` as of `generate.write`.
    Beside each `piece_1.mid` stands `piece_1.wav`, by a plain synthesiser.

  Raises:
    BundleError: No model of that name ships.
  """
  return [_play(name, pathlib.Path(out), changes) for name in _asked(names)]


def _asked(names: Sequence[str]) -> list[str]:
  """Returns the names of models that ship; nothing is made before."""
  shipped = bundle_lib.shipped()
  missing = [name for name in names if name not in shipped]
  if missing or not shipped:
    raise BundleError(
      f'no model {", ".join(missing) or "at all"} ships with this version; '
      f'there are: {", ".join(shipped) or "none"}. `aurl generate` takes runs '
      'and bundles of your own',
      code='no_bundle',
    )
  return list(names) or shipped


def _play(
  name: str, out: pathlib.Path, changes: Mapping[str, Any]
) -> dict[str, Any]:
  composer = bundle_lib.load(bundle_lib.shipped_folder(name))
  pieces = composer.generate(composer.request(**changes))
  result = generate.leave(pieces, out / name, title=f'Written by {name}')
  _sound(pieces, out / name)
  return {'model': name, **result}


def _sound(pieces: Sequence[Piece], folder: pathlib.Path) -> None:
  for number, piece in enumerate(pieces, 1):
    files.write_atomic(folder / f'piece_{number}.wav', piece.wav())
