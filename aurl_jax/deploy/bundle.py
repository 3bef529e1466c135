"""Bundles: a model as one folder of data, nothing in it executable.

    weights.safetensors   parameters, a path each, float32, float16, or whole
                          numbers of 8 or 4 bits and their scales
    config.json           sections `model` and `tokenizer`, the dtype of the
                          weights, what a request has by default, how far
                          the dials of its latents turn
    MODEL_CARD.md         what it is, its data and licence, its limits
    prior.safetensors     priors of its latents, where some have been fitted
                          (`deploy.priors`)
    originality.safetensors   by what copies of its training music are known,
                          where an index has been made (`deploy.originals`)
    quantised.json        what was measured of weights in few bits, if they are
                          (`deploy.packing`)
    digests.json          sha256 of the files above, written last

Shipped models are bundles inside the package, below `bundles/`.
"""

import dataclasses
import importlib.resources
import json
import os
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from aurl_jax.core import config as config_lib
from aurl_jax.core import files
from aurl_jax.core.errors import AurlError, BundleError, ConfigError
from aurl_jax.deploy import hub, originals, weights
from aurl_jax.deploy import priors as priors_lib
from aurl_jax.deploy.composer import Composer
from aurl_jax.deploy.dials import Dials
from aurl_jax.deploy.packing import Packing
from aurl_jax.deploy.priors import Priors
from aurl_jax.evaluation.originality import Index
from aurl_jax.generation.defaults import OF_MODELS
from aurl_jax.generation.errors import RequestError
from aurl_jax.generation.request import Request
from aurl_jax.models.config import ModelConfig
from aurl_jax.models.functional import Model
from aurl_jax.tokens import tokenizer as tokenizer_lib
from aurl_jax.tokens.places import Places

FORMAT = 1
"""Of the layout above; a bundle of a later one is refused."""
WEIGHTS = 'weights.safetensors'
CONFIG = 'config.json'
CARD = 'MODEL_CARD.md'
REPORT = 'quantised.json'
DIGESTS = 'digests.json'
_LIMITS = '## Limits\n\n'
_ALWAYS = (WEIGHTS, CONFIG, CARD)
_MAY_BE = (priors_lib.NAME, originals.NAME, REPORT)
"""Files that not all bundles have."""


def save(
  folder: files.StrPath,
  composer: Composer,
  *,
  card: str = '',
  dtype: str = 'float32',
  packing: Packing | None = None,
  report: Mapping[str, Any] | None = None,
) -> pathlib.Path:
  """Writes a bundle; the folder appears whole or not at all.

  Args:
    folder: Where to; a bundle that stands there is replaced.
    composer: The model. Its defaults are any of
      `generation.defaults.OF_MODELS`.
    card: The model card, Markdown; '' writes the bare facts.
    dtype: Of the stored weights, of `deploy.weights.DTYPES`; `float16` keeps 11
      bits of each.
    packing: How weights are stored in few bits; None stores the dtype.
    report: Plain values, what was measured of the weights as they are stored.

  Returns:
    The folder.

  Raises:
    BundleError: Something else stands at `folder`, a weight does not fit the
      dtype (code `dtype`), or no request can have the defaults.
    AurlError: No space is left (code `disk_full`).
  """
  folder = pathlib.Path(folder)
  _check_free(folder)
  _check_defaults(folder, composer.defaults)
  config = _told(composer, dtype, packing)
  arrays = weights.arrays(composer.params)
  contents = {
    WEIGHTS: weights.to_bytes(arrays, dtype, packing),
    CONFIG: config_lib.to_json(config).encode(),
    CARD: (card or _card(arrays, composer)).encode(),
  }
  contents |= _of_priors(composer.priors)
  if composer.index is not None:
    contents[originals.NAME] = originals.to_bytes(composer.index)
  if report is not None:
    contents[REPORT] = config_lib.to_json(dict(report)).encode()
  return _write(folder, contents)


def _told(
  composer: Composer, dtype: str, packing: Packing | None
) -> dict[str, Any]:
  """Returns the config of a bundle."""
  config: dict[str, Any] = {
    'format': FORMAT,
    'model': dataclasses.asdict(composer.model.config),
    'tokenizer': tokenizer_lib.save(composer.tokenizer),
    'weights': dtype,
    'request': dict(composer.defaults),
  }
  if packing is not None:
    config |= {'weights': weights.PACKED, 'packing': vars(packing)}
  if composer.dials is not None:
    config['dials'] = composer.dials.told
  return config


