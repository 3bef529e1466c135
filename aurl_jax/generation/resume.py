"""Going on from the last bars of a piece: its prompt, and a bar line first.

Where a context is full, the last bars that fit into part of it begin another
one. Steps stay what they were, but for those of the first bar: it tells meter
and tempo, and what sounds on into it begins there. Axes: `t` steps, `f`
fields.
"""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

from aurl_jax.generation.errors import RequestError
from aurl_jax.generation.opening import opening
from aurl_jax.music import cut, time
from aurl_jax.music.notes import Notes
from aurl_jax.tokens.codec import Codec
from aurl_jax.tokens.grammar import Scalar
from aurl_jax.tokens.grid import VoiceGrid
from aurl_jax.tokens.tokenizer import Tokenizer

_PICKUP = 3
"""The field of a grid's first step that tells the cells of a pickup."""


def last_bars(
  tokenizer: Tokenizer, ids: Int[np.ndarray, 't f'], stop: int, room: int
) -> Int[np.ndarray, 'u f']:
  """Returns a prompt of the last bars before one.

  Args:
    tokenizer: Of the ids, with bars.
    ids: A piece from BOS.
    stop: One past the last bar, at least 1.
    room: Steps that the prompt may have; of one bar it may have more.
  """
  starts = bar_edges(tokenizer, ids)
  music = tokenizer.decode(ids)
  fitting = np.flatnonzero(starts[stop] - starts[:stop] <= room)
  first = min([*fitting.tolist(), stop - 1])
  found = _from_bar(tokenizer, ids, music, first, stop)
  # The first bar may take more steps than it had.
  while len(found) > room and first < stop - 1:
    first += 1
    found = _from_bar(tokenizer, ids, music, first, stop)
  return found


def bar_edges(
  tokenizer: Tokenizer, ids: Int[np.ndarray, 't f']
) -> Int[np.ndarray, ' m']:
  """Returns where each bar starts, and where the last one stops."""
  ends = np.flatnonzero(tokenizer.is_end(ids))
  stop = int(ends[0]) if len(ends) else len(ids)
  return np.append(tokenizer.bar_steps(ids), stop)


def bar_ticks(notes: Notes, count: int) -> Int[np.ndarray, ' n']:
  """Returns the ticks at which at least `count` bars start, from bar 0."""
  changes = time.meter_changes(notes)
  longest = max(
    -(-4 * notes.ticks_per_beat * above // below) for _, above, below in changes
  )
  return time.bar_starts(notes, max(notes.end, count * longest) + 1)


def _from_bar(
  tokenizer: Tokenizer, ids: np.ndarray, music: Notes, first: int, stop: int
) -> np.ndarray:
  """Returns bars of a piece as one that begins with them."""
  starts = bar_edges(tokenizer, ids)
  if isinstance(tokenizer, VoiceGrid):
    return _cells(tokenizer, ids, int(starts[first]), int(starts[stop]))
  tick = int(bar_ticks(music, first + 1)[first])
  told = cut.slice_ticks(music, tick, None, held=True)
  head = tokenizer.encode(told)
  edges = bar_edges(tokenizer, head)
  if len(edges) > 1:
    head = head[: edges[1]]
  else:
    _, above, below = time.meter_changes(told)[0]
    head = opening(tokenizer, (above, below))
  return np.concatenate([head, ids[starts[first + 1] : starts[stop]]])


def _cells(
  tokenizer: VoiceGrid, ids: np.ndarray, start: int, stop: int
) -> np.ndarray:
  """Returns cells of a grid behind its first step; what is held begins."""
  codec = tokenizer.codec
  found = np.concatenate([ids[:1], ids[start:stop]])
  if start > 1:
    found[0, _PICKUP] = codec.id('pickup', 0, _PICKUP)
  held = codec.holds('hold', found[1:2])
  begins = codec.id('pitch') - codec.id('hold')
  found[1:2] = np.where(held, found[1:2] + begins, found[1:2])
  return found


@functools.partial(
  jax.tree_util.register_dataclass, data_fields=['at'], meta_fields=['codec']
)
@dataclasses.dataclass(frozen=True, kw_only=True)
class BarNext:
  """The step behind a prompt begins a bar: those before it are complete.

  Attributes:
    at: Steps of the prompt; -1 for one that has no such bars.
    codec: The vocabulary, with bars as events.
  """

  at: Any
  codec: Codec

  def init(self) -> Scalar:
    """Returns a count of 0 steps."""
    return jnp.int32(0)

  def mask(
    self, state: Scalar, field: int, partial: Int[Array, ' f']
  ) -> Bool[Array, ' v']:
    """Returns all ids, or those of bars."""
    del partial
    size = self.codec.sizes[field]
    if field:
      return jnp.ones(size, bool)
    bar = self.codec.fields[0].holds('bar', np.arange(size))
    return jnp.asarray(bar) | (state != self.at)

  def advance(self, state: Scalar, step: Int[Array, ' f']) -> Scalar:
    """Returns the count with this step."""
    del step
    return state + 1


def bar_next(tokenizer: Tokenizer, at: int) -> tuple[BarNext, ...]:
  """Returns the constraint; none where steps are cells, so that bars are full.

  Args:
    tokenizer: Of the ids.
    at: As of `BarNext`.
  """
  if isinstance(tokenizer, VoiceGrid):
    return ()
  return (BarNext(at=at, codec=tokenizer.codec),)


def whole_bars(
  tokenizer: Tokenizer, ids: Int[np.ndarray, 't f']
) -> Int[np.ndarray, 'u f']:
  """Returns a piece without its end whose last bar is complete.

  Raises:
    RequestError: It has no bar, or its last one is a pickup (code `prompt`).
  """
  ids = ids[~tokenizer.is_end(ids)]
  starts = tokenizer.bar_steps(ids)
  if not len(starts):
    raise RequestError('the prompt has no bar to go on from', code='prompt')
  if not isinstance(tokenizer, VoiceGrid):
    return ids
  rest = np.full((1, ids.shape[1]), tokenizer.codec.id('rest'), np.int32)
  while len(tokenizer.bar_steps(ids)) == len(starts):
    ids = np.concatenate([ids, rest])
  return ids[:-1]
