"""How pieces of so many bars end: notes with the last bar, steps not before.

`Within`: no note sounds on behind the last bar that was asked for. `Paced`:
whatever a model would rather write, its steps last for all bars.
"""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

from aurl_jax.generation.rows import padded
from aurl_jax.generation.seats import Costs
from aurl_jax.generation.wished import COMPOUND
from aurl_jax.generation.wished_remi import REMI
from aurl_jax.music.grid import Grid
from aurl_jax.tokens import events
from aurl_jax.tokens.codec import Codec
from aurl_jax.tokens.compound import Compound
from aurl_jax.tokens.grammar import Scalar, lookup
from aurl_jax.tokens.options import EventTokenizer
from aurl_jax.tokens.places import Places, PlaceState
from aurl_jax.tokens.remi import Remi
from aurl_jax.tokens.tokenizer import Tokenizer


class WithinState(NamedTuple):
  """Where a row stands: its clock, and the cell at which the last note ends."""

  places: PlaceState
  end: Scalar


@functools.partial(
  jax.tree_util.register_dataclass,
  data_fields=['most', 'behind', 'first'],
  meta_fields=['codec', 'grid', 'places'],
)
@dataclasses.dataclass(frozen=True, kw_only=True)
class Within:
  """Durations reach as far as the end of the last bar, and no further.

  Where the meters of the bars to come are not known, they are taken to be as
  the open one; a note that is held then keeps them from being cut short, or
  from a meter that is too short for it. A pytree of numbers alone, as `Length`
  is.

  Attributes:
    most: Bars of the piece, and one more, as `Length.most`.
    behind: int32 `[r]`, cells of the bars behind each whose meters are known,
      the bar before them first; -1 where they are open.
    first: Bars of the piece before those.
    codec: The vocabulary, of `remi` or `compound`.
    grid: What its values mean.
    places: Where its steps stand.
  """

  most: Any
  behind: Any
  first: Any
  codec: Codec
  grid: Grid
  places: Places

  def init(self) -> WithinState:
    """Returns the state before any step."""
    return WithinState(self.places.init(), jnp.int32(0))

  def mask(
    self, state: WithinState, field: int, partial: Int[Array, ' f']
  ) -> Bool[Array, ' v']:
    """Returns all ids but those that lead behind the end.

    Those are durations that are too long, and meters and cuts of bars that are
    too short for what sounds.
    """
    part = self.codec.fields[field]
    ids = np.arange(part.size)
    wanted = jnp.ones(part.size, bool)
    if 'duration' in part.starts:
      held = part.holds('duration', ids)
      cells = self.grid.durations[np.where(held, part.values, 0)]
      chosen = np.arange(len(self.codec.fields)) < field
      now = self.places.advance(state.places, jnp.where(chosen, partial, 0))
      wanted &= ~held | (jnp.asarray(cells) <= self._left(now))
    if 'meter' in part.starts or 'cut' in part.starts:
      wanted &= self._long_enough(state, field)
    return wanted

  def _known(self, now: PlaceState) -> Scalar:
    """Returns the cells of the bars behind the open one; -1 if unknown."""
    behind = jnp.asarray(self.behind)
    return behind[jnp.clip(now.bars - self.first, 0, len(behind) - 1)]

  def _left(self, now: PlaceState) -> Scalar:
    """Returns the cells from a place to the end of the last bar."""
    known = self._known(now)
    # Behind a bar that is cut stands another meter.
    other = jnp.minimum(
      now.meter, int(np.sort(events.meter_cells(self.grid))[-2:][0])
    )
    usual = jnp.where(now.length < now.meter, other, now.meter)
    open_ = (self.most - now.bars - 1) * usual
    return jnp.where(known < 0, open_, known) + now.length - now.position

  def _long_enough(self, state: WithinState, field: int) -> Bool[Array, ' v']:
    """Returns all ids but those of bars that end before what sounds."""
    part, now = self.codec.fields[field], state.places
    ids, values = np.arange(part.size), part.values
    start, bars = now.start, now.bars
    if len(self.codec.fields) > 1:
      # The step that tells a meter begins its bar.
      start = start + jnp.where(bars > 0, now.length, 0)
      bars = bars + 1
    sounds = state.end - start
    wanted = jnp.ones(part.size, bool)
    if part.tells('meter'):
      told = part.holds('meter', ids)
      cells = events.meter_cells(self.grid)[np.where(told, values, 0)]
      wanted &= ~told | (jnp.asarray(cells) * (self.most - bars) >= sounds)
    if 'cut' in part.starts:
      cut = part.holds('cut', ids)
      wanted &= ~cut | (jnp.asarray(np.where(cut, values, 0)) >= sounds)
    return wanted | (self._known(now) >= 0) | (bars >= self.most)

  def advance(self, state: WithinState, step: Int[Array, ' f']) -> WithinState:
    """Returns the state after a step."""
    now = self.places.advance(state.places, step)
    end = jnp.int32(0)
    for field, part in enumerate(self.codec.fields):
      if 'duration' in part.starts:
        ids = np.arange(part.size)
        held = part.holds('duration', ids)
        cells = self.grid.durations[np.where(held, part.values, 0)]
        length = lookup(np.where(held, cells, 0), step[field])
        end = jnp.where(length > 0, now.start + now.position + length, end)
    return WithinState(now, jnp.maximum(state.end, end))


