"""Which steps and which bars a step sees, laid out as tiles on the device.

Fine and coarse attention (Yu et al. 2022, Museformer, section 3.2): a step
sees the steps of its own bar and of some earlier ones, `NEAR` bars back, and
each other earlier bar of its segment through one summary. A `Plan` says so
for a batch of rows: it cuts queries and keys into tiles and lists, for every
tile of queries, the tiles of keys that hold anything it sees. Tiles of
summaries stand behind those of steps. The lists depend on the data and so
does the work, but no shape does: long bars cost more, and are never cut.
Summaries are as many as the bars of a piece, unless there is a horizon,
behind which no bar is seen.

A plan is made once for all layers. Its lists are `2 n²` integers a row for
`n` tiles, `t² / 2048` at 64 steps a tile: 2 MB where keys of one layer of
width 384 take 100 (65,536 steps).

Axes: `b` batch, `t` steps as given, `p` steps padded to whole tiles, which
are also the slots of bars, `n` tiles of queries, `m` tiles of keys, `s`
steps of a tile.
"""

import dataclasses
import functools
import operator

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

NEAR = (0, 1, 2, 4, 8, 12, 16, 24, 32)
"""How many bars back steps are seen in full: Museformer's choice."""

TILE = 64
# Tiles of queries that are worked on at once. A CPU's caches hold eight; a
# GPU wants more work at a time.
_AT_ONCE_CPU = 8
_AT_ONCE = 64


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
  """Who sees whom in a batch of rows, by tiles; see the module.

  A *slot* is a bar that has steps, numbered in order along the row.

  Attributes:
    segment: Number of each step's segment, rising along the row.
    place: Bar of each step, rising along the row; bars of two segments, or
      on two sides of a long rest, stand further apart than any of `near`.
    slot: Slot of each step's bar.
    last: Last step of each slot; `p` where there is no such slot.
    tiles: Tiles of keys that a tile of queries needs, in order, and then
      numbers that mean nothing.
    numbers: How many tiles of keys a tile of queries needs.
    length: Steps `t` before padding.
    tile: Steps `s` of a tile.
    chunk: Tiles of queries worked on at once; divides `n`.
    near: How many bars back steps are seen.
    coarse: Whether earlier bars that are not near are seen as summaries.
    horizon: Slots back that are seen as summaries at most; 0 for all.
  """

  segment: Int[Array, 'b p']
  place: Int[Array, 'b p']
  slot: Int[Array, 'b p']
  last: Int[Array, 'b p']
  tiles: Int[Array, 'b n m']
  numbers: Int[Array, 'b n']
  length: int = dataclasses.field(metadata={'static': True})
  tile: int = dataclasses.field(metadata={'static': True})
  chunk: int = dataclasses.field(metadata={'static': True})
  near: tuple[int, ...] = dataclasses.field(metadata={'static': True})
  coarse: bool = dataclasses.field(metadata={'static': True})
  horizon: int = dataclasses.field(metadata={'static': True})

  @property
  def padded(self) -> int:
    """Steps `p` with padding, and as many slots."""
    return self.place.shape[1]

  @property
  def rows(self) -> int:
    """Tiles `n` of queries, and of steps among the keys."""
    return self.numbers.shape[1]

  def queries(self) -> Int[Array, '4 b n s']:
    """Returns segment, place, index and slot of each step, by tiles."""
    index = jnp.broadcast_to(jnp.arange(self.padded), self.place.shape)
    found = jnp.stack([self.segment, self.place, index, self.slot])
    return found.reshape(*found.shape[:2], -1, self.tile)

  def keys(self) -> Int[Array, '4 b m s']:
    """Returns segment, place, last step and slot of each key, by tiles."""
    if not self.coarse:
      return self.queries()
    at = jnp.minimum(self.last, self.padded - 1)
    pick = lambda x: jnp.take_along_axis(x, at, axis=1)  # noqa: E731
    number = jnp.broadcast_to(jnp.arange(self.padded), self.last.shape)
    slots = jnp.stack([pick(self.segment), pick(self.place), self.last, number])
    slots = slots.reshape(*slots.shape[:2], -1, self.tile)
    return jnp.concatenate([self.queries(), slots], axis=2)

  def seen(
    self,
    queries: Int[Array, '4 b c q'],
    keys: Int[Array, '4 b c u'],
    fine: Bool[Array, 'b c'],
  ) -> Bool[Array, 'b c q u']:
    """Returns which of some keys each of some queries sees.

    Args:
      queries: Segment, place, index and slot.
      keys: Segment, place, last step and slot.
      fine: Whether the keys are steps; else they are summaries.
    """
    segment, place, last, slot = (
      (one[..., :, None], other[..., None, :])
      for one, other in zip(queries, keys, strict=True)
    )
    found = near(place[0] - place[1], self.near) == fine[..., None, None]
    found &= segment[0] == segment[1]
    if self.horizon:
      found &= fine[..., None, None] | (slot[0] - slot[1] <= self.horizon)
    return found & (last[1] <= last[0])


def near(
  distance: Int[Array, '*n'], bars: tuple[int, ...] = NEAR
) -> Bool[Array, '*n']:
  """Returns whether a bar so many bars back is seen step by step."""
  return functools.reduce(operator.or_, (distance == bar for bar in bars))


