"""Music by the shipped models: no data, no training, no network."""

import functools
import pathlib
from collections.abc import Mapping, Sequence
from concurrent import futures
from typing import Any

from aurl_jax.core import files
from aurl_jax.core.errors import BundleError, ConfigError
from aurl_jax.deploy import bundle as bundle_lib
from aurl_jax.deploy.composer import Composer
from aurl_jax.experiment import generate, turning
from aurl_jax.generation.piece import Piece

_AT_ONCE = 2
_BARS = 8
"""Of a piece of a model that can write as many as it likes."""


def run(
  names: Sequence[str], out: str, changes: Mapping[str, Any]
) -> list[dict[str, Any]]:
  """Lets shipped models write, each into a folder of its name.

  Args:
    names: Of shipped models; none means all of them.
    out: Where the folders go.
    changes: Fields of `Request`; those left out are the model's own, but for
      `bars`: eight, where the model is not one of short pieces with latents.

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


def turn(
  names: Sequence[str],
  out: str,
  by: Mapping[str, float],
  changes: Mapping[str, Any],
) -> list[dict[str, Any]]:
  """Turns dials of shipped models, each into a folder of its name.

  Args:
    names: Of shipped models; none means all that have dials.
    out: Where the folders go.
    by: As of `turning.turn`.
    changes: Likewise.

  Returns:
    For each model `model`, and the rest as of `turning.leave`. Beside each
    `after_1.mid` stands `after_1.wav`.

  Raises:
    BundleError: No model of that name ships.
    ConfigError: No model with dials ships, or as `turning.turn`.
  """
  asked = _asked(names)
  if not names:
    asked = [name for name in asked if _dials(name)]
  if not asked:
    raise ConfigError(
      'no model with dials ships with this version; `aurl generate RUN --turn` '
      'takes runs and bundles of your own',
      code='dials',
    )
  found = [turning.turn(_load(name), by, changes) for name in asked]
  results = []
  for name, each in zip(asked, found, strict=True):
    folder = pathlib.Path(out) / name
    result = turning.leave(each, folder, title=f'Turned by {name}')
    pieces = {'before': each.before, 'after': each.after}
    for when, written in pieces.items():
      _sound(written, folder, when)
    results.append({'model': name, **result})
  return results


def _dials(name: str) -> str:
  """Returns the dials of a shipped model as its config has them."""
  model = bundle_lib.sections(bundle_lib.shipped_folder(name))['model']
  return str(model.get('latent', {}).get('dials', ''))


def _load(name: str) -> Composer:
  return bundle_lib.load(bundle_lib.shipped_folder(name))


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
  composer = _load(name)
  if not composer.model.config.has_latents:
    changes = {'bars': _BARS, **changes}
  return composer.generate(composer.request(**changes))


def _leave(
  name: str, pieces: Sequence[Piece], out: pathlib.Path
) -> dict[str, Any]:
  result = generate.leave(pieces, out / name, title=f'Written by {name}')
  _sound(pieces, out / name, 'piece')
  return {'model': name, **result}


def _sound(pieces: Sequence[Piece], folder: pathlib.Path, name: str) -> None:
  for number, piece in enumerate(pieces, 1):
    files.write_atomic(folder / f'{name}_{number}.wav', piece.wav(plain=True))
