"""How far each piece can be changed without leaving its vocabulary.

Axes: `p` pieces of a split, `g` groups of programs. A room is how far the
values of one kind of event may be moved, down (never above 0) and up (never
below 0), so that none of the piece's leaves its range. Augmentation draws
within the room of a whole piece, never of the stretch that a row holds: so
all stretches of a piece are moved alike, and nothing is clipped.
"""

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
from jaxtyping import Bool, Int32

from aurl_jax.data.cache import TokenSplit
from aurl_jax.music.grid import Grid
from aurl_jax.music.theory import FAMILIES, FAMILY
from aurl_jax.tokens.codec import Codec

PITCHED = ('pitch', 'hold', 'release')
"""Events whose values are pitches that sound as such; drums are not."""
_AT_ONCE = 1 << 22
"""Steps read at a time, so that a split of any size takes little memory."""
_NONE = np.iinfo(np.int32).max


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rooms:
  """The rooms of a split's pieces, [p, 2] each: down and up.

  Attributes:
    pitch: Semitones; 0 for a piece without pitches.
    tempo: Bins of tempo.
    velocity: Bins of velocity.
    program: [p, g, 2] programs inside each General MIDI family.
    simple: [p] whether every bar is of quarters or halves and none is cut
      short, so that its beats may be swung.
    velocity_bins: How many bins there are; 1 where none is told.
  """

  pitch: Int32[np.ndarray, 'p 2']
  tempo: Int32[np.ndarray, 'p 2']
  velocity: Int32[np.ndarray, 'p 2']
  program: Int32[np.ndarray, 'p g 2']
  simple: Bool[np.ndarray, ' p']
  velocity_bins: int

  def __len__(self) -> int:
    return len(self.simple)


def measure(split: TokenSplit, codec: Codec, grid: Grid) -> Rooms:
  """Returns the rooms of a split's pieces, in one pass over its ids.

  Args:
    split: The pieces.
    codec: The vocabulary of their ids.
    grid: What its meters mean.
  """
  parts = [_measure(*block, codec, grid) for block in _blocks(split)]
  names = ('pitch', 'tempo', 'velocity', 'program', 'simple')
  joined = {
    name: np.concatenate([getattr(part, name) for part in parts])
    for name in names
  }
  return Rooms(**joined, velocity_bins=parts[0].velocity_bins)


def _blocks(split: TokenSplit) -> Iterator[tuple[np.ndarray, np.ndarray]]:
  """Yields ids [steps, fields] of whole pieces, and where each begins."""
  first = 0
  while first < len(split):
    begin = split.offsets[first]
    last = int(np.searchsorted(split.offsets, begin + _AT_ONCE, 'right')) - 1
    last = min(max(last, first + 1), len(split))
    starts = split.offsets[first:last] - begin
    yield np.asarray(split.ids[begin : split.offsets[last]]), starts
    first = last


def _measure(
  ids: np.ndarray, starts: np.ndarray, codec: Codec, grid: Grid
) -> Rooms:
  low, high = _bounds(codec, 'velocity')

  def room(events: tuple[str, ...], first: int, last: int) -> np.ndarray:
    least, most = _extent(ids, starts, codec, events)
    return _room(least, most, first, last)

  return Rooms(
    pitch=room(PITCHED, 0, 127),
    tempo=room(('tempo',), 0, len(grid.tempos) - 1),
    velocity=room(('velocity',), low, high),
    program=_programs(ids, starts, codec),
    simple=_simple(ids, starts, codec, grid),
    velocity_bins=high - low + 1,
  )


def _room(
  least: np.ndarray, most: np.ndarray, low: Any, high: Any
) -> np.ndarray:
  """Returns how far `least..most` may go down and up inside `low..high`."""
  empty = least > most
  down, up = np.where(empty, 0, low - least), np.where(empty, 0, high - most)
  return np.stack([down, up], axis=-1).astype(np.int32)


def _programs(
  ids: np.ndarray, starts: np.ndarray, codec: Codec
) -> Int32[np.ndarray, 'p g 2']:
  """Returns the room of the programs that each piece uses, by family."""
  size = FAMILIES * FAMILY
  piece = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(ids)))
  used = np.zeros((len(starts), size), np.bool_)
  for column, field in enumerate(codec.fields):
    values = field.values[ids[:, column]]
    at = codec.holds('program', ids[:, column], column) & (values < size)
    used[piece[at], values[at]] = True
  families = used.reshape(len(starts), FAMILIES, FAMILY)
  least = np.where(families.any(-1), families.argmax(-1), FAMILY)
  most = FAMILY - 1 - families[..., ::-1].argmax(-1)
  return _room(least, most, 0, FAMILY - 1)


def _bounds(codec: Codec, event: str) -> tuple[int, int]:
  """Returns the least and the largest value of an event; 0, 0 for none."""
  for field in codec.fields:
    if field.tells(event):
      return field.by_event[event].low, field.by_event[event].high
  return 0, 0


def _extent(
  ids: np.ndarray,
  starts: np.ndarray,
  codec: Codec,
  events: tuple[str, ...],
) -> tuple[np.ndarray, np.ndarray]:
  """Returns each piece's least and largest value of some events."""
  least = np.full(len(starts), _NONE, np.int64)
  most = np.full(len(starts), -_NONE, np.int64)
  for column, field in enumerate(codec.fields):
    for event in events:
      if not field.tells(event):
        continue
      values = field.values[ids[:, column]]
      counts = codec.holds(event, ids[:, column], column)
      low = np.where(counts, values, _NONE)
      high = np.where(counts, values, -_NONE)
      least = np.minimum(least, np.minimum.reduceat(low, starts))
      most = np.maximum(most, np.maximum.reduceat(high, starts))
  return least, most


def _simple(
  ids: np.ndarray, starts: np.ndarray, codec: Codec, grid: Grid
) -> np.ndarray:
  """Returns which pieces have quarters or halves for beats, and no cut."""
  odd = np.array([denominator > 4 for _, denominator in grid.meters])
  found = np.zeros(len(ids), np.bool_)
  for column, field in enumerate(codec.fields):
    if field.tells('meter'):
      meter = codec.holds('meter', ids[:, column], column)
      found |= meter & odd.take(field.values[ids[:, column]], mode='clip')
    found |= codec.holds('cut', ids[:, column], column)
  return ~np.logical_or.reduceat(found, starts)
