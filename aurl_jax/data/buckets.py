"""Length buckets: each batch holds chunks of about one length.

Axes: `c` chunks, `r` rows.

A bucket is a shape, rows x context. The longest has `batch_size` rows of the
whole context, and the others as many shorter rows as hold about as many
steps, so that every step of training costs about the same and is compiled
once a bucket. After "dynamic batches" in tensor2tensor (Vaswani et al. 2018)
and `bucket_by_sequence_length` of tf.data.
"""

import dataclasses
import functools
import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Int64

from aurl_jax.core.errors import ConfigError
from aurl_jax.data import batching
from aurl_jax.data.plans import Plan

_HALVINGS = 4
_MOST = 16
"""Shapes at most: each is compiled by itself."""


class Shape(NamedTuple):
  """A batch of a bucket.

  Attributes:
    rows: Rows of the global batch.
    context: Steps of a row.
  """

  rows: int
  context: int


def shapes(
  context: int,
  batch_size: int,
  contexts: Sequence[int] = (),
  unit: int = 0,
) -> tuple[Shape, ...]:
  """Returns the shapes of the buckets, the shortest rows first.

  Args:
    context: Steps of the longest row.
    batch_size: Rows of that length, which set the budget of steps.
    contexts: Steps of the rows of each bucket, ascending, below or up to
      `context`, which is always one of them; by default it and its half,
      quarter and eighth.
    unit: Rows are a multiple of this; 0 takes `batch_size`.

  Raises:
    ConfigError: The contexts do not ascend, or the unit exceeds the batch.

  Example:
    >>> shapes(512, 16)[:2]
    (Shape(rows=128, context=64), Shape(rows=64, context=128))
    >>> shapes(512, 16, (384,), unit=4)
    (Shape(rows=20, context=384), Shape(rows=16, context=512))
  """
  unit = unit or batch_size
  if batch_size % unit or unit < 1:
    raise ConfigError(
      f'data.bucket_rows {unit} does not divide train.batch_size {batch_size}'
    )
  halves = [context >> power for power in range(_HALVINGS)]
  asked = tuple(contexts) or tuple(size for size in halves[::-1] if size > 1)
  if asked[-1] != context:
    asked = (*asked, context)
  ascends = all(one < two for one, two in itertools.pairwise(asked))
  if not ascends or asked[0] < 2 or len(asked) > _MOST:
    raise ConfigError(
      f'data.buckets {list(contexts)} must ascend from 2 or more to less than '
      f'the context, {context}, and be at most {_MOST}: each is compiled'
    )
  budget = batch_size * context
  return tuple(Shape(budget // size // unit * unit, size) for size in asked)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bucketer:
  """Plans the epochs: every step of the pieces in exactly one row of each.

  Pieces are cut where `pad` cuts them, each chunk has a row of the shortest
  bucket that holds it, and the batches of all buckets are shuffled.

  Attributes:
    lengths: The pieces.
    shapes: Of the buckets, the shortest first.
    seed: Together with the epoch, the only source of chance.
  """

  lengths: batching.Lengths
  shapes: tuple[Shape, ...]
  seed: int = 0

  @property
  def batches(self) -> int:
    """Batches of an epoch."""
    return len(self._deal(np.arange(len(self._chunks))))

  def plan(self, epoch: int) -> Plan:
    """Returns the plan of an epoch."""
    rng = np.random.default_rng([self.seed, epoch])
    dealt = self._deal(rng.permutation(len(self._chunks)))
    dealt = [dealt[place] for place in rng.permutation(len(dealt))]
    sizes = [shape.rows for shape, _ in dealt]
    begins = np.append(0, np.cumsum(np.array(sizes, np.int64)))
    rows = np.zeros((begins[-1], 1, 3), np.int64)
    for begin, (_, members) in zip(begins.tolist(), dealt, strict=False):
      rows[begin : begin + len(members), 0] = self._chunks[members]
    contexts = np.array([shape.context for shape, _ in dealt], np.int64)
    return Plan(rows=rows, begins=begins, contexts=contexts)

  @functools.cached_property
  def _chunks(self) -> Int64[np.ndarray, 'c 3']:
    context = self.shapes[-1].context
    first = np.full(len(self.lengths.offsets) - 1, context)
    return batching.cut(self.lengths, first, context)

  def _deal(
    self, order: Int64[np.ndarray, ' c']
  ) -> list[tuple[Shape, Int64[np.ndarray, ' members']]]:
    """Deals chunks, in some order, into batches; how many is always equal."""
    contexts = [shape.context for shape in self.shapes]
    home = np.searchsorted(contexts, self._chunks[order, 2])
    dealt = []
    over = np.zeros(0, np.int64)
    for place, shape in enumerate(self.shapes):
      members = np.append(over, order[home == place])
      whole = len(members) // shape.rows * shape.rows
      over = members[whole:]
      if (
        place + 1 < len(self.shapes) and len(over) < self.shapes[place + 1].rows
      ):
        # They fill up a batch of the next bucket rather than start one here.
        members = members[:whole]
      else:
        over = over[:0]
      for begin in range(0, len(members), shape.rows):
        dealt.append((shape, members[begin : begin + shape.rows]))
    return dealt