def add_index(
  path_or_name: str | os.PathLike[str], index: Index
) -> pathlib.Path:
  """Puts an index of its training music into a bundle, all else as it is.

  Returns:
    The folder.

  Raises:
    BundleError: As `load`.
  """
  folder = _find(path_or_name)
  told = {originals.NAME: originals.to_bytes(index)}
  return _write(folder, _read(folder) | told)


def tell_limits(
  path_or_name: str | os.PathLike[str], text: str
) -> pathlib.Path:
  """Puts what is known of a model's limits into its card, all else as it is.

  Args:
    path_or_name: A folder, or a shipped name.
    text: In place of what the section `Limits` says.

  Returns:
    The folder.

  Raises:
    BundleError: As `load`, or its card has no such section (code `card`).
  """
  folder = _find(path_or_name)
  contents = _read(folder)
  before, head, rest = contents[CARD].decode().partition(_LIMITS)
  if not head:
    raise BundleError(
      f'the card of {folder} has no section Limits to write into',
      code='card',
    )
  behind = rest[rest.find('\n## ') :] if '\n## ' in rest else ''
  told = f'{before}{head}{text.strip()}\n{behind}'
  return _write(folder, contents | {CARD: told.encode()})


def load(
  path_or_name: str | os.PathLike[str], allow: tuple[str, ...] = ()
) -> Composer:
  """Returns the model of a bundle, ready to generate.

  Args:
    path_or_name: A bundle's folder, the name of a shipped model, or of a
      published one, such as `hf:OWNER/NAME` (`deploy.hub`).
    allow: Modules outside `aurl_jax` whose tokenizers may be built.

  Raises:
    BundleError: There is no such bundle, a file is missing or altered, or
      it is of another format.
    ConfigError: Its config names what is not allowed or does not exist.
  """
  folder = _find(path_or_name)
  contents = _read(folder)
  config = _config(folder, contents[CONFIG])
  found = _outline(folder, contents, config, allow)
  where = folder / WEIGHTS
  params = weights.params(where, found.model, contents[WEIGHTS], config)
  priors = _priors(folder, found.model.config, params, contents)
  return dataclasses.replace(found, params=params, priors=priors)


def outline(
  path_or_name: str | os.PathLike[str], allow: tuple[str, ...] = ()
) -> Composer:
  """Returns the model of a bundle without parameters, which cannot write.

  It can tell what may be asked of it (`Composer.check`). As `load` otherwise.
  """
  folder = _find(path_or_name)
  contents = _read(folder)
  config = _config(folder, contents[CONFIG])
  return _outline(folder, contents, config, allow)


def _outline(
  folder: pathlib.Path,
  contents: Mapping[str, bytes],
  config: Mapping[str, Any],
  allow: tuple[str, ...],
) -> Composer:
  model_config = config_lib.from_section(ModelConfig, config['model'], 'model')
  tokenizer = config_lib.build(config['tokenizer'], 'tokenizer', allow)
  places = Places.of(tokenizer)
  defaults = config.get('request', {})
  _check_defaults(folder, defaults)
  return Composer(
    model=Model.build(model_config, tokenizer.codec.sizes, places),
    params=None,
    tokenizer=tokenizer,
    defaults=defaults,
    dials=_dials(folder, model_config, config),
    index=_of_training(folder, contents),
  )


def _of_training(
  folder: pathlib.Path, contents: Mapping[str, bytes]
) -> Index | None:
  """Returns the index of a bundle's training music, if it has one."""
  if originals.NAME not in contents:
    return None
  where = str(folder / originals.NAME)
  return originals.from_bytes(contents[originals.NAME], where)


def sections(path_or_name: str | os.PathLike[str]) -> dict[str, Any]:
  """Returns the sections `model` and `tokenizer` of a bundle's config.

  Raises:
    BundleError: As `load`.
  """
  folder = _find(path_or_name)
  config = _config(folder, _read(folder)[CONFIG])
  return {name: config[name] for name in ('model', 'tokenizer')}


