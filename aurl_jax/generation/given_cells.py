"""Given voices as a constraint of `grid`: they stand where they stand."""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

from aurl_jax.generation.wished_grid import CellsState, WishedCells
from aurl_jax.tokens.codec import Codec


@functools.partial(
  jax.tree_util.register_dataclass,
  data_fields=['inner', 'ids', 'cells'],
  meta_fields=['codec'],
)
@dataclasses.dataclass(frozen=True, kw_only=True)
class GivenCells:
  """The constraint for `grid`.

  Attributes:
    inner: What is wished of the other voices, and which they are.
    ids: int32 `[c, f]`, cells of the given voices; more behind them.
    cells: How many cells are given; behind them these voices rest.
    codec: The vocabulary.
  """

  inner: WishedCells
  ids: Any
  cells: Any
  codec: Codec

  def init(self) -> CellsState:
    """Returns the state before any step."""
    return self.inner.init()

  def mask(
    self, state: CellsState, field: int, partial: Int[Array, ' f']
  ) -> Bool[Array, ' v']:
    """Returns the one id of a given voice, or what is wished of another."""
    ids = np.arange(self.codec.sizes[field])
    part = self.codec.fields[field]
    rows = jnp.asarray(self.ids)
    cell = state.places.cells
    given = rows[jnp.minimum(cell, len(rows) - 1), field]
    behind = part.holds('rest', ids) | part.holds('eos', ids)
    forced = jnp.where(cell < self.cells, ids == given, behind)
    other = self.inner.mask(state, field, partial)
    return jnp.where(jnp.asarray(self.inner.writable)[field], other, forced)

  def advance(self, state: CellsState, step: Int[Array, ' f']) -> CellsState:
    """Returns the state after a step."""
    return self.inner.advance(state, step)
