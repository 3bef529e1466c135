"""`Copies`: which pitches would make a run too long that training music has.

The side of the device of `evaluation.originality`: of each line the last notes
are remembered, and how many runs of the filter's length have been found in a
row up to the last one. As many notes less one as the filter's runs have are
behind that, so `most` runs in a row are `most - 1` notes more than one run. A
note costs three reads of the filter for each of 128 pitches.

Everything is written for one row of a batch. Axes: `l` lines that are
remembered; `n` steps from note to note that are.
"""

import dataclasses
import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int, UInt32

from aurl_jax.evaluation import ngrams
from aurl_jax.evaluation.fuse import Fuse
from aurl_jax.tokens.grammar import Scalar

LINES = 32
"""Lines that are remembered: of more, the one that was silent for longest
begins anew."""


class LinesState(NamedTuple):
  """What the lines of a row have so far.

  Attributes:
    track: int32 `[l]`, which line it is; -1 for none.
    used: int32 `[l]`, number of its last note among all; -1 for none.
    cell: int32 `[l]`, of its last note.
    pitch: int32 `[l]`, of its last note.
    steps: uint32 `[l, n]`, as of `ngrams.steps`, the last one last.
    notes: int32 `[l]`.
    found: int32 `[l]`, runs in a row that are in the filter.
    written: Notes of all lines.
  """

  track: Int[Array, ' l']
  used: Int[Array, ' l']
  cell: Int[Array, ' l']
  pitch: Int[Array, ' l']
  steps: UInt32[Array, 'l n']
  notes: Int[Array, ' l']
  found: Int[Array, ' l']
  written: Scalar


@functools.partial(
  jax.tree_util.register_dataclass,
  data_fields=['most'],
  meta_fields=['filter', 'notes'],
)
@dataclasses.dataclass(frozen=True, kw_only=True)
class Copies:
  """The lines of a row, held against a filter.

  A pytree of `most` alone: the filter is a constant of the program, since rows
  with numbers of their own would each carry it with them.

  Attributes:
    most: Runs in a row that are too many, at least 1.
    filter: All runs of training music.
    notes: Of each run, at least 2.
  """

  most: Any
  filter: Fuse
  notes: int

  def init(self) -> LinesState:
    """Returns no lines."""
    none = jnp.full(LINES, -1, jnp.int32)
    zero = jnp.zeros(LINES, jnp.int32)
    steps = jnp.zeros((LINES, self.notes - 1), jnp.uint32)
    return LinesState(none, none, zero, zero, steps, zero, zero, jnp.int32(0))

  def copied(
    self, state: LinesState, track: Scalar | int, cell: Scalar
  ) -> Bool[Array, '128']:
    """Returns the pitches of a note that would make a run too long.

    Args:
      state: Before the note.
      track: Number of its line.
      cell: Where it begins, in cells since the piece began.
    """
    line, known = self._line(state, track)
    found = self._found(state, line, cell, jnp.arange(128, dtype=jnp.int32))
    return found & known & (state.found[line] + 1 >= self.most)

  def begun(
    self, state: LinesState, track: Scalar | int, cell: Scalar, pitch: Scalar
  ) -> LinesState:
    """Returns the lines after a note has begun."""
    line, known = self._line(state, track)
    found = known & self._found(state, line, cell, pitch[None])[0]
    step = _step(state, line, cell, pitch[None])
    steps = jnp.concatenate([state.steps[line, 1:], step])
    runs = jnp.where(found, state.found[line] + 1, 0)
    notes = jnp.where(known, state.notes[line] + 1, 1)
    return LinesState(
      track=state.track.at[line].set(jnp.asarray(track, jnp.int32)),
      used=state.used.at[line].set(state.written),
      cell=state.cell.at[line].set(cell),
      pitch=state.pitch.at[line].set(pitch),
      steps=state.steps.at[line].set(steps),
      notes=state.notes.at[line].set(notes),
      found=state.found.at[line].set(runs),
      written=state.written + 1,
    )

  def _line(
    self, state: LinesState, track: Scalar | int
  ) -> tuple[Scalar, Bool[Array, '']]:
    """Returns where a line is remembered, or is to be, and whether it is."""
    same = state.track == track
    known = jnp.any(same)
    oldest = jnp.argmin(state.used)
    return jnp.where(known, jnp.argmax(same), oldest), known

  def _found(
    self,
    state: LinesState,
    line: Scalar,
    cell: Scalar,
    pitch: Int[Array, ' c'],
  ) -> Bool[Array, ' c']:
    """Returns with which pitches a note ends a run of the filter."""
    # The oldest step is of a note that the run does not reach.
    before = [state.steps[line, k] for k in range(1, self.notes - 1)]
    row = [*before, _step(state, line, cell, pitch)]
    one, other = ngrams.keys(row)
    prints = jnp.asarray(self.filter.prints)
    held: Bool[Array, ' c'] = self.filter.holds(one, other, prints)
    return held & (state.notes[line] >= self.notes - 1)


def _step(
  state: LinesState, line: Scalar, cell: Scalar, pitch: Int[Array, ' c']
) -> UInt32[Array, ' c']:
  """Returns what tells notes from the last one of a line."""
  gap = jnp.maximum(cell - state.cell[line], 0)
  told: UInt32[Array, ' c'] = ngrams.steps(pitch - state.pitch[line], gap)
  return told


def where(
  chosen: Bool[Array, ''], ours: LinesState, other: LinesState
) -> LinesState:
  """Returns one state or the other."""
  return jax.tree.map(lambda a, b: jnp.where(chosen, a, b), ours, other)