def plan(
  bars: Int[Array, 'b t'],
  segments: Int[Array, 'b t'],
  *,
  near: tuple[int, ...] = NEAR,
  coarse: bool = True,
  horizon: int = 0,
  tile: int = TILE,
  chunk: int = 0,
) -> Plan:
  """Returns the plan of a batch.

  Args:
    bars: Bar of each step in its segment. Inside a segment it never falls;
      where it does, a segment begins. It may leave out bars (empty ones).
    segments: Number of the piece at each step; a piece is one run of steps.
    near: How many bars back steps are seen in full, ascending, 0 first.
    coarse: Whether other earlier bars are seen as summaries.
    horizon: As of `Plan`.
    tile: Steps of a tile.
    chunk: Most tiles of queries worked on at once; 0 chooses by platform.
  """
  length = bars.shape[1]
  chunk, added = _chunked(length, tile, chunk)
  segment, place, slot = coordinates(bars, segments, near, added)
  last = _last(slot)
  needed = _fine(place.reshape(len(bars), -1, tile), near)
  if coarse:
    far = _coarse(segment, last, tile)
    if horizon:
      far &= _within(slot, tile, horizon)
    needed = jnp.concatenate([needed, far], axis=-1)
  count = needed.shape[-1]
  tiles = jnp.sort(jnp.where(needed, jnp.arange(count), count), axis=-1)
  return Plan(
    segment=segment,
    place=place,
    slot=slot,
    last=last,
    tiles=jnp.minimum(tiles, count - 1),
    numbers=needed.sum(-1, dtype=jnp.int32),
    length=length,
    tile=tile,
    chunk=chunk,
    near=near,
    coarse=coarse,
    horizon=horizon,
  )


def _chunked(length: int, tile: int, most: int) -> tuple[int, int]:
  """Returns tiles of a chunk, and steps that whole chunks need beside."""
  most = most or (_AT_ONCE_CPU if _on_cpu() else _AT_ONCE)
  count = -(-length // tile)
  chunks = -(-count // most)
  chunk = -(-count // chunks)
  return chunk, chunks * chunk * tile - length


def coordinates(
  bars: Int[Array, 'b t'],
  segments: Int[Array, 'b t'],
  near: tuple[int, ...] = NEAR,
  added: int = 0,
) -> tuple[Int[Array, 'b p'], Int[Array, 'b p'], Int[Array, 'b p']]:
  """Returns segment, place and slot of each step; see `Plan`.

  Args:
    bars: As of `plan`.
    segments: As of `plan`.
    near: As of `plan`.
    added: Steps of padding to add, a segment of their own.
  """
  moved = jnp.diff(bars, axis=1)
  begins = (jnp.diff(segments, axis=1) != 0) | (moved < 0)
  if added:
    begins = jnp.pad(begins, ((0, 0), (0, 1)), constant_values=True)
    begins = jnp.pad(begins, ((0, 0), (0, added - 1)))
    moved = jnp.pad(moved, ((0, 0), (0, added)))
  far = near[-1] + 1
  moved = jnp.where(begins, far, jnp.minimum(moved, far))
  total = lambda x: jnp.pad(  # noqa: E731
    jnp.cumsum(x, axis=1, dtype=jnp.int32), ((0, 0), (1, 0))
  )
  return total(begins), total(moved), total(moved > 0)


def _last(slot: Int[Array, 'b p']) -> Int[Array, 'b p']:
  numbers = jnp.arange(slot.shape[1])
  after = jax.vmap(lambda row: jnp.searchsorted(row, numbers, side='right'))(
    slot
  )
  return jnp.where(numbers <= slot[:, -1:], after - 1, len(numbers))


def _fine(
  place: Int[Array, 'b n s'], bars: tuple[int, ...]
) -> Bool[Array, 'b n n']:
  """Which tiles of steps hold a bar that a tile of queries sees."""
  first, last = place[..., 0], place[..., -1]
  least = first[:, :, None] - last[:, None, :]
  most = last[:, :, None] - first[:, None, :]
  found = [(least <= bar) & (bar <= most) for bar in bars]
  needed = functools.reduce(operator.or_, found)
  return needed & jnp.tri(place.shape[1], dtype=bool)


def _coarse(
  segment: Int[Array, 'b p'], last: Int[Array, 'b p'], tile: int
) -> Bool[Array, 'b n m']:
  """Which tiles of slots hold an earlier bar of the queries' segments."""
  b, count = last.shape
  begin, end = last.reshape(b, -1, tile)[..., 0], last[:, tile - 1 :: tile]
  owner = jnp.take_along_axis(segment, jnp.minimum(end, count - 1), axis=1)
  index = jnp.arange(tile - 1, count, tile)
  earlier = begin[:, None, :] <= index[:, None]
  return earlier & (owner[:, None, :] >= segment[:, ::tile, None])


def _within(
  slot: Int[Array, 'b p'], tile: int, horizon: int
) -> Bool[Array, 'b n m']:
  """Which tiles of slots hold one that a tile of queries is not too far from.

  The first of the queries is the nearest one.
  """
  final = jnp.arange(tile - 1, slot.shape[1], tile)
  return slot[:, ::tile, None] - final <= horizon


def _on_cpu() -> bool:
  return jax.default_backend() == 'cpu'
