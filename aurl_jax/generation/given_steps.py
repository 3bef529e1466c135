"""Given music as a constraint of `compound`: its steps are written in turn.

The steps of the given music, bars, tempos and notes, are all among those that
are written, in their order. What else is written stands before the next given
step, as steps are ordered (`tokens.compound_grammar`), and takes the seats
that a wish leaves (`generation.seats`). The next given step may be written as
soon as the seats behind it are enough for what the bar still needs; no step
is left out. Axes: `f` fields, `v` ids of a field, `g` given steps.
"""

import dataclasses
import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

from aurl_jax.generation.seats import Seat, Standing
from aurl_jax.generation.wished import WishedSteps, events_of, values_of
from aurl_jax.tokens import events
from aurl_jax.tokens.grammar import Scalar


class GivenState(NamedTuple):
  """Where a row of a batch stands.

  Attributes:
    inner: As of `seats`.
    next: Given steps that have been written.
  """

  inner: Standing
  next: Scalar


class _Due(NamedTuple):
  """The given step that comes next.

  Attributes:
    step: int32 `[f]`; zeros for none.
    seat: Where it is, if it is a note.
    note: Whether it is one.
    tempo: Whether it is a tempo.
    bar: Whether it is a bar.
    ready: Whether it may be written now.
  """

  step: Int[Array, ' f']
  seat: Seat
  note: Bool[Array, '']
  tempo: Bool[Array, '']
  bar: Bool[Array, '']
  ready: Bool[Array, '']


@functools.partial(
  jax.tree_util.register_dataclass,
  data_fields=['inner', 'steps'],
  meta_fields=[],
)
@dataclasses.dataclass(frozen=True, kw_only=True)
class GivenSteps:
  """The constraint for `compound`.

  Attributes:
    inner: What is wished of the other notes; closed to the given tracks.
    steps: int32 `[g, f]`, the given steps from BOS on, zeros behind them.
  """

  inner: WishedSteps
  steps: Any

  def init(self) -> GivenState:
    """Returns the state before any step."""
    return GivenState(self.inner.init(), jnp.int32(0))

  def _due(self, state: GivenState) -> _Due:
    steps = jnp.asarray(self.steps)
    step = steps[jnp.minimum(state.next, len(steps) - 1)]
    seats, here = self.inner.seats, state.inner
    seat = self.inner.seat(step)
    note, tempo, bar = (
      jnp.asarray(self.inner.codec.holds(name, step[0]))
      for name in ('note', 'tempo', 'bar')
    )
    later, need = seats.later(here), seats.need(here)
    begins = jnp.asarray(seats.onsets)[here.row, seat.cell]
    above = seats.here(seats.passed(here, seat), seat.cell) * begins
    enough = jnp.where(note, above + later[seat.cell + 1], later[seat.cell])
    ready = jnp.where(bar, seats.closes(here), enough >= need)
    first = bar & (here.places.bars == 0)
    return _Due(step, seat, note, tempo, bar, ready | first)

  def mask(
    self, state: GivenState, field: int, partial: Int[Array, ' f']
  ) -> Bool[Array, ' v']:
    """Returns the ids of the next given step, and of what may precede it."""
    due = self._due(state)
    others = self.inner.mask(state.inner, field, partial)
    chosen = np.arange(len(partial)) < field
    follows = jnp.all(~chosen | (jnp.asarray(partial) == due.step))
    follows &= due.step[0] > 0
    if field == 0:
      others &= self._kinds(state, due)
      notes = self.inner.codec.holds('note', np.arange(len(others)))
      follows &= due.ready | ~jnp.any(others & notes)
    else:
      others &= self._values(state, due, field, partial)
      # What is no note has been chosen as it is given.
      follows &= due.ready | ~due.note
    return others | (follows & (np.arange(len(others)) == due.step[field]))

  def _kinds(self, state: GivenState, due: _Due) -> Bool[Array, ' v']:
    """Returns the kinds that may stand before the given step."""
    seats, here = self.inner.seats, state.inner
    cells = self._before(due)
    moves = seats.moves(here) & (np.arange(len(cells)) > here.at) & cells
    over = due.step[0] == 0
    return events_of(
      self.inner.codec,
      0,
      {
        'note': jnp.any(seats.cells(here) & cells),
        'chord': jnp.any(moves),
        'pedal': jnp.any(moves),
        'tempo': jnp.bool_(False),
        'bar': over,
        'eos': over,
      },
    )

  def _before(self, due: _Due) -> Bool[Array, ' c']:
    """Returns the cells in which something may stand before the given step."""
    every = np.arange(self.inner.grid.bar_cells)
    placed = due.note | due.tempo
    return ~placed | (every < due.seat.cell + due.note)

  def _values(
    self, state: GivenState, due: _Due, field: int, partial: Int[Array, ' f']
  ) -> Bool[Array, ' v']:
    """Returns what a step may be that stands before the given one."""
    codec, own = self.inner.codec, self.inner.seat(partial)
    note = jnp.asarray(codec.holds('note', partial[0]))
    bar = codec.holds('bar', partial[0]) & (due.step[0] > 0)
    free = ~(bar | codec.holds('tempo', partial[0]))
    here = note & due.note & (own.cell == due.seat.cell)
    same = here & (own.program == due.seat.program)
    if field > events.POSITION:
      # The cell may be one where none but the given note begins.
      begins = self.inner.seats.cells(state.inner)[own.cell]
      free &= ~here | begins
    if field == events.POSITION:
      cells = self._before(due)
      return free & values_of(codec, field, {'position': cells})
    if field == events.VALUE:
      programs = np.arange(events.DRUMS + 1) <= due.seat.program
      return free & values_of(codec, field, {'program': ~here | programs})
    if field == events.VOICE:
      voices = np.arange(self.inner.seats.voices) < due.seat.voice
      return free & values_of(codec, field, {'voice': ~same | voices})
    closed = note & self.inner.seats.is_given(own)
    return jnp.broadcast_to(free & ~closed, (codec.sizes[field],))

  def advance(self, state: GivenState, step: Int[Array, ' f']) -> GivenState:
    """Returns the state after a step."""
    steps = jnp.asarray(self.steps)
    due = steps[jnp.minimum(state.next, len(steps) - 1)]
    written = jnp.all(step == due) & (due[0] > 0)
    return GivenState(
      self.inner.advance(state.inner, step), state.next + written
    )
