"""The legal sequences of `compound`, as pure functions (see `Grammar`).

Those of `remi_grammar`, an event a step:

  BOS ( Bar ( [Tempo] [Chord] Pedal* Note* )* )* EOS

where a bar step has a meter in bar 1, after a bar that was cut, and where it
changes, and else says that it is the same; steps ascend by position, in a
position by tempo, chord, pedal, note, notes by (program, voice, pitch, offset),
pedals by (program, voice), each of which changes the pedal; no offset leads
before the start of the piece. The fields of a step are chosen in order, so a
cut comes before the meter that has to be longer, and a voice before the pitch
that has to keep the notes ascending.
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

_KINDS = ('start', 'bos', 'eos', 'bar', 'tempo', 'chord', 'pedal', 'note')
_START, _BOS, _EOS, _BAR, _TEMPO, _CHORD, _PEDAL, _NOTE = range(len(_KINDS))

_NO_LIMIT = np.iinfo(np.int32).max
_HIGHEST = 127

_KIND = 0
"""The field that comes before those of `events`: POSITION and so on."""

_FOLLOWS = lib.relation(
  _KINDS,
  {
    'start': 'bos',
    'bos': 'bar eos',
    'bar': 'bar tempo chord pedal note eos',
    'tempo': 'bar tempo chord pedal note eos',
    'chord': 'bar tempo chord pedal note eos',
    'pedal': 'bar tempo chord pedal note eos',
    'note': 'bar tempo chord pedal note eos',
  },
)


class CompoundState(NamedTuple):
  """int32 scalars, and one array; -1 stands for none.

  Attributes:
    left: Steps that the budget still has.
    last: Kind of the last step.
    bars: Bars that have begun, as far as 2.
    meter: Index of the meter in force.
    tempo: Bin of the tempo in force.
    chord: Index of the chord in force.
    length: Cells of the open bar.
    cut: 1 if the open bar is cut.
    position: Of the last step, in its bar.
    program: Of the last note at that position.
    voice: Of the same note.
    pitch: Of the same note.
    micro: Of the same note, its offset.
    pedal: `program * voices + voice` of the last pedal, if it is the last
      step.
    pedals: [128 * voices] whether each pedal is down, 2 where that is not
      known; [0] without.
  """

  left: Scalar
  last: Scalar
  bars: Scalar
  meter: Scalar
  tempo: Scalar
  chord: Scalar
  length: Scalar
  cut: Scalar
  position: Scalar
  program: Scalar
  voice: Scalar
  pitch: Scalar
  micro: Scalar
  pedal: Scalar
  pedals: Int[Array, ' p']


@dataclasses.dataclass(frozen=True)
class CompoundGrammar:
  """The four functions of `Grammar`.

  Attributes:
    codec: The vocabulary, seven fields or eight.
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

  @functools.cached_property
  def _longest_other(self) -> np.ndarray:
    """int32: cells of the longest bar of another meter, by meter + 1."""
    others = [np.delete(self._cells, m).max() for m in range(len(self._cells))]
    return np.array([self._cells.max(), *others], np.int32)

  def init(self, budget: Scalar | int) -> CompoundState:
    """Returns the state before BOS; see `Grammar.init`."""
    none = {name: lib.scalar(-1) for name in CompoundState._fields}
    given = {'left': budget, 'last': _START, 'length': 0, 'cut': 0, 'bars': 0}
    told = 'pedal' in self.codec.fields[_KIND].starts
    state = none | {k: lib.scalar(v) for k, v in given.items()}
    pedals = events.DRUMS * self.grid.voices
    state['pedals'] = jnp.zeros(pedals if told else 0, jnp.int32)
    return CompoundState(**state)

  def distance(self, state: CompoundState) -> Scalar:
    """Returns the steps of the shortest legal end; 0 after EOS."""
    steps = 1 + state.cut + self._untimed(state) + (state.last == _START)
    return lib.scalar(jnp.where(state.last == _EOS, 0, steps))

  def _untimed(self, state: CompoundState) -> Flag:
    """Returns whether the first tempo is due."""
    return (state.tempo < 0) & (state.last > _EOS)

  def _due(self, state: CompoundState) -> Flag:
    """Returns whether the next bar needs a meter."""
    return (state.meter < 0) | (state.cut > 0)

  def _limit(self, state: CompoundState) -> Scalar:
    """Returns the most steps that this one may leave to do.

    Beyond the budget only the shortest way out stays open.
    """
    return jnp.maximum(state.left, self.distance(state)) - 1

  def mask(
    self, state: CompoundState, field: int, partial: Int[Array, ' f']
  ) -> Bool[Array, ' v']:
    """Returns the ids that may stand, bool `[v]`; see `Grammar.mask`."""
    if field == _KIND:
      return self._kinds(state)
    step = self._step(partial)
    if field == events.POSITION:
      spans, free = self._positions(state, step)
    elif field == events.VALUE:
      spans, free = self._values(state, step)
    else:
      spans = self._note(state, step)
      both = field in (events.PITCH, events.VOICE, events.MICRO)
      free = step.kind < (_PEDAL if both else _NOTE)
    allowed = lib.mask(self.codec.fields[field], spans, free)
    if field == events.VOICE and len(state.pedals):
      pedal = step.kind == _PEDAL
      turns = self._pedals(state, step) >= 0
      allowed |= pedal & jnp.concatenate([jnp.zeros(1, bool), turns])
    if field == events.VALUE:
      allowed &= self._cells_of_id > step.cut
    return allowed

  def _step(self, ids: Int[Array, ' f']) -> '_Step':
    """Reads the fields of a step; those not chosen yet are arbitrary."""
    fields = self.codec.fields
    values = [lib.lookup(f.values, ids[i]) for i, f in enumerate(fields)]
    cut = self.codec.holds('cut', ids[events.POSITION], events.POSITION)
    meter = self.codec.holds('meter', ids[events.VALUE], events.VALUE)
    return _Step(
      kind=lib.lookup(self._kind_of_id, ids[_KIND]),
      position=values[events.POSITION],
      cut=lib.scalar(jnp.where(cut, values[events.POSITION], 0)),
      value=values[events.VALUE],
      has_meter=meter,
      pitch=values[events.PITCH],
      voice=values[events.VOICE],
      micro=values[-1],
    )

  @functools.cached_property
  def _cells_of_id(self) -> np.ndarray:
    """int32 `[v]` of the values: cells of a meter's bar, else the most."""
    field = self.codec.fields[events.VALUE]
    low, high = self.codec.span('meter', events.VALUE)
    cells = np.full(field.size, self.grid.bar_cells, np.int32)
    cells[low:high] = self._cells
    return cells

  def _kinds(self, state: CompoundState) -> Bool[Array, ' v']:
    limit = self._limit(state)
    follows = lib.lookup(_FOLLOWS, state.last)
    untimed = self._untimed(state)
    tail = 1 + state.cut
    room = self._room(state)
    may: dict[str, Flag | bool] = {
      'bos': True,
      'eos': ~untimed & (state.cut == 0),
      'bar': ~untimed & (1 + (state.tempo < 0) <= limit),
      'tempo': (tail <= limit) & (state.position + 1 < state.length),
      'chord': ~untimed & (tail <= limit) & (room['chord'] < state.length),
      'pedal': ~untimed & (tail <= limit) & (room['pedal'] < state.length),
      'note': ~untimed & (tail <= limit) & (room['note'] < state.length),
    }
    spans = {
      name: Span(follows[_KINDS.index(name)] & when)
      for name, when in may.items()
    }
    return lib.mask(self.codec.fields[0], spans, state.last == _EOS)

  def _room(self, state: CompoundState) -> dict[str, Scalar]:
    """Returns the first position that each kind may still have."""
    full = (state.program == events.DRUMS) & self._spent(state)
    placed = state.position >= 0
    headed = (state.last == _TEMPO) | (state.last == _CHORD)
    higher = (state.last == _PEDAL) & (state.pedal < len(state.pedals) - 1)
    return {
      'tempo': state.position + 1,
      'chord': state.position + (state.last != _TEMPO),
      'pedal': state.position + ~(headed | higher),
      'note': state.position + ~(placed & ~full),
    }

  def _spent(self, state: CompoundState) -> Flag:
    """Returns whether the last note's program has no higher note left."""
    last = (state.voice == self.grid.voices - 1) & (state.pitch == _HIGHEST)
    return last & self._over(state)

  def _over(self, state: CompoundState) -> Flag | bool:
    """Returns whether no later offset is left for the last note's pitch."""
    if len(self.codec.fields) <= events.MICRO:
      return True
    return state.micro >= self.codec.fields[events.MICRO].ranges[0].high

  def _positions(
    self, state: CompoundState, step: '_Step'
  ) -> tuple[dict[str, Span], Flag]:
    room = self._room(state)
    low = jnp.where(step.kind == _NOTE, room['note'], room['tempo'])
    low = jnp.where(step.kind == _CHORD, room['chord'], low)
    low = jnp.where(step.kind == _PEDAL, room['pedal'], low)
    last = jnp.where(self._untimed(state), 0, state.length - 1)
    # A cut costs one more bar, which must have a meter.
    affordable = 2 + (state.tempo < 0) <= self._limit(state)
    other = lib.lookup(self._longest_other, state.meter + 1)
    longest = jnp.where(self._due(state), other, int(self._cells.max()))
    bar = step.kind == _BAR
    return {
      'position': Span(step.kind >= _TEMPO, low, last),
      'cut': Span(bar & affordable, 1, longest - 1),
      'whole': Span(bar),
    }, step.kind < _BAR

  def _values(
    self, state: CompoundState, step: '_Step'
  ) -> tuple[dict[str, Span], Flag]:
    bar = step.kind == _BAR
    kept = lib.lookup(self._cells, jnp.maximum(state.meter, 0)) > step.cut
    shared = (state.program >= 0) & (step.position == state.position)
    program = jnp.where(shared, state.program + self._spent(state), 0)
    pedal = step.kind == _PEDAL
    here = pedal & (step.position == state.position)
    # The program of the next pedal, whose voice may be one of several.
    after = jnp.where(here, (state.pedal + 1) // self.grid.voices, 0)
    program = jnp.where(pedal, after, program)
    last = jnp.where(pedal, events.DRUMS - 1, events.DRUMS)
    return {
      'meter': Span(bar, but=state.meter),
      'same': Span(bar & kept & ~self._due(state)),
      'tempo': Span(step.kind == _TEMPO, but=state.tempo),
      'chord': Span(step.kind == _CHORD, but=state.chord),
      'program': Span(step.kind >= _PEDAL, program, last),
    }, step.kind < _BAR

  def _note(self, state: CompoundState, step: '_Step') -> dict[str, Span]:
    """Returns the spans of all fields that only notes have."""
    note = step.kind == _NOTE
    drums = step.value == events.DRUMS
    shared = (step.position == state.position) & (step.value == state.program)
    over = self._over(state)
    # Of the last note's own voice only higher notes are left, if any.
    spent = (state.pitch == _HIGHEST) & over
    voice = jnp.where(shared, state.voice + spent, 0)
    same = shared & (step.voice == state.voice)
    pitch = jnp.where(same, state.pitch + over, 0)
    pedal = step.kind == _PEDAL
    first = (state.bars == 1) & (step.position == 0)
    early = jnp.where(first, 0, -_NO_LIMIT)
    again = note & same & (step.pitch == state.pitch)
    early = jnp.where(again, state.micro + 1, early)
    return {
      'pedal': self._turns(state, step),
      'micro': Span(note | pedal, early, but=_NO_LIMIT),
      'pitch': Span(note & ~drums, pitch),
      'drum': Span(note & drums, pitch),
      'duration': Span(note),
      'velocity': Span(note),
      'voice': Span(note, voice),
    }

  def _turns(self, state: CompoundState, step: '_Step') -> Span:
    """Returns whether a pedal may go up (0) and down (1)."""
    if not len(state.pedals):
      return Span(False)
    pedal = self._pedals(state, step)[step.voice]
    # 2 is a pedal of which nothing is known: it may turn either way.
    up, down = pedal >= 1, (pedal == 0) | (pedal == 2)
    return Span(step.kind == _PEDAL, jnp.where(up, 0, 1), jnp.where(down, 1, 0))

  def _pedals(
    self, state: CompoundState, step: '_Step'
  ) -> Int[Array, ' voices']:
    """Returns which pedals of a program are down; -1 of voices left behind."""
    voices = self.grid.voices
    program = jnp.clip(step.value, 0, events.DRUMS - 1)
    slots = program * voices + np.arange(voices)
    here = step.position == state.position
    return jnp.where(here & (slots <= state.pedal), -1, state.pedals[slots])

  def advance(
    self, state: CompoundState, step: Int[Array, ' f']
  ) -> CompoundState:
    """Returns the state after a step, int32 `[7 or 8]`."""
    new = self._step(step)
    bar, note = new.kind == _BAR, new.kind == _NOTE
    pedal = new.kind == _PEDAL
    slot = new.value * self.grid.voices + new.voice
    turned = pedal & (np.arange(len(state.pedals)) == slot)
    meter = jnp.where(bar & new.has_meter, new.value, state.meter)
    full = lib.lookup(self._cells, jnp.maximum(meter, 0))
    length = jnp.where(new.cut > 0, new.cut, full)
    placed = jnp.where(new.kind > _BAR, new.position, state.position)
    values = {
      'left': state.left - 1,
      'last': new.kind,
      'bars': jnp.minimum(state.bars + bar, 2),
      'meter': meter,
      'tempo': jnp.where(new.kind == _TEMPO, new.value, state.tempo),
      'chord': jnp.where(new.kind == _CHORD, new.value, state.chord),
      'length': jnp.where(bar, length, state.length),
      'cut': jnp.where(bar, new.cut > 0, state.cut),
      'position': jnp.where(bar, -1, placed),
      'program': jnp.where(note, new.value, -1),
      'voice': jnp.where(note, new.voice, -1),
      'pitch': jnp.where(note, new.pitch, -1),
      'micro': jnp.where(note, new.micro, -1),
      'pedal': jnp.where(pedal, slot, -1),
    }
    scalars = {k: lib.scalar(v) for k, v in values.items()}
    pedals = jnp.where(turned, new.pitch, state.pedals)
    return CompoundState(**scalars, pedals=pedals)


class _Step(NamedTuple):
  """The fields of a step as values: int32 scalars, and one flag."""

  kind: Scalar
  position: Scalar
  cut: Scalar
  value: Scalar
  has_meter: Flag
  pitch: Scalar
  voice: Scalar
  micro: Scalar
