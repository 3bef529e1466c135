"""Where each step stands in its music, computed on the device from its ids.

A table a field says of every id what it does to the clock: which bars it
begins, which meter, cut or position it tells, how many cells it lets pass,
which pitch it has. Ids that stand for several events (`tokens.bpe`) do what
these do in turn. The clock is the same in three forms: a step at a time
(`advance`), for whole rows at once (`Places.__call__`, by running sums and
the latest value told), and in plain Python in `tests/tokens/places_test.py`.
Behind a `fill` (`tokens.infill`) the clock goes back to what it was before the
first `mask`: what is filled in stands where it will be put back. Only meters
and cuts of the masked bars are not heard again; behind one of them times in
the fill may be off, bars and positions are not.
Axes: `b` batch, `t` time, `f` fields, `v` ids of a field.
"""

import dataclasses
import functools
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

from aurl_jax.core.typing import Size
from aurl_jax.music import notes as notes_lib
from aurl_jax.tokens import events, heard
from aurl_jax.tokens.codec import Field
from aurl_jax.tokens.place_rows import Rows
from aurl_jax.tokens.sounds import Sounds
from aurl_jax.tokens.tokenizer import Tokenizer

COORDINATES = ('bar', 'position', 'time', 'pitch', 'order')
"""What a step has, in this order: the bar from 0 in its segment, cells inside
the bar, cells since the segment began, the MIDI pitch 0..127, and how many
steps of the bar are before it, those before the first bar counted to that."""
_PITCHES = ('pitch', 'release', 'hold')
"""Events whose values are pitches; drums have sounds, which are none."""
_FRAME = 'hold'
"""A first field with this event is of steps that last a cell each."""
_HALF_SECOND = 50
"""Cells of 10 ms."""
_OLD, _METER = -1, 0
"""Lengths of a bar that an id does not know: that before it, of the meter."""


class PlaceState(NamedTuple):
  """The clock after a step: int32 arrays of one shape.

  Attributes:
    bars: Bars that have begun.
    start: Cells before the open bar.
    length: Cells of the open bar.
    meter: Cells of a full bar.
    position: Cells inside the open bar.
    cells: Cells that passed one by one, or by time shifts.
    pickup: Cells of a pickup, of steps that last a cell.
    order: Steps before it in its bar; -1 before any step.
    pitch: Of the step; 0 for none.
    masked: Whether a part has been taken out.
    saved: The clock before the first mask, by name; None where nothing can
      be taken out.
  """

  bars: Int[Array, '*b']
  start: Int[Array, '*b']
  length: Int[Array, '*b']
  meter: Int[Array, '*b']
  position: Int[Array, '*b']
  cells: Int[Array, '*b']
  pickup: Int[Array, '*b']
  order: Int[Array, '*b']
  pitch: Int[Array, '*b']
  masked: Int[Array, '*b']
  saved: Any = None

  @property
  def clock(self) -> dict[str, Int[Array, '*b']]:
    """What goes back at a `fill`, by name."""
    return {name: getattr(self, name) for name in self._fields[:-3]}


class _Effect(NamedTuple):
  """What an id, or a step, does to the clock: the columns of the tables.

  Attributes:
    bars: Bars that begin.
    own: Whether the first of them ends a bar of the length before.
    full: How many of them end bars of the meter before.
    added: Cells of the other bars that end.
    opens: Whether a bar must have begun before: a place or a length is told.
    meter: Cells of the last meter told, 0 for none.
    cut: Cells of the open bar, if it ends up cut, else 0.
    fresh: Whether the open bar ends up as long as the meter before.
    place: The last position told and 1, 0 for none; a bar begins at 0.
    cells: Cells that pass.
    pickup: Cells of a pickup.
    pitch: The last pitch, 0 for none.
    mask: Whether a part is taken out here.
    fill: Whether it follows.
  """

  bars: Any = 0
  own: Any = 0
  full: Any = 0
  added: Any = 0
  opens: Any = 0
  meter: Any = 0
  cut: Any = 0
  fresh: Any = 0
  place: Any = 0
  cells: Any = 0
  pickup: Any = 0
  pitch: Any = 0
  mask: Any = 0
  fill: Any = 0


