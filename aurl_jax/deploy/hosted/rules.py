"""Runs the rules of an export (`grammar.json`) with numpy alone.

The operations are those of `aurl_jax.deploy.programs`; `rules.js` is the same
in JavaScript. This file goes with every export.
"""

import json
import os
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

_TYPES = {'i': np.int32, 'b': np.bool_, 'f': np.float32}


def _div(x: Any, y: Any) -> Any:
  """Whole numbers are divided towards 0, as in C."""
  if np.issubdtype(np.asarray(x).dtype, np.floating):
    return x / y
  return np.sign(x) * np.sign(y) * (np.abs(x) // np.abs(y))


def _at(x: Any, i: Any, n: int) -> Any:
  first = min(max(int(i[0]), 0), len(x) - n)
  return x[first : first + n]


def _row(x: Any, i: Any, n: int) -> Any:
  return _at(x, np.clip(i, 0, len(x) // n - 1) * n, n)


def _put(x: Any, i: Any, y: Any) -> Any:
  found, first = x.copy(), int(i[0])
  if 0 <= first <= len(x) - len(y):
    found[first : first + len(y)] = y
  return found


_OPERATIONS: dict[str, Callable[..., Any]] = {
  'add': np.add,
  'sub': np.subtract,
  'mul': np.multiply,
  'div': _div,
  'rem': np.fmod,
  'max': np.maximum,
  'min': np.minimum,
  'and': np.bitwise_and,
  'or': np.bitwise_or,
  'not': np.invert,
  'eq': np.equal,
  'ne': np.not_equal,
  'lt': np.less,
  'le': np.less_equal,
  'gt': np.greater,
  'ge': np.greater_equal,
  'abs': np.abs,
  'neg': np.negative,
  'sign': np.sign,
  'exp': np.exp,
  'log1p': np.log1p,
  'as': lambda x: x,
  'same': lambda x: x,
  'select': lambda which, no, yes: np.where(which != 0, yes, no),
  'repeat': lambda x, n: np.repeat(x, n),
  'slice': lambda x, first, stop, stride: x[first:stop:stride],
  'at': _at,
  'row': _row,
  'take': lambda x, i: x[np.clip(i, 0, len(x) - 1)],
  'join': lambda *parts: np.concatenate(parts),
  'put': _put,
  'any': lambda x: np.any(x, keepdims=True),
  'sum': lambda x: np.sum(x, keepdims=True),
  'least': lambda x: np.min(x, keepdims=True),
}


class Rules:
  """The functions of a program, by name: `rules('advance', *state, step)`."""

  def __init__(self, path: str | os.PathLike[str]) -> None:
    """Reads a program.

    Raises:
      ValueError: It is of another format.
    """
    told = json.loads(pathlib.Path(path).read_text())
    if told.get('format') != 1:
      raise ValueError(f'{path} has format {told.get("format")!r}, not 1')
    self.fields: int = told['fields']
    self._functions = told['functions']
    self._constants = [np.array(x, _dtype(x)) for x in told['constants']]

  def __contains__(self, name: str) -> bool:
    return name in self._functions

  def __call__(self, name: str, *given: Any) -> list[np.ndarray]:
    """Returns what a function gives.

    Args:
      name: Which.
      *given: Its arguments, an array or a number each.
    """
    function = self._functions[name]
    values = [np.ravel(np.asarray(x)) for x in given]
    read = lambda x: values[x] if x >= 0 else self._constants[-1 - x]  # noqa: E731
    for operation, kind, which, *rest in function['code']:
      found = _OPERATIONS[operation](*(read(x) for x in which), *rest)
      values.append(found.astype(_TYPES[kind]))
    return [read(x) for x in function['outputs']]


def _dtype(values: Sequence[Any]) -> Any:
  kinds = {type(x) for x in values}
  if bool in kinds:
    return np.bool_
  return np.float32 if float in kinds else np.int32
