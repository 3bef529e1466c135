"""`Lines`: bars that are filled in keep the meters and cuts that they had.

The bars behind `fill` (`tokens.infill`) are the masked ones in turn. What a
masked bar tells of its meter, and of its cut, its bar in the fill tells again,
as in training. Axes: `b` bars, `v` ids of a field.
"""

import dataclasses
import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

from aurl_jax.generation.constraints import Constraint
from aurl_jax.generation.guidance import Without
from aurl_jax.generation.rows import padded
from aurl_jax.tokens import control_dropout
from aurl_jax.tokens.codec import Codec
from aurl_jax.tokens.grammar import Scalar, lookup

_TOLD = ('meter', 'cut')
_PLAIN = ('same', 'whole')
"""What a bar of `compound` says in place of them."""


class LinesState(NamedTuple):
  """Where a row of a batch stands.

  Attributes:
    bars: Bars that have begun since the fill, or the piece, began.
    last: Index of the range of the last id of field 0, -1 for none.
  """

  bars: Scalar
  last: Scalar


@functools.partial(
  jax.tree_util.register_dataclass,
  data_fields=['told'],
  meta_fields=['codec'],
)
@dataclasses.dataclass(frozen=True, kw_only=True)
class Lines:
  """The constraint. A pytree: other bars need no other program.

  Attributes:
    told: int32 `[b, 2]`, meter and cut of each bar of the fill as values, -1
      where a bar tells none.
    codec: The vocabulary, of `remi` or `compound`.
  """

  told: Any
  codec: Codec

  def init(self) -> LinesState:
    """Returns the state before any step."""
    return LinesState(jnp.int32(0), jnp.int32(-1))

  def mask(
    self, state: LinesState, field: int, partial: Int[Array, ' f']
  ) -> Bool[Array, ' v']:
    """Returns the ids that tell no other meter and no other cut."""
    told = jnp.asarray(self.told)
    stream = len(self.codec.fields) == 1
    bar = state.bars - stream
    meter, cut = told[jnp.clip(bar, 0, len(told) - 1)]
    if stream:
      return self._stream(state, meter, cut)
    wanted = jnp.ones(self.codec.sizes[field], bool)
    if field == 0:
      return wanted
    begins = jnp.asarray(self.codec.holds('bar', partial[0]))
    for event, plain, value in zip(_TOLD, _PLAIN, (meter, cut), strict=True):
      if event in self.codec.fields[field].starts:
        wanted &= self._is(field, event, value)
        wanted &= (value < 0) | ~self._of(field, plain)
    return jnp.asarray(~begins | wanted)

  def _stream(
    self, state: LinesState, meter: Scalar, cut: Scalar
  ) -> Bool[Array, ' v']:
    """Returns what may follow, in `remi`: a bar, its meter, its cut."""
    first = state.last == self._range('bar')
    second = first & (meter < 0) | (state.last == self._range('meter'))
    due = (first & (meter >= 0), second & (cut >= 0))
    wanted = self._is(0, 'meter', meter) & self._is(0, 'cut', cut)
    for event, now in zip(_TOLD, due, strict=True):
      wanted &= ~now | self._of(0, event)
    return wanted

  def _of(self, field: int, name: str) -> Bool[np.ndarray, ' v']:
    """Returns which ids of a field are of an event."""
    ids = np.arange(self.codec.sizes[field])
    found: np.ndarray = self.codec.fields[field].holds(name, ids)
    return found

  def _is(self, field: int, event: str, value: Scalar) -> Bool[Array, ' v']:
    """Returns all ids but those of other values of an event."""
    values = self.codec.fields[field].values
    return jnp.asarray(~self._of(field, event)) | (values == value)

  def _range(self, event: str) -> int:
    names = [part.event for part in self.codec.fields[0].ranges]
    return names.index(event)

  def advance(self, state: LinesState, step: Int[Array, ' f']) -> LinesState:
    """Returns the state after a step."""
    bar = self.codec.holds('bar', step[0])
    fill = jnp.asarray(self.codec.holds('fill', step[0]))
    last = lookup(self.codec.fields[0].kinds, step[0])
    return LinesState(jnp.where(fill, 0, state.bars + bar), last)


def lines(
  codec: Codec, prompt: Int[np.ndarray, 't f']
) -> tuple[Constraint, ...]:
  """Returns the constraints of what is filled in; none where a step is a cell.

  Meters and cuts are those of the masked bars; tempos and controls stand in
  the context alone.

  Args:
    codec: The vocabulary.
    prompt: A context, and the `fill` behind it.
  """
  if 'bar' not in codec.fields[0].starts:
    return ()
  masks = codec.holds('mask', prompt[:, 0])
  starts = masks | codec.holds('bar', prompt[:, 0])
  number = np.cumsum(starts) - 1
  told = np.full((int(starts.sum()), len(_TOLD)), -1, np.int32)
  for column, event in enumerate(_TOLD):
    for f, field in enumerate(codec.fields):
      held = np.flatnonzero(field.holds(event, prompt[:, f]))
      told[number[held], column] = field.values[prompt[held, f]]
  told = padded(told[masks[starts]], -1)
  without = Without(codec, ('tempo', 'control', *control_dropout.KINDS))
  return Lines(told=told, codec=codec), without
