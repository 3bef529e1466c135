"""`Within`: no note sounds on behind the last bar that was asked for."""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

from aurl_jax.generation.constraints import Length
from aurl_jax.music.grid import Grid
from aurl_jax.tokens.codec import Codec
from aurl_jax.tokens.options import EventTokenizer
from aurl_jax.tokens.places import Places, PlaceState
from aurl_jax.tokens.tokenizer import Tokenizer


@functools.partial(
  jax.tree_util.register_dataclass,
  data_fields=['most'],
  meta_fields=['codec', 'grid', 'places'],
)
@dataclasses.dataclass(frozen=True, kw_only=True)
class Within:
  """Durations reach as far as the end of the last bar, and no further.

  The bars behind the open one are taken to be of its meter, none cut short. A
  pytree of the count alone, as `Length` is.

  Attributes:
    most: Bars of the piece, and one more, as `Length.most`.
    codec: The vocabulary, of `remi` or `compound`.
    grid: What its values mean.
    places: Where its steps stand.
  """

  most: Any
  codec: Codec
  grid: Grid
  places: Places

  def init(self) -> PlaceState:
    """Returns the clock before any step."""
    return self.places.init()

  def mask(
    self, state: PlaceState, field: int, partial: Int[Array, ' f']
  ) -> Bool[Array, ' v']:
    """Returns all ids but those of durations that are too long."""
    part = self.codec.fields[field]
    ids = np.arange(part.size)
    held = part.holds('duration', ids)
    if not held.any():
      return jnp.ones(part.size, bool)
    cells = self.grid.durations[np.where(held, part.values, 0)]
    chosen = np.arange(len(self.codec.fields)) < field
    now = self.places.advance(state, jnp.where(chosen, partial, 0))
    left = (self.most - now.bars - 1) * now.meter + now.length - now.position
    return jnp.asarray(~held) | (jnp.asarray(cells) <= left)

  def advance(self, state: PlaceState, step: Int[Array, ' f']) -> PlaceState:
    """Returns the clock after a step."""
    return self.places.advance(state, step)


def within(tokenizer: Tokenizer, length: Length) -> tuple[Within, ...]:
  """Returns the constraint that goes with a length in bars.

  None where a step is a cell, so that nothing can reach beyond the last.

  Args:
    tokenizer: Of the ids.
    length: As of `constraints.bars`.
  """
  if not isinstance(tokenizer, EventTokenizer):
    return ()
  return (
    Within(
      most=length.most,
      codec=tokenizer.codec,
      grid=tokenizer.grid,
      places=Places.of(tokenizer),
    ),
  )