@dataclasses.dataclass(frozen=True)
class Places:
  """Where each step stands in its music, by tables over the ids.

  A step's own events count: a bar step has its own bar's number. Control
  steps stand where the step before them does, so in their bar. EOS stands
  where the last event does.

  A segment counts from its own start. If that is in mid-piece, 4/4 holds until
  a meter is told, as in `decode`; steps before its first bar step are bar 0.
  A step of several pitches (`grid`) has the highest. Where a tokenization
  has no bars (`performance`), bar and position are 0 and time counts its own
  cells, of 10 ms.

  Hashable and comparable, as a static argument of `jax.jit` has to be; the
  tables are bytes, whose hash Python keeps.

  Attributes:
    tables: int32 `[v, columns of _Effect]` of each field, as bytes; empty
      for a field that tells nothing of places.
    meter: Cells of a bar until a meter is told.
    frames: Whether each step is a cell (`grid`).
    infill: Whether parts may be taken out.
    beat: Cells of a beat; of half a second without beats (`performance`).
    sounds: What the steps sound like; None where a note takes several.
    heard: Kinds of control that may be asked instead of told, and how many
      values each has (`tokens.heard`).
  """

  tables: tuple[bytes, ...] = dataclasses.field(repr=False)
  meter: int
  frames: bool = False
  infill: bool = False
  beat: int = 1
  sounds: Sounds | None = None
  heard: tuple[tuple[str, int], ...] = ()

  @classmethod
  def of(cls, tokenizer: Tokenizer) -> 'Places':
    """Returns the places of a tokenizer's steps; they are kept for the next.

    Goes by the names of the codec's ranges (`bar`, `meter`, `cut`,
    `position`, `shift`, `pitch` …), which mean the same everywhere.
    """
    # Not every Tokenizer is known to be hashable, but all are.
    key: Any = tokenizer
    return _places(key)

  @functools.cached_property
  def pitches(self) -> tuple[tuple[int, ...], ...]:
    """MIDI pitch of each id of each field, 0 for none (and for pitch 0)."""
    at, columns = _Effect._fields.index('pitch'), len(_Effect._fields)
    tables = (np.frombuffer(data, np.int32) for data in self.tables)
    return tuple(
      tuple(table.reshape(-1, columns)[:, at].tolist()) for table in tables
    )

  def init(self, shape: tuple[Size, ...] = ()) -> PlaceState:
    """Returns the clock before any step, int32 arrays of a shape."""
    zeros = jnp.zeros(shape, jnp.int32)
    bar = jnp.full(shape, self.meter, jnp.int32)
    none = dict.fromkeys(PlaceState._fields[:-1], zeros)
    none |= {'length': bar, 'meter': bar, 'order': zeros - 1}
    state = PlaceState(**none)
    return state._replace(saved=state.clock) if self.infill else state

  def advance(self, state: PlaceState, step: Int[Array, '*b f']) -> PlaceState:
    """Returns the clock after a step.

    Args:
      state: Before it, of shape `*b`.
      step: Its ids.
    """
    now = self._effects(step)
    new = self._passed(state, now)
    if not self.infill:
      return new
    first = (now.mask > 0) & (state.masked == 0)
    masked = jnp.maximum(state.masked, now.mask)
    saved = _where(first, state.clock, state.saved)
    back = (now.fill > 0) & (masked > 0)
    clock = _where(back, saved, new.clock)
    return new._replace(**clock, masked=masked, saved=saved)

  def _passed(self, state: PlaceState, now: _Effect) -> PlaceState:
    """Returns the clock after a step that takes nothing back."""
    implicit = now.opens & (state.bars == 0)
    length = jnp.where(now.fresh > 0, state.meter, state.length)
    length = jnp.where(now.meter > 0, now.meter, length)
    return state._replace(
      bars=state.bars + now.bars + implicit,
      start=state.start + _ended(now, state.bars, state.length, state.meter),
      length=jnp.where(now.cut > 0, now.cut, length),
      meter=jnp.where(now.meter > 0, now.meter, state.meter),
      position=jnp.where(now.place > 0, now.place - 1, state.position),
      cells=state.cells + now.cells,
      pickup=jnp.where(now.pickup > 0, now.pickup, state.pickup),
      order=jnp.where((now.bars > 0) & (state.bars > 0), 0, state.order + 1),
      pitch=now.pitch,
    )

  def coordinates(self, state: PlaceState) -> Int[Array, '*b 5']:
    """Returns the `COORDINATES` of the step that was taken in last."""
    if self.frames:
      time = jnp.maximum(state.cells - 1, 0)
      past = time - state.pickup
      inside = past >= 0
      bar = past // state.meter + (state.pickup > 0)
      bar = jnp.where(inside, bar, 0)
      order = position = jnp.where(inside, past % state.meter, time)
    else:
      bar = jnp.maximum(state.bars - 1, 0)
      position, order = state.position, state.order
      time = state.start + position + state.cells
    return jnp.stack([bar, position, time, state.pitch, order], axis=-1)

  def __call__(
    self, ids: Int[Array, 'b t f'], segments: Int[Array, 'b t']
  ) -> Int[Array, 'b t 5']:
    """Returns the `COORDINATES` of every step, int32, all at once.

    The same values as `advance` gives from `init` on, in each segment.

    Args:
      ids: Steps of packed pieces.
      segments: Number of the piece at each step; equal numbers side by side
        are one.
    """
    now = self._effects(ids)
    rows = Rows(segments, (now.mask, now.fill) if self.infill else None)
    meter = rows.latest(now.meter, now.meter > 0, self.meter)
    full = rows.before(meter, self.meter)
    told = (now.cut > 0) | (now.meter > 0) | (now.fresh > 0)
    length = jnp.where(now.meter > 0, now.meter, full)
    length = jnp.where(now.cut > 0, now.cut, length)
    length = rows.latest(length, told, self.meter)
    marks = now.bars + now.opens
    implicit = now.opens & (rows.total(marks) == marks)
    more = now.bars + implicit
    bars = rows.total(more)
    ended = _ended(now, bars - more, rows.before(length, self.meter), full)
    state = PlaceState(
      bars=bars,
      start=rows.total(ended),
      length=length,
      meter=meter,
      position=rows.latest(now.place - 1, now.place > 0, 0),
      cells=rows.total(now.cells),
      pickup=rows.latest(now.pickup, now.pickup > 0, 0),
      order=rows.since((now.bars > 0) & (bars > more)),
      pitch=now.pitch,
      masked=now.mask,
    )
    return self.coordinates(state)

  def _effects(self, ids: Int[Array, '*b f']) -> _Effect:
    """Returns what steps do, int32 arrays `*b`."""
    zero = jnp.zeros(ids.shape[:-1], jnp.int32)
    step = _Effect(*(zero for _ in _Effect._fields))
    for field, data in enumerate(self.tables):
      if not data:
        continue
      table = np.frombuffer(data, np.int32).reshape(-1, len(_Effect._fields))
      found = _Effect(
        *(
          jnp.asarray(column)[ids[..., field]] if column.any() else zero
          for column in np.ascontiguousarray(table.T)
        )
      )
      # The bar that a step begins in an earlier field is open already.
      opens = step.opens | (found.opens & (step.bars == 0))
      step = _Effect(*map(jnp.maximum, step, found))._replace(opens=opens)
    return step


