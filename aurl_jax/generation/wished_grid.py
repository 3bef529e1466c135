"""Wishes about notes as a constraint of `grid`.

Voices are chosen one after the other, and each may always rest: the only thing
that could be missed is a least number of notes. A voice rests, holds on or
begins a note only if the voices and cells behind it have room for what the bar
still needs. Axes: `r` rows of the wishes, and more for bars that no wish is
about; `c` cells of a bar.
"""

import dataclasses
import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

from aurl_jax.generation.frame import NO_LIMIT, Frame, Table
from aurl_jax.generation.rows import padded
from aurl_jax.tokens.codec import Codec
from aurl_jax.tokens.grammar import Scalar
from aurl_jax.tokens.places import Places, PlaceState


class CellsState(NamedTuple):
  """Where a row of a batch stands.

  Attributes:
    places: The clock.
    notes: Notes that have begun in the bar of the next cell.
  """

  places: PlaceState
  notes: Scalar


class _Left(NamedTuple):
  """What is left to a voice of a cell: int32 scalars.

  Attributes:
    need: Notes that the bar still needs.
    free: Voices that may still sound.
    more: Voices behind this one that may begin a note.
    later: Notes that could begin in later cells.
  """

  need: Scalar
  free: Scalar
  more: Scalar
  later: Scalar


@functools.partial(
  jax.tree_util.register_dataclass,
  data_fields=[
    'chroma',
    'onsets',
    'sounds',
    'writable',
    'least',
    'most',
    'polyphony',
    'span',
  ],
  meta_fields=['codec', 'places'],
)
@dataclasses.dataclass(frozen=True, kw_only=True)
class WishedCells:
  """The constraint for `grid`. A pytree: other wishes need no other program.

  Attributes:
    chroma: bool `[r, c, 12]`, see `Table`.
    onsets: bool `[r, c]`; false where no pitch is left.
    sounds: bool `[128]`, pitches of the one instrument.
    writable: bool `[f]`, voices that may be written; others are given.
    least: int32 `[r]`.
    most: int32 `[r]`.
    polyphony: int32 `[r]`.
    span: int32 `[3]`: rows, bars before the wishes, bars with wishes.
    codec: The vocabulary.
    places: The clock.
  """

  chroma: Any
  onsets: Any
  sounds: Any
  writable: Any
  least: Any
  most: Any
  polyphony: Any
  span: Any
  codec: Codec
  places: Places

  @property
  def _voices(self) -> int:
    return len(self.codec.fields)

  def init(self) -> CellsState:
    """Returns the state before any step."""
    return CellsState(self.places.init(), jnp.int32(0))

  def _next(self, places: PlaceState) -> tuple[Scalar, Scalar]:
    """Returns the row and the cell of the step that follows."""
    past = places.cells - places.pickup
    inside = past >= 0
    bar = jnp.where(
      inside, past // places.meter + (places.pickup > 0), jnp.int32(0)
    )
    cell = jnp.where(inside, past % places.meter, places.cells)
    rows, first, bars = jnp.asarray(self.span)
    told = bar - first
    about = (told >= 0) & (told < bars)
    return jnp.where(about, told % rows, len(self.least) - 1), cell

  def mask(
    self, state: CellsState, field: int, partial: Int[Array, ' f']
  ) -> Bool[Array, ' v']:
    """Returns the ids that may stand, given what is wished of notes."""
    row, cell = self._next(state.places)
    begun = self._count(partial, field, 'pitch')
    left = self._left(state, field, partial)
    most = jnp.asarray(self.most)[row]
    begins = jnp.asarray(self.onsets)[row, cell]
    begins &= state.notes + begun < most
    pitches = jnp.asarray(self.sounds) & self._tones(row, cell)
    sounds = left.free > 0
    after = jnp.minimum(left.more, left.free - 1) + left.later
    part, ids = self.codec.fields[field], np.arange(self.codec.sizes[field])
    rests = left.need <= jnp.minimum(left.more, left.free) + left.later
    wanted = rests | ~part.holds('rest', ids)
    wanted &= (sounds & (left.need <= after)) | ~part.holds('hold', ids)
    wanted &= (left.need <= 0) | ~part.holds('eos', ids)
    pitch = pitches & begins & sounds & (left.need - 1 <= after)
    low, high = self.codec.span('pitch', field)
    return wanted.at[low:high].set(pitch[: high - low])

  def _tones(self, row: Scalar, cell: Scalar) -> Bool[Array, '128']:
    return jnp.asarray(self.chroma)[row, cell][np.arange(128) % 12]

  def _count(self, step: Int[Array, ' f'], fields: int, *events: str) -> Scalar:
    """Returns how many of the first fields, if open, are of some events."""
    found = jnp.int32(0)
    for f in range(fields):
      for event in events:
        found += (
          self.codec.holds(event, step[f], f) & jnp.asarray(self.writable)[f]
        )
    return found

  def _left(
    self, state: CellsState, field: int, partial: Int[Array, ' f']
  ) -> _Left:
    row, cell = self._next(state.places)
    begun = self._count(partial, field, 'pitch')
    sounding = self._count(partial, field, 'pitch', 'hold')
    open_ = jnp.asarray(self.writable)
    voices = jnp.sum(open_, dtype=jnp.int32)
    most = jnp.minimum(jnp.asarray(self.polyphony)[row], voices)
    begins = jnp.asarray(self.onsets)[row]
    cells = np.arange(len(begins))
    later = begins & (cells > cell) & (cells < state.places.meter)
    least = jnp.asarray(self.least)[row]
    behind = jnp.sum(open_[field + 1 :], dtype=jnp.int32)
    return _Left(
      need=jnp.maximum(least - state.notes - begun, 0),
      free=most - sounding,
      more=jnp.where(begins[cell], behind, 0),
      later=jnp.sum(later, dtype=jnp.int32) * most,
    )

  def advance(self, state: CellsState, step: Int[Array, ' f']) -> CellsState:
    """Returns the state after a step."""
    places = self.places.advance(state.places, step)
    count = state.notes + self._count(step, self._voices, 'pitch')
    _, cell = self._next(places)
    return CellsState(places, jnp.where(cell == 0, 0, count))


def wished_cells(
  table: Table, frame: Frame, codec: Codec, places: Places
) -> WishedCells:
  """Returns the constraint that a table of rules comes to.

  Args:
    table: What all rules have left.
    frame: The bars.
    codec: The vocabulary of a grid.
    places: Its clock.
  """
  program = frame.grid.program or 0
  sounds = table.sounds[program]
  tones = np.array([sounds[tone::12].any() for tone in range(12)])
  onsets = table.onsets & (table.chroma & tones).any(axis=2)
  return WishedCells(
    chroma=padded(table.chroma, True),
    onsets=padded(onsets, True),
    sounds=sounds,
    writable=table.writable[program],
    least=padded(table.least, 0),
    most=padded(table.most, NO_LIMIT),
    polyphony=padded(table.polyphony, NO_LIMIT),
    span=frame.span,
    codec=codec,
    places=places,
  )
