"""The legal sequences of `grid`, as pure functions (see `Grammar`).

  BOS ( voice voice voice voice )* EOS      voice = Rest | Pitch | Hold

where the BOS step also tells meter, tempo and pickup, the pickup is shorter
than the meter's bar, and a voice holds only the pitch that sounds.
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
    sounding: Pitch that each voice sounds, -1 while silent.
  """

  left: Scalar
  stage: Scalar
  sounding: tuple[Scalar, ...]


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
    silent = tuple(lib.scalar(-1) for _ in self.codec.fields)
    return VoiceGridState(lib.scalar(budget), lib.scalar(_START), silent)

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
    held = state.sounding[voice]
    return {
      'rest': Span(when),
      'pitch': Span(when),
      'hold': Span(when & (held >= 0), held, held),
    }

  def advance(
    self, state: VoiceGridState, step: Int[Array, ' f']
  ) -> VoiceGridState:
    """Returns the state after a step, int32 `[4]`."""
    voices = range(len(self.codec.fields))
    sounding = tuple(self._pitch(step[voice], voice) for voice in voices)
    end = (step[0] == 0) | self.codec.holds('eos', step[0])
    stage = jnp.where(end | (state.stage == _FINAL), _FINAL, _OPEN)
    return VoiceGridState(state.left - 1, lib.scalar(stage), sounding)

  def _pitch(self, id_: Scalar, voice: int) -> Scalar:
    """Returns the pitch that a voice sounds after an id, -1 for none."""
    sounds = self.codec.holds('pitch', id_, voice) | self.codec.holds(
      'hold', id_, voice
    )
    value = lib.lookup(self.codec.fields[voice].values, id_)
    return lib.scalar(jnp.where(sounds, value, -1))
