"""What ids say of pitch classes and onsets, for distributions over ids.

A table a field says of every id how many notes it begins, and how many of each
pitch class it lets sound. Both are linear in the ids' probabilities, so that
gradients flow through: `tokens.sounds` needs hard ids. Axes: `v` ids of a
field, `m` marks.
"""

import dataclasses
import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from aurl_jax.tokens.codec import Field
from aurl_jax.tokens.tokenizer import Tokenizer

CLASSES = 12
COUNT = 1 + CLASSES
"""Marks of an id: notes that begin, then notes of each pitch class."""
_BEGINS = ('pitch', 'drum')
_SOUNDS = ('pitch', 'hold')


@dataclasses.dataclass(frozen=True)
class Marks:
  """Tables of marks; hashable.

  Attributes:
    tables: float32 `[v, m]` of each field, as bytes.
  """

  tables: tuple[bytes, ...] = dataclasses.field(repr=False)

  @classmethod
  def of(cls, tokenizer: Tokenizer) -> 'Marks':
    """Returns the marks of a tokenizer's ids; merged ids have those of all."""
    merged = getattr(tokenizer, 'expansions', None)
    base = tokenizer if merged is None else tokenizer.base  # type: ignore
    tables = [_table(field) for field in base.codec.fields]
    if merged is not None:
      tables = [np.stack([tables[0][list(ids)].sum(0) for ids in merged])]
    return cls(tuple(table.astype(np.float32).tobytes() for table in tables))

  @functools.cached_property
  def arrays(self) -> tuple[Float[np.ndarray, 'v m'], ...]:
    """The tables."""
    return tuple(
      np.frombuffer(data, np.float32).reshape(-1, COUNT) for data in self.tables
    )

  def __call__(
    self, soft: Sequence[Float[jax.Array, '*n _']]
  ) -> Float[Array, '*n m']:
    """Returns the marks that steps are expected to have.

    Args:
      soft: A distribution over the ids of each field.

    Example:
      >>> from aurl_jax.tokens.remi import Remi
      >>> remi = Remi()
      >>> step = np.zeros(remi.codec.sizes[0], np.float32)
      >>> step[remi.codec.id('pitch', 61)] = 0.5
      >>> Marks.of(remi)([jnp.asarray(step)])[:3].tolist()
      [0.5, 0.0, 0.5]
    """
    found = [
      share @ jnp.asarray(table)
      for share, table in zip(soft, self.arrays, strict=True)
      if table.any()
    ]
    return jnp.stack(found).sum(axis=0)


def _table(field: Field) -> Float[np.ndarray, 'v m']:
  """Returns the marks of the ids of a field."""
  table = np.zeros((field.size, COUNT))
  for id_, (name, value) in enumerate(
    zip(field.events, field.values.tolist(), strict=True)
  ):
    # A field of kinds has events of the same names, which tell no pitch.
    if not field.tells(name):
      continue
    table[id_, 0] = name in _BEGINS
    if name in _SOUNDS:
      table[id_, 1 + value % CLASSES] = 1
  return table
