"""The legal sequences of `grid` with voices of some cells taken out.

  BOS cell* masked+ cell* Fill cell+ EOS

Masked cells stand in a row and mask the same voices; there are as many cells
behind Fill, whose other voices are masked instead. After a masked cell a voice
may hold any pitch. A sequence without masks is one of the base grammar.
"""

import dataclasses
import functools
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

from aurl_jax.tokens import grammar as lib
from aurl_jax.tokens.codec import Codec
from aurl_jax.tokens.grammar import Flag, Scalar
from aurl_jax.tokens.grid_grammar import VoiceGridGrammar, VoiceGridState

_CONTEXT, _FILL, _END = range(3)
_ANY = -2
"""A voice that may hold whatever it likes."""


class CellsState(NamedTuple):
  """The base's state, and int32 scalars and arrays.

  Attributes:
    base: After the steps so far; of the fill once that has begun.
    saved: [f] what each voice sounds before the first masked cell.
    taken: [f] whether a voice is masked.
    left: Steps that the budget still has.
    stage: 0 context, 1 fill, 2 the end.
    closed: 1 once a cell without a mask has followed the masked ones.
    masked: How many cells are masked.
    begun: How many cells of the fill there are.
  """

  base: VoiceGridState
  saved: Int[Array, ' f']
  taken: Int[Array, ' f']
  left: Scalar
  stage: Scalar
  closed: Scalar
  masked: Scalar
  begun: Scalar


