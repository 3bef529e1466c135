"""Rows that may join others in slots, each laid out alone.

What programs are compiled for is the kind of a row, the width of its prompt
and the room of its lane: all are such that few are needed. Axes: `t` steps, `f`
fields, `b` rows, of which there is one.
"""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from aurl_jax.generation import loop
from aurl_jax.generation.decode import Batch, Key, Writer
from aurl_jax.generation.sampling import Sampler

_WIDTHS = (8, 40, 72, 104, 136)
"""Steps that prompts are padded to, such as hold 2, 4, 6 and 8 bars of 16ths
behind a step that begins; then by halves and doubles."""
_PAD = 32
"""Prompts are read in multiples of it, if they are longer."""
_BARS = 4
"""That go on from as many fit into the smallest room."""
ROOM = 256
"""Steps of the smallest room, where the notes of bars decide."""
_USUAL = ('temperature', 'top_p')
_ALL = ('temperature', 'top_k', 'top_p', 'typical_p', 'min_p')
_OFF = {'top_k': 0, 'top_p': 1.0, 'typical_p': 1.0, 'min_p': 0.0}


class Kind(NamedTuple):
  """What rows have in common that one program writes; hashable.

  Attributes:
    key: Of the writer (`decode.Writer.split`).
    shapes: Of the numbers of its constraints.
    filters: Settings of the sampler that are numbers of the rows; the others
      are off in all of them. There are two such sets, so that no settings
      that are asked for need a program of their own.
    guided: Whether rows have twins.
    unread: Whether there are steps that twins do not read.
    latents: Whether rows have latents of their own.
  """

  key: Key
  shapes: tuple[tuple[int, ...] | None, ...]
  filters: tuple[str, ...]
  guided: bool
  unread: bool
  latents: bool

  @classmethod
  def of(cls, writer: Writer, batch: Batch) -> 'Kind':
    """Returns the kind of the rows of a batch."""
    key, numbers = writer.split()
    sampler = writer.sampler
    more = [
      n for n in _OFF if n not in _USUAL and getattr(sampler, n) != _OFF[n]
    ]
    return cls(
      key,
      tuple(None if n is None else np.shape(n) for n in numbers),
      _ALL if more else _USUAL,
      batch.asked.twins is not None,
      batch.asked.unread is not None,
      batch.asked.latents is not None,
    )


@jax.tree_util.register_pytree_node_class
class Packed:
  """A tree of one row, or its leaves for many: then it has other shapes."""

  def __init__(self, leaves: Sequence[Any], tree: Any) -> None:
    self._leaves, self._tree = tuple(leaves), tree

  @classmethod
  def of(cls, whole: Any) -> 'Packed':
    """Returns a tree as its leaves."""
    return cls(*jax.tree.flatten(whole))

  def whole(self) -> Any:
    """Returns the tree of a row."""
    return jax.tree.unflatten(self._tree, self._leaves)

  def tree_flatten(self) -> tuple[tuple[Any, ...], Any]:
    """Returns leaves, and what they are leaves of."""
    return self._leaves, self._tree

  @classmethod
  def tree_unflatten(cls, tree: Any, leaves: Sequence[Any]) -> 'Packed':
    """Returns leaves of any shape."""
    return cls(leaves, tree)


class Entry(NamedTuple):
  """A row that may join.

  Attributes:
    kind: Its own.
    writer: What writes it.
    batch: The row alone, with the width of its prompt.
    read: `loop.Rows` of it, of numpy.
    written: The same without its prompt, and its sampler.
  """

  kind: Kind
  writer: Writer
  batch: Batch
  read: Packed
  written: Packed

  @property
  def width(self) -> int:
    """Steps that its prompt is padded to."""
    return self.batch.width

  @property
  def prompt(self) -> np.ndarray:
    """The steps that it begins with, int32 `[t, f]`."""
    return np.asarray(self.batch.prompts[0], np.int32)


def entry(writer: Writer, batch: Batch, least: int = 1) -> Entry:
  """Returns the row of a batch of one as it joins.

  Args:
    writer: What writes it.
    batch: The row.
    least: Steps that its prompt is padded to at least.
  """
  if batch.numbers is None:
    batch = dataclasses.replace(batch, numbers=[writer.split()[1]])
  context = writer.model.config.context
  width = width_in(context, max(least, len(batch.prompts[0])))
  batch = dataclasses.replace(batch, fixed=width)
  rows = batch.rows(1, top(context))
  kind = Kind.of(writer, batch)
  sampler = _numbers(writer.sampler, kind.filters)
  return Entry(
    kind,
    writer,
    batch,
    jax.tree.map(np.asarray, Packed.of(rows)),
    jax.tree.map(np.asarray, Packed.of((_behind(rows), sampler))),
  )


def padded_width(steps: int) -> int:
  """Returns how many steps a prompt is padded to: few programs read them.

  Example:
    >>> [padded_width(steps) for steps in (1, 9, 65, 129, 200, 400, 600)]
    [8, 40, 72, 136, 256, 512, 768]
  """
  for width in _WIDTHS:
    if steps <= width:
      return width
  whole = 1 << (steps - 1).bit_length()
  return whole * 3 // 4 if whole * 3 // 4 >= steps else whole


def width_in(context: int, steps: int) -> int:
  """Returns how many steps a prompt is padded to, for a model of a context.

  No model reads more than its context, in whole pads.

  Example:
    >>> width_in(640, 200), width_in(640, 600)
    (256, 640)
  """
  return min(padded_width(steps), -(-context // _PAD) * _PAD)


def widths(context: int) -> tuple[int, ...]:
  """Returns all widths that prompts of a model can have.

  Example:
    >>> widths(300)
    (8, 40, 72, 104, 136, 192, 256, 320)
  """
  return tuple(sorted({width_in(context, n) for n in range(1, context)}))


@functools.cache
def top(context: int) -> int:
  """Returns the index that no row of a context reaches, padding and all."""
  padding = (padded_width(steps) - steps for steps in range(1, context + 1))
  return context + max(padding) + 1


def room(steps_a_bar: int | None) -> int:
  """Returns the steps of the smallest room: four bars that go on from four.

  Args:
    steps_a_bar: As of `Tokenizer.steps_a_bar`.

  Example:
    >>> room(16), room(None)
    (144, 256)
  """
  if steps_a_bar is None:
    return ROOM
  more = _BARS * steps_a_bar
  return -(-(padded_width(more + 1) + more + 1) // 8) * 8


def sizes(context: int, first: int = ROOM, times: int = 4) -> tuple[int, ...]:
  """Returns the rooms of lanes for a context: rows move on as they grow.

  Args:
    context: Steps of the model.
    first: Room of the smallest lane.
    times: How much larger each is than the one before, at most.

  Example:
    >>> sizes(640), sizes(2048)
    ((256, 896), (256, 1024, 2560))
  """
  last, found, size = top(context), [], first
  while size < last:
    found.append(size)
    size *= times
  return (*found, last)


def _numbers(sampler: Sampler, filters: Sequence[str]) -> Sampler:
  """Returns a sampler whose filters are arrays, so that none is static."""
  whole = {'top_k': np.int32}
  told = {
    name: np.asarray(getattr(sampler, name), whole.get(name, np.float32))
    for name in filters
  }
  return dataclasses.replace(Sampler(temperature=1.0), **told)


def _behind(rows: loop.Rows) -> loop.Rows:
  """Returns rows whose prompts are read, of which no width is left."""
  twins = None if rows.twins is None else rows.twins[:, :1]
  return dataclasses.replace(rows, prompts=rows.prompts[:, :1], twins=twins)
