"""Pieces step by step, as they are written.

The same program as `generation.decode`, stopped every few steps: the same
seed gives the same ids. Axes: `b` rows, `k` new steps, `f` fields.
"""

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
  key, numbers = writer.split()
  size = decode.lengths(batch.width, batch.room)[-1]
  begin, go = _programs(key, size)
  rows = batch.rows(len(batch.prompts), size)
  carry, illegal = begin(writer.params, numbers, rows)
  decode.check_prompts(writer.grammar, batch, np.asarray(illegal))
  at = batch.width
  while at < size and not np.asarray(carry.ended).all():
    until = jnp.int32(at + every)
    carry = go(writer.params, writer.sampler, numbers, rows, carry, until)
    decode.check_finite(np.asarray(carry.broken))
    now = int(carry.index)
    new = np.asarray(carry.ids)[: len(batch.prompts), at:now]
    yield [row[row[:, 0] > 0] for row in new]
    at = now


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
