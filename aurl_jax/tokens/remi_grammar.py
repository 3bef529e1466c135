"""The legal sequences of `remi`, as pure functions (see `Grammar`).

  BOS ( Bar [Meter] [Cut] ( Position [Tempo] [Chord]
    ( Program [Voice] (Pitch | Drum) Velocity Duration )* )* )* EOS

And: Meter, Tempo and Chord only where they change; Meter in bar 1, and
after a bar that was cut; Tempo at position 0 of bar 1; Cut below the full
bar; positions ascend within the bar; each has an event; notes of a position
ascend by (program, voice, pitch); drum pitches with program 128 only. EOS
after BOS or a whole event, not where a Meter or the first Tempo is due.
"""

import dataclasses
import functools
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

from aurl_jax.music.grid import Grid
from aurl_jax.tokens import events
from aurl_jax.tokens import grammar as lib
from aurl_jax.tokens.codec import Codec
from aurl_jax.tokens.grammar import Flag, Scalar, Span

_KINDS = (
  'start',
  'bos',
  'eos',
  'bar',
  'meter',
  'cut',
  'position',
  'tempo',
  'chord',
  'program',
  'voice',
  'pitch',
  'drum',
  'velocity',
  'duration',
)
(
  _START,
  _BOS,
  _EOS,
  _BAR,
  _METER,
  _CUT,
  _POSITION,
  _TEMPO,
  _CHORD,
  _PROGRAM,
  _VOICE,
  _PITCH,
  _DRUM,
  _VELOCITY,
  _DURATION,
) = range(len(_KINDS))

_FOLLOWS = lib.relation(
  _KINDS,
  {
    'start': 'bos',
    'bos': 'bar eos',
    'bar': 'meter cut position bar eos',
    'meter': 'cut position bar eos',
    'cut': 'position bar',
    'position': 'tempo chord program',
    'tempo': 'chord program position bar eos',
    'chord': 'program position bar eos',
    'program': 'voice pitch drum',
    'voice': 'pitch drum',
    'pitch': 'velocity',
    'drum': 'velocity',
    'velocity': 'duration',
    'duration': 'program position bar eos',
  },
)
_FINISH = np.array([1, 0, 0, 0, 0, 0, 1, 0, 0, 3, 3, 2, 2, 1, 0], np.int32)
"""Steps that complete the event that a kind has begun. A position needs a
tempo at least, a program three: there may be more of these (a voice)."""
_HEAD = np.isin(np.arange(len(_KINDS)), [_BAR, _METER, _CUT])
"""Kinds after which a bar has no position yet."""


class RemiState(NamedTuple):
  """int32 scalars; -1 stands for none.

  Attributes:
    left: Steps that the budget still has.
    last: Kind of the last step.
    meter: Index of the meter in force.
    tempo: Bin of the tempo in force.
    chord: Index of the chord in force.
    length: Cells of the open bar.
    cut: 1 if the open bar is cut.
    due: 1 if the open bar needs a Meter next.
    position: Of the open position in its bar.
    program: Of the open note, or of the last one.
    voice: Of the same note.
    note_program: Of the last pitch in the open position.
    note_voice: Of the same pitch.
    note_pitch: The pitch itself.
  """

  left: Scalar
  last: Scalar
  meter: Scalar
  tempo: Scalar
  chord: Scalar
  length: Scalar
  cut: Scalar
  due: Scalar
  position: Scalar
  program: Scalar
  voice: Scalar
  note_program: Scalar
  note_voice: Scalar
  note_pitch: Scalar


