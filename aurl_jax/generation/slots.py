"""Rows that come and go while others are written: the slots of a program.

A slot is a whole batch of one row: `Program.step` is mapped over slots, so
that each stands at an index of its own. A row begins in the same place of its
cache whenever it comes, and nothing of it depends on the rows beside it: its
ids are those of `generation.decode` at as many rows. The program stops every
few steps; in between, rows leave, join, or move to slots with more room.

Slots are spread over the local devices as the data axis of a mesh; a row stays
on its device. Axes: `s` slots, `j` rows that join together, `k` steps of a
block, `f` fields.
"""

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from jaxtyping import Bool, Int

from aurl_jax.generation import decode, joining, loop
from aurl_jax.generation.joining import Entry, Kind, Packed
from aurl_jax.models import cache as cache_lib

BLOCK = 8
"""Steps between one stop of the program and the next."""
JOIN = 4
"""Rows that join at once, on each device: one program for any number."""
SLOTS = 64
"""Of the smallest room; more gain little speed (`decode.MOST_ROWS`)."""
_BY_ROW = PartitionSpec('data')


def placed(params: Any, devices: Sequence[jax.Device] | None = None) -> Any:
  """Returns parameters on all devices, which lanes then share."""
  mesh = _mesh(tuple(devices or jax.local_devices()))
  return jax.device_put(params, NamedSharding(mesh, PartitionSpec()))


class State(NamedTuple):
  """All slots; every leaf is `[s, …]`, and has one row behind that.

  Attributes:
    asked: What is asked of them, without prompts, and their samplers.
    carry: How far they are.
  """

  asked: Packed
  carry: Packed


class Block(NamedTuple):
  """What a block of steps gave.

  Attributes:
    new: Slot -> steps that are new in it, int32 `[k, f]`, for live slots.
    ended: Slots whose rows have come to their end.
    broken: Slots where the model gave no finite number.
    full: Slots whose rows need more room than there is.
  """

  new: Mapping[int, np.ndarray]
  ended: frozenset[int]
  broken: frozenset[int]
  full: frozenset[int]


class Moved(NamedTuple):
  """A row on its way to other slots, of numpy, and where it stands."""

  state: State
  at: int