def card(path_or_name: str | os.PathLike[str]) -> str:
  """Returns the model card of a bundle; raises as `load`."""
  return _read(_find(path_or_name))[CARD].decode()


def report(path_or_name: str | os.PathLike[str]) -> dict[str, Any] | None:
  """Returns what was measured of weights in few bits, None of others.

  Raises:
    BundleError: As `load`.
  """
  found = _read(_find(path_or_name)).get(REPORT)
  return None if found is None else config_lib.from_json(found)


def stored(
  path_or_name: str | os.PathLike[str],
) -> tuple[dict[str, np.ndarray], Packing | None]:
  """Returns the weights of a bundle as they are stored, and how.

  Raises:
    BundleError, ConfigError: As `load`.
  """
  folder = _find(path_or_name)
  contents = _read(folder)
  config = _config(folder, contents[CONFIG])
  model = _outline(folder, contents, config, ()).model
  told = weights.shapes(model), contents[WEIGHTS], config
  return weights.checked(folder / WEIGHTS, *told), weights.of_config(config)


def shipped() -> list[str]:
  """Returns the names of the models that come with the package."""
  home = _home()
  if not home.is_dir():
    return []
  return sorted(path.name for path in home.iterdir() if _is_bundle(path))


def shipped_folder(name: str) -> pathlib.Path:
  """Returns where a model that comes with the package lies."""
  return _home() / name


def _home() -> pathlib.Path:
  return pathlib.Path(str(importlib.resources.files('aurl_jax'))) / 'bundles'


def _write(folder: pathlib.Path, contents: Mapping[str, bytes]) -> pathlib.Path:
  """Writes files and their digests, all or nothing; returns the folder."""
  digests = {name: files.digest(data) for name, data in contents.items()}
  with files.atomic_folder(folder) as work:
    for name, data in contents.items():
      files.write_atomic(work / name, data)
    files.write_atomic(work / DIGESTS, json.dumps(digests, indent=1) + '\n')
  return folder


def _check_free(folder: pathlib.Path) -> None:
  foreign = folder.exists() and (
    not folder.is_dir() or (any(folder.iterdir()) and not _is_bundle(folder))
  )
  if foreign:
    raise BundleError(
      f'{folder} holds other files, which are not overwritten; name a new '
      'folder',
      code='not_ours',
    )


def _is_bundle(folder: pathlib.Path) -> bool:
  return (folder / DIGESTS).is_file()


def _find(path_or_name: str | os.PathLike[str]) -> pathlib.Path:
  name = os.fspath(path_or_name)
  # A name that no system could hold is none, and no error of the system.
  if os.path.isdir(name):
    return pathlib.Path(name)
  if name in shipped():
    return shipped_folder(name)
  if hub.named(name):
    return hub.fetched(name, (*_ALWAYS, DIGESTS, *_MAY_BE))
  raise BundleError(
    f'no bundle {name!r}: neither a folder nor a shipped model '
    f'({", ".join(shipped()) or "none ships yet"}); `aurl bundle RUN --out '
    'DIR` makes one of a run',
    code='no_bundle',
  )


def _no_bundle(folder: pathlib.Path) -> BundleError:
  """Returns the error for a folder that holds something else."""
  if (folder / 'checkpoints').is_dir():
    cause = f'{folder} is a run; make a bundle of it: aurl bundle {folder}'
    return BundleError(f'{cause} --out DIR', code='run')
  if not any((folder / name).exists() for name in (WEIGHTS, CONFIG)):
    return BundleError(
      f'{folder} holds neither a run nor a bundle; name the --workdir of '
      '`aurl train`, the --out of `aurl bundle` or a shipped model '
      f'({", ".join(shipped())})',
      code='no_bundle',
    )
  return BundleError(
    f'{folder} is no bundle: {DIGESTS} is missing; copy the whole folder '
    'again, or make one of a run with `aurl bundle`',
    code='incomplete',
  )


