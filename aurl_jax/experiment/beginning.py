"""A run that begins with another model's parameters, not with random ones.

The other model is a bundle, a shipped one by its name, or another run. Its
parameters are taken by their paths: all modes share the paths of what they
have in common, so that a `transformer` can start a `vae`, and a short context
a longer one. What the other one lacks stays as it was drawn.
"""

import logging
import pathlib
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from aurl_jax.core import config as config_lib
from aurl_jax.core import trees
from aurl_jax.core.errors import ConfigError
from aurl_jax.deploy import bundle
from aurl_jax.deploy.composer import Composer
from aurl_jax.experiment import generate, sections
from aurl_jax.experiment.build import Parts
from aurl_jax.experiment.workdir import Workdir
from aurl_jax.tokens import tokenizer as tokenizer_lib

_log = logging.getLogger(__name__)
_SHOWN = 5
_COPIES = ('params', 'ema')
"""Parts of a state that start as the parameters do."""

Path = tuple[str, ...]


def state(parts: Parts) -> dict[str, Any]:
  """Returns the state before the first step of a run.

  The optimiser and all randomness are those of a run that begins with
  nothing; only parameters, and a moving average of them, are the other's.

  Raises:
    BundleError, CheckpointError: There is no such model, or it is damaged.
    ConfigError: Its ids or its sizes are others (code `other_model`).
  """
  fresh, name = parts.fresh_state(), parts.run.train.begin_from
  if not name:
    return fresh
  other = generate.load(name)
  _check_ids(other, parts, name)
  given = dict(trees.flatten(other.params))
  own = dict(trees.flatten(fresh['params']))
  _check_shapes(given, own, name)
  _tell(given, own, name)
  begun = {
    part: _taken(fresh[part], given) for part in _COPIES if part in fresh
  }
  return fresh | begun


def like(values: Mapping[str, Any], name: str) -> dict[str, Any]:
  """Returns a config that begins with another model, and is built like it.

  Sections `model` and `tokenizer` become the other's, so that any page goes
  with any model; `train.begin_from` names it. Controls and objectives that
  the other's tokenizer has no ids for are dropped.

  Args:
    values: The sections of a page.
    name: A run, a bundle, or a shipped name.

  Raises:
    BundleError, ConfigError: There is no such model.
  """
  told = _built(name)
  own = {key: told['model'].get(key, v) for key, v in values['model'].items()}
  if values['model']['mode'] == 'vae_gan' and own['mode'] == 'vae':
    # The same network; the page brings the critic.
    own['mode'] = 'vae_gan'
  return {
    **values,
    **_tellable(values, told['tokenizer']),
    'model': own,
    'tokenizer': dict(told['tokenizer']),
    'train': {**values['train'], 'begin_from': name},
  }


def page(name: str) -> str:
  """Returns the shipped page by which one goes on from a model.

  Args:
    name: A run, a bundle, or a shipped name.

  Raises:
    BundleError, ConfigError: There is no such model.

  Example:
    >>> page('chorale'), page('pop_dials')
    ('finetune', 'finetune_dials')
  """
  latents = _built(name)['model'].get('mode', 'transformer') != 'transformer'
  return 'finetune_dials' if latents else 'finetune'


def _built(name: str) -> Mapping[str, Any]:
  """Returns the sections `model` and `tokenizer` of another model."""
  folder = Workdir(pathlib.Path(name))
  if folder.holds_run:
    return sections.completed(folder.read_config())
  return bundle.sections(name)


def _tellable(
  values: Mapping[str, Any], tokenizer: Mapping[str, Any]
) -> dict[str, Any]:
  """Returns the sections that tell pieces, without what has no ids."""
  data, objective = dict(values['data']), dict(values['objective'])
  if not tokenizer.get('controls'):
    data['controls'] = 'none'
  if not tokenizer.get('infill'):
    objective |= {'causal': 1.0, 'bars': 0.0, 'tracks': 0.0, 'given': 0.0}
  return {'data': data, 'objective': objective}


def _check_ids(other: Composer, parts: Parts, name: str) -> None:
  told = tokenizer_lib.save(other.tokenizer)
  asked = tokenizer_lib.save(parts.run.tokenizer)
  rows = [
    f'  {d.key}: {d.saved!r} there, {d.current!r} here'
    for d in config_lib.differences(
      {'tokenizer': told}, {'tokenizer': asked}, identity=('tokenizer',)
    )
  ]
  if rows:
    lines = [f'train.begin_from: {name} reads other ids:', *rows]
    remedy = 'Give this run its tokenizer; `aurl train --from` does so.'
    raise ConfigError('\n'.join([*lines, remedy]), code='other_model')


def _check_shapes(
  given: Mapping[Path, Any], own: Mapping[Path, Any], name: str
) -> None:
  rows = [
    f'  {".".join(path)}: {given[path].shape} there, {own[path].shape} here'
    for path in own
    if path in given and given[path].shape != own[path].shape
  ]
  if not rows and any(path in own for path in given):
    return
  rows = trees.shown(rows or ['  no parameter of it has a place here'])
  lines = [f'train.begin_from: {name} is another model:', *rows]
  remedy = 'Give this run its `model` section; `aurl train --from` does so.'
  raise ConfigError('\n'.join([*lines, remedy]), code='other_model')


def _tell(
  given: Mapping[Path, Any], own: Mapping[Path, Any], name: str
) -> None:
  """Says what begins as the other and what does not."""
  taken = sum(path in given for path in own)
  _log.info('%d of %d parameters begin as those of %s', taken, len(own), name)
  for what, paths in (
    ('drawn anew', [path for path in own if path not in given]),
    ('left there', [path for path in given if path not in own]),
  ):
    if paths:
      shown = ', '.join('.'.join(path) for path in paths[:_SHOWN])
      rest = f' and {len(paths) - _SHOWN} more' if len(paths) > _SHOWN else ''
      _log.warning('%s: %s%s', what, shown, rest)


def _taken(
  fresh: Mapping[str, Any], given: Mapping[Path, Any]
) -> dict[str, Any]:
  """Returns a tree like `fresh`, with what is given laid out as that is."""
  return trees.nest(
    {
      path: _placed(given[path], leaf) if path in given else leaf
      for path, leaf in trees.flatten(fresh)
    }
  )


def _placed(array: Any, leaf: jax.Array) -> jax.Array:
  """Returns an array with the dtype and the sharding of a leaf."""
  whole = np.asarray(array, leaf.dtype)
  return jax.make_array_from_callback(
    leaf.shape, leaf.sharding, lambda index: whole[index]
  )