@functools.lru_cache(maxsize=64)
def _places(tokenizer: Any) -> Places:
  """Returns the places of a tokenizer: each request asks, several times."""
  merged = getattr(tokenizer, 'expansions', None)
  base = tokenizer if merged is None else tokenizer.base
  fields, grid = base.codec.fields, tokenizer.grid
  frames = _FRAME in fields[0].starts
  meters = events.meter_cells(grid)
  usual = grid.nearest_meter(*notes_lib.DEFAULT_METER)
  found = [_events(field, meters) for field in fields]
  if frames:
    sounding = ('rest', 'mask', *_PITCHES)
    found[0] = [
      [*told, ('cell', 1)] if name in sounding else told
      for told, name in zip(found[0], fields[0].events, strict=True)
    ]
  else:
    # A mask stands in place of its bar.
    found[0] = [
      [*told, ('bar', 1)] if ('mask', 1) in told else told for told in found[0]
    ]
  if merged is not None:
    singles = found[0]
    found = [[[e for id_ in ids for e in singles[id_]] for ids in merged]]
  return Places(
    tables=tuple(_table(told) for told in found),
    meter=grid.meter_cells(*usual),
    frames=frames,
    infill='mask' in fields[0].starts,
    beat=_beat(base),
    sounds=Sounds.of(tokenizer) if merged is None else None,
    heard=heard.kinds(base.codec) if merged is None else (),
  )


