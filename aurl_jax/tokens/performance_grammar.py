"""The legal sequences of `performance`, as pure functions (see `Grammar`).

  BOS ( Shift* Release* ( [Velocity] Pitch )* )* EOS

And: a time has an event; of its shifts all but the last are the longest;
releases are of pitches that sound, in the order in which these began; then
pitches that do not sound, ascending; Velocity only where it changes, and
before the first pitch; EOS after a release (or BOS), when nothing sounds.
Axis: `p` the 128 pitches.
"""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

from aurl_jax.tokens import grammar as lib
from aurl_jax.tokens.grammar import Flag, Scalar

_KINDS = ('eos', 'bos', 'on', 'off', 'shift', 'velocity', 'full', 'start')
_EOS, _BOS, _ON, _OFF, _SHIFT, _VELOCITY, _FULL, _START = range(len(_KINDS))
_PITCHES = 128
_NEVER = np.iinfo(np.int32).max


class PerformanceState(NamedTuple):
  """int32 scalars and one array.

  Attributes:
    left: Steps that the budget still has.
    last: Kind of the last step; `full` is the longest shift.
    velocity: Bin in force, 0 for none.
    pitch: Last pitch that began at this time, -1 for none.
    released: Number of the last note that ended at this time, -1 for none.
    begun: How many notes have begun.
    note: [p] number of the note that sounds at each pitch, -1 for none.
  """

  left: Scalar
  last: Scalar
  velocity: Scalar
  pitch: Scalar
  released: Scalar
  begun: Scalar
  note: Int[Array, ' p']


@dataclasses.dataclass(frozen=True)
class PerformanceGrammar:
  """The four functions of `Grammar`.

  Attributes:
    shift_steps: The longest shift.
    velocity_bins: Bins of velocity.
  """

  shift_steps: int
  velocity_bins: int

  @property
  def _table(self) -> tuple[np.ndarray, np.ndarray]:
    """Kind and value of each id; PAD ends a sequence as EOS does."""
    parts = (
      (_EOS, 1, 0),
      (_BOS, 1, 0),
      (_EOS, 1, 0),
      (_ON, _PITCHES, 0),
      (_OFF, _PITCHES, 0),
      (_SHIFT, self.shift_steps, 1),
      (_VELOCITY, self.velocity_bins, 1),
    )
    kind = np.repeat([p[0] for p in parts], [p[1] for p in parts])
    value = np.concatenate([np.arange(size) + low for _, size, low in parts])
    kind[(kind == _SHIFT) & (value == self.shift_steps)] = _FULL
    return kind.astype(np.int32), value.astype(np.int32)

  def init(self, budget: Scalar | int) -> PerformanceState:
    """Returns the state before BOS; see `Grammar.init`."""
    return PerformanceState(
      left=lib.scalar(budget),
      last=lib.scalar(_START),
      velocity=lib.scalar(0),
      pitch=lib.scalar(-1),
      released=lib.scalar(-1),
      begun=lib.scalar(0),
      note=jnp.full(_PITCHES, -1, jnp.int32),
    )

  def distance(self, state: PerformanceState) -> Scalar:
    """Returns the steps of the shortest legal end; 0 after EOS."""
    sounding = (state.note >= 0).sum()
    late = (sounding > 0) & (_oldest(state) < state.released)
    moved = self._after_shift(state)
    steps: dict[int, Scalar | int] = {
      _EOS: 0,
      _BOS: 1,
      _START: 2,
      _ON: sounding + 2,
      _OFF: sounding + 1 + late,
      _SHIFT: moved,
      _FULL: moved,
      _VELOCITY: sounding + 4,
    }
    table = jnp.stack([lib.scalar(steps[k]) for k in range(len(_KINDS))])
    return table[state.last]

  def _after_shift(self, state: PerformanceState) -> Scalar:
    """Returns the distance after a shift, which is told for an event."""
    sounding = (state.note >= 0).sum()
    anew = 4 + (state.velocity == 0)
    return lib.scalar(jnp.where(sounding > 0, sounding + 1, anew))

  def mask(
    self, state: PerformanceState, field: int, partial: Int[Array, ' f']
  ) -> Bool[Array, ' v']:
    """Returns the ids that may follow, bool `[v]`; see `Grammar.mask`."""
    del field, partial  # one field, and so nothing before it
    # Beyond the budget only the shortest way out stays open.
    limit = jnp.maximum(state.left, self.distance(state)) - 1
    last, sounds = state.last, state.note >= 0
    sounding = sounds.sum()
    inside = (last != _START) & (last != _EOS)
    free = ~sounds & (np.arange(_PITCHES) > state.pitch) & inside
    told = free & (state.velocity > 0) & (sounding + 3 <= limit)
    moved = (last == _SHIFT) | (last == _FULL)
    ends = sounds & (moved | (last == _OFF)) & (state.note > state.released)
    late = (sounding > 1) & (state.note > _oldest(state))
    ends &= sounding + late <= limit
    shift = inside & (last != _SHIFT) & (last != _VELOCITY)
    shift &= self._after_shift(state) <= limit
    bins = np.arange(1, self.velocity_bins + 1) != state.velocity
    loud = free.any() & (last != _VELOCITY) & (sounding + 4 <= limit)
    final = (sounding == 0) & ((last == _OFF) | (last == _BOS))
    flags = jnp.stack([last == _EOS, last == _START, final])
    shifts = jnp.broadcast_to(shift, self.shift_steps)
    return jnp.concatenate([flags, told, ends, shifts, bins & loud])

  def advance(
    self, state: PerformanceState, step: Int[Array, ' f']
  ) -> PerformanceState:
    """Returns the state after a step, int32 `[1]`."""
    kinds, values = self._table
    kind, value = lib.lookup(kinds, step[0]), lib.lookup(values, step[0])
    on, off = kind == _ON, kind == _OFF
    moved = (kind == _SHIFT) | (kind == _FULL)
    here = np.arange(_PITCHES) == value
    note = jnp.where(here & on, state.begun, state.note)
    ended = state.note[jnp.where(off, value, 0)]
    return PerformanceState(
      left=state.left - 1,
      last=kind,
      velocity=_choose(kind == _VELOCITY, value, state.velocity),
      pitch=_choose(on, value, _choose(moved, -1, state.pitch)),
      released=_choose(off, ended, _choose(moved, -1, state.released)),
      begun=state.begun + on,
      note=jnp.where(here & off, -1, note),
    )


def _oldest(state: PerformanceState) -> Scalar:
  """Returns the number of the first note that still sounds."""
  return jnp.where(state.note >= 0, state.note, _NEVER).min()


def _choose(when: Flag, new: Scalar | int, old: Scalar) -> jax.Array:
  return lib.scalar(jnp.where(when, new, old))
