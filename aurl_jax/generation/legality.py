"""Whether pieces are legal, read whole. Axes: `b` pieces, `f` fields."""

import functools
from collections.abc import Callable, Sequence

import jax
import numpy as np
from jaxtyping import Int

from aurl_jax.generation import loop
from aurl_jax.generation.constraints import Rules
from aurl_jax.generation.rows import power
from aurl_jax.tokens.tokenizer import Grammar

_AMPLE = 1_000_000
"""A budget that no prompt exhausts, to tell illegal from too long."""


def first_illegal(
  grammar: Grammar,
  pieces: Sequence[Int[np.ndarray, '_ f']],
  least: tuple[int, int] = (1, 1),
) -> Int[np.ndarray, ' b']:
  """Returns the index of each piece's first illegal step, -1 for none.

  Budgets do not count; a piece may break off anywhere.

  Args:
    grammar: What may follow what.
    pieces: At least one.
    least: Pieces and steps that the program has room for at least, so that
      fewer programs are compiled.
  """
  room = max(least[1], power(max(len(ids) for ids in pieces)))
  rows = max(least[0], power(len(pieces)))
  padded = np.zeros((rows, room, pieces[0].shape[1]), np.int32)
  # Padded on the left: behind a piece that breaks off, PAD is illegal.
  start = np.full(rows, room, np.int32)
  for row, ids in enumerate(pieces):
    start[row] = room - len(ids)
    padded[row, start[row] :] = ids
  budget = np.full(rows, _AMPLE, np.int32)
  illegal = np.array(_reader(Rules(grammar))(padded, start, budget))
  return np.where(illegal < 0, -1, illegal - start)[: len(pieces)]


@functools.lru_cache(maxsize=64)
def _reader(rules: Rules) -> Callable[..., jax.Array]:
  return jax.jit(lambda *rows: loop.read(rules, *rows)[1])