class Lane:
  """Slots of one kind and one room. Not safe for several threads."""

  def __init__(
    self,
    kind: Kind,
    params: Any,
    size: int,
    slots: int = SLOTS,
    devices: Sequence[jax.Device] | None = None,
  ) -> None:
    """Makes empty slots; programs are compiled when they are first needed.

    Args:
      kind: Of the rows.
      params: Of the model.
      size: Steps that there is room for, below or at `top`.
      slots: How many, rounded up to a multiple of the devices.
      devices: Those that are used; all local ones by default.
    """
    self.kind, self.size = kind, size
    self._devices = tuple(devices or jax.local_devices())
    self.each = max(1, math.ceil(slots / len(self._devices)))
    self.slots = self.each * len(self._devices)
    self._joining = JOIN * len(self._devices)
    self._programs = _programs(kind, size, self._devices)
    self._params = self._programs.shared(params)
    self._state: State | None = None
    self._index = np.zeros(self.slots, np.int64)

  def compile(self, entry: Entry) -> None:
    """Compiles what writes rows like this; nothing is written.

    Before any row has joined.
    """
    entries = [entry] * self._joining
    rows = _stacked([each.read for each in entries])
    with jax.set_mesh(self._programs.mesh):
      shapes, _ = jax.eval_shape(self._programs.begin, self._params, rows)
    carry = jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), shapes)
    new = State(self._asked(entries), self._programs.split(carry))
    self._insert(new, [])
    self.go(np.zeros(self.slots, bool))
    self.take(0)

  def compile_reading(self, entry: Entry) -> None:
    """Compiles what reads prompts of such a width.

    Another thread may go on with the slots meanwhile.
    """
    self._begin([entry])[1].block_until_ready()

  def join(
    self, entries: Mapping[int, Entry]
  ) -> dict[int, Int[np.ndarray, ' 1']]:
    """Lets rows begin, all of one width.

    Args:
      entries: Free slot -> row, at most `JOIN` on each device.

    Returns:
      Of each slot `loop.Written.illegal` of its row; one that is not -1 is
      not to be written (`decode.check_prompts` tells why).
    """
    order = self._placed(entries)
    spare = next(iter(entries.values()))
    padded = [spare if slot is None else entries[slot] for slot in order]
    carry, illegal = self._begin(padded)
    self._insert(State(self._asked(padded), carry), order)
    for slot, entry in entries.items():
      self._index[slot] = entry.width
    told = np.asarray(illegal)
    return {s: told[i] for i, s in enumerate(order) if s is not None}

  def fits(self, slots: Sequence[int], slot: int) -> bool:
    """Whether a slot can be taken in the same call as others."""
    device = slot // self.each
    return sum(s // self.each == device for s in slots) < JOIN

  def go(self, live: Bool[np.ndarray, ' s'], count: int = BLOCK) -> Block:
    """Writes steps in all live slots, until all have ended or are full.

    Args:
      live: Slots that are written.
      count: Steps at most, up to `BLOCK`.
    """
    assert self._state is not None
    split = self._programs.split
    with jax.set_mesh(self._programs.mesh):
      self._state, told = self._programs.go(
        self._params, self._state, split(live), jnp.int32(count)
      )
    recent, index, ended, broken = (np.asarray(part) for part in told)
    new = {}
    for slot in np.flatnonzero(live).tolist():
      first = max(0, int(index[slot]) - BLOCK)
      was, now = int(self._index[slot]) - first, int(index[slot]) - first
      new[slot] = recent[slot, was:now].copy()
    self._index[live] = index[live]
    full = live & (index >= self.size) & ~ended & ~broken
    return Block(new, _where(live & ended), _where(live & broken), _where(full))

  def take(self, slot: int) -> Moved:
    """Returns the row of a slot, to be put elsewhere."""
    at = np.full(len(self._devices), slot % self.each, np.int32)
    with jax.set_mesh(self._programs.mesh):
      found = self._programs.take(self._state, self._programs.split(at))
    device = slot // self.each
    state = jax.tree.map(lambda x: np.asarray(x)[device], found)
    return Moved(state, int(self._index[slot]))

  def put(self, slot: int, moved: Moved) -> None:
    """Takes a row in that comes from a lane with less room."""
    grown = jax.tree.map(np.asarray, _grown(moved.state, self.size))
    order = self._placed({slot: None})
    whole = jax.tree.map(lambda x: np.stack([x] * len(order)), grown)
    self._insert(self._programs.split(whole), order)
    self._index[slot] = moved.at

  def _placed(self, slots: Mapping[int, Any]) -> list[int | None]:
    """Returns the slot of each place of a joining batch, None for no one."""
    order: list[int | None] = [None] * self._joining
    for slot in slots:
      places = range((slot // self.each) * JOIN, len(order))
      order[next(p for p in places if order[p] is None)] = slot
    return order

  def _begin(self, entries: list[Entry]) -> tuple[Packed, jax.Array]:
    """Reads the prompts of as many rows as join at once."""
    entries = entries + entries[-1:] * (self._joining - len(entries))
    rows = _stacked([entry.read for entry in entries])
    with jax.set_mesh(self._programs.mesh):
      return self._programs.begin(self._params, self._programs.split(rows))

  def _asked(self, entries: list[Entry]) -> Packed:
    found: Packed = self._programs.split(_stacked([e.written for e in entries]))
    return found

  def _insert(self, new: State, order: Sequence[int | None]) -> None:
    """Writes rows into slots; what has no slot goes nowhere."""
    if self._state is None:
      self._state = self._programs.split(
        jax.tree.map(
          lambda x: np.zeros((self.slots, *x.shape[1:]), x.dtype), new
        )
      )
    at = np.full(self._joining, self.each, np.int32)
    for place, slot in enumerate(order):
      if slot is not None:
        at[place] = slot % self.each
    with jax.set_mesh(self._programs.mesh):
      self._state = self._programs.insert(
        self._state, new, self._programs.split(at)
      )


def _where(mask: Bool[np.ndarray, ' s']) -> frozenset[int]:
  return frozenset(np.flatnonzero(mask).tolist())


def _stacked(trees: Sequence[Any]) -> Any:
  return jax.tree.map(lambda *x: np.stack(x), *trees)


def _grown(state: State, size: int) -> State:
  """Returns a row whose cache has more room."""
  carry = jax.tree.map(jnp.asarray, state.carry).whole()
  cache = cache_lib.grow(carry.cache, size)
  return state._replace(
    carry=Packed.of(dataclasses.replace(carry, cache=cache))
  )


class _Programs(NamedTuple):
  """What is compiled for a lane."""

  mesh: Mesh
  begin: Callable[..., Any]
  insert: Callable[..., Any]
  go: Callable[..., Any]
  take: Callable[..., Any]

  def split(self, tree: Any) -> Any:
    """Returns arrays spread over the devices by their first axis."""
    return jax.device_put(tree, NamedSharding(self.mesh, _BY_ROW))

  def shared(self, tree: Any) -> Any:
    """Returns arrays that all devices have."""
    return jax.device_put(tree, NamedSharding(self.mesh, PartitionSpec()))


def _mesh(devices: tuple[jax.Device, ...]) -> Mesh:
  return jax.make_mesh(
    (len(devices),), ('data',), (AxisType.Auto,), devices=devices
  )


@functools.lru_cache(maxsize=64)
def _programs(
  kind: Kind, size: int, devices: tuple[jax.Device, ...]
) -> _Programs:
  """Returns the jitted functions of a kind and a room."""
  mesh = _mesh(devices)
  last = joining.top(kind.key[0].config.context)
  program = decode.program_of(kind.key, None, (size, last))

  def mapped(function: Callable[..., Any], *whole: bool) -> Callable[..., Any]:
    """Returns a function on each device's own rows; some arguments whole."""
    specs = tuple(PartitionSpec() if w else _BY_ROW for w in whole)
    return jax.shard_map(
      function, mesh=mesh, in_specs=specs, out_specs=_BY_ROW, check_vma=False
    )

  def begin(params: Any, rows: Packed) -> tuple[Packed, jax.Array]:
    def one(row: Packed) -> tuple[Packed, jax.Array]:
      carry, illegal = program.begin(params, row.whole())
      return Packed.of(carry), illegal

    found: tuple[Packed, jax.Array] = jax.vmap(one)(rows)
    return found

  def insert(state: State, new: State, at: jax.Array) -> State:
    put = lambda old, one: old.at[at].set(one, mode='drop')  # noqa: E731
    return jax.tree.map(put, state, new)

  def take(state: State, at: jax.Array) -> State:
    return jax.tree.map(lambda x: x[at], state)

  go = functools.partial(_go, program, size)
  return _Programs(
    mesh,
    jax.jit(mapped(begin, True, False)),
    jax.jit(mapped(insert, False, False, False), donate_argnums=0),
    jax.jit(mapped(go, True, False, False, True), donate_argnums=1),
    jax.jit(mapped(take, False, False)),
  )


def _go(
  program: loop.Program,
  size: int,
  params: Any,
  state: State,
  live: jax.Array,
  count: jax.Array,
) -> tuple[State, tuple[jax.Array, ...]]:
  """Writes a block in the slots of one device."""

  def one(asked: Packed, carry: Packed, going: jax.Array) -> Packed:
    (rows, sampler), old = asked.whole(), carry.whole()
    new = program.step(params, sampler, rows, old)
    return Packed.of(_if(going, new, old))

  def body(held: tuple[jax.Array, Packed]) -> tuple[jax.Array, Packed]:
    done, carry = held
    return done + 1, jax.vmap(one)(state.asked, carry, going(carry))

  def going(carry: Packed) -> jax.Array:
    return live & jax.vmap(lambda row: _goes(row.whole(), size))(carry)

  goes_on = lambda held: (held[0] < count) & jnp.any(going(held[1]))  # noqa: E731
  _, carry = jax.lax.while_loop(goes_on, body, (jnp.int32(0), state.carry))
  return State(state.asked, carry), jax.vmap(_told)(carry)


def _goes(carry: loop.Carry, size: int) -> jax.Array:
  """Returns whether a row goes on, and has room to."""
  return ~(carry.ended[0] | carry.broken[0]) & (carry.index < size)


def _told(packed: Packed) -> tuple[jax.Array, ...]:
  """Returns a row's last steps, its index, and whether it is at its end."""
  carry: loop.Carry = packed.whole()
  first = jnp.maximum(carry.index - BLOCK, 0)
  recent = jax.lax.dynamic_slice_in_dim(carry.ids[0], first, BLOCK, 0)
  return recent, carry.index, carry.ended[0], carry.broken[0]


def _if(going: jax.Array, new: loop.Carry, old: loop.Carry) -> loop.Carry:
  """Returns the new state of a row that goes on, else the old one.

  But for what is too large to be copied at each step: a row that stands still
  writes the step before its index into the cache once more, and into its ids
  one behind them, which is not read.
  """
  choose = lambda x, y: jnp.where(going, x, y)  # noqa: E731
  kept = jax.tree.map(choose, _light(new), _light(old)).whole()
  cache = dataclasses.replace(
    kept.cache, keys=new.cache.keys, values=new.cache.values
  )
  return dataclasses.replace(kept, ids=new.ids, cache=cache)


def _light(carry: loop.Carry) -> Packed:
  """Returns a state without keys and values, and with one step of ids."""
  cache = dataclasses.replace(carry.cache, keys=(), values=())
  return Packed.of(
    dataclasses.replace(carry, ids=carry.ids[:, :1], cache=cache)
  )
