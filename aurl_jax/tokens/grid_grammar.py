"""The legal sequences of `grid`, as pure functions (see `Grammar`).

  BOS ( voice voice voice voice )* EOS      voice = Rest | Hold | Pitch

where the BOS step also tells meter, tempo and pickup, the pickup is shorter
than the meter's bar, and a voice holds only what sounds.
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
from aurl_jax.tokens.grammar import Scalar, Span

_START, _OPEN, _FINAL = range(3)

FIRST = ('bos', 'meter', 'tempo', 'pickup')
"""What the fields of the BOS step tell."""


class VoiceGridState(NamedTuple):
  """int32 scalars.

  Attributes:
    left: Steps that the budget still has.
    stage: 0 before BOS, 1 before EOS, 2 after it.
    sounding: Bit `v` is set while voice `v` sounds.
  """

  left: Scalar
  stage: Scalar
  sounding: Scalar


@dataclasses.dataclass(frozen=True)
class VoiceGridGrammar:
  """The four functions of `Grammar`.

  Attributes:
    codec: The vocabulary, a field for each voice.
    grid: What its values mean.
  """

  codec: Codec
  grid: Grid

  def init(self, budget: Scalar | int) -> VoiceGridState:
    """Returns the state before BOS; see `Grammar.init`."""
    return VoiceGridState(*map(lib.scalar, (budget, _START, 0)))

  def distance(self, state: VoiceGridState) -> Scalar:
    """Returns the steps of the shortest legal end; 0 after EOS."""
    return 2 - state.stage

  @functools.cached_property
  def _cells(self) -> np.ndarray:
    """int32: cells of a full bar, by meter."""
    return events.meter_cells(self.grid).astype(np.int32)

  def mask(
    self, state: VoiceGridState, field: int, partial: Int[Array, ' f']
  ) -> Bool[Array, ' v']:
    """Returns the ids that may stand, bool `[v]`; see `Grammar.mask`."""
    part = self.codec.fields[field]
    if field == 0:
      start, open_ = state.stage == _START, state.stage == _OPEN
      # Another cell has to leave room for EOS.
      cell = open_ & (state.left > 1)
      ends = {'bos': Span(start), 'eos': Span(open_)}
      spans = ends | self._cell(state, field, cell)
      return lib.mask(part, spans, state.stage == _FINAL)
    start = self.codec.holds('bos', partial[0])
    end = self.codec.holds('eos', partial[0]) | (partial[0] == 0)
    first = {FIRST[field]: self._first(field, partial)._replace(when=start)}
    return lib.mask(part, first | self._cell(state, field, ~start & ~end), end)

  def _first(self, field: int, partial: Int[Array, ' f']) -> Span:
    """Returns the values of a field of the BOS step."""
    if FIRST[field] != 'pickup':
      return Span()
    meter = lib.lookup(self.codec.fields[1].values, partial[1])
    return Span(high=lib.lookup(self._cells, meter) - 1)

  def _cell(
    self, state: VoiceGridState, voice: int, when: lib.Flag
  ) -> dict[str, Span]:
    sounds = (state.sounding >> voice) & 1 > 0
    return {
      'rest': Span(when),
      'hold': Span(when & sounds),
      'pitch': Span(when),
    }

  def advance(
    self, state: VoiceGridState, step: Int[Array, ' f']
  ) -> VoiceGridState:
    """Returns the state after a step, int32 `[4]`."""
    bits = [
      self.codec.holds(event, step[voice], voice) << voice
      for voice in range(len(self.codec.fields))
      for event in ('hold', 'pitch')
    ]
    end = (step[0] == 0) | self.codec.holds('eos', step[0])
    stage = jnp.where(end | (state.stage == _FINAL), _FINAL, _OPEN)
    return VoiceGridState(
      state.left - 1, lib.scalar(stage), lib.scalar(sum(bits))
    )