@dataclasses.dataclass(frozen=True)
class RemiGrammar:
  """The four functions of `Grammar`.

  Attributes:
    codec: The vocabulary, one field.
    grid: What its values mean.
  """

  codec: Codec
  grid: Grid

  @functools.cached_property
  def _kind_of_id(self) -> np.ndarray:
    return lib.kind_of_id(self.codec.fields[0], _KINDS)

  @functools.cached_property
  def _cells(self) -> np.ndarray:
    """int32: cells of a full bar, by meter."""
    return events.meter_cells(self.grid).astype(np.int32)

  def init(self, budget: Scalar | int) -> RemiState:
    """Returns the state before BOS; see `Grammar.init`."""
    none = {name: lib.scalar(-1) for name in RemiState._fields}
    given = {'left': budget, 'last': _START, 'length': 0, 'cut': 0, 'due': 0}
    return RemiState(**none | {k: lib.scalar(v) for k, v in given.items()})

  def distance(self, state: RemiState) -> Scalar:
    """Returns the steps of the shortest legal end; 0 after EOS."""
    first = (state.tempo < 0) & lib.lookup(_HEAD, state.last)
    voice = (state.last == _PROGRAM) & self._passed(state, 0)
    rest = lib.lookup(_FINISH, state.last) + voice + 2 * first
    steps = rest + state.due + 2 * state.cut + 1
    return lib.scalar(jnp.where(state.last == _EOS, 0, steps))

  def _passed(self, state: RemiState, voice: int | Scalar) -> Flag:
    """Returns whether the open program has no pitch left in a voice."""
    same = state.program == state.note_program
    full = (state.note_voice == voice) & (state.note_pitch == 127)
    return same & ((state.note_voice > voice) | full)

  def _after(self, state: RemiState) -> Int[Array, ' k']:
    """Returns the distance after a step of each kind."""
    tail = 1 + 2 * state.cut
    first = 1 + 2 * (state.tempo < 0)
    head = first + ((state.meter < 0) | (state.cut > 0))
    steps = [tail + finish for finish in _FINISH.tolist()]
    steps[_BOS], steps[_EOS] = lib.scalar(1), lib.scalar(0)
    steps[_BAR], steps[_METER], steps[_CUT] = head, first, first + 2
    return jnp.stack([lib.scalar(x) for x in steps])

  def mask(
    self,
    state: RemiState,
    field: int,
    partial: Int[Array, ' f'],
  ) -> Bool[Array, ' v']:
    """Returns the ids that may follow, bool `[v]`; see `Grammar.mask`."""
    del field, partial  # one field, and so nothing before it
    # Beyond the budget only the shortest way out stays open.
    limit = jnp.maximum(state.left, self.distance(state)) - 1
    after = self._after(state)
    may = lib.lookup(_FOLLOWS, state.last) & (after <= limit)
    spans = self._spans(state, limit - after[_PROGRAM])
    return lib.mask(
      self.codec.fields[0],
      {
        name: spans.get(name, Span())._replace(
          when=may[kind] & spans.get(name, Span()).when
        )
        for kind, name in enumerate(_KINDS)
      },
      reserved=state.last == _EOS,
    )

  def _spans(self, state: RemiState, spare: Scalar) -> dict[str, Span]:
    """Returns what the state leaves of each kind, the budget apart.

    `spare` counts the steps that the budget leaves after a shortest note.
    """
    settled = state.due == 0
    timed = (state.tempo >= 0) | (state.last == _BOS)
    last = jnp.where(state.tempo < 0, 0, state.length - 1)
    return {
      'eos': Span(settled & timed & (state.cut == 0)),
      'bar': Span(settled & timed),
      'meter': Span(but=state.meter),
      'cut': Span(settled, 1, state.length - 1),
      'position': Span(settled, state.position + 1, last),
      'tempo': Span(but=state.tempo),
      'chord': Span(timed, but=state.chord),
      'program': Span(timed, self._next_program(state, spare)),
      **self._note_spans(state),
    }

  def _next_program(self, state: RemiState, spare: Scalar) -> Scalar:
    """Returns the least program of the next note in the open position."""
    top = state.note_pitch == 127
    voiced = (state.note_voice > 0) | top
    full = (state.note_voice == self.grid.voices - 1) & top
    stays = ~full & (~voiced | (spare > 0))
    return jnp.maximum(0, state.note_program + ~stays)

  def _note_spans(self, state: RemiState) -> dict[str, Span]:
    """Returns the voices and pitches that the open note may have."""
    same = state.program == state.note_program
    top = state.note_pitch == 127
    voice = jnp.where(same, state.note_voice + top, 1)
    level = same & (state.voice == state.note_voice)
    pitch = jnp.where(level, state.note_pitch + 1, 0)
    fits = ~self._passed(state, state.voice)
    drums = state.program == events.DRUMS
    return {
      'voice': Span(low=voice),
      'pitch': Span(fits & ~drums, pitch),
      'drum': Span(fits & drums, pitch),
    }

  def advance(self, state: RemiState, step: Int[Array, ' f']) -> RemiState:
    """Returns the state after a step, int32 `[1]`."""
    kind = lib.lookup(self._kind_of_id, step[0])
    value = lib.lookup(self.codec.fields[0].values, step[0])

    def now(which: int, new: Scalar | int, old: Scalar) -> Scalar:
      return lib.scalar(jnp.where(kind == which, new, old))

    meter = now(_METER, value, state.meter)
    full = lib.lookup(self._cells, jnp.maximum(meter, 0))
    opens = (kind == _BAR) | (kind == _METER)
    length = jnp.where(opens, full, now(_CUT, value, state.length))
    due = (state.meter < 0) | (state.cut > 0)
    moved = (kind == _BAR) | (kind == _POSITION)
    sounds = (kind == _PITCH) | (kind == _DRUM)

    def note(new: Scalar, old: Scalar) -> Scalar:
      return lib.scalar(jnp.where(moved, -1, jnp.where(sounds, new, old)))

    return RemiState(
      left=state.left - 1,
      last=kind,
      meter=meter,
      tempo=now(_TEMPO, value, state.tempo),
      chord=now(_CHORD, value, state.chord),
      length=lib.scalar(length),
      cut=now(_BAR, 0, now(_CUT, 1, state.cut)),
      due=now(_METER, 0, now(_BAR, lib.scalar(due), state.due)),
      position=now(_BAR, -1, now(_POSITION, value, state.position)),
      program=now(_PROGRAM, value, state.program),
      voice=now(_PROGRAM, 0, now(_VOICE, value, state.voice)),
      note_program=note(state.program, state.note_program),
      note_voice=note(state.voice, state.note_voice),
      note_pitch=note(value, state.note_pitch),
    )
