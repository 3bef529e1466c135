"""What the grammars share: of each event an interval of values may stand.

Every rule of the three tokenizations comes down to "the values `low..high`
of this event, one of them excepted", which costs a table look-up by event
and three comparisons an id: about 0.3 ms for 64 rows of a thousand ids on
one CPU core. All functions are for one row; the decoder vmaps them.
"""

from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

from aurl_jax.tokens.codec import Field

Scalar = Int[Array, '']
"""An int32 scalar of a state."""
Flag = Bool[Array, '']

_NEVER = np.iinfo(np.int32).max
"""A low end that no value reaches."""


class Span(NamedTuple):
  """The values that an event may have here.

  Attributes:
    when: Whether the event may stand here at all.
    low: The least value.
    high: The largest value; beyond the range of the event means its end.
    but: A value in between that may not stand; negative for none.
  """

  when: Flag | bool = True
  low: Scalar | int = 0
  high: Scalar | int = _NEVER - 1
  but: Scalar | int = -1


def mask(
  field: Field, spans: Mapping[str, Span], reserved: Flag | bool = False
) -> Bool[Array, ' v']:
  """Returns which ids of a field may stand, bool `[field.size]`.

  Args:
    field: The field; its ranges say what the ids mean.
    spans: Event -> its values. Events that are missing may not stand, and
      events that the field does not have are left out.
    reserved: Whether id 0 may stand.
  """
  none = Span(False)
  rows = [Span(reserved, -1, -1, -2)]
  rows += [spans.get(part.event, none) for part in field.ranges]
  low = _stack([jnp.where(row.when, row.low, _NEVER) for row in rows])
  high = _stack([row.high for row in rows])
  but = _stack([row.but for row in rows])
  kinds, values = field.kinds + 1, field.values
  return (
    (values >= low[kinds]) & (values <= high[kinds]) & (values != but[kinds])
  )


def _stack(scalars: list[Scalar | int]) -> Int[Array, ' r']:
  return jnp.stack([jnp.asarray(x, jnp.int32) for x in scalars])


def scalar(value: Scalar | Flag | int) -> Scalar:
  """Returns an int32 scalar, as every leaf of a state is."""
  return jnp.asarray(value, jnp.int32)


def lookup(table: np.ndarray, index: Scalar) -> jax.Array:
  """Returns `table[index]` of a numpy constant, for a traced index."""
  return jnp.asarray(table)[index]


def kind_of_id(field: Field, names: tuple[str, ...]) -> np.ndarray:
  """Returns int32 `[field.size]`: the kind of a step by its id.

  PAD ends a sequence as EOS does.

  Args:
    field: Its ranges are kinds.
    names: The kinds, in order.
  """
  kinds = [names.index(part.event) for part in field.ranges]
  return np.array([names.index('eos'), *kinds], np.int32)[field.kinds + 1]


def relation(names: tuple[str, ...], rules: Mapping[str, str]) -> np.ndarray:
  """Returns bool `[n, n]`: whether the column may follow the row.

  Args:
    names: The kinds, in order.
    rules: Kind -> the kinds that may follow it, separated by spaces.
  """
  table = np.zeros((len(names), len(names)), np.bool_)
  for name, after in rules.items():
    table[
      names.index(name), [names.index(other) for other in after.split()]
    ] = 1
  return table
