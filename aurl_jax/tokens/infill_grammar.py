"""The legal sequences of `remi` and `compound` with a part taken out.

  CONTEXT with masked bars in a row, Fill, HEADER, as many bars, EOS

The context is a sequence of the base grammar whose masked bars begin with
Mask instead of Bar; Fill stands where a bar, or the end, might. Behind it the
base grammar goes on from before the first masked bar, its tempo apart, which
the context has told. A part of the music may be in either place, so a chord
(and a pedal) may follow a masked bar whatever stood before. A sequence
without Mask is one of the base grammar, and the other way round.
"""

import dataclasses
import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from aurl_jax.tokens import events
from aurl_jax.tokens import grammar as lib
from aurl_jax.tokens.codec import Codec
from aurl_jax.tokens.grammar import Flag, Scalar

_CONTEXT, _HEADER, _FILL, _END = range(4)
_PLENTY = 1 << 30
"""A budget that no piece uses up."""
_OTHER = 1 << 20
"""A tempo, or a chord, that none is equal to."""
_PEDAL_UNKNOWN = 2
_FILLED, _PROGRAM, _VOICE = range(3)
"""What the last id of a header was."""


class InfillState(NamedTuple):
  """States of the base grammar, and int32 scalars.

  Attributes:
    base: After the steps so far; of the fill once that has begun.
    saved: Before the first mask.
    left: Steps that the budget still has.
    stage: 0 context, 1 header, 2 fill, 3 the end.
    closed: 1 once a bar has followed the masked ones.
    masked: How many bars are masked.
    begun: How many bars of the fill have begun.
    first: Steps of the shortest fill of one bar, `fill` not counted.
    header: What the last id of the header was.
  """

  base: Any
  saved: Any
  left: Scalar
  stage: Scalar
  closed: Scalar
  masked: Scalar
  begun: Scalar
  first: Scalar
  header: Scalar


