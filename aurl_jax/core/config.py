"""Configs: names to objects, sections to dataclasses, runs to JSON and back.

A section is `{'name': 'aurl_jax.tokens.remi:Remi', **fields}`. There is no
registry: the name says where the class stands, and a class of the user's own
module works alike once the user allows that module. A stored run never
grants itself a name.
"""

import collections.abc
import dataclasses
import importlib
import importlib.metadata
import inspect
import json
import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from aurl_jax.core import coercion
from aurl_jax.core.coercion import check_keys, from_section
from aurl_jax.core.errors import ConfigError

__all__ = [
  'ABSENT',
  'Difference',
  'build',
  'check_keys',
  'differences',
  'flatten',
  'from_json',
  'from_section',
  'resolve',
  'to_json',
]

PLUGINS = 'aurl_jax.plugins'
"""Entry point group by which an installed package offers classes."""

_HOME = 'aurl_jax'


class _Absent:
  """The value of a key that one of two configs lacks."""

  def __repr__(self) -> str:
    return 'absent'


ABSENT = _Absent()


class Difference(NamedTuple):
  """A key whose value differs between two configs; `ABSENT` if it lacks."""

  key: str
  saved: Any
  current: Any


def resolve(name: Any, allow: Sequence[str] = ()) -> Any:
  """Returns the class or function that `'package.module:Name'` names.

  Args:
    name: A name inside aurl_jax, of an installed entry point of the group
      `aurl_jax.plugins` (its bare name does, too), or below `allow`.
    allow: Packages, modules or whole names that the user trusts.

  Raises:
    ConfigError: The name is malformed, not allowed, or does not exist.

  Example:
    >>> resolve('aurl_jax.core.errors:ConfigError')
    <class 'aurl_jax.core.errors.ConfigError'>
  """
  if not isinstance(name, str):
    raise ConfigError(f'a name must be text, not {name!r}', code='bad_name')
  for point in importlib.metadata.entry_points(group=PLUGINS):
    if name in (point.name, point.value):
      return point.load()
  module, colon, attribute = name.partition(':')
  words = [*module.split('.'), attribute]
  if not colon or not all(word.isidentifier() for word in words):
    raise ConfigError(
      f"{name!r} is no name; write 'package.module:Name'", code='bad_name'
    )
  if name not in allow and not _is_below(module, (_HOME, *allow)):
    raise ConfigError(
      f'{name!r} is neither part of aurl_jax nor an installed plugin; if you '
      f'trust it, allow it: --allow={module}',
      code='not_allowed',
    )
  return _import(name, module, attribute)


def build(
  section: Any,
  where: str,
  allow: Sequence[str] = (),
  **extra: Any,
) -> Any:
  """Returns the object that a section names and describes.

  Args:
    section: `name` and the fields of the dataclass that it names.
    where: What the section is called in messages.
    allow: As in `resolve`.
    **extra: Fields that the caller gives; they win over the section's.

  Raises:
    ConfigError: As `resolve` and `from_section` do.
  """
  if not isinstance(section, collections.abc.Mapping) or 'name' not in section:
    raise ConfigError(
      f"{where} needs a name: {{'name': 'package.module:Class', ...}}",
      code='missing_key',
    )
  cls = resolve(section['name'], allow)
  if not (isinstance(cls, type) and dataclasses.is_dataclass(cls)):
    raise ConfigError(
      f'{where}.name {section["name"]!r} is no dataclass', code='bad_name'
    )
  fields = {key: value for key, value in section.items() if key != 'name'}
  return from_section(cls, fields | extra, where)


def to_json(config: Any) -> str:
  """Returns a config as JSON text.

  Args:
    config: A mapping of plain values, or a dataclass of such.

  Raises:
    ConfigError: A value that JSON cannot hold; names its key.
  """
  return json.dumps(_plain(config, 'config'), indent=2, allow_nan=False) + '\n'


