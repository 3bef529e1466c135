"""Worker processes that hear pieces, for studies that may die or hang.

Results come in the order of the jobs, and only so many jobs are ahead of the
one that is due, so that memory does not grow with the corpus. A worker that
dies at a piece, or says nothing for too long, is replaced; its piece is tried
again study by study, so that only the study that ends workers tells nothing.
"""

import collections
import contextlib
import multiprocessing
import os
import pathlib
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Generator, Iterable, Mapping
from concurrent import futures
from typing import Any

import aurl_jax
from aurl_jax.core.errors import AurlError
from aurl_jax.studies import analysis
from aurl_jax.studies import worker as worker_lib
from aurl_jax.studies.analysis import Job, Line
from aurl_jax.studies.study import Study

LIMIT = 300.0
"""Seconds that a piece may take by default."""
_AHEAD = 8
"""Jobs a worker that are handed out before the first of them is done."""
_START = 120.0
"""Seconds in which a worker must have begun."""
_THREADS = ('OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS', 'MKL_NUM_THREADS')
"""One each: the cores are taken by workers."""

Result = tuple[Job, list[Line]]


def cores() -> int:
  """Returns how many cores this process may use."""
  if hasattr(os, 'sched_getaffinity'):
    return len(os.sched_getaffinity(0))
  return os.cpu_count() or 1


def results(
  jobs: Iterable[Job],
  studies: Mapping[str, Study[Any]],
  *,
  workers: int,
  limit: float = LIMIT,
) -> Generator[Result, None, None]:
  """Yields jobs with their lines, in the order of the jobs.

  Args:
    jobs: May be endless; a few are asked for ahead.
    studies: Those that jobs want, by name; each worker gets its own.
    workers: How many; 0 hears in this process, where nothing is survived.
    limit: Seconds after which a piece is given up.

  Raises:
    AurlError: Workers cannot be started (code `worker`).
  """
  if not workers:
    for job in jobs:
      yield job, analysis.lines(job, studies) if job.wanted else []
    return
  pool = _Pool(studies, workers, limit)
  ahead: collections.deque[tuple[Job, futures.Future[list[Line]] | None]]
  ahead = collections.deque()
  try:
    for job in jobs:
      ahead.append((job, pool.begin(job) if job.wanted else None))
      if len(ahead) > _AHEAD * workers:
        yield _due(ahead)
    while ahead:
      yield _due(ahead)
  finally:
    pool.close()


def _due(
  ahead: collections.deque[tuple[Job, futures.Future[list[Line]] | None]],
) -> Result:
  job, future = ahead.popleft()
  return job, future.result() if future else []


class _Lost(Exception):
  """A worker that is gone, with an error's code and the reason."""

  def __init__(self, code: str, reason: str) -> None:
    super().__init__(reason)
    self.code = code


class _Pool:
  """Threads that each wait for one process at a time."""

  def __init__(
    self, studies: Mapping[str, Study[Any]], workers: int, limit: float
  ) -> None:
    self._studies, self._limit = dict(studies), limit
    self._threads = futures.ThreadPoolExecutor(workers)
    self._lock = threading.Lock()
    self._alive: set[_Process] = set()
    self._closed = False
    self._idle: queue.SimpleQueue[_Process | None] = queue.SimpleQueue()
    for _ in range(workers):
      self._idle.put(None)

  def begin(self, job: Job) -> 'futures.Future[list[Line]]':
    """Hands out a job."""
    return self._threads.submit(self._lines, job)

  def close(self) -> None:
    """Ends all workers and gives up what they are at."""
    with self._lock:
      self._closed = True
      for process in self._alive:
        process.kill()
    self._threads.shutdown(cancel_futures=True)
    for process in self._alive:
      process.end()

  def _lines(self, job: Job) -> list[Line]:
    """Returns the lines of a job, study by study if its worker is lost."""
    try:
      return self._once(job)
    except _Lost:
      return [line for name in job.wanted for line in self._alone(job, name)]

  def _alone(self, job: Job, name: str) -> list[Line]:
    """Returns the line of one study, or why it ends workers."""
    try:
      return self._once(job.alone(name))
    except _Lost as lost:
      message = f'study {name} was given up at {job.item.name}: {lost}'
      return [job.failed(name, lost.code, message)]

  def _once(self, job: Job) -> list[Line]:
    process = self._idle.get()
    try:
      process = process or self._started()
      made = process.ask(job, self._limit)
    except BaseException:
      if process:
        self._gone(process)
      self._idle.put(None)
      raise
    self._idle.put(process)
    return made

  def _started(self) -> '_Process':
    with self._lock:
      if self._closed:
        raise _Lost('worker.died', 'all work was given up')
      process = _Process(self._studies)
      self._alive.add(process)
    process.ready()
    return process

  def _gone(self, process: '_Process') -> None:
    with self._lock:
      self._alive.discard(process)
    process.kill()
    process.end()


