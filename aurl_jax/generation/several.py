"""Several batches at once: rows that one program serves are written together.

A program is compiled for a kind of constraints, and takes their numbers as
data: once for all rows, or, where rows of several requests stand side by side,
for each row its own. Rows of other constraints, samplers or guidance are
written apart.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from aurl_jax.generation import decode
from aurl_jax.generation.decode import Batch, Sample, Writer
from aurl_jax.generation.guidance import Guided


def write(asked: Sequence[tuple[Writer, Batch]]) -> list[list[Sample]]:
  """Writes the rows of several batches.

  Args:
    asked: Of each what writes it, and its rows; of one model, with the same
      parameters.

  Returns:
    The samples of each, in the order asked.

  Raises:
    RequestError, DecodeError: As `decode.decode`.
  """
  groups: dict[Any, list[int]] = {}
  for index, (writer, batch) in enumerate(asked):
    groups.setdefault(_program(writer, batch), []).append(index)
  written: list[list[Sample]] = [[] for _ in asked]
  for members in groups.values():
    writer = asked[members[0]][0]
    batch = asked[members[0]][1]
    if len(members) > 1:
      batch = _joined([asked[index] for index in members])
    samples = iter(decode.write(writer, batch))
    for index in members:
      count = len(asked[index][1].prompts)
      written[index] = [next(samples) for _ in range(count)]
  return written


def _program(writer: Writer, batch: Batch) -> Any:
  """Returns what rows must share to be written together; hashable."""
  key, numbers = writer.split()
  shapes = tuple(None if n is None else np.shape(n) for n in numbers)
  asked = batch.asked
  unread = None if asked.unread is None else asked.unread.tobytes()
  # Rows with latents of their own are written apart.
  apart = None if asked.latents is None else id(batch)
  guided = (asked.twins is None, asked.weight, unread, apart)
  return key, shapes, writer.sampler, guided


def _joined(asked: Sequence[tuple[Writer, Batch]]) -> Batch:
  """Returns the rows of all batches, each with the numbers of its writer."""
  batches = [batch for _, batch in asked]
  twins = [batch.asked.twins for batch in batches]
  first = batches[0].asked
  return Batch(
    asked=Guided(
      prompts=[p for batch in batches for p in batch.asked.prompts],
      twins=None
      if first.twins is None
      else [t for own in twins for t in own or ()],
      weight=first.weight,
      unread=first.unread,
    ),
    budgets=[budget for batch in batches for budget in batch.budgets],
    seeds=[seed for batch in batches for seed in batch.seeds],
    numbers=[
      writer.split()[1] for writer, batch in asked for _ in batch.prompts
    ],
  )
