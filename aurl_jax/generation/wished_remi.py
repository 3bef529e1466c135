"""Wishes about notes as the constraint of `remi`.

Its ids are read as seats (`generation.seats`), which knows all wishes together;
a note takes several. Axes: `f` the one field, `v` its ids.
"""

import dataclasses
import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

from aurl_jax.generation.seats import Costs, Seat, Seats, Standing
from aurl_jax.generation.wished import CONTROLS, events_of, values_of, where
from aurl_jax.music.grid import Grid
from aurl_jax.tokens.codec import Codec
from aurl_jax.tokens.grammar import Scalar, lookup

REMI = Costs(note=6, bar=2, other=2, close=4)
"""A note with position and voice; a bar with its meter; at the end another bar
and its meter, EOS, and a step that the grammar wants spare."""


class StreamState(NamedTuple):
  """Where a row of `remi` stands.

  Attributes:
    standing: As of `seats`.
    last: Index of the range of the last id, -1 for none.
    fresh: Whether the open bar has no position yet.
    tempo: Bin of the tempo in force, -1 for none.
    program: Of the open note.
    voice: Of the same.
    pitch: Of the same.
  """

  standing: Standing
  last: Scalar
  fresh: Bool[Array, '']
  tempo: Scalar
  program: Scalar
  voice: Scalar
  pitch: Scalar


@functools.partial(
  jax.tree_util.register_dataclass,
  data_fields=['seats', 'tempos'],
  meta_fields=['codec', 'grid'],
)
@dataclasses.dataclass(frozen=True, kw_only=True)
class WishedStream:
  """The constraint for `remi`.

  Attributes:
    seats: What may begin where.
    tempos: int32 `[r]`, bin that a bar begins with, see `steady`; -1 for any.
    codec: The vocabulary.
    grid: What its values mean.
  """

  seats: Seats
  tempos: Any
  codec: Codec
  grid: Grid

  def init(self) -> StreamState:
    """Returns the state before any step."""
    none = jnp.int32(-1)
    return StreamState(
      self.seats.init(), none, jnp.bool_(False), none, none, none, none
    )

  def mask(
    self, state: StreamState, field: int, partial: Int[Array, ' f']
  ) -> Bool[Array, ' v']:
    """Returns the ids that may stand, given what is wished of notes."""
    del field, partial  # one field, and so nothing before it
    here = state.standing
    again, closes = self.seats.again(here), self.seats.closes(here)
    places = self.seats.cells(here) & (np.arange(self.grid.bar_cells) > here.at)
    # A first cell may be there for its tempo alone.
    asked = jnp.asarray(self.tempos)[here.row]
    untimed = (state.tempo < 0) | ((asked >= 0) & (asked != state.tempo))
    first = np.arange(self.grid.bar_cells) == 0
    places |= state.fresh & untimed & first
    due = self._last(state, 'position') & ~again
    flags = {
      'bar': closes | (here.places.bars == 0),
      'eos': closes,
      **dict.fromkeys(('tempo', 'chord'), due | self.seats.spare(here, 1)),
      **dict.fromkeys(CONTROLS, self.seats.tells(here)),
    }
    return events_of(self.codec, 0, flags) & values_of(
      self.codec, 0, {'position': places, **self._note(state, again)}
    )

  def _note(
    self, state: StreamState, again: Bool[Array, '']
  ) -> dict[str, Bool[Array, ' _']]:
    """Returns what the parts of a note may be."""
    here = state.standing
    cell = jnp.maximum(here.at, 0)
    first = Seat(cell, jnp.maximum(state.program, 0), 0)
    voice = jnp.where(self._last(state, 'voice'), state.voice, 0)
    track = first._replace(voice=jnp.maximum(voice, 0))
    pitches = self.seats.pitches(here, track)
    whole = track._replace(voice=jnp.maximum(state.voice, 0), pitch=state.pitch)
    durations = self.seats.lengths(here, whole, self.grid.durations)
    return {
      'program': self.seats.programs(here, Seat(cell)) & again,
      # Voice 0 is not told.
      'voice': self.seats.tracks_of(here, first)[1:],
      'pitch': pitches,
      'drum': pitches,
      'duration': durations,
    }

  def _last(self, state: StreamState, event: str) -> Bool[Array, '']:
    names = [part.event for part in self.codec.fields[0].ranges]
    return state.last == (names.index(event) if event in names else -2)

  def advance(self, state: StreamState, step: Int[Array, ' f']) -> StreamState:
    """Returns the state after a step."""
    field, id_ = self.codec.fields[0], step[0]
    value = lookup(field.values, id_)

    def now(event: str, new: Any, old: Any) -> Any:
      return jnp.where(jnp.asarray(field.holds(event, id_)), new, old)

    here = state.standing
    seat = Seat(
      jnp.maximum(here.at, 0),
      jnp.maximum(state.program, 0),
      jnp.maximum(state.voice, 0),
      state.pitch,
    )
    held = lookup(self.grid.durations, jnp.minimum(value, self._longest))
    holds = field.holds
    ended = self.seats.begun(here, seat, held)
    new = where(jnp.asarray(holds('duration', id_)), ended, here)
    moved = self.seats.moved(here, value)
    new = where(jnp.asarray(holds('position', id_)), moved, new)
    opened = self.seats.opened(here)
    new = where(jnp.asarray(holds('bar', id_)), opened, new)
    if 'fill' in field.starts:
      cleared = self.seats.cleared(here)
      new = where(jnp.asarray(holds('fill', id_)), cleared, new)
    voice = now('voice', value, now('program', 0, state.voice))
    fresh = now('bar', True, now('position', False, state.fresh))
    return StreamState(
      standing=self.seats.told(new, step),
      last=lookup(field.kinds, id_),
      fresh=fresh,
      tempo=now('tempo', value, state.tempo),
      program=now('program', value, state.program),
      voice=voice,
      pitch=now('pitch', value, now('drum', value, state.pitch)),
    )

  @property
  def _longest(self) -> int:
    return len(self.grid.durations) - 1
