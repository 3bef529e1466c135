"""`Told`: what is asked of bars is told when each of them begins.

A model that was trained with the controls of bars writes music between them:
behind a bar's step stand its controls, and then its notes. Those that are
asked for are put there; those of other kinds the model tells itself, which is
a plan of the bar. See `tokens.control_steps` for their order. Axes: `b` bars,
`k` kinds of control that bars have, `v` ids of a field.
"""

import dataclasses
import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

from aurl_jax.generation.errors import RequestError
from aurl_jax.generation.request import Request
from aurl_jax.generation.rows import padded
from aurl_jax.tokens import control_dropout
from aurl_jax.tokens.codec import Codec
from aurl_jax.tokens.controls import Levels
from aurl_jax.tokens.places import Places, PlaceState
from aurl_jax.tokens.tokenizer import Tokenizer


class ToldState(NamedTuple):
  """Where a row stands.

  Attributes:
    places: The clock.
    open: Whether controls of the open bar may stand here.
    rank: Kind of the last control that stood there, -1 for none.
  """

  places: PlaceState
  open: Bool[Array, '']
  rank: Int[Array, '']


@functools.partial(
  jax.tree_util.register_dataclass,
  data_fields=['asked'],
  meta_fields=['codec', 'places', 'own'],
)
@dataclasses.dataclass(frozen=True, kw_only=True)
class Told:
  """The controls of bars stand where they were asked for.

  A pytree of what is asked alone: a program that was compiled for as many bars
  serves for all.

  Attributes:
    asked: int32 `[b, k]`, ids of controls; 0 leaves one open.
    codec: The vocabulary, of `remi` or `compound`.
    places: Where its steps stand.
    own: Whether the model may tell controls that are left open.
  """

  asked: Any
  codec: Codec
  places: Places
  own: bool = True

  def init(self) -> ToldState:
    """Returns the state before any step."""
    none = jnp.bool_(False), jnp.int32(-1)
    return ToldState(self.places.init(), *none)

  def mask(
    self, state: ToldState, field: int, partial: Int[Array, ' f']
  ) -> Bool[Array, ' v']:
    """Returns the ids that may stand, given what is asked of the bar."""
    due, id_ = self._due(state)
    wanted = jnp.ones(self.codec.sizes[field], bool)
    if field == 0:
      control = jnp.asarray(self._is_control)
      wanted = jnp.where(due >= 0, control, self.own | ~control)
    if field == self._field:
      kinds = jnp.asarray(self._kinds)
      earlier = self.own & (kinds >= 0) & (kinds < due)
      value = earlier | (jnp.arange(len(kinds)) == id_)
      told = (due >= 0) & ((field == 0) | self._control(partial))
      wanted &= ~told | value
    return wanted

  def advance(self, state: ToldState, step: Int[Array, ' f']) -> ToldState:
    """Returns the state after a step."""
    kind = jnp.asarray(self._kinds)[step[self._field]]
    told = self._control(step)
    begins = step[0] == self.codec.id('bar')
    return ToldState(
      places=self.places.advance(state.places, step),
      open=begins | (state.open & told),
      rank=jnp.where(begins | ~told, -1, kind),
    )

  def _due(self, state: ToldState) -> tuple[Array, Array]:
    """Returns kind and id of the control that is due first; -1 for none."""
    bar = state.places.bars - 1
    asked = jnp.asarray(self.asked)
    row = asked[jnp.clip(bar, 0, len(asked) - 1)]
    kinds = jnp.arange(asked.shape[1])
    waits = (row > 0) & (kinds > state.rank)
    waits &= state.open & (bar >= 0) & (bar < len(asked))
    first = jnp.argmax(waits)
    due = jnp.where(jnp.any(waits), first, -1)
    return due, jnp.where(due >= 0, row[first], 0)

  def _control(self, step: Int[Array, ' f']) -> Bool[Array, '']:
    """Whether a step is one of control."""
    return jnp.asarray(self._is_control)[step[0]]

  @property
  def _field(self) -> int:
    return _field(self.codec)

  @functools.cached_property
  def _kinds(self) -> np.ndarray:
    """Index into `control_dropout.KINDS` of each id of the field of values."""
    field = self.codec.fields[self._field]
    found = np.full(field.size, -1, np.int32)
    for number, name in enumerate(control_dropout.KINDS):
      found[field.holds(name, np.arange(field.size))] = number
    return found

  @functools.cached_property
  def _is_control(self) -> np.ndarray:
    """Which ids of field 0 begin a control step."""
    return unread(self.codec)


def told(
  tokenizer: Tokenizer, bars: tuple[Levels, ...], own: bool = True
) -> tuple[Told, ...]:
  """Returns the constraint that tells the controls of bars; none for none.

  Args:
    tokenizer: Of the ids, one with controls.
    bars: Of each bar of the piece, from the first on.
    own: Whether the model may tell controls that are left open.

  Raises:
    RequestError: A level is out of range (code `controls`).
  """
  if not _asks(bars):
    return ()
  codec, field = tokenizer.codec, _field(tokenizer.codec)
  asked = np.zeros((len(bars), len(Levels._fields)), np.int32)
  for b, levels in enumerate(bars):
    for k, (name, level) in enumerate(zip(Levels._fields, levels, strict=True)):
      if level is not None:
        asked[b, k] = _id(codec, name, level, field)
  return (
    Told(
      asked=padded(asked, 0), codec=codec, places=Places.of(tokenizer), own=own
    ),
  )


def most(bars: tuple[Levels, ...]) -> int:
  """Returns how many controls any bar is told.

  Example:
    >>> most((Levels(key=3), Levels(density=2, register=4)))
    2
  """
  return max((sum(x is not None for x in levels) for levels in bars), default=0)


def of(request: Request) -> tuple[Levels, ...]:
  """Returns what a request asks of each bar."""
  return () if request.controls is None else request.controls.bars


def asks(request: Request) -> bool:
  """Returns whether a request asks anything of bars."""
  return _asks(of(request))


def unread(codec: Codec) -> Bool[np.ndarray, ' v']:
  """Returns which ids of field 0 begin control steps."""
  field = _field(codec)
  ids = np.arange(codec.sizes[0])
  names = ('control',) if field else control_dropout.KINDS
  held: np.ndarray = np.any(
    [codec.fields[0].holds(name, ids) for name in names], axis=0
  )
  return held


def _asks(bars: tuple[Levels, ...]) -> bool:
  return any(level is not None for levels in bars for level in levels)


def _id(codec: Codec, name: str, level: int, field: int) -> int:
  if not codec.fields[field].tells(name):
    raise RequestError(
      f'control {name!r} is heard by a study, and this model was not told what '
      'studies hear; train one with tokenizer.studied=True and '
      "data.controls='studied', or leave it out",
      code='controls',
    )
  try:
    return codec.id(name, level, field)
  except ValueError as error:
    raise RequestError(
      f'control {error}; see aurl_jax.tokens.controls', code='controls'
    ) from error


def _field(codec: Codec) -> int:
  """Returns where the values of controls stand."""
  name = control_dropout.KINDS[0]
  return next(f for f, part in enumerate(codec.fields) if part.tells(name))