def _beat(tokenizer: Tokenizer) -> int:
  """Returns the cells of a beat in the time that steps are told in."""
  shifts = any('shift' in field.starts for field in tokenizer.codec.fields)
  return _HALF_SECOND if shifts else tokenizer.grid.cells_per_beat


def _ended(
  now: _Effect,
  bars: Int[Array, '*b'],
  length: Int[Array, '*b'],
  meter: Int[Array, '*b'],
) -> Int[Array, '*b']:
  """Returns the cells of the bars that end in steps.

  Args:
    now: What the steps do.
    bars: Bars that have begun before each.
    length: Cells of the open bar, if there is one.
    meter: Cells of a full bar, before each.
  """
  open_ = (bars > 0) | (now.opens > 0)
  first = jnp.where(open_, now.own * length, 0)
  return first + now.full * meter + now.added


def _where(
  chosen: Bool[Array, '*b'], ours: Mapping[str, Any], other: Mapping[str, Any]
) -> dict[str, Any]:
  """Returns ours where chosen, else the other, name by name."""
  return {name: jnp.where(chosen, ours[name], other[name]) for name in ours}


def _events(field: Field, meters: np.ndarray) -> list[list[tuple[str, int]]]:
  """Returns what each id of a field tells of places: (event, cells)."""
  told: list[list[tuple[str, int]]] = []
  for name, value in zip(field.events, field.values.tolist(), strict=True):
    if name == 'meter' and field.tells(name):
      told.append([(name, int(meters[value]))])
    elif name in _PITCHES and field.tells(name):
      told.append([('pitch', value)])
    elif name in ('bar', 'cut', 'position', 'shift', 'pickup'):
      told.append([(name, value)])
    elif name in ('mask', 'fill'):
      told.append([(name, 1)])
    else:
      told.append([])
  return told


def _table(told: Iterable[list[tuple[str, int]]]) -> bytes:
  """Returns the table of a field, empty if none of its ids does anything."""
  table = np.array([_effect(each) for each in told], np.int32)
  return table.tobytes() if table.any() else b''


def _effect(told: list[tuple[str, int]]) -> _Effect:
  """Returns what events do in turn."""
  found, length = _Effect(), _OLD
  for name, value in told:
    if name in ('meter', 'cut', 'position') and not found.bars:
      found = found._replace(opens=1)
    if name == 'bar':
      found = _with_bar(found, length)
      length = found.meter or _METER
    elif name == 'meter':
      found, length = found._replace(meter=value, cut=0), value
    elif name == 'cut':
      found, length = found._replace(cut=value, fresh=0), value
    elif name == 'position':
      found = found._replace(place=value + 1)
    elif name in ('shift', 'cell'):
      found = found._replace(cells=found.cells + value)
    else:
      found = found._replace(**{name: value})
  return found


def _with_bar(found: _Effect, length: int) -> _Effect:
  """Returns an effect and one more bar, which ends one of a length."""
  return found._replace(
    bars=found.bars + 1,
    own=found.own + (length == _OLD),
    full=found.full + (length == _METER),
    added=found.added + max(length, 0),
    cut=0,
    fresh=int(not found.meter),
    place=1,
  )