def from_json(text: str | bytes) -> dict[str, Any]:
  """Returns the config that `to_json` wrote, with lists for tuples.

  Raises:
    ConfigError: The text is no JSON object.
  """
  try:
    config = json.loads(text)
  except (json.JSONDecodeError, UnicodeDecodeError) as error:
    raise ConfigError(
      f'the stored config is damaged: {error}', code='damaged'
    ) from error
  if not isinstance(config, dict):
    raise ConfigError('the stored config is no JSON object', code='damaged')
  return config


def flatten(config: Mapping[str, Any], prefix: str = '') -> dict[str, Any]:
  """Returns `{'section.key': value}`; lists stay whole.

  Example:
    >>> flatten({'model': {'width': 64}, 'seed': 1})
    {'model.width': 64, 'seed': 1}
  """
  flat: dict[str, Any] = {}
  for key, value in config.items():
    name = f'{prefix}{key}'
    if isinstance(value, collections.abc.Mapping) and value:
      flat |= flatten(value, f'{name}.')
    else:
      flat[name] = value
  return flat


def differences(
  saved: Mapping[str, Any],
  current: Mapping[str, Any],
  identity: Sequence[str] | None = ('model', 'tokenizer', 'data'),
) -> list[Difference]:
  """Returns where two configs differ in what must match on resume.

  Args:
    saved: The config of the stored run.
    current: The config that was asked for.
    identity: Sections and single keys that must match; all others are free.
      None compares everything.
  """
  old = flatten(_plain(saved, 'config'))
  new = flatten(_plain(current, 'config'))
  keys = [*old, *(key for key in new if key not in old)]
  return [
    Difference(key, old.get(key, ABSENT), new.get(key, ABSENT))
    for key in keys
    if (identity is None or _is_below(key, identity))
    and old.get(key, ABSENT) != new.get(key, ABSENT)
  ]


def _is_below(name: str, roots: Sequence[str]) -> bool:
  return any(name == root or name.startswith(f'{root}.') for root in roots)


def _import(name: str, module: str, attribute: str) -> Any:
  try:
    home = importlib.import_module(module)
  except ModuleNotFoundError as error:
    # Another missing module is a fault or a missing extra, not a wrong name.
    if not _is_below(module, (error.name or '',)):
      raise
    raise ConfigError(
      f'{name!r}: there is no module {error.name!r}', code='bad_name'
    ) from error
  names = [word for word in dir(home) if not word.startswith('_')]
  if attribute not in names:
    raise ConfigError(
      f'{name!r}: {module} has no {attribute}; '
      + coercion.suggest(attribute, names),
      code='bad_name',
    )
  value = getattr(home, attribute)
  # What one of our modules merely imports, `os` say, is not ours to offer.
  origin = getattr(value, '__module__', None)
  is_ours = _is_below(module, (_HOME,))
  if inspect.ismodule(value) or (
    is_ours and not _is_below(str(origin), (_HOME,))
  ):
    raise ConfigError(
      f'{name!r} is not defined in {module.partition(".")[0]}',
      code='not_allowed',
    )
  return value


def _plain(value: Any, where: str) -> Any:
  """Returns `value` as what JSON gives back for it."""
  if dataclasses.is_dataclass(value) and not isinstance(value, type):
    value = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
  if isinstance(value, collections.abc.Mapping):
    return {str(k): _plain(v, f'{where}.{k}') for k, v in value.items()}
  if isinstance(value, list | tuple):
    return [_plain(v, f'{where}[{i}]') for i, v in enumerate(value)]
  if isinstance(value, os.PathLike):
    return os.fspath(value)
  if isinstance(value, float) and not abs(value) < float('inf'):
    raise ConfigError(f'{where} is {value}, which JSON cannot hold')
  if value is None or isinstance(value, bool | int | float | str):
    return value
  raise ConfigError(
    f'{where} is {value!r}: a config holds numbers, text, lists and mappings',
    code='bad_type',
  )
