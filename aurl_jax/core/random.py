"""Random keys that depend on what they are for, not on the order of calls."""

import hashlib

import jax
import jax.numpy as jnp
import numpy as np


def by_row(key: jax.Array, rows: int) -> jax.Array:
  """Returns a key for each row of a batch, [rows].

  What is drawn for a row by its own key does not depend on the rows beside
  it: not on the devices that hold them, nor on the parts of a batch.
  """
  return jax.vmap(lambda row: jax.random.fold_in(key, row))(jnp.arange(rows))


def split(key: jax.Array, count: int) -> jax.Array:
  """Returns keys of one key, [count], or of one a row, [count, rows]."""
  if not key.ndim:
    return jax.random.split(key, count)
  return jax.vmap(lambda one: jax.random.split(one, count), out_axes=1)(key)


def fold_rows(key: jax.Array, *parts: int | str) -> jax.Array:
  """Returns `fold` of a key, or of each of one a row."""
  if not key.ndim:
    return fold(key, *parts)
  return jax.vmap(lambda one: fold(one, *parts))(key)


def fold(key: jax.Array, *parts: int | str | jax.Array) -> jax.Array:
  """Returns the key for a purpose: `key` with each part folded in, in order.

  Args:
    key: A key of `jax.random.key` (or the older raw form), of any seed.
    *parts: What tells this use from all others: names, and integers that
      may be traced (`fold(key, 'augment', epoch, piece)`). A text counts by
      its sha256, so that it means the same in every process and version.

  Example:
    >>> key = jax.random.key(0)
    >>> bool((fold(key, 'dropout', 3) == fold(key, 'dropout', 3)).all())
    True
  """
  for part in parts:
    key = jax.random.fold_in(key, _number(part))
  return key


def _number(part: int | str | jax.Array) -> np.uint32 | jax.Array:
  """Returns a part as uint32; what is larger than that is wrapped."""
  if isinstance(part, str):
    part = int.from_bytes(hashlib.sha256(part.encode()).digest()[:4], 'big')
  if isinstance(part, int):
    return np.uint32(part % (1 << 32))
  return part.astype(jnp.uint32)