def within(
  tokenizer: Tokenizer,
  most: Any,
  meters: Sequence[tuple[int, int]] = (),
  first: int = 0,
) -> tuple[Within, ...]:
  """Returns the constraint that goes with a length in bars.

  None where a step is a cell, so that nothing can reach beyond the last.

  Args:
    tokenizer: Of the ids.
    most: As of `Within`.
    meters: Of all bars that are written, where they are known.
    first: Bars of the piece before them.
  """
  if not isinstance(tokenizer, EventTokenizer):
    return ()
  cells = [tokenizer.grid.meter_cells(*meter) for meter in meters]
  behind = [sum(cells[bar:]) for bar in range(len(cells) + 1)]
  return (
    Within(
      most=most,
      behind=padded(
        np.array(behind if cells else [-1], np.int32), 0 if cells else -1
      ),
      first=first,
      codec=tokenizer.codec,
      grid=tokenizer.grid,
      places=Places.of(tokenizer),
    ),
  )


class PacedState(NamedTuple):
  """Where a row stands: bars begun, steps left, whether a tempo is told."""

  bars: Scalar
  left: Scalar
  timed: Bool[Array, '']


@functools.partial(
  jax.tree_util.register_dataclass,
  data_fields=['most', 'steps'],
  meta_fields=['codec', 'costs'],
)
@dataclasses.dataclass(frozen=True, kw_only=True)
class Paced:
  """Nothing begins for which a bar to come would lack its steps.

  Such bars are empty. A pytree of numbers alone, as `Length` is.

  Attributes:
    most: Bars of the piece, and one more, as `Length.most`.
    steps: The budget.
    codec: The vocabulary, of `remi` or `compound`.
    costs: Steps that things take.
  """

  most: Any
  steps: Any
  codec: Codec
  costs: Costs

  def init(self) -> PacedState:
    """Returns the state before any step."""
    left = jnp.asarray(self.steps, jnp.int32)
    return PacedState(jnp.int32(0), left, jnp.bool_(False))

  def mask(
    self, state: PacedState, field: int, partial: Int[Array, ' f']
  ) -> Bool[Array, ' v']:
    """Returns all ids, or only what ends a bar or the piece.

    And the first tempo, without which no grammar lets the first bar end.
    """
    del partial
    ids = np.arange(self.codec.sizes[field])
    if field:
      return jnp.ones(len(ids), bool)
    held = self.codec.fields[field].holds
    due = (self.most - state.bars) * self.costs.bar + self.costs.close
    due += jnp.where(state.timed, 0, self.costs.other)
    spare = state.left - self.costs.note >= due
    first = ~state.timed & (held('tempo', ids) | held('position', ids))
    return spare | held('bar', ids) | held('eos', ids) | first

  def advance(self, state: PacedState, step: Int[Array, ' f']) -> PacedState:
    """Returns the state after a step."""
    bar = self.codec.holds('bar', step[0])
    timed = state.timed | self.codec.holds('tempo', step[0])
    return PacedState(state.bars + bar, state.left - 1, timed)


def paced(
  tokenizer: Tokenizer, most: Any, steps: int, told: int = 0
) -> tuple[Paced, ...]:
  """Returns the constraint that steps last for a length in bars.

  None where a step is a cell: those of bars are known.

  Args:
    tokenizer: Of the ids.
    most: As of `Paced`.
    steps: The budget.
    told: Controls that a bar is told at most (`generation.told`).
  """
  if not isinstance(tokenizer, Compound | Remi):
    return ()
  costs = COMPOUND if isinstance(tokenizer, Compound) else REMI
  costs = costs._replace(bar=costs.bar + told)
  return (Paced(most=most, steps=steps, codec=tokenizer.codec, costs=costs),)