def _read(folder: pathlib.Path) -> dict[str, bytes]:
  """Returns the files of a bundle whose digests are right."""
  try:
    digests = json.loads((folder / DIGESTS).read_bytes())
    names = list(_ALWAYS)
    names += [name for name in _MAY_BE if name in digests]
    contents = {name: (folder / name).read_bytes() for name in names}
  except FileNotFoundError as error:
    if not (folder / DIGESTS).exists():
      raise _no_bundle(folder) from error
    raise BundleError(
      f'{folder} is no complete bundle: {pathlib.Path(error.filename).name} '
      'is missing; copy the whole folder again, or make it with `aurl bundle`',
      code='incomplete',
    ) from error
  except ValueError as error:
    raise BundleError(
      f'{folder / DIGESTS} is damaged: {error}', code='altered'
    ) from error
  # Hidden files are the file system's own, such as .DS_Store.
  strange = sorted(
    path.name
    for path in folder.iterdir()
    if path.name not in (*contents, DIGESTS) and path.name[0] != '.'
  )
  if strange:
    raise BundleError(
      f'{folder} holds {", ".join(strange)}, which no bundle has; remove it',
      code='foreign',
    )
  for name, data in contents.items():
    if not isinstance(digests, dict) or digests.get(name) != files.digest(data):
      raise BundleError(
        f'{folder / name} is not what was saved (its sha256 differs); copy '
        'the bundle again from where it came',
        code='altered',
      )
  return contents


def _config(folder: pathlib.Path, data: bytes) -> dict[str, Any]:
  try:
    config = config_lib.from_json(data)
  except AurlError as error:
    raise BundleError(f'{folder / CONFIG}: {error}', code='format') from error
  if config.get('format') != FORMAT:
    raise BundleError(
      f'{folder} has format {config.get("format")!r}, this version of '
      f'aurl_jax reads {FORMAT}; update aurl_jax, or make the bundle again',
      code='format',
    )
  lacks = [name for name in ('model', 'tokenizer') if name not in config]
  if lacks:
    raise BundleError(
      f'{folder / CONFIG} lacks {" and ".join(lacks)}; make the bundle again '
      'with `aurl bundle`',
      code='format',
    )
  return config


def _check_defaults(folder: pathlib.Path, told: Any) -> None:
  """Raises BundleError unless a request can have these values."""
  try:
    if not isinstance(told, Mapping) or not set(told) <= set(OF_MODELS):
      raise RequestError('only ' + ', '.join(OF_MODELS) + ' can have some')
    Request(**told)
  except RequestError as error:
    raise BundleError(
      f'{folder}: the defaults of its requests, {told!r}, cannot be: {error}',
      code='format',
    ) from error


def _of_priors(priors: Priors | None) -> dict[str, bytes]:
  """Returns the file of priors, or none."""
  return (
    {} if priors is None else {priors_lib.NAME: priors_lib.to_bytes(priors)}
  )


def _priors(
  folder: pathlib.Path,
  config: ModelConfig,
  params: dict[str, Any],
  contents: Mapping[str, bytes],
) -> Priors | None:
  """Returns the priors of a bundle, if it has some, checked."""
  if priors_lib.NAME not in contents:
    return None
  where = str(folder / priors_lib.NAME)
  found = priors_lib.from_bytes(contents[priors_lib.NAME], where, config.latent)
  if found.encoder != priors_lib.fingerprint(params):
    raise BundleError(
      f'{where} is of another encoder than {WEIGHTS}; make the bundle again '
      'with `aurl bundle`',
      code='other_model',
    )
  return found


def _dials(
  folder: pathlib.Path, config: ModelConfig, told: Mapping[str, Any]
) -> Dials | None:
  """Returns the dials that a bundle's config tells of, checked."""
  if 'dials' not in told:
    return None
  try:
    return Dials.of(told['dials'], str(folder / CONFIG), config.latent)
  except ConfigError as error:
    raise BundleError(str(error), code='format') from error


def _card(arrays: Mapping[str, np.ndarray], composer: Composer) -> str:
  """Returns what the parts themselves tell, for a bundle without a card."""
  model_config, tokenizer = composer.model.config, composer.tokenizer
  size = sum(array.size for array in arrays.values())
  return (
    '# Model card\n\n'
    f'{size:,} parameters, width {model_config.width}, '
    f'{model_config.layers} layers, context {model_config.context} steps; '
    f'tokenizer {type(tokenizer).__name__}.\n\n'
    'Its data, licence and quality have not been told.\n'
  )
