"""The random amounts of augmentation: one draw a piece and epoch.

Axes: `b` rows, `t` steps, `k` segments of a row, `p` pieces. What a segment
gets follows from (key, epoch, piece) alone. It is drawn once a segment, and
the amounts travel to the steps packed into one integer.
"""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int32, PRNGKeyArray, UInt32

from aurl_jax.data import batching

CHANGES = (
  'transpose',
  'stretch',
  'velocity',
  'instruments',
  'swing',
  'humanise',
)
"""What may be changed. Each draws by its place in here, so that it is the
same whatever else is on."""
_BYTE, _BYTE_MASK = 8, 255
_AT_ONCE = 4
"""So many amounts, a byte each, share a word."""
_FEW = 4
"""Segments of a row, if no row has more, for which drawing is cheap."""
_MOST_WORDS = 32
"""Random words of a change at most."""


@dataclasses.dataclass(frozen=True)
class Drawn:
  """What is drawn for the steps of a batch.

  Attributes:
    amounts: Name -> int32 [b, t], of those that are on; and `softest` and
      `loudest` of the piece, if velocities are scaled.
    slots: int32 [b, t] row of `programs` of each step.
    programs: int32 [b * (k + 1), families] shift of programs, if on.
    words: uint32 [b, t] seed of the segment's noise, 0 for none, if on.
  """

  amounts: Mapping[str, Int32[Array, 'b t']]
  slots: Int32[Array, 'b t']
  programs: Any = None
  words: Any = None


@dataclasses.dataclass(frozen=True)
class Draws:
  """Draws within the rooms of the pieces.

  Attributes:
    rooms: Name -> int32 [p, 2] least and largest amount of each piece.
    programs: int32 [p, families, 2] likewise, or None.
    velocities: int32 [p, 2] softest and loudest of each piece, or None.
    noise: Whether words for noise are drawn.
  """

  rooms: Mapping[str, np.ndarray]
  programs: np.ndarray | None
  velocities: np.ndarray | None
  noise: bool

  def __call__(
    self,
    batch: Mapping[str, Any],
    key: PRNGKeyArray,
    chances: Mapping[str, Any],
  ) -> Drawn:
    """Returns the amounts of a batch.

    Args:
      batch: `segments`, `pieces` [b, t] and `epochs` [b].
      key: Of the run.
      chances: Name -> probability, of the changes that are on.
    """
    segments = jnp.asarray(batch['segments'])
    rows, steps = segments.shape
    most = min(batching.MAX_CHUNKS, steps)
    draw = functools.partial(self._draw, batch, key, chances, most)
    # A row may hold 64 segments, but most hold three.
    few = functools.partial(draw, min(_FEW, most))
    many = functools.partial(draw, most)
    # Bisection costs a fifth of what `segments.max()` does.
    next_ = _first(segments, jnp.array([_FEW + 1]))
    crowded = (_at(segments, next_) > _FEW).any()
    found: _Found = jax.lax.cond(crowded, many, few)
    return Drawn(
      _unpacked(self._names, found.packed),
      segments + (most + 1) * jnp.arange(rows)[:, None],
      found.programs,
      found.noise,
    )

  def _draw(
    self,
    batch: Mapping[str, Any],
    key: PRNGKeyArray,
    chances: Mapping[str, Any],
    most: int,
    count: int,
  ) -> '_Found':
    """Draws for the first `count` segments of each row; no row has more."""
    segments, numbers = batch['segments'], jnp.arange(1, count + 1)
    pieces = _pieces(segments, batch['pieces'], numbers)
    words = _Words(_seeds(key, batch['epochs'], pieces), chances)
    here = segments[:, None] == numbers[:, None]

    def spread(values: Any) -> Any:
      # Faster than a gather as long as segments are few.
      return jnp.where(here, values[..., None], 0).sum(
        axis=1, dtype=values.dtype
      )

    programs = self._programs(words, pieces)
    return _Found(
      [spread(word) for word in _packed(self._amounts(words, pieces))],
      spread(self._noise(words)) if self.noise else None,
      None if programs is None else _slots(programs, most + 1),
    )

  @property
  def _names(self) -> tuple[str, ...]:
    bounds = () if self.velocities is None else ('softest', 'loudest')
    return (*self.rooms, *bounds)

  def _amounts(
    self, words: '_Words', pieces: Int32[Array, 'b k']
  ) -> list[Int32[Array, 'b k']]:
    """Returns what each segment gets, in the order of the names."""
    drawn = []
    for name, table in self.rooms.items():
      room = jnp.asarray(table)[pieces]
      drawn.append(words.within(name, room[..., 0], room[..., 1]))
    if self.velocities is not None:
      bounds = jnp.asarray(self.velocities)[pieces]
      drawn += [bounds[..., 0], bounds[..., 1]]
    return drawn

  def _noise(self, words: '_Words') -> UInt32[Array, 'b k']:
    on, word = words.pair('humanise')
    return jnp.where(on, word | 1, 0)

  def _programs(self, words: '_Words', pieces: Any) -> Any:
    if self.programs is None:
      return None
    room = jnp.asarray(self.programs)[pieces]
    return words.many('instruments', room[..., 0], room[..., 1])


class _Found(NamedTuple):
  """The fields of `Drawn`, as they come out of a branch."""

  packed: list[Any]
  noise: Any
  programs: Any


def _pieces(
  segments: Int32[Array, 'b t'],
  pieces: Int32[Array, 'b t'],
  numbers: Int32[Array, ' k'],
) -> Int32[Array, 'b k']:
  """Returns the piece of each segment; of those not there, some piece."""
  return jnp.maximum(_at(pieces, _first(segments, numbers)), 0)


