"""Pieces step by step, as they are written.

The same program as `generation.decode`, stopped every few steps: the same
seed gives the same ids. Axes: `b` rows, `k` new steps, `f` fields.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from aurl_jax.generation import decode, loop
from aurl_jax.generation.decode import Batch, Key, Writer
from aurl_jax.generation.errors import RequestError
from aurl_jax.generation.sampling import Sampler


def stream(
  writer: Writer, batch: Batch, every: int = 1
) -> Iterator[list[Int[np.ndarray, 'k f']]]:
  """Yields what each row gets, until all have ended.

  The first piece of it comes when the prompts have been read and `every` steps
  written; prompts are not told again. Rows that have ended get nothing more.

  Args:
    writer: Model, parameters, rules and sampler.
    batch: The rows, at most `decode.MOST_ROWS`.
    every: Steps after which the program stops, at least 1. Each stop costs
      about a millisecond.

  Raises:
    RequestError: A prompt is illegal (code `prompt`) or leaves too few steps
      to end in (`steps`); too many rows, or `every` below 1.
    DecodeError: The model gave logits that are no finite numbers.
  """
  if every < 1 or len(batch.prompts) > decode.MOST_ROWS:
    raise RequestError(
      f'streams are of 1 to {decode.MOST_ROWS} rows, stopped every 1 step or '
      f'more; not {len(batch.prompts)} rows, every {every}'
    )
  return _written(writer, batch, every)


def _written(
  writer: Writer, batch: Batch, every: int
) -> Iterator[list[np.ndarray]]:
  flow = Flow(writer, batch)
  while not flow.over:
    yield flow.advance(every)


class Flow:
  """A batch that is being written, a few steps at a time.

  Its way on is one program for prompts of any width, as long as pieces have
  the same room (`decode.lengths`).
  """

  def __init__(self, writer: Writer, batch: Batch) -> None:
    """Reads the prompts.

    Args:
      writer: As of `stream`.
      batch: Likewise.

    Raises:
      RequestError: As `stream`.
    """
    key, self._numbers = writer.split()
    self._writer, self._count = writer, len(batch.prompts)
    self._size = decode.lengths(batch.width, batch.room)[-1]
    begin, self._go = _programs(key, self._size)
    rows = batch.rows(self._count, self._size)
    self._carry, illegal = begin(writer.params, self._numbers, rows)
    decode.check_prompts(writer.grammar, batch, np.asarray(illegal))
    self._at = batch.width
    self._rows = _behind(rows)

  @property
  def over(self) -> bool:
    """Whether all rows have ended, or there is no more room."""
    return self._at >= self._size or bool(np.asarray(self._carry.ended).all())

  def advance(self, every: int) -> list[Int[np.ndarray, 'k f']]:
    """Returns what each row gets in so many steps more.

    Raises:
      DecodeError: As `stream`.
    """
    self._carry = self._go(
      self._writer.params,
      self._writer.sampler,
      self._numbers,
      self._rows,
      self._carry,
      jnp.int32(self._at + every),
    )
    decode.check_finite(np.asarray(self._carry.broken))
    at, self._at = self._at, int(self._carry.index)
    new = np.asarray(self._carry.ids)[: self._count, at : self._at]
    return [row[row[:, 0] > 0] for row in new]


def _behind(rows: loop.Rows) -> loop.Rows:
  """Returns rows whose prompts are read, of which no width is left."""
  twins = None if rows.twins is None else rows.twins[:, :1]
  return dataclasses.replace(rows, prompts=rows.prompts[:, :1], twins=twins)


@functools.lru_cache(maxsize=16)
def _programs(
  key: Key, size: int
) -> tuple[Callable[..., Any], Callable[..., Any]]:
  """Returns the jitted beginning, and the jitted way on."""

  def begin(
    params: Any, numbers: tuple[Any, ...], rows: loop.Rows
  ) -> tuple[loop.Carry, Int[Array, ' b']]:
    return decode.program_of(key, numbers, (size,)).begin(params, rows)

  def go(
    params: Any,
    sampler: Sampler,
    numbers: tuple[Any, ...],
    rows: loop.Rows,
    carry: loop.Carry,
    until: Int[Array, ''],
  ) -> loop.Carry:
    program = decode.program_of(key, numbers, (size,))
    return program.go(params, sampler, rows, carry, until)

  return jax.jit(begin), jax.jit(go, donate_argnums=4)
