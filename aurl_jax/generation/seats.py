"""`Seats`: where a note may still begin, given all that is wished at once.

Fields of a note are chosen one after the other, and notes ascend in a cell by
(program, voice, pitch), so wishes that are masked each for itself run into
dead ends: a cell is chosen in which no pitch is left of the chord, a program
in which none is left in range, the highest note first where two are due. So
all wishes about notes are looked at together, and ahead. A *seat* is a note
that could begin: (cell, program, voice, pitch). The invariant is that the
seats behind the last note in its bar are never fewer than the notes that the
bar still needs; each choice keeps it, and there is always one that does:

- the seats of a later cell are those of its pitch classes and ranges, at most
  as many as may sound besides what is held on;
- where notes are due, one is held only as far as enough seats stay free, and
  over the bar line only if the bars behind it have seats besides.

Counts err on the side of fewer. Everything is written for one row of a batch.
Axes: `r` rows of the wishes, one more than there are for bars that no wish is
about; `c` cells of a bar; `g` programs, the drums last; `v` voices; `k` notes
that may sound at once.
"""

import dataclasses
import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

from aurl_jax.generation.frame import NO_LIMIT
from aurl_jax.music.instruments import DRUMS
from aurl_jax.tokens.grammar import Scalar
from aurl_jax.tokens.places import Places, PlaceState

MOST_SOUNDING = 32
"""Pitched notes that may sound at once where polyphony is asked for."""
_ENOUGH = 1 << 15
"""Seats of a cell that are as good as any number; sums of `_MANY` such cells
stay below 2^24."""
_MANY = 511


class Costs(NamedTuple):
  """Steps that things take at most.

  Attributes:
    note: A note.
    bar: The beginning of a bar, with the controls that are told there.
    other: A tempo, chord or pedal.
    close: What stands behind the last bar.
  """

  note: int
  bar: int
  other: int
  close: int


class Seat(NamedTuple):
  """A note that could begin; -1 where something is not chosen yet."""

  cell: Scalar | int
  program: Scalar | int = -1
  voice: Scalar | int = -1
  pitch: Scalar | int = -1


class Standing(NamedTuple):
  """Where a row of a batch stands.

  Attributes:
    places: The clock.
    row: Of the tables, for the open bar; the last one is of no wish.
    at: Cell of the last step with a place in the open bar, -1 for none.
    last: Program, voice and pitch of the note that was begun last in that
      cell, -1 for none.
    notes: Notes that have begun in the open bar.
    left: Steps that are left of the budget.
    ends: Cells from the start at which notes that sound end, int32 `[k]`.
    tracks: `program * voices + voice` of these, int32 `[k]`.
  """

  places: PlaceState
  row: Scalar
  at: Scalar
  last: tuple[Scalar, Scalar, Scalar]
  notes: Scalar
  left: Scalar
  ends: Int[Array, ' k']
  tracks: Int[Array, ' k']


