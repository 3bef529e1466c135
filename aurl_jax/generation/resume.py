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

from aurl_jax.generation.bar_lines import BarLines
from aurl_jax.generation.errors import RequestError
from aurl_jax.music import cut
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
  lines = BarLines(tokenizer)
  edges = lines.edges(ids)
  fitting = np.flatnonzero(edges[stop] - edges[:stop] <= room)
  first = min([*fitting.tolist(), stop - 1])
  found = _from_bar(lines, ids, first, stop)
  # The first bar may take more steps than it had.
  while len(found) > room and first < stop - 1:
    first += 1
    found = _from_bar(lines, ids, first, stop)
  return found


def _from_bar(
  lines: BarLines, ids: np.ndarray, first: int, stop: int
) -> np.ndarray:
  """Returns bars of a piece as one that begins with them."""
  edges, tokenizer = lines.edges(ids), lines.tokenizer
  if isinstance(tokenizer, VoiceGrid):
    return _cells(tokenizer, ids, int(edges[first]), int(edges[stop]))
  if not first:
    return ids[: edges[stop]]
  music, _ = lines.before(ids, stop)
  _, tick = lines.before(ids, first)
  head = tokenizer.encode(cut.slice_ticks(music, tick, None, held=True))
  # There is a second bar, for the music ends with a note behind the last.
  return np.concatenate(
    [head[: tokenizer.bar_steps(head)[1]], ids[edges[first + 1] : edges[stop]]]
  )


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
    RequestError: It has no bar (code `prompt`).
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
