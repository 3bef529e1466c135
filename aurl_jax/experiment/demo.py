"""Music by the shipped models: no data, no training, no network."""

import functools
import pathlib
from collections.abc import Mapping, Sequence
from concurrent import futures
from typing import Any

from aurl_jax.core import files
from aurl_jax.core.errors import BundleError
from aurl_jax.deploy import bundle as bundle_lib
from aurl_jax.experiment import generate
from aurl_jax.generation.piece import Piece

_AT_ONCE = 2


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
  asked = _asked(names)
  # Most of the time is spent on compiling, which lets other threads work.
  with futures.ThreadPoolExecutor(_AT_ONCE) as pool:
    written = pool.map(functools.partial(_compose, changes=changes), asked)
    return [
      _leave(name, pieces, pathlib.Path(out))
      for name, pieces in zip(asked, written, strict=True)
    ]


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


def _compose(name: str, changes: Mapping[str, Any]) -> list[Piece]:
  composer = bundle_lib.load(bundle_lib.shipped_folder(name))
  return composer.generate(composer.request(**changes))


def _leave(
  name: str, pieces: Sequence[Piece], out: pathlib.Path
) -> dict[str, Any]:
  result = generate.leave(pieces, out / name, title=f'Written by {name}')
  _sound(pieces, out / name)
  return {'model': name, **result}


def _sound(pieces: Sequence[Piece], folder: pathlib.Path) -> None:
  for number, piece in enumerate(pieces, 1):
    files.write_atomic(folder / f'piece_{number}.wav', piece.wav())