class _Process:
  """One worker and the connection to it."""

  def __init__(self, studies: Mapping[str, Study[Any]]) -> None:
    """Starts it."""
    self._studies = studies
    self._link, theirs = multiprocessing.Pipe()
    root = str(pathlib.Path(aurl_jax.__file__).parents[1])
    paths = [root, os.environ.get('PYTHONPATH', '')]
    one = {name: os.environ.get(name, '1') for name in _THREADS}
    self._process = subprocess.Popen(
      [sys.executable, '-m', worker_lib.__name__, str(theirs.fileno())],
      pass_fds=[theirs.fileno()],
      # Never written to: it ends when this process does.
      stdin=subprocess.PIPE,
      env=os.environ
      | one
      | {'PYTHONPATH': os.pathsep.join(filter(None, paths))},
      # A Ctrl-C goes to our group, and not to this one.
      process_group=0,
    )
    theirs.close()

  def ready(self) -> None:
    """Hands it the studies and waits until it can be asked.

    Raises:
      AurlError: It has ended, or does not begin (code `worker`).
    """
    try:
      self._send(sys.path)
      self._send(self._studies)
      self._answer(_START)
    except _Lost as lost:
      raise AurlError(
        f'a worker does not start: {lost}; its own words are on stderr. '
        'Studies must be of modules that can be imported anywhere, and memory '
        'must suffice for all workers (fewer are asked for by --workers)',
        code='worker',
      ) from lost

  def ask(self, job: Job, limit: float) -> list[Line]:
    """Returns the lines of a job.

    Raises:
      _Lost: The worker died, or needs longer than `limit` seconds.
    """
    self._send(job)
    return self._answer(limit)

  def _send(self, value: Any) -> None:
    try:
      self._link.send(value)
    except OSError as error:
      raise self._died() from error

  def _answer(self, limit: float) -> Any:
    try:
      if not self._link.poll(limit):
        raise _Lost('worker.hung', f'no answer within {limit:g} s')
      return self._link.recv()
    except (EOFError, OSError) as error:
      raise self._died() from error

  def _died(self) -> _Lost:
    with contextlib.suppress(subprocess.TimeoutExpired):
      # Whoever closed the connection is about to be gone.
      self._process.wait(timeout=5)
    self.kill()
    reason = f'its worker died: {_reason(self._process.wait())}'
    return _Lost('worker.died', f'{reason} (out of memory, most often)')

  def kill(self) -> None:
    """Asks the system to end the worker, without waiting."""
    self._process.kill()

  def end(self) -> None:
    """Ends the worker, and lets go of what it had."""
    self._process.kill()
    self._process.wait()
    for pipe in (self._process.stdin, self._link):
      with contextlib.suppress(OSError):
        if pipe:
          pipe.close()


def _reason(code: int) -> str:
  if code < 0:
    with contextlib.suppress(ValueError):
      return f'signal {signal.Signals(-code).name}'
  return f'exit status {code}'
