"""`Within`: no note sounds on behind the last bar that was asked for."""

import dataclasses
import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

from aurl_jax.generation.constraints import Length
from aurl_jax.music.grid import Grid
from aurl_jax.tokens.codec import Codec
from aurl_jax.tokens.options import EventTokenizer
from aurl_jax.tokens.tokenizer import Tokenizer


class WithinState(NamedTuple):
  """int32 scalars: bars that have begun, cells of the open one, the place."""

  bars: Int[Array, '']
  cells: Int[Array, '']
  position: Int[Array, '']


@functools.partial(
  jax.tree_util.register_dataclass,
  data_fields=['most'],
  meta_fields=['codec', 'grid'],
)
@dataclasses.dataclass(frozen=True, kw_only=True)
class Within:
  """Durations reach as far as the end of the last bar, and no further.

  The bars that are left are taken to be as long as the open one. A pytree of
  the count alone, as `Length` is.

  Attributes:
    most: Bars of the piece, and one more, as `Length.most`.
    codec: The vocabulary, of `remi` or `compound`.
    grid: What its values mean.
  """

  most: Any
  codec: Codec
  grid: Grid

  def init(self) -> WithinState:
    """Returns the state before any bar."""
    return WithinState(*(jnp.int32(0),) * 3)

  def mask(
    self, state: WithinState, field: int, partial: Int[Array, ' f']
  ) -> Bool[Array, ' v']:
    """Returns all ids but those of durations that are too long."""
    part = self.codec.fields[field]
    ids = np.arange(part.size)
    held = part.holds('duration', ids)
    if not held.any():
      return jnp.ones(part.size, bool)
    cells = self.grid.durations[np.where(held, part.values, 0)]
    left = self._left(self._placed(state, partial))
    return jnp.asarray(~held) | (jnp.asarray(cells) <= left)

  def _left(self, state: WithinState) -> Int[Array, '']:
    return (self.most - state.bars) * state.cells - state.position

  def advance(self, state: WithinState, step: Int[Array, ' f']) -> WithinState:
    """Returns the state after a step."""
    bar = step[0] == self.codec.id('bar')
    cells = state.cells
    for field, part in enumerate(self.codec.fields):
      if part.tells('meter'):
        told = part.holds('meter', step[field])
        index = jnp.where(told, jnp.asarray(part.values)[step[field]], 0)
        cells = jnp.where(told, jnp.asarray(self._cells)[index], cells)
    moved = self._placed(state, step)
    return WithinState(
      bars=state.bars + bar,
      cells=cells,
      position=jnp.where(bar, 0, moved.position),
    )

  def _placed(self, state: WithinState, step: Int[Array, ' f']) -> WithinState:
    """Returns the state at the position that a step tells, if it does."""
    position = state.position
    for field, part in enumerate(self.codec.fields):
      if part.tells('position'):
        told = part.holds('position', step[field])
        position = jnp.where(
          told, jnp.asarray(part.values)[step[field]], position
        )
    return state._replace(position=position)

  @functools.cached_property
  def _cells(self) -> np.ndarray:
    cells = [self.grid.meter_cells(*meter) for meter in self.grid.meters]
    return np.array(cells, np.int32)


def within(tokenizer: Tokenizer, length: Length) -> tuple[Within, ...]:
  """Returns the constraint that goes with a length in bars.

  None where a step is a cell, so that nothing can reach beyond the last.

  Args:
    tokenizer: Of the ids.
    length: As of `constraints.bars`.
  """
  if not isinstance(tokenizer, EventTokenizer):
    return ()
  return (Within(most=length.most, codec=tokenizer.codec, grid=tokenizer.grid),)
