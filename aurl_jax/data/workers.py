"""Batches made ahead by worker processes, in the same order as without.

Batch n comes from worker n modulo their number, and follows from n, so a
worker that dies is started again at the batch that is due, and the stream is
the one without its death. (Grain's `mp_prefetch` raises `RuntimeError` there,
sends elements through pickle and wants absl's flags parsed.) Workers share
nothing but the files of the cache and import neither JAX nor Grain.
"""

import contextlib
import dataclasses
import fcntl
import logging
import os
import pathlib
import signal
import subprocess
import sys
import weakref
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, cast

import aurl_jax
from aurl_jax.core.errors import DataError
from aurl_jax.core.typing import Batch
from aurl_jax.data import worker as worker_lib
from aurl_jax.data.gather import Made
from aurl_jax.data.worker import Job

_log = logging.getLogger(__name__)
_TRIES = 3
"""Deaths in a row, without a batch in between, after which to give up."""
_PIPE = 1 << 20


class Workers:
  """Iterates over batches; `get_state` is `{'next_index': n}`, as without.

  Workers start with the first batch and end with the iterator.
  """

  def __init__(
    self,
    job: Job,
    count: int,
    note: Callable[[int, Mapping[int, int]], None],
    known: Callable[[], dict[int, int]],
  ) -> None:
    """Starts nothing yet.

    Args:
      job: All batches, from the first on.
      count: How many workers.
      note: Told each batch's number, and what of it is rotten.
      known: What is rotten, for a worker that starts; see `Job.known`.
    """
    self._job, self._count = job, count
    self._note, self._known = note, known
    self._next = 0
    self._running: dict[int, _Process] = {}
    self._finalizer = weakref.finalize(self, _end, self._running)

  def __iter__(self) -> 'Workers':
    return self

  def __next__(self) -> Batch:
    if self._next >= self._job.batches[1]:
      self.close()
      raise StopIteration
    made = self._fetch(self._next)
    self._note(made.number, made.rotten)
    self._next += 1
    return made.arrays

  def get_state(self) -> dict[str, int]:
    """Returns where it stands: the batches taken so far."""
    return {'next_index': self._next}

  def set_state(self, state: dict[str, Any]) -> None:
    """Goes on from a state."""
    self.close()
    self._next = int(state['next_index'])

  @property
  def pids(self) -> list[int]:
    """Process numbers of the workers that run, in their order."""
    return [self._running[at].pid for at in sorted(self._running)]

  def close(self) -> None:
    """Ends the workers; the next batch starts new ones."""
    _end(self._running)

  def _fetch(self, number: int) -> Made:
    """Returns a batch from its worker, started again if it has died."""
    for _ in range(_TRIES):
      process = self._process(number)
      try:
        return process.read()
      except EOFError:
        del self._running[number % self._count]
        _log.warning(
          'data worker %d of %d (process %d) died: %s; it is started again at '
          'batch %d, with the same stream',
          *(number % self._count + 1, self._count, process.pid),
          *(process.end(), number),
        )
    raise DataError(
      f'a data worker died {_TRIES} times at batch {number}; its own words '
      'are on stderr. Not enough memory is the usual cause: use fewer '
      'data.workers, or 0',
      code='worker',
    )

  def _process(self, number: int) -> '_Process':
    for ahead in range(self._count):
      place = (number + ahead) % self._count
      if place not in self._running:
        batches = (number + ahead, self._job.batches[1], self._count)
        self._running[place] = _Process(
          dataclasses.replace(self._job, known=self._known(), batches=batches)
        )
    return self._running[number % self._count]


class _Process:
  """One worker, and the pipe from it."""

  def __init__(self, job: Job) -> None:
    root = str(pathlib.Path(aurl_jax.__file__).parents[1])
    paths = [root, os.environ.get('PYTHONPATH', '')]
    self._process = subprocess.Popen(
      [sys.executable, '-m', worker_lib.__name__],
      stdin=subprocess.PIPE,
      stdout=subprocess.PIPE,
      env=os.environ | {'PYTHONPATH': os.pathsep.join(filter(None, paths))},
      # A Ctrl-C goes to the group of the trainer, and not to this one.
      process_group=0,
    )
    self.pid = self._process.pid
    self._input = cast(BinaryIO, self._process.stdin)
    self._output = cast(BinaryIO, self._process.stdout)
    with contextlib.suppress(OSError, AttributeError):
      fcntl.fcntl(self._output, fcntl.F_SETPIPE_SZ, _PIPE)
    with contextlib.suppress(BrokenPipeError):
      self._input.write(job.to_json().encode())
      self._input.flush()

  def read(self) -> Made:
    """Returns the next batch.

    Raises:
      EOFError: The worker has died.
      DataError: The worker has met an error that a new one would meet, too.
    """
    header, arrays = worker_lib.read(self._output)
    if 'error' in header:
      raise DataError(header['error'], code=header['code'])
    return Made(header['number'], arrays, dict(header['rotten']))

  def end(self) -> str:
    """Ends the worker and returns how it ended."""
    with contextlib.suppress(subprocess.TimeoutExpired):
      # Whoever closed the pipe is about to be gone.
      self._process.wait(timeout=1)
    self._process.kill()
    code = self._process.wait()
    for pipe in (self._input, self._output):
      with contextlib.suppress(OSError):
        pipe.close()
    return _reason(code)

  def kill(self) -> None:
    """Asks the system to end the worker, without waiting."""
    self._process.kill()


def _reason(code: int) -> str:
  if code < 0:
    with contextlib.suppress(ValueError):
      return f'signal {signal.Signals(-code).name}'
  return f'exit status {code}'


def _end(running: dict[int, _Process]) -> None:
  """Ends workers, all at once."""
  for process in running.values():
    process.kill()
  for process in running.values():
    process.end()
  running.clear()