@dataclasses.dataclass(frozen=True)
class InfillGrammar:
  """The four functions of `Grammar`.

  Attributes:
    base: The grammar of the other steps.
    codec: The vocabulary; `mask` and `fill` are its last ids of field 0.
  """

  base: Any
  codec: Codec

  @functools.cached_property
  def _size(self) -> int:
    """How many ids of field 0 the base grammar has."""
    return self.codec.id('mask')

  @property
  def _one_field(self) -> bool:
    return len(self.codec.fields) == 1

  def init(self, budget: Scalar | int) -> InfillState:
    """Returns the state before BOS; see `Grammar.init`."""
    base = self.base.init(budget)
    zero = lib.scalar(0)
    return InfillState(base, base, lib.scalar(budget), *(zero,) * 6)

  def distance(self, state: InfillState) -> Scalar:
    """Returns the steps of a short legal end, EOS included; 0 at it.

    The shortest, but for a bar that is cut short: there up to two more.
    """
    own = self.base.distance(state.base)
    bars = state.first + state.masked - 1
    context = own + jnp.where(state.masked > 0, bars, 0)
    fill = jnp.where(state.begun == 0, bars, own + state.masked - state.begun)
    table = jnp.stack([context, bars, fill, lib.scalar(0)])
    return lib.scalar(table[state.stage])

  def _bar(self) -> np.ndarray:
    step = np.zeros(len(self.codec.fields), np.int32)
    step[0] = self.codec.id('bar')
    return step

  def _after_bar(self, state: Any) -> Scalar:
    """Returns the base's distance after one more bar."""
    after = self.base.advance(state, jnp.asarray(self._bar()))
    return lib.scalar(self.base.distance(after))

  def mask(
    self, state: InfillState, field: int, partial: Int[Array, ' f']
  ) -> Bool[Array, ' v']:
    """Returns the ids that may stand, bool `[v]`; see `Grammar.mask`."""
    if field == 0:
      return self._first(state, partial)
    kind = partial[0]
    mask, fill = kind == self._size, kind > self._size
    plain = self._plain(partial)
    bar = plain[0] == self.codec.id('bar')
    base = _set(state.base, left=self._left(state, bar, mask))
    usual = self.base.mask(base, field, plain)
    named = self._named(field, partial)
    return jnp.where(fill, named, usual)

  def _left(self, state: InfillState, bar: Flag, mask: Flag) -> Scalar:
    """Returns the budget that a step of the base leaves itself."""
    masked = state.masked + mask
    first = jnp.where(state.masked > 0, state.first, self._one(state.base))
    later = jnp.where(masked > 0, first + masked - 1, 0)
    rest = state.masked - state.begun - bar
    return state.left - jnp.where(state.stage == _CONTEXT, later, rest)

  def _one(self, base: Any) -> Scalar:
    """Returns the steps of the shortest fill of the bar that is next."""
    return 1 + self._after_bar(_timed(base))

  def _named(self, field: int, partial: Int[Array, ' f']) -> Any:
    """Returns what the fields of a `fill` step may be: a track, or nothing."""
    part = self.codec.fields[field]
    ids = np.arange(part.size)
    if field == events.VALUE:
      return jnp.asarray(part.holds('program', ids) | (ids == 0))
    none = jnp.asarray(ids == 0)
    if field != events.VOICE:
      return none
    told = partial[events.VALUE] > 0
    return jnp.where(told, jnp.asarray(ids > 0), none)

  def _plain(self, step: Int[Array, ' f']) -> Int[Array, ' f']:
    """Returns a step as the base reads it: masks are bars, fills nothing."""
    kind = jnp.where(step[0] == self._size, self.codec.id('bar'), step[0])
    kind = jnp.where(kind < self._size, kind, 0)
    return jnp.asarray(step).at[0].set(kind)

  def _first(
    self, state: InfillState, partial: Int[Array, ' f']
  ) -> Bool[Array, ' v']:
    """Returns the ids that may stand in field 0."""
    bar, eos = self.codec.id('bar'), self.codec.id('eos')
    usual = self._usual(state, partial)
    free = self.base.mask(_set(state.base, left=_PLENTY), 0, partial)
    next_, whole = free[bar], free[bar] | free[eos]
    in_context = state.stage == _CONTEXT
    taken = state.masked > 0
    rest = state.masked - state.begun
    # In the context EOS gives way to `fill`; a fill has exactly its bars.
    usual = usual.at[eos].set(
      jnp.where(in_context, usual[eos] & ~taken, whole & (rest == 0))
    )
    usual = usual.at[bar].set(
      jnp.where(in_context, usual[bar], next_ & (rest > 0))
    )
    header = self._header(state, len(usual))
    usual = jnp.where(state.stage == _HEADER, header, usual)
    ends = np.arange(self._size) == 0
    usual = jnp.where(state.stage == _END, ends, usual)
    mask = in_context & next_ & (state.closed == 0) & self._room(state)
    fill = in_context & taken
    fills = jnp.stack([fill & next_, fill & free[eos]])
    more = (state.stage == _HEADER) & (not self._one_field)
    fills |= more & (state.header == _PROGRAM) & self._spare(state)
    return jnp.concatenate([usual, mask[None], fills])

  def _usual(
    self, state: InfillState, partial: Int[Array, ' f']
  ) -> Bool[Array, ' v']:
    """Returns what the base allows within what is left to it."""
    left = self._left(state, jnp.bool_(False), jnp.bool_(False))
    result: jax.Array = self.base.mask(
      _set(state.base, left=left), 0, jnp.zeros_like(partial)
    )
    return result

  def _room(self, state: InfillState) -> Flag:
    """Returns whether the budget has room for one more masked bar."""
    first = jnp.where(state.masked > 0, state.first, self._one(state.base))
    after = self._after_bar(state.base) + first + state.masked
    return after <= state.left - 1

  def _spare(self, state: InfillState) -> Flag:
    """Returns whether one more id of a header leaves room for the rest."""
    return self.distance(state) <= state.left - 1

  def _header(self, state: InfillState, size: int) -> Bool[Array, ' v']:
    """Returns the ids of field 0 behind `fill`: tracks, or the first bar."""
    field, ids = self.codec.fields[0], np.arange(size)
    allowed = jnp.asarray(ids == self.codec.id('bar'))
    if self._one_field:
      spare, last = self._spare(state), state.header
      allowed |= field.holds('program', ids) & spare
      allowed |= field.holds('voice', ids) & spare & (last == _PROGRAM)
    return allowed

  def weighed(
    self, state: InfillState, logits: Float[Array, ' v']
  ) -> Float[Array, ' v']:
    """Returns logits of field 0, in a fill those of a bar's end made one.

    How many bars a fill has is known, so that behind each of them only a bar
    may follow, or only EOS. Where a model would rather have the other, the bar
    is over all the same: what may follow has the weight of both. Without this,
    notes are written until no place in the bar is left.
    """
    bar, eos = self.codec.id('bar'), self.codec.id('eos')
    both = jnp.logaddexp(logits[bar], logits[eos])
    ends = np.isin(np.arange(len(logits)), (bar, eos))
    return jnp.where((state.stage == _FILL) & ends, both, logits)

  def advance(self, state: InfillState, step: Int[Array, ' f']) -> InfillState:
    """Returns the state after a step, int32 `[f]`."""
    kind = step[0]
    mask, fill = kind == self._size, kind > self._size
    bar = kind == self.codec.id('bar')
    in_context, in_header = state.stage == _CONTEXT, state.stage == _HEADER
    starts = in_context & mask & (state.masked == 0)
    saved = _choose(starts, _timed(state.base), state.saved)
    first = jnp.where(starts, self._one(state.base), state.first)
    begins = fill & in_context
    stays = fill | (in_header & ~bar)
    base = self.base.advance(state.base, self._plain(step))
    base = _choose(mask, _unknown(base), base)
    base = _choose(stays, _choose(begins, saved, state.base), base)
    inside = ~in_context | fill
    base = _choose(inside, _set(base, place=0), base)
    ends = (kind == 0) | (kind == self.codec.id('eos'))
    stage = jnp.where(in_header & bar, _FILL, state.stage)
    stage = jnp.where(begins, _HEADER, stage)
    stage = jnp.where(ends, _END, stage)
    return InfillState(
      base=base,
      saved=saved,
      left=state.left - 1,
      stage=lib.scalar(stage),
      closed=lib.scalar(
        jnp.where(in_context & bar & (state.masked > 0), 1, state.closed)
      ),
      masked=lib.scalar(state.masked + (mask & in_context)),
      begun=lib.scalar(state.begun + (bar & ~in_context)),
      first=lib.scalar(first),
      header=self._told(step, fill),
    )

  def _told(self, step: Int[Array, ' f'], fill: Flag) -> Scalar:
    """Returns what the last id of a header was."""
    if not self._one_field:
      return lib.scalar(fill & (step[events.VALUE] > 0))
    program = self.codec.holds('program', step[0])
    voice = self.codec.fields[0].holds('voice', step[0])
    return lib.scalar(
      jnp.where(program, _PROGRAM, jnp.where(voice, _VOICE, _FILLED))
    )


def _set(state: Any, **changes: Any) -> Any:
  """Returns a state with other values; one inside another has them.

  Names that neither has are left out.
  """
  own = {
    name: jnp.broadcast_to(
      jnp.asarray(value, jnp.int32), jnp.shape(getattr(state, name))
    )
    for name, value in changes.items()
    if name in state._fields
  }
  if 'base' in state._fields:
    rest = {k: v for k, v in changes.items() if k not in own}
    own['base'] = _set(state.base, **rest)
  return state._replace(**own)


def _plainest(state: Any) -> Any:
  return _plainest(state.base) if 'base' in state._fields else state


def _timed(state: Any) -> Any:
  """Returns a state whose tempo is told already."""
  tempo = _plainest(state).tempo
  return _set(state, tempo=jnp.where(tempo < 0, _OTHER, tempo))


def _unknown(state: Any) -> Any:
  """Returns a state after which any chord, and any pedal, is a change."""
  return _set(state, chord=_OTHER, pedals=_PEDAL_UNKNOWN)


def _choose(when: Flag, new: Any, old: Any) -> Any:
  return jax.tree.map(lambda a, b: jnp.where(when, a, b), new, old)
