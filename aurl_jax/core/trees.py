"""Pytrees as nested dicts of arrays, the form in which they are stored.

Named tuples, tuples and dataclasses become dicts keyed by field name or
index; empty containers vanish, and typed random keys become their uint32
data. The structure comes back from a tree that is `like` the stored one.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import jax
import numpy as np

from aurl_jax.core.errors import CheckpointError

Leaf = Any
_SHOWN = 12
"""Differences that a message shows; a wrong width alone makes hundreds."""


def to_nested(tree: Any) -> dict[str, Any]:
  """Returns a pytree of arrays as nested dicts of arrays."""
  leaves = jax.tree_util.tree_flatten_with_path(tree)[0]
  return nest({names(path): to_stored(leaf) for path, leaf in leaves})


def from_nested(stored: Mapping[str, Any], like: Any) -> Any:
  """Returns nested dicts of arrays in the structure and types of `like`."""
  flat = dict(flatten(stored))
  leaves, structure = jax.tree_util.tree_flatten_with_path(like)
  return jax.tree_util.tree_unflatten(
    structure,
    [from_stored(flat[names(path)], leaf) for path, leaf in leaves],
  )


def nest(flat: Mapping[tuple[str, ...], Leaf]) -> dict[str, Any]:
  """Returns `{('a', 'b'): x}` as `{'a': {'b': x}}`."""
  nested: dict[str, Any] = {}
  for path, leaf in flat.items():
    inner = nested
    for name in path[:-1]:
      inner = inner.setdefault(name, {})
    inner[path[-1]] = leaf
  return nested


def flatten(
  nested: Mapping[str, Any], path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Leaf]]:
  """Yields path and leaf of nested dicts, in order."""
  for name, value in nested.items():
    if isinstance(value, Mapping):
      yield from flatten(value, (*path, str(name)))
    else:
      yield (*path, str(name)), value


def by_path(nested: Mapping[str, Any]) -> dict[str, Leaf]:
  """Returns the leaves of nested dicts by their paths, as files name them.

  Example:
    >>> by_path({'a': {'b': 1}})
    {'a/b': 1}
  """
  return {'/'.join(path): leaf for path, leaf in flatten(nested)}


def of_paths(flat: Mapping[str, Leaf]) -> dict[str, Any]:
  """Returns the nested dicts of what `by_path` gives."""
  return nest({tuple(path.split('/')): leaf for path, leaf in flat.items()})


def names(path: tuple[Any, ...]) -> tuple[str, ...]:
  """Returns the path of a leaf, as jax.tree_util gives it, as texts."""
  return tuple(
    str(getattr(part, 'key', getattr(part, 'name', getattr(part, 'idx', part))))
    for part in path
  ) or ('value',)


def is_key(leaf: Leaf) -> bool:
  """Whether a leaf is an array of typed random keys (or describes one)."""
  dtype = getattr(leaf, 'dtype', None)
  return dtype is not None and jax.dtypes.issubdtype(dtype, jax.dtypes.prng_key)


def to_stored(leaf: Leaf) -> Leaf:
  """Returns a leaf as an array of numbers."""
  if is_key(leaf):
    return jax.random.key_data(leaf)
  return leaf if hasattr(leaf, 'dtype') else np.asarray(leaf)


def from_stored(stored: Leaf, like: Leaf) -> Leaf:
  """Returns a stored array as the kind of leaf that `like` is."""
  if is_key(like):
    return jax.random.wrap_key_data(stored, impl=_key_impl(like))
  if isinstance(like, bool | int | float):
    return type(like)(np.asarray(stored).item())
  return stored


def describe(like: Leaf) -> jax.ShapeDtypeStruct:
  """Returns shape, dtype and sharding of the array stored for `like`."""
  sharding = getattr(like, 'sharding', None)
  if is_key(like):
    like = jax.eval_shape(jax.random.key_data, like)
  elif not hasattr(like, 'dtype'):
    like = np.asarray(like)
  return jax.ShapeDtypeStruct(like.shape, like.dtype, sharding=sharding)


def check_same(
  stored: Mapping[str, Any], like: Any, what: str, partial: bool = False
) -> None:
  """Raises CheckpointError, with a list, where names or shapes differ.

  Args:
    stored: Nested dicts whose leaves have `shape` and `dtype`.
    like: The pytree that is expected.
    what: What holds the stored tree, for the message.
    partial: Whether `like` may be a part of what is stored.
  """
  has = {path: _kind(leaf) for path, leaf in flatten(stored)}
  leaves = jax.tree_util.tree_flatten_with_path(like)[0]
  wants = {names(path): _kind(describe(leaf)) for path, leaf in leaves}
  rows = [
    f'  {".".join(path)}: stored {has.get(path, "nothing")}, '
    f'expected {wants.get(path, "nothing")}'
    for path in [*wants, *(path for path in has if path not in wants)]
    if has.get(path) != wants.get(path) and not (partial and path not in wants)
  ]
  if not rows:
    return
  raise CheckpointError(
    '\n'.join([f'{what} is of another model:', *shown(rows)])
    + '\nUse the config that it was trained with.',
    code='other_tree',
  )


def shown(rows: list[str]) -> list[str]:
  """Returns the first rows of a list for a message, and how many more."""
  more = [f'  and {len(rows) - _SHOWN} more'] if len(rows) > _SHOWN else []
  return [*rows[:_SHOWN], *more]


def _key_impl(like: Leaf) -> Any:
  """Returns which generator keys are for; a mere description knows, too."""
  found = []
  jax.eval_shape(lambda keys: found.append(jax.random.key_impl(keys)), like)
  return found[0]


def _kind(leaf: Leaf) -> str:
  """Returns 'float (2, 3)': precision may differ, as it is converted."""
  kind = np.dtype(leaf.dtype).name
  for general, name in ((np.floating, 'float'), (np.signedinteger, 'int')):
    if jax.dtypes.issubdtype(leaf.dtype, general):
      kind = name
  return f'{kind} {tuple(leaf.shape)}'
