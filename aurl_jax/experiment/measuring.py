"""What of each piece takes time, worked out by several processes.

Each worker is a fresh process that gets some pieces at a time, so that memory
does not grow with the set. Axes: `n` pieces, `k` metrics.
"""

import concurrent.futures
import contextlib
import logging
import math
import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from aurl_jax.evaluation import metrics, progression
from aurl_jax.evaluation.progression import Tokens
from aurl_jax.experiment import progress
from aurl_jax.music.notes import Notes

_AT_ONCE = 8
"""Pieces that a worker gets at a time."""
HEARD = 400
"""Pieces whose chords are heard, which takes twice as long as all metrics."""
_WORTH = 100
"""Pieces from which on starting processes, seconds each, pays."""
_log = logging.getLogger(__name__)


class Measured(NamedTuple):
  """What is known of each piece of a set.

  Attributes:
    table: Metrics, `[n, k]`, as of `metrics.table`.
    chords: As of `progression.of`; of more than `HEARD` pieces only of so many,
      spread evenly, and none of the others.
  """

  table: Float[np.ndarray, 'n k']
  chords: list[list[Tokens]]


Result = Callable[[progress.Report | None], Measured]
"""Waits for what is known; tells meanwhile how many are done, of how many."""


@contextlib.contextmanager
def begun(pieces: Sequence[Notes], jobs: int = 1) -> Iterator[Result]:
  """Gives what returns the same as `measured`, when it is called.

  Several processes are at it meanwhile; they end with the context.

  Args:
    pieces: The set.
    jobs: As of `measured`.

  Raises:
    ValueError: There is no process to do it.
  """
  if jobs < 1:
    raise ValueError(f'jobs must be 1 or more, not {jobs}')
  parts = _parts(pieces)
  if jobs == 1 or len(pieces) < _WORTH:
    yield lambda told: _joined(map(some, parts), len(pieces), told)
    return
  # Forked, a process would wait for threads of JAX that it has not.
  context = multiprocessing.get_context('spawn')
  pool = concurrent.futures.ProcessPoolExecutor(jobs, mp_context=context)
  try:
    due = [pool.submit(some, part) for part in parts]

    def found(told: progress.Report | None) -> Measured:
      try:
        done = (each.result() for each in due)
        return _joined(done, len(pieces), told)
      except BrokenProcessPool as error:
        _log.warning('a process died (%s); its work is done in this one', error)
        return _joined(map(some, parts), len(pieces), told)

    yield found
  finally:
    pool.shutdown(cancel_futures=True)


def measured(
  pieces: Sequence[Notes], jobs: int = 1, told: progress.Report | None = None
) -> Measured:
  """Returns what is known of each piece, in order.

  Args:
    pieces: The set.
    jobs: How many processes; of few pieces, or with 1, this one does it.
    told: Is told how many are done, of how many.

  Raises:
    ValueError: There is no process to do it.
  """
  with begun(pieces, jobs) as found:
    return found(told)


def _parts(pieces: Sequence[Notes]) -> list[list[tuple[Notes, bool]]]:
  """Returns some pieces at a time, and of each whether its chords are heard."""
  count = min(len(pieces), HEARD)
  heard = {k * len(pieces) // count for k in range(count)}
  marked = [(notes, k in heard) for k, notes in enumerate(pieces)]
  return [marked[k : k + _AT_ONCE] for k in range(0, len(marked), _AT_ONCE)]


def some(pieces: Sequence[tuple[Notes, bool]]) -> Measured:
  """Returns what is known of some pieces, by this process.

  Args:
    pieces: Each, and whether its chords are heard.
  """
  return Measured(
    metrics.table([notes for notes, _ in pieces]),
    [progression.of(notes) if heard else [] for notes, heard in pieces],
  )


def _joined(
  parts: Iterable[Measured], count: int, told: progress.Report | None
) -> Measured:
  tables, chords = [np.zeros((0, len(metrics.METRICS)))], []
  for part in parts:
    tables.append(part.table)
    chords += part.chords
    if told is not None:
      told(len(chords), max(count, 1))
  return Measured(np.concatenate(tables), chords)


def nats(
  model: progression.Progressions,
  chords: Sequence[list[Tokens]],
  *,
  own: bool = False,
) -> Float[np.ndarray, ' n']:
  """Returns the cost of a chord of each piece, in nats; `nan` without any.

  Args:
    model: Of progressions.
    chords: As of `Measured`.
    own: As of `Progressions.nats`.
  """
  found = [model.nats(tokens, own=own) for tokens in chords]
  return np.array(found or [math.nan], np.float64)[: len(found)]