def _at(
  values: Int32[Array, 'b t'], steps: Int32[Array, 'b k']
) -> Int32[Array, 'b k']:
  """Returns the values at some steps; the last for those beyond it."""
  return jnp.take_along_axis(values, steps, 1, mode='clip')


def _first(
  segments: Int32[Array, 'b t'], numbers: Int32[Array, ' k']
) -> Int32[Array, 'b k']:
  """Returns the first step of each segment; the end if it is not there."""
  steps = segments.shape[1]
  # Segments ascend from 1, and padding, number 0, comes last.
  before = jnp.zeros((len(segments), len(numbers)), jnp.int32)
  for power in reversed(range(steps.bit_length())):
    step = before + (1 << power)
    found = _at(segments, step - 1)
    earlier = (found < numbers) & (found > 0) & (step <= steps)
    before = jnp.where(earlier, step, before)
  return before


def _seeds(
  key: PRNGKeyArray, epochs: Int32[Array, ' b'], pieces: Int32[Array, 'b k']
) -> UInt32[Array, 'b k']:
  """Returns a word of chance for each segment."""
  rows = _mixed(jax.random.bits(key), epochs.astype(jnp.uint32))
  return _mixed(rows[:, None], pieces.astype(jnp.uint32))


def _slots(programs: Int32[Array, 'b k g'], count: int) -> Any:
  """Returns [b * count, g]: a slot for padding, then those of segments."""
  rows, segments, _ = programs.shape
  widths = ((0, 0), (1, count - 1 - segments), (0, 0))
  return jnp.pad(programs, widths).reshape(rows * count, -1)


def _packed(amounts: list[Int32[Array, 'b k']]) -> list[UInt32[Array, 'b k']]:
  """Puts amounts into words, four at a time; 0 stays 0.

  So that a step without a segment, whose words are 0, gets no amount.
  """
  words = []
  for first in range(0, len(amounts), _AT_ONCE):
    word = jnp.uint32(0)
    for place, amount in enumerate(amounts[first : first + _AT_ONCE]):
      byte = amount.astype(jnp.uint32) & _BYTE_MASK
      word |= byte << (_BYTE * place)
    words.append(word)
  return words


def _unpacked(
  names: Sequence[str], words: list[UInt32[Array, 'b t']]
) -> dict[str, Int32[Array, 'b t']]:
  """Takes amounts out of words."""
  amounts = {}
  for number, name in enumerate(names):
    word, place = divmod(number, _AT_ONCE)
    # The shift to the right repeats the sign.
    top = words[word] << (_BYTE * (_AT_ONCE - 1 - place))
    signed = jax.lax.bitcast_convert_type(top, jnp.int32)
    amounts[name] = signed >> (_BYTE * (_AT_ONCE - 1))
  return amounts


class _Words:
  """Random words of segments, two for each change."""

  def __init__(
    self, words: UInt32[Array, 'b k'], chances: Mapping[str, Any]
  ) -> None:
    self._words, self._chances = words, chances

  def pair(self, name: str) -> tuple[Any, UInt32[Array, 'b k']]:
    """Returns whether a change happens, and the word of its amount."""
    # 24 bits are what a float32 holds exactly.
    share = (self._word(name, 0) >> 8).astype(jnp.float32) * 2.0**-24
    return share < self._chances[name], self._word(name, 1)

  def within(self, name: str, low: Any, high: Any) -> Int32[Array, 'b k']:
    """Returns amounts of low..high; 0 where nothing happens."""
    on, word = self.pair(name)
    size = (high - low + 1).astype(jnp.uint32)
    return jnp.where(on, low + (word % size).astype(jnp.int32), 0)

  def many(self, name: str, low: Any, high: Any) -> Int32[Array, 'b k n']:
    """Returns several amounts a segment, [b, k, n]."""
    on, _ = self.pair(name)
    size = (high - low + 1).astype(jnp.uint32)
    numbers = self._number(name, 1) + np.arange(low.shape[-1], dtype=np.uint32)
    words = _mixed(self._words[..., None], jnp.asarray(numbers))
    amount = low + (words % size).astype(jnp.int32)
    return jnp.where(on[..., None], amount, 0)

  def _word(self, name: str, number: int) -> UInt32[Array, 'b k']:
    return _mixed(self._words, jnp.asarray(self._number(name, number)))

  def _number(self, name: str, number: int) -> np.uint32:
    return np.uint32(1 + CHANGES.index(name) * _MOST_WORDS + number)


def _mixed(
  words: UInt32[Array, '...'], numbers: UInt32[Array, '...']
) -> UInt32[Array, '...']:
  """Returns word number so many that follows from a random word.

  By the finaliser of MurmurHash3 (Appleby, public domain): whole random keys
  would cost more than all the rest, to compute and to compile.
  """
  mixed = words + numbers * np.uint32(0x9E3779B9)
  for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
    mixed = (mixed ^ (mixed >> shift)) * np.uint32(factor)
  return mixed ^ (mixed >> 16)


def noise(
  words: UInt32[Array, 'b t'], positions: Int32[Array, 'b t'], most: int
) -> Int32[Array, 'b t']:
  """Returns amounts of -most..most, one a step; 0 where the word is 0.

  They follow from the word of the segment and the place in it.
  """
  mixed = _mixed(words, positions.astype(jnp.uint32))
  amount = (mixed % np.uint32(2 * most + 1)).astype(jnp.int32) - most
  return jnp.where(words == 0, 0, amount)
