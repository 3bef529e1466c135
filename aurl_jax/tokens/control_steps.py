"""Control steps: where `remi` and `compound` tell the controls of a piece.

Those of the piece stand behind BOS, those of a bar behind its bar step, each
at most once (a family for each instrument), in the order of `KINDS`:

  BOS [Key] [Density] [Polyphony] [Register] Family* [Style] [Form]
    ( Bar [Key] [Density] [Polyphony] [Register]
          [Section] [Harmony] [Contour] … )* EOS

What studies hear (`controls.STUDIED`) is told by vocabularies that have it.

Any tokenization gets them: its other steps, and their grammar, do not know
of them. Axes: `t` steps, `f` fields, `v` ids of a field.
"""

import dataclasses
import functools
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

from aurl_jax.core import errors
from aurl_jax.music import chords as chords_lib
from aurl_jax.tokens import control_dropout
from aurl_jax.tokens import controls as controls_lib
from aurl_jax.tokens import grammar as lib
from aurl_jax.tokens.codec import Codec, Field, Range
from aurl_jax.tokens.controls import Controls, Levels
from aurl_jax.tokens.grammar import Flag, Scalar

KINDS = control_dropout.KINDS
_OF_BARS = len(Levels._fields)
"""The first so many kinds are those of bars too."""
SIZES = {
  'key': 24,
  'density': len(controls_lib.DENSITY) + 1,
  'polyphony': len(controls_lib.POLYPHONY) + 1,
  'register': 11,
  'section': controls_lib.SECTIONS,
  'harmony': chords_lib.SIZE,
  'contour': len(controls_lib.CONTOURS),
  'family': controls_lib.DRUM_FAMILY + 1,
  'style': controls_lib.STYLES,
  'form': len(controls_lib.FORMS),
}
"""How many values a kind has."""
_WIDTH = max(SIZES.values())
"""Ranks of a kind: families have one each, others take the last."""
_NOWHERE, _PIECE, _BAR = range(3)


def extended(base: Codec, field: int, studied: bool = False) -> Codec:
  """Returns a vocabulary with control steps; ids of `base` stay.

  Args:
    base: Without them.
    field: Where their values go; if it is not field 0, that has one more
      event, `control`.
    studied: Whether what studies hear is among them.
  """
  parts = list(base.fields)
  values = tuple(Range(kind, 0, SIZES[kind] - 1) for kind in kinds_of(studied))
  parts[field] = Field(parts[field].name, parts[field].ranges + values)
  if field:
    kinds = (*parts[0].ranges, Range('control', 0, 0))
    parts[0] = Field(parts[0].name, kinds)
  return Codec(tuple(parts))


def kinds_of(studied: bool) -> tuple[str, ...]:
  """Returns the kinds of a vocabulary, in their order."""
  return tuple(k for k in KINDS if studied or k not in controls_lib.STUDIED)


@dataclasses.dataclass(frozen=True)
class ControlSteps:
  """Writes and reads the control steps of a vocabulary.

  Attributes:
    base: The vocabulary without them.
    field: Where their values stand.
    studied: Whether what studies hear is told, too.
  """

  base: Codec
  field: int
  studied: bool = False

  @functools.cached_property
  def codec(self) -> Codec:
    """The vocabulary with them."""
    return extended(self.base, self.field, self.studied)

  @property
  def kinds(self) -> tuple[str, ...]:
    """The kinds that are told, in the order of `KINDS`."""
    return kinds_of(self.studied)

  def insert(
    self, ids: np.ndarray, bars: np.ndarray, controls: Controls
  ) -> np.ndarray:
    """Returns the ids of a piece with its controls.

    Args:
      ids: int32 `[t, f]`, without any.
      bars: The steps at which bars start; the controls of more bars than
        these are left out.
      controls: What to tell.

    Raises:
      TokenError: A value is out of range (code `controls`).
    """
    parts, before = [], 0
    told = [(0, self._piece(controls))]
    told += [
      (bar, self._levels(levels))
      for bar, levels in zip(bars.tolist(), controls.bars, strict=False)
    ]
    for at, pairs in told:
      parts += [ids[before : at + 1], self._steps(pairs)]
      before = at + 1
    return np.concatenate([*parts, ids[before:]]).astype(np.int32)

  def _piece(self, controls: Controls) -> list[tuple[str, int]]:
    pairs = self._levels(controls.piece)
    pairs += [
      ('family', family) for family in sorted(set(controls.instruments))
    ]
    if controls.style is not None:
      pairs.append(('style', controls.style))
    if controls.form is not None:
      pairs.append(('form', controls.form))
    return pairs

  def _levels(self, levels: Levels) -> list[tuple[str, int]]:
    named = zip(Levels._fields, levels, strict=True)
    return [(kind, value) for kind, value in named if value is not None]

  def _steps(self, pairs: list[tuple[str, int]]) -> np.ndarray:
    steps = np.zeros((len(pairs), len(self.codec.fields)), np.int32)
    for step, (kind, value) in zip(steps, pairs, strict=True):
      if kind not in self.kinds:
        raise errors.TokenError(
          f'control {kind!r} is heard by a study, and this tokenizer tells '
          'none of those; build it with studied=True',
          code='controls',
        )
      if self.field:
        step[0] = self.codec.id('control')
      try:
        step[self.field] = self.codec.id(kind, value, self.field)
      except ValueError as error:
        raise errors.TokenError(
          f'control {error}; see aurl_jax.tokens.controls', code='controls'
        ) from error
    return steps

  def holds(self, ids: Any) -> Any:
    """Returns bool `[...]`: which steps of `[..., f]` are control steps."""
    low, high = self._span
    return (ids[..., 0] >= low) & (ids[..., 0] < high)

  @functools.cached_property
  def _span(self) -> tuple[int, int]:
    """First id of control steps in field 0, and one past the last."""
    if self.field:
      return self.codec.span('control')
    first, last = self.kinds[0], self.kinds[-1]
    return self.codec.span(first)[0], self.codec.span(last)[1]

  def without(self, ids: np.ndarray) -> np.ndarray:
    """Returns the other steps, as ids of `base`; strange ids become 0."""
    ids = ids[~self.holds(ids)]
    return np.where(ids < self.base.sizes, ids, 0)

  def read(self, ids: np.ndarray) -> Controls:
    """Returns the controls that ids tell; those out of place are left out."""
    places: list[dict[str, list[int]]] = []
    bar = self.codec.id('bar')
    for step in ids:
      if step[0] in (bar, self.codec.id('bos')):
        places.append({})
      elif places and self.holds(step):
        kind, value = self.codec.event(int(step[self.field]), self.field)
        if kind in KINDS:
          places[-1].setdefault(kind, []).append(value)
    piece = places[0] if places else {}
    return Controls(
      piece=_read_levels(piece),
      instruments=tuple(sorted(piece.get('family', ()))),
      style=piece.get('style', [None])[0],
      form=piece.get('form', [None])[0],
      bars=tuple(_read_levels(place) for place in places[1:]),
    )