@functools.partial(
  jax.tree_util.register_dataclass,
  data_fields=[
    'chroma',
    'onsets',
    'sounds',
    'writable',
    'open',
    'scale',
    'least',
    'most',
    'polyphony',
    'each',
    'seats',
    'hold',
    'tail',
    'span',
    'steps',
  ],
  meta_fields=['places', 'voices', 'sounding', 'by_track', 'costs'],
)
@dataclasses.dataclass(frozen=True, kw_only=True)
class Seats:
  """What may begin where. A pytree: another table needs no other program.

  Attributes:
    chroma: bool `[r, c, 12]`, see `Table`.
    onsets: bool `[r, c]`.
    sounds: bool `[g, 128]`.
    writable: bool `[g, v]`, tracks that may be written; others are given.
    open: int32 `[g]`, how many tracks those are.
    scale: int32 `[g, 12]`, pitches of each program by class; none of drums.
    least: int32 `[r]`.
    most: int32 `[r]`.
    polyphony: int32 `[r]`.
    each: int32.
    seats: int32 `[r, c]`, pitched notes that could begin at once.
    hold: int32 `[r]`, notes that may be held over the bar line.
    tail: int32 `[r]`, steps that all bars behind this one take.
    span: int32 `[3]`: rows, bars before the wishes, bars with wishes.
    steps: int32, the budget.
    places: The clock of the tokenizer.
    voices: How many each program has.
    sounding: Room for notes that sound; 0 where that is not asked.
    by_track: Whether tracks have a limit each.
    costs: What steps are reserved for.
  """

  chroma: Any
  onsets: Any
  sounds: Any
  writable: Any
  open: Any
  scale: Any
  least: Any
  most: Any
  polyphony: Any
  each: Any
  seats: Any
  hold: Any
  tail: Any
  span: Any
  steps: Any
  places: Places
  voices: int
  sounding: int
  by_track: bool
  costs: Costs

  def init(self) -> Standing:
    """Returns the state before any step."""
    none, zero = jnp.int32(-1), jnp.int32(0)
    empty = jnp.zeros(self.sounding, jnp.int32)
    left, places = jnp.asarray(self.steps, jnp.int32), self.places.init()
    clock = places, self._row(places)
    return Standing(*clock, none, (none,) * 3, zero, left, empty, empty)

  # What a bar is about.

  def _row(self, places: PlaceState) -> Scalar:
    rows, first, bars = jnp.asarray(self.span)
    told = places.bars - 1 - first
    about = (told >= 0) & (told < bars)
    return jnp.where(about, told % rows, len(self.least) - 1)

  def need(self, state: Standing) -> Scalar:
    """Returns how many notes the open bar must still have."""
    least = jnp.asarray(self.least)[state.row]
    return jnp.maximum(least - state.notes, 0)

  def spare(self, state: Standing, cost: int) -> Bool[Array, '']:
    """Returns whether the budget has steps for what need not be."""
    due = self.need(state) * self.costs.note
    tail = jnp.asarray(self.tail)[state.row]
    return state.left - cost >= tail + due

  def tells(self, state: Standing) -> Bool[Array, '']:
    """Whether there is a step for a control, before what a bar begins with."""
    return self.spare(state, self.costs.bar + self.costs.other)

  # Seats of cells that are still to come.

  def held(self, state: Standing) -> Int[Array, ' c']:
    """Returns how many pitched notes sound in each cell of the open bar."""
    cells = np.arange(self.onsets.shape[1])
    ends = state.ends - state.places.start
    return jnp.sum(ends[None] > cells[:, None], axis=1, dtype=jnp.int32)

  def _begins(self, state: Standing) -> Bool[Array, ' c']:
    """Returns the cells of the open bar in which a note could begin."""
    inside = np.arange(self.onsets.shape[1]) < state.places.length
    return jnp.asarray(self.onsets)[state.row] & inside

  def _room(self, state: Standing) -> Int[Array, ' c']:
    """Returns how many pitched notes could begin in each cell."""
    most = jnp.minimum(
      jnp.asarray(self.polyphony)[state.row], jnp.asarray(self.seats)[state.row]
    )
    room = jnp.maximum(most - self.held(state), 0)
    return jnp.where(self._begins(state), room, 0)

  def ahead(self, state: Standing) -> Int[Array, ' c']:
    """Returns the seats of each cell, as if none were taken there yet."""
    begins = self._begins(state)
    drums = jnp.sum(jnp.asarray(self.sounds)[DRUMS])
    drums *= jnp.sum(jnp.asarray(self.writable)[DRUMS])
    return self._room(state) + jnp.where(begins, drums, 0)

  def later(self, state: Standing) -> Int[Array, ' e']:
    """Returns the seats in each cell and behind it, 0 beyond the last."""
    return jnp.append(_onwards(self.ahead(state)), 0)

  # Seats of one cell, behind the last note in it.

  def _last(self, state: Standing, cell: Scalar | int) -> tuple[Scalar, ...]:
    """Returns the note behind which those of a cell stand; -1 for none."""
    here = state.at == cell
    return tuple(jnp.where(here, part, -1) for part in state.last)

  def _free(self, state: Standing, cell: Scalar | int) -> Scalar:
    """Returns how many pitched notes may begin to sound in a cell."""
    most = jnp.asarray(self.polyphony)[state.row]
    sounds = state.ends > state.places.start + cell
    return jnp.maximum(most - jnp.sum(sounds, dtype=jnp.int32), 0)

  def _tones(self, state: Standing, cell: Scalar | int) -> Int[Array, '129']:
    """Returns how many pitches each program has in a cell.

    As a product in float32, which is exact and faster than one of integers.
    """
    chroma = jnp.asarray(self.chroma)[state.row, cell]
    scale = jnp.asarray(self.scale).astype(jnp.float32)
    tones = jnp.matmul(
      scale, chroma.astype(jnp.float32), precision=jax.lax.Precision.HIGHEST
    )
    drums = jnp.sum(jnp.asarray(self.sounds)[DRUMS], dtype=jnp.int32)
    return tones.astype(jnp.int32).at[DRUMS].set(drums)

  def _higher(self, state: Standing, cell: Scalar | int) -> Scalar:
    """Returns how many pitches lie above the last note, in its track."""
    program, _, pitch = self._last(state, cell)
    fits = self._pitches(state, cell, program) & (np.arange(128) > pitch)
    return jnp.sum(fits, dtype=jnp.int32)

  def tracks(self, state: Standing, cell: Scalar | int) -> Int[Array, '129']:
    """Returns the seats of each program in a cell, behind the last note.

    Where tracks have no limits of their own, they need not be told apart.
    """
    program, voice, _ = self._last(state, cell)
    tones, g = self._tones(state, cell), np.arange(DRUMS + 1)
    if self.by_track:
      every = jax.vmap(lambda g: self.track(state, cell, g))(jnp.arange(len(g)))
      return jnp.sum(every, axis=1)
    own = jnp.sum(self.track(state, cell, program))
    behind = jnp.where(g > program, tones * jnp.asarray(self.open), 0)
    return jnp.where((g == program) & (voice >= 0), own, behind)

  def track(
    self, state: Standing, cell: Scalar | int, program: Scalar | int
  ) -> Int[Array, ' v']:
    """Returns the seats of each voice of a program, behind the last note."""
    last, voice, _ = self._last(state, cell)
    g, v = jnp.maximum(program, 0), np.arange(self.voices)
    above, tones = self._higher(state, cell), self._tones(state, cell)[g]
    own = jnp.where(v == voice, above, jnp.where(v > voice, tones, 0))
    seats = jnp.where(g == last, own, jnp.where(g > last, tones, 0))
    seats = jnp.where(jnp.asarray(self.writable)[g], seats, 0)
    if not self.by_track:
      return seats
    room = jnp.asarray(self.each) - self._sounding(state, cell)[g]
    room = jnp.where(g == DRUMS, NO_LIMIT, jnp.maximum(room, 0))
    return jnp.minimum(seats, room)

  def _sounding(
    self, state: Standing, cell: Scalar | int
  ) -> Int[Array, '129 v']:
    """Returns how many notes of each track sound in a cell."""
    sounds = state.ends > state.places.start + cell
    counts = jnp.zeros((DRUMS + 1) * self.voices, jnp.int32)
    counts = counts.at[state.tracks].add(sounds.astype(jnp.int32))
    return counts.reshape(DRUMS + 1, self.voices)

  def _pitches(
    self, state: Standing, cell: Scalar | int, program: Scalar | int
  ) -> Bool[Array, '128']:
    """Returns the pitches of a program that go with the cell."""
    chroma = jnp.asarray(self.chroma)[state.row, cell]
    drums = jnp.asarray(program == DRUMS)
    inside = chroma[np.arange(128) % 12] | drums
    sounds = jnp.asarray(self.sounds)[jnp.clip(program, 0, DRUMS)]
    return sounds & inside

  def here(self, state: Standing, cell: Scalar | int) -> Scalar:
    """Returns the seats of a cell behind the last note in it."""
    seats = self.tracks(state, cell)
    pitched = jnp.minimum(jnp.sum(seats[:DRUMS]), self._free(state, cell))
    return pitched + seats[DRUMS]

  # Masks.

  def cells(
    self, state: Standing, cost: int | None = None
  ) -> Bool[Array, ' c']:
    """Returns the cells in which a note may begin now.

    Args:
      state: Before the note.
      cost: Steps that it takes; by default those of a whole note.
    """
    cost = self.costs.note if cost is None else cost
    need, at = self.need(state), jnp.maximum(state.at, 0)
    begins = self._begins(state)
    cells = np.arange(len(begins))
    taken = (cells == state.at) & (state.last[0] >= 0)
    seats = jnp.where(taken, self.here(state, at), self.ahead(state)) * begins
    enough = seats + self.later(state)[1:] >= need
    free = state.notes < jnp.asarray(self.most)[state.row]
    paid = (need > 0) | self.spare(state, cost)
    return (seats > 0) & enough & free & paid & (cells >= state.at)

  def again(self, state: Standing) -> Bool[Array, '']:
    """Returns whether a note may begin in the cell of the last step.

    Its position has been told, and paid for.
    """
    cells = self.cells(state, self.costs.note - 1)
    return cells[jnp.maximum(state.at, 0)] & (state.at >= 0)

  def moves(self, state: Standing) -> Bool[Array, ' c']:
    """Returns the cells in which something else may stand."""
    enough = self.later(state)[:-1] >= self.need(state)
    return enough & self.spare(state, self.costs.other)

  def closes(self, state: Standing) -> Bool[Array, '']:
    """Returns whether the open bar may end.

    It may where it has what it needs, and where there is no seat left.
    """
    return (self.need(state) == 0) | ~jnp.any(self.cells(state))

  def programs(self, state: Standing, seat: Seat) -> Bool[Array, '129']:
    """Returns the programs that a note in a cell may have."""
    seats = self.tracks(state, seat.cell)
    free = self._free(state, seat.cell)
    pitched = _onwards(seats[:DRUMS])
    room = jnp.append(jnp.minimum(pitched, free), 0) + seats[DRUMS]
    sounds = jnp.append(jnp.where(free > 0, seats[:DRUMS], 0), seats[DRUMS])
    behind = self.later(state)[seat.cell + 1]
    return (sounds > 0) & (room + behind >= self.need(state))

  def tracks_of(self, state: Standing, seat: Seat) -> Bool[Array, ' v']:
    """Returns the voices that a note of a program may have."""
    seats = self.tracks(state, seat.cell)
    own = self.track(state, seat.cell, seat.program)
    room = _onwards(own) + self._above(seats, seat.program)
    return (own > 0) & self._enough(state, seat, room, seats)

  def pitches(self, state: Standing, seat: Seat) -> Bool[Array, '128']:
    """Returns the pitches that a note of a track may have."""
    program, voice, pitch = self._last(state, seat.cell)
    seats = self.tracks(state, seat.cell)
    same = (program == seat.program) & (voice == seat.voice)
    allowed = self._pitches(state, seat.cell, seat.program)
    allowed &= np.arange(128) > jnp.where(same, pitch, -1)
    own = self.track(state, seat.cell, seat.program)
    # Itself and those above it, as many as the track may have.
    track = own[seat.voice]
    room = _onwards(allowed.astype(jnp.int32))
    room = jnp.minimum(room, track)
    room += jnp.sum(jnp.where(np.arange(self.voices) > seat.voice, own, 0))
    room += self._above(seats, seat.program)
    fits = self._enough(state, seat, room, seats)
    return allowed & (track > 0) & fits

  def _above(self, seats: Int[Array, '129'], program: Scalar | int) -> Scalar:
    """Returns the pitched seats of the programs above one."""
    g = np.arange(DRUMS + 1)
    return jnp.sum(jnp.where((g > program) & (g < DRUMS), seats, 0))

  def _enough(
    self,
    state: Standing,
    seat: Seat,
    room: Int[Array, ' *n'],
    seats: Int[Array, '129'],
  ) -> Bool[Array, ' *n']:
    """Returns whether the seats from a choice on are as many as are due.

    `room` counts those of the cell, as many of them as may sound; what a
    choice itself takes is among them.
    """
    drums = jnp.where(seat.program == DRUMS, 0, seats[DRUMS])
    free = jnp.where(
      seat.program == DRUMS, NO_LIMIT, self._free(state, seat.cell)
    )
    room = jnp.minimum(room, free)
    behind = self.later(state)[seat.cell + 1]
    return (free > 0) & (room + drums + behind >= self.need(state))

  def lengths(
    self, state: Standing, seat: Seat, cells: Int[np.ndarray, ' d']
  ) -> Bool[Array, ' d']:
    """Returns which lengths a note may have, of so many cells each."""
    if not self.sounding:
      return jnp.ones(len(cells), bool)
    pitched = jnp.asarray(seat.program != DRUMS)
    room = self._room(state)
    behind = self.later(state)
    index = np.arange(len(room))
    lost = (room > 0) & (index > seat.cell)
    lost = jnp.append(0, jnp.cumsum(lost.astype(jnp.int32)))
    end = jnp.minimum(seat.cell + cells, len(room))
    taken = self._taken(state, seat)
    left = self.here(taken, seat.cell) + behind[seat.cell + 1] - lost[end]
    enough = left >= self.need(state) - 1
    hold = jnp.asarray(self.hold)[state.row]
    length = state.places.length
    across = jnp.sum(state.ends > state.places.start + length) + 1
    inside = seat.cell + cells <= length
    return ~pitched | (enough & (inside | (across <= hold)))

  # Steps.

  def _taken(self, state: Standing, seat: Seat) -> Standing:
    """Returns the state with a note that lasts one cell."""
    return self.begun(state, seat, jnp.int32(1))

  def begun(self, state: Standing, seat: Seat, length: Scalar) -> Standing:
    """Returns the state after a note has begun, the clock apart."""
    track = seat.program * self.voices + seat.voice
    ends, tracks = state.ends, state.tracks
    if self.sounding:
      # In place of the one that ends first: if none has, that is one too many.
      slot = jnp.argmin(ends)
      pitched = jnp.asarray(seat.program != DRUMS)
      end = state.places.start + seat.cell + length
      ends = jnp.where(pitched, ends.at[slot].set(end), ends)
      tracks = jnp.where(pitched, tracks.at[slot].set(track), tracks)
    passed = self.passed(state, seat)
    return passed._replace(notes=state.notes + 1, ends=ends, tracks=tracks)

  def is_given(self, seat: Seat) -> Bool[Array, '']:
    """Returns whether a note is of a track that is given."""
    return ~jnp.asarray(self.writable)[seat.program, seat.voice]

  def passed(self, state: Standing, seat: Seat) -> Standing:
    """Returns the state after a given note, which takes no seat."""
    last = tuple(
      jnp.asarray(part, jnp.int32)
      for part in (seat.program, seat.voice, seat.pitch)
    )
    cell = jnp.asarray(seat.cell, jnp.int32)
    return state._replace(at=cell, last=last)  # type: ignore[arg-type]

  def cleared(self, state: Standing) -> Standing:
    """Returns the state before the bars of a fill: nothing sounds."""
    return self.opened(state)._replace(ends=jnp.zeros_like(state.ends))

  def moved(self, state: Standing, cell: Scalar) -> Standing:
    """Returns the state after something else has stood in a cell."""
    none = jnp.int32(-1)
    return state._replace(at=cell, last=(none, none, none))

  def opened(self, state: Standing) -> Standing:
    """Returns the state after a bar has begun."""
    return self.moved(state, jnp.int32(-1))._replace(notes=jnp.int32(0))

  def told(self, state: Standing, step: Int[Array, ' f']) -> Standing:
    """Returns the state whose clock and budget have seen a step more."""
    places = self.places.advance(state.places, step)
    row, left = self._row(places), state.left - 1
    return state._replace(places=places, row=row, left=left)


def _onwards(counts: Int[Array, ' n']) -> Int[Array, ' n']:
  """Returns the sum of counts from each on, none of them above `_ENOUGH`.

  As a product, which is exact in float32 and faster than a running sum.
  """
  if len(counts) > _MANY:
    return jnp.cumsum(counts[::-1])[::-1]
  ones = np.tri(len(counts), dtype=np.float32)
  few = jnp.minimum(counts, _ENOUGH).astype(jnp.float32)
  total = jnp.matmul(few, ones, precision=jax.lax.Precision.HIGHEST)
  return total.astype(jnp.int32)