@dataclasses.dataclass(frozen=True)
class CellsGrammar:
  """The four functions of `Grammar`.

  Attributes:
    base: The grammar without masks.
    codec: The vocabulary with them.
  """

  base: VoiceGridGrammar
  codec: Codec

  @property
  def _count(self) -> int:
    return len(self.codec.fields)

  @functools.cached_property
  def _masks(self) -> np.ndarray:
    """The id of `mask` in each field."""
    ids = [self.codec.id('mask', 0, f) for f in range(self._count)]
    return np.array(ids, np.int32)

  def init(self, budget: Scalar | int) -> CellsState:
    """Returns the state before BOS; see `Grammar.init`."""
    zero, none = lib.scalar(0), jnp.zeros(self._count, jnp.int32)
    return CellsState(
      base=self.base.init(budget),
      saved=none,
      taken=none,
      left=lib.scalar(budget),
      stage=zero,
      closed=zero,
      masked=zero,
      begun=zero,
    )

  def distance(self, state: CellsState) -> Scalar:
    """Returns the steps of the shortest legal end; 0 after EOS."""
    own = self.base.distance(state.base)
    context = own + jnp.where(state.masked > 0, 1 + state.masked, 0)
    table = jnp.stack([context, 1 + state.masked - state.begun, lib.scalar(0)])
    return lib.scalar(table[state.stage])

  def mask(
    self, state: CellsState, field: int, partial: Int[Array, ' f']
  ) -> Bool[Array, ' v']:
    """Returns the ids that may stand, bool `[v]`; see `Grammar.mask`."""
    size = self.base.codec.sizes[field]
    fill = (partial[0] > self._masks[0]) & (field > 0)
    usual = self._usual(state, field, partial)
    own = self._own(state, field, partial)
    if field == 0:
      fills = (state.stage == _CONTEXT) & (state.masked > 0)
      return jnp.concatenate([usual, own[None], jnp.stack([fills, fills])])
    both = jnp.concatenate([usual, own[None]])
    return jnp.where(fill, np.arange(size + 1) == 0, both)

  def _usual(
    self, state: CellsState, field: int, partial: Int[Array, ' f']
  ) -> Bool[Array, ' v']:
    """Returns which ids of the base may stand."""
    # A cell of the base leaves room for EOS; here for what else is due.
    due = jnp.where(state.masked > 0, 1 + state.masked, 0)
    due = jnp.where(state.stage == _FILL, state.masked - state.begun - 1, due)
    base = state.base._replace(left=state.left - due)
    masked = partial[0] == self._masks[0]
    plain = jnp.where(partial < np.array(self.base.codec.sizes), partial, 0)
    # A masked voice is a rest to the base, so that later ones are a cell's.
    plain = plain.at[0].set(jnp.where(masked, self.codec.id('rest'), plain[0]))
    usual = self.base.mask(base, field, plain)
    ids = np.arange(len(usual))
    inside = (partial[0] != 0) & ~self._is_frame(partial[0])
    cell = inside if field else state.base.stage == 1
    free = self.codec.holds('hold', ids, field) & cell
    free &= state.base.sounding[field] == _ANY
    if field == 0:
      free &= usual[self.codec.id('rest')]
    usual |= free
    if field == 0:
      # EOS of a context gives way to `fill`; a fill has all its cells.
      whole = jnp.where(
        state.stage == _FILL, state.begun == state.masked, state.masked == 0
      )
      usual &= (ids != self.codec.id('eos')) | whole
      more = (state.stage != _FILL) | (state.begun < state.masked)
      usual &= more | (ids == self.codec.id('eos')) | (ids == 0)
      # However short the budget, a fill has its cells.
      forced = (state.stage == _FILL) & (state.begun < state.masked)
      usual |= forced & (ids == self.codec.id('rest'))
    told = self._must(state, field, partial)
    event = np.isin(
      self._kinds(field)[: len(usual)], [self._kind('rest', field)]
    )
    event |= self.codec.holds('pitch', ids, field)
    event |= self.codec.holds('hold', ids, field)
    return usual & ~(event & told)

  def _is_frame(self, id_: Scalar) -> Flag:
    bos = self.codec.holds('bos', id_)
    return bos | self.codec.holds('eos', id_)

  def _kinds(self, field: int) -> np.ndarray:
    return self.codec.fields[field].kinds

  def _kind(self, event: str, field: int) -> int:
    names = [part.event for part in self.codec.fields[field].ranges]
    return names.index(event)

  def _must(
    self, state: CellsState, field: int, partial: Int[Array, ' f']
  ) -> Flag:
    """Returns whether this voice of a cell has to be masked."""
    taken = state.taken[field] > 0
    before = np.arange(self._count) < field
    decided = ((state.taken > 0) & before).any()
    same = ((partial == self._masks) & before).any()
    context = (state.stage == _CONTEXT) & (state.masked > 0)
    context &= taken & decided & same
    return context | ((state.stage == _FILL) & ~taken)

  def _own(
    self, state: CellsState, field: int, partial: Int[Array, ' f']
  ) -> Flag:
    """Returns whether `mask` may stand in this field."""
    taken = state.taken[field] > 0
    before = np.arange(self._count) < field
    told = ((partial == self._masks) & before).any()
    decided = ((state.taken > 0) & before).any()
    cell = state.base.stage == 1
    if field:
      cell &= (partial[0] != 0) & ~self._is_frame(partial[0])
    fits = state.masked + 3 <= state.left - 1
    new = (state.masked == 0) & (fits | told)
    goes_on = (state.masked > 0) & (state.closed == 0) & taken
    goes_on &= jnp.where(decided, told, fits)
    fill = (state.stage == _FILL) & ~taken & (state.begun < state.masked)
    context = (state.stage == _CONTEXT) & (new | goes_on)
    return cell & (context | fill)

  def advance(self, state: CellsState, step: Int[Array, ' f']) -> CellsState:
    """Returns the state after a step, int32 `[4]`."""
    masks = step == self._masks
    masked = masks.any() & (state.stage == _CONTEXT)
    fill = step[0] > self._masks[0]
    ends = (step[0] == 0) | self.codec.holds('eos', step[0])
    starts = masked & (state.masked == 0)
    before = jnp.stack(state.base.sounding)
    saved = jnp.where(starts, before, state.saved)
    taken = jnp.where(starts, masks.astype(jnp.int32), state.taken)
    plain = jnp.where(step < np.array(self.base.codec.sizes), step, 0)
    plain = plain.at[0].set(
      jnp.where(masks[0] | fill, self.codec.id('rest'), plain[0])
    )
    base = self.base.advance(state.base, plain)
    sounding = jnp.where(masks, _ANY, jnp.stack(base.sounding))
    sounding = jnp.where(fill, saved, sounding)
    in_fill = (state.stage == _FILL) & ~ends
    cell = in_fill & ~fill
    stage = jnp.where(fill, _FILL, state.stage)
    closes = (state.masked > 0) & ~masked & (state.stage == _CONTEXT)
    return CellsState(
      base=base._replace(sounding=tuple(lib.scalar(x) for x in sounding)),
      saved=saved,
      taken=taken,
      left=state.left - 1,
      stage=lib.scalar(jnp.where(ends, _END, stage)),
      closed=lib.scalar(jnp.where(closes, 1, state.closed)),
      masked=lib.scalar(state.masked + masked),
      begun=lib.scalar(state.begun + cell),
    )
