"""Plain values of a config -> the types that a dataclass asks for, strictly.

A config page and its JSON hold numbers, strings, lists and mappings only.
`coerce` makes the annotated type of them where nothing is lost (a list
becomes a tuple, an integer a float, a mapping a dataclass) and refuses
everything else with the full key.
"""

import collections.abc
import dataclasses
import difflib
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from aurl_jax.core.errors import ConfigError

T = TypeVar('T')


def suggest(word: str, known: Iterable[str]) -> str:
  """Returns the end of a message: the nearest valid name, or all of them."""
  known = sorted(known)
  near = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
  if near:
    return f'did you mean {near[0]!r}?'
  return f'valid: {", ".join(known)}' if known else 'there are none'


def check_keys(
  mapping: Mapping[str, Any], known: Iterable[str], where: str
) -> None:
  """Raises ConfigError if `mapping` has a key that is not `known`."""
  known = list(known)
  for key in mapping:
    if key not in known:
      raise ConfigError(
        f'unknown key {where}.{key}; {suggest(str(key), known)}',
        code='unknown_key',
      )


def from_section(cls: type[T], mapping: Any, where: str) -> T:
  """Returns the dataclass that a section of a config describes.

  Args:
    cls: A dataclass; its annotations are what the values must be.
    mapping: Field -> plain value, as someone wrote it: checked here. Fields
      left out take their defaults.
    where: What the section is called in messages, such as `model`.

  Raises:
    ConfigError: A key that does not exist (the nearest is named), is missing
      or has a value of another type; or the class refuses the values.
  """
  if not isinstance(mapping, collections.abc.Mapping):
    raise _mistyped(where, mapping, 'a section with keys')
  fields = {f.name: f for f in dataclasses.fields(cls) if f.init}  # type: ignore[arg-type]
  check_keys(mapping, fields, where)
  hints = typing.get_type_hints(cls)
  missing = [
    name
    for name, field in fields.items()
    if name not in mapping and _is_required(field)
  ]
  if missing:
    raise ConfigError(f'{where} lacks {", ".join(missing)}', code='missing_key')
  values = {
    key: coerce(value, hints[key], f'{where}.{key}')
    for key, value in mapping.items()
  }
  try:
    return cls(**values)
  except ConfigError:
    raise
  except ValueError as error:
    raise ConfigError(f'{where}: {error}', code='bad_value') from error


def coerce(value: Any, hint: Any, where: str) -> Any:
  """Returns `value` as the annotated type `hint`.

  Args:
    value: A plain value.
    hint: A type, or one of the typing forms that configs use: `X | None`,
      `Literal`, `tuple[X, ...]`, `tuple[X, Y]`, `list[X]`, `dict[str, X]`.
    where: The full key, for the message.

  Raises:
    ConfigError: The value is of another type.
  """
  origin = typing.get_origin(hint)
  if origin in (typing.Union, types.UnionType):
    return _union(value, typing.get_args(hint), where)
  if origin is typing.Literal:
    return _literal(value, typing.get_args(hint), where)
  if origin is tuple:
    return _tuple(value, typing.get_args(hint), where)
  if origin is list:
    (item,) = typing.get_args(hint)
    return list(_items(value, where, item))
  if origin in (dict, collections.abc.Mapping):
    return _mapping(value, typing.get_args(hint)[1], where)
  if dataclasses.is_dataclass(hint) and not isinstance(value, hint):  # type: ignore[arg-type]
    return from_section(typing.cast(type, hint), value, where)
  return _scalar(value, hint, where)


def _is_required(field: dataclasses.Field) -> bool:
  return (
    field.default is dataclasses.MISSING
    and field.default_factory is dataclasses.MISSING
  )


def _mistyped(where: str, value: Any, expected: str) -> ConfigError:
  return ConfigError(
    f'{where} is {value!r} ({type(value).__name__}), expected {expected}',
    code='bad_type',
  )


def _name(hint: Any) -> str:
  return 'None' if hint is type(None) else getattr(hint, '__name__', str(hint))


def _union(value: Any, members: tuple[Any, ...], where: str) -> Any:
  for member in members:
    if isinstance(member, type) and type(value) is member:
      return value
  refusals = []
  for member in members:
    try:
      return coerce(value, member, where)
    except ConfigError as error:
      refusals.append(error)
  told = [error for error in refusals if error.code != 'bad_type']
  if told:
    raise told[0]
  raise _mistyped(where, value, ' or '.join(_name(m) for m in members))


def _literal(value: Any, choices: tuple[Any, ...], where: str) -> Any:
  for choice in choices:
    if value == choice and type(value) is type(choice):
      return choice
  raise ConfigError(
    f'{where} is {value!r}; {suggest(str(value), map(str, choices))}',
    code='bad_value',
  )


def _items(value: Any, where: str, hint: Any) -> Iterable[Any]:
  if not isinstance(value, list | tuple):
    raise _mistyped(where, value, 'a list')
  for index, item in enumerate(value):
    yield coerce(item, hint, f'{where}[{index}]')


def _tuple(value: Any, hints: tuple[Any, ...], where: str) -> tuple[Any, ...]:
  if len(hints) == 2 and hints[1] is Ellipsis:
    return tuple(_items(value, where, hints[0]))
  if not isinstance(value, list | tuple) or len(value) != len(hints):
    raise _mistyped(where, value, f'a list of {len(hints)} values')
  pairs = enumerate(zip(value, hints, strict=True))
  return tuple(coerce(v, hint, f'{where}[{i}]') for i, (v, hint) in pairs)


def _mapping(value: Any, hint: Any, where: str) -> dict[str, Any]:
  if not isinstance(value, collections.abc.Mapping):
    raise _mistyped(where, value, 'a mapping')
  return {key: coerce(v, hint, f'{where}.{key}') for key, v in value.items()}


def _scalar(value: Any, hint: Any, where: str) -> Any:
  if hint is Any or not isinstance(hint, type):
    return value
  is_bool = isinstance(value, bool)
  if hint is float and isinstance(value, int) and not is_bool:
    return float(value)
  if not isinstance(value, hint) or (is_bool and hint in (int, float)):
    raise _mistyped(where, value, _name(hint))
  return value
