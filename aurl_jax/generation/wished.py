"""Wishes about notes as the constraint of `compound`.

Its steps are read as seats (`generation.seats`), which knows all wishes
together. Axes: `f` fields, `v` ids of a field.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

from aurl_jax.generation.seats import Costs, Seat, Seats, Standing
from aurl_jax.music.grid import Grid
from aurl_jax.tokens import control_steps, events
from aurl_jax.tokens.codec import Codec
from aurl_jax.tokens.grammar import lookup

CONTROLS = ('control', *control_steps.KINDS)
"""Events of field 0 that a model may tell of a piece or a bar by itself."""
COMPOUND = Costs(note=1, bar=1, other=1, close=2)
"""What things take: all of them a step; the end another bar and EOS."""


@functools.partial(
  jax.tree_util.register_dataclass,
  data_fields=['seats'],
  meta_fields=['codec', 'grid'],
)
@dataclasses.dataclass(frozen=True, kw_only=True)
class WishedSteps:
  """The constraint for `compound`.

  Attributes:
    seats: What may begin where.
    codec: The vocabulary.
    grid: What its values mean.
  """

  seats: Seats
  codec: Codec
  grid: Grid

  def init(self) -> Standing:
    """Returns the state before any step."""
    return self.seats.init()

  def mask(
    self, state: Standing, field: int, partial: Int[Array, ' f']
  ) -> Bool[Array, ' v']:
    """Returns the ids that may stand, given what is wished of notes."""
    if field == 0:
      return self._kinds(state)
    if field == events.POSITION:
      return self._positions(state, partial)
    seat = self.seat(partial)
    note = self.codec.holds('note', partial[0])
    return ~note | self._note(state, field, seat)

  def _kinds(self, state: Standing) -> Bool[Array, ' v']:
    cells, moves = self.seats.cells(state), self.seats.moves(state)
    behind = np.arange(len(moves)) > state.at
    closes = self.seats.closes(state)
    return events_of(
      self.codec,
      0,
      {
        'note': jnp.any(cells),
        'bar': closes & (state.places.bars > 0) | (state.places.bars == 0),
        'eos': closes,
        **dict.fromkeys(_OTHERS, jnp.any(moves & behind)),
        **dict.fromkeys(CONTROLS, self.seats.tells(state)),
      },
    )

  def _positions(
    self, state: Standing, partial: Int[Array, ' f']
  ) -> Bool[Array, ' v']:
    other = jnp.bool_(False)
    for name in _OTHERS:
      other |= self.codec.holds(name, partial[0])
    cells = jnp.where(
      self.codec.holds('note', partial[0]),
      self.seats.cells(state),
      self.seats.moves(state) | ~other,
    )
    return values_of(self.codec, events.POSITION, {'position': cells})

  def _note(self, state: Standing, field: int, seat: Seat) -> Bool[Array, ' v']:
    if field == events.VALUE:
      found = {'program': self.seats.programs(state, seat)}
    elif field == events.VOICE:
      found = {'voice': self.seats.tracks_of(state, seat)}
    elif field == events.PITCH:
      pitches = self.seats.pitches(state, seat)
      found = {'pitch': pitches, 'drum': pitches}
    elif field == events.DURATION:
      cells = self.grid.durations
      found = {'duration': self.seats.lengths(state, seat, cells)}
    else:
      found = {}
    return values_of(self.codec, field, found)

  def seat(self, step: Int[Array, ' f']) -> Seat:
    """Returns the seat of a note step; what is not chosen is arbitrary."""
    fields = self.codec.fields
    cell, program, voice, pitch = (
      jnp.maximum(lookup(fields[f].values, step[f]), 0)
      for f in (events.POSITION, events.VALUE, events.VOICE, events.PITCH)
    )
    last = self.grid.bar_cells - 1
    return Seat(
      jnp.minimum(cell, last), jnp.minimum(program, events.DRUMS), voice, pitch
    )

  def advance(self, state: Standing, step: Int[Array, ' f']) -> Standing:
    """Returns the state after a step."""
    seat = self.seat(step)
    length = lookup(self.codec.fields[events.DURATION].values, step[_DURATION])
    cells = jnp.asarray(self.grid.durations)[jnp.maximum(length, 0)]
    kind, holds = step[0], self.codec.holds
    other = jnp.bool_(False)
    for name in _OTHERS:
      other |= holds(name, kind)
    begun = self.seats.begun(state, seat, cells)
    passed = self.seats.passed(state, seat)
    begun = where(self.seats.is_given(seat), passed, begun)
    new = where(holds('note', kind), begun, state)
    new = where(other, self.seats.moved(state, jnp.asarray(seat.cell)), new)
    new = where(holds('bar', kind), self.seats.opened(state), new)
    if 'fill' in self.codec.fields[0].starts:
      new = where(holds('fill', kind), self.seats.cleared(state), new)
    return self.seats.told(new, step)


_OTHERS = ('tempo', 'chord', 'pedal')
"""Kinds that have a place and are no notes."""
_DURATION = events.DURATION


def where(chosen: Bool[Array, ''], ours: Standing, other: Standing) -> Standing:
  """Returns one state or the other."""
  return jax.tree.map(lambda a, b: jnp.where(chosen, a, b), ours, other)


def events_of(
  codec: Codec, field: int, may: dict[str, Bool[Array, '']]
) -> Bool[Array, ' v']:
  """Returns all ids but those of events that may not stand."""
  part = codec.fields[field]
  ids = np.arange(part.size)
  wanted = jnp.ones(part.size, bool)
  for event, when in may.items():
    if event in part.starts:
      wanted &= when | ~part.holds(event, ids)
  return wanted


def values_of(
  codec: Codec, field: int, may: dict[str, Bool[Array, ' _']]
) -> Bool[Array, ' v']:
  """Returns all ids but those of values that may not stand.

  Args:
    codec: The vocabulary.
    field: Which field.
    may: Event -> which of its values may stand, from its lowest on.
  """
  part = codec.fields[field]
  wanted = jnp.ones(part.size, bool)
  for event, values in may.items():
    if event in part.starts:
      low, high = codec.span(event, field)
      wanted = wanted.at[low:high].set(values[: high - low])
  return wanted