def _read_levels(place: dict[str, list[int]]) -> Levels:
  return Levels(*(place.get(kind, [None])[0] for kind in Levels._fields))


class ControlledState(NamedTuple):
  """The state of the other steps, and int32 scalars.

  Attributes:
    base: Of the other steps; it counts the budget of all.
    place: 0 where no controls may stand, 1 those of the piece, 2 of a bar.
    rank: Of the last control there, -1 for none.
  """

  base: Any
  place: Scalar
  rank: Scalar

  @property
  def left(self) -> Scalar:
    """Steps that the budget still has."""
    return self.base.left


@dataclasses.dataclass(frozen=True)
class ControlledGrammar:
  """The four functions of `Grammar`, of steps with controls among them.

  Attributes:
    base: The grammar of the other steps; its state has `left`.
    steps: The control steps.
  """

  base: Any
  steps: ControlSteps

  @functools.cached_property
  def _ranks(self) -> np.ndarray:
    """int32 `[v]` of the control field: order of each control, else -1."""
    codec, field = self.steps.codec, self.steps.field
    ranks = np.full(codec.sizes[field], -1, np.int32)
    for kind in self.steps.kinds:
      low, high = codec.span(kind, field)
      each = np.arange(high - low) if kind == 'family' else _WIDTH - 1
      ranks[low:high] = KINDS.index(kind) * _WIDTH + each
    return ranks

  def init(self, budget: Scalar | int) -> ControlledState:
    """Returns the state before BOS; see `Grammar.init`."""
    none = lib.scalar(-1)
    return ControlledState(self.base.init(budget), lib.scalar(_NOWHERE), none)

  def distance(self, state: ControlledState) -> Scalar:
    """Returns the steps of the shortest legal end, which has no control."""
    return self.base.distance(state.base)

  def mask(
    self, state: ControlledState, field: int, partial: Int[Array, ' f']
  ) -> Bool[Array, ' v']:
    """Returns the ids that may stand, bool `[v]`; see `Grammar.mask`."""
    steps = self.steps
    size = steps.base.sizes[field]
    told = steps.holds(partial) & (field > 0)
    usual = self.base.mask(state.base, field, self._plain(partial))
    more = jnp.zeros(steps.codec.sizes[field] - size, jnp.bool_)
    usual = jnp.concatenate([usual, more])
    if field == 0:
      return usual.at[size:].set(self._first(state, size))
    reserved = np.arange(len(usual)) == 0
    values = self._values(state) if field == steps.field else reserved
    return jnp.where(told, values, usual)

  def _first(self, state: ControlledState, size: int) -> Any:
    """Returns which of the ids from `size` on may stand in field 0."""
    affordable = self.distance(state) <= state.base.left - 1
    values = self._values(state) & affordable
    return values.any() if self.steps.field else values[size:]

  def _values(self, state: ControlledState) -> Bool[Array, ' v']:
    """Returns the controls that may stand, in the field of their values."""
    most = jnp.where(state.place == _BAR, _OF_BARS, len(KINDS)) * _WIDTH
    open_ = (state.place != _NOWHERE) & (self._ranks < most)
    return open_ & (self._ranks > state.rank) & (self._ranks >= 0)

  def _plain(self, step: Int[Array, ' f']) -> Int[Array, ' f']:
    """Returns a step as ids of `base`; strange ids become 0."""
    sizes = np.array(self.steps.base.sizes)
    return jnp.where(step < sizes, step, 0)

  def advance(
    self, state: ControlledState, step: Int[Array, ' f']
  ) -> ControlledState:
    """Returns the state after a step, int32 `[f]`."""
    told = self.steps.holds(step)
    codec = self.steps.codec
    after = self.base.advance(state.base, self._plain(step))
    same = state.base._replace(left=state.base.left - 1)
    place = jnp.where(step[0] == codec.id('bar'), _BAR, _NOWHERE)
    place = jnp.where(step[0] == codec.id('bos'), _PIECE, place)
    rank = lib.lookup(self._ranks, step[self.steps.field])
    return ControlledState(
      base=_choose(told, same, after),
      place=lib.scalar(jnp.where(told, state.place, place)),
      rank=lib.scalar(jnp.where(told, rank, -1)),
    )


def _choose(when: Flag, new: Any, old: Any) -> Any:
  """Returns one of two states of equal shape."""
  pairs = zip(new, old, strict=True)
  return type(new)(*(jnp.where(when, a, b) for a, b in pairs))
