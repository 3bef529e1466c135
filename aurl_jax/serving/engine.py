"""`Engine`: the music of many requests, written side by side.

Rows of all requests share slots (`generation.slots`): they join when there is
room and leave when they end, so that nobody waits for the longest piece of a
batch. It knows no HTTP, and keeps nothing between requests. What is not drawn
row by row (`Request.apart`) is written as a whole, one after the other.

Threads: one writes; one judges what is written; one writes as a whole; two
compile. Whoever asks has its request read in its own.
"""

import functools
import logging
import math
import queue
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent import futures
from typing import Any

from aurl_jax.core.errors import AurlError
from aurl_jax.deploy.composer import Composer
from aurl_jax.generation import joining, slots
from aurl_jax.generation.errors import RequestError
from aurl_jax.generation.request import Request
from aurl_jax.serving.errors import (
  Draining,
  Expired,
  Failed,
  Overloaded,
  fault,
)
from aurl_jax.serving.finish import Finisher
from aurl_jax.serving.line import Line, Work
from aurl_jax.serving.metrics import Metrics
from aurl_jax.serving.plan import Plan
from aurl_jax.serving.ticket import Listener, Ticket

_IDLE = 0.2
"""Seconds between looks at what has expired, when nothing is written."""
_COMPILING = 8
"""Programs that may wait to be compiled: each takes seconds of a core."""

_log = logging.getLogger(__name__)


class Engine:
  """Writes what is submitted, until it is closed."""

  def __init__(
    self,
    composer: Composer,
    plan: Plan | None = None,
    metrics: Metrics | None = None,
  ) -> None:
    """Starts its threads.

    Args:
      composer: The model.
      plan: How much it does at once.
      metrics: Where it counts.
    """
    self.composer, self.plan = composer, plan or Plan()
    self.metrics = metrics or Metrics()
    context = composer.model.config.context
    self._room = self.plan.room or joining.room(composer.tokenizer.steps_a_bar)
    self._sizes = joining.sizes(context, self._room)
    self._lines: dict[tuple[joining.Kind, int], Line] = {}
    self._params = slots.placed(composer.params)
    self._inbox: queue.SimpleQueue[Work] = queue.SimpleQueue()
    self._broken: queue.SimpleQueue[tuple[Line, BaseException]] = (
      queue.SimpleQueue()
    )
    self._lock, self._wake = threading.Lock(), threading.Event()
    self._tickets: dict[int, tuple[Ticket, int]] = {}
    self._finisher = Finisher(composer, self._take, self._room)
    self._pools = {
      name: futures.ThreadPoolExecutor(count, f'aurl-{name}')
      for name, count in (('write', 1), ('apart', 1), ('compile', 2))
    }
    self._draining = self._closing = False
    self._rate = 1.0
    self._gauges()
    self._thread = threading.Thread(
      target=self._run, name='aurl-engine', daemon=True
    )
    self._thread.start()

  # For whoever asks.

  def submit(
    self,
    request: Request,
    *,
    client: str = '',
    seconds: float | int | None = None,
    listen: Listener | None = None,
  ) -> Ticket:
    """Lets a request wait for its turn, read and checked.

    Args:
      request: What is asked.
      client: Who asks: clients take turns.
      seconds: After which it is given up; at most, and by default, what the
        plan says.
      listen: Told steps as they come; not of requests that are `apart`.

    Raises:
      RequestError: It cannot be met.
      MidiError: Its music is none.
      Overloaded: More waits than may.
      Draining: The engine ends.
    """
    self._check(request)
    most = self.plan.apart_seconds if request.apart else self.plan.seconds
    allowed = most if seconds is None else min(seconds, most)
    ticket = Ticket(request, client, allowed, listen)
    self._reserve(ticket)
    ticket.future.add_done_callback(lambda _: self._release(ticket))
    submit = self._submit_apart if request.apart else self._submit_rows
    try:
      submit(ticket)
    except AurlError as error:
      ticket.fail(error)
      raise
    finally:
      if not (ticket.over or ticket.taken):
        ticket.fail(Failed('it was not taken', code='fault'))
    return ticket

  def _check(self, request: Request) -> None:
    """Raises RequestError if a request is too large, whatever it is about."""
    if request.rows > self.plan.rows:
      raise RequestError(
        f'{request.rows} pieces and drafts are more than the {self.plan.rows} '
        'that one request may have; ask for fewer, several times',
        code='n',
      )

  def _reserve(self, ticket: Ticket) -> None:
    """Counts a request in, or refuses it."""
    rows, client = ticket.request.rows, ticket.client
    with self._lock:
      if self._draining:
        raise Draining(
          'the server ends; ask another, or later',
          code='draining',
          retry_after=5,
        )
      held = [(t, n) for t, n in self._tickets.values() if not t.over]
      apart = sum(t.request.apart for t, _ in held)
      whole = sum(n for _, n in held) + rows
      own = sum(n for t, n in held if t.client == client) + rows
      full = (
        (ticket.request.apart and apart >= self.plan.apart)
        or whole > self.plan.waiting
        or own > self.plan.each
      )
      if full and held:
        self.metrics.count('refused', reason='overloaded')
        raise Overloaded(
          'more is asked for than can be written now; ask again later',
          code='overloaded',
          retry_after=self._later(whole),
        )
      self._tickets[ticket.number] = ticket, rows

  def _later(self, rows: int) -> int:
    """Returns seconds after which so many rows may be written."""
    return max(1, min(60, math.ceil(rows / max(self._rate, 0.1) / 2)))

  def _release(self, ticket: Ticket) -> None:
    error = ticket.future.exception()
    how = 'done' if error is None else getattr(error, 'code', 'failed')
    known = (
      how if how in ('done', 'cancelled', 'expired', 'fault') else 'refused'
    )
    self.metrics.count('requests', outcome=known)
    self.metrics.time('request', time.monotonic() - ticket.begun)
    with self._lock:
      self._tickets.pop(ticket.number, None)
    self._wake.set()

  def _submit_rows(self, ticket: Ticket) -> None:
    works = self._finisher.begin(ticket, self.composer.row(ticket.request))
    self._check_kind(works[0].entry)
    ticket.taken = True
    for work in works:
      self._take(work)

  def _check_kind(self, entry: joining.Entry) -> None:
    """Raises Overloaded if a program would have to wait for too many others."""
    lines = list(self._lines.items())
    if any(kind == entry.kind for (kind, _), _ in lines):
      return
    due = [f for _, line in lines for f in list(line.compiled.values())]
    full = len(lines) >= self.plan.lanes and not any(
      line.idle for _, line in lines
    )
    if full or sum(not future.done() for future in due) >= _COMPILING:
      raise Overloaded(
        'rules of a kind that is new to the server have to be compiled, and '
        'too many others are written, or wait for that; ask again later',
        code='compiling',
        retry_after=30,
      )

  def _submit_apart(self, ticket: Ticket) -> None:
    self.composer.check(ticket.request)
    ticket.taken = True

    def write() -> None:
      if not ticket.over:
        ticket.answer(self.composer.generate(ticket.request))

    self._guarded('apart', write, lambda error: ticket.fail(error))

  @property
  def draining(self) -> bool:
    """Whether nothing more is taken."""
    return self._draining

  @property
  def idle(self) -> bool:
    """Whether nothing waits, and nothing is written."""
    return not self._tickets

  def drain(self) -> None:
    """Takes nothing more; what has been taken goes on."""
    self._draining = True

  def close(self, seconds: float | int = 30.0) -> None:
    """Waits for what has been taken, gives up the rest, and ends.

    Args:
      seconds: To wait at most.
    """
    self.drain()
    until = time.monotonic() + seconds
    while not self.idle and time.monotonic() < until:
      time.sleep(0.01)
    for ticket, _ in list(self._tickets.values()):
      ticket.fail(Draining('the server has ended', code='draining'))
    self._closing = True
    self._wake.set()
    self._thread.join()
    self._finisher.close()
    for pool in self._pools.values():
      pool.shutdown(wait=False, cancel_futures=True)

  def warm(
    self, requests: Iterable[Request], widths: Sequence[int] = ()
  ) -> None:
    """Compiles what rows like these need, in all rooms, and waits for it.

    Args:
      requests: Of which nothing is written.
      widths: Of prompts beside their own.
    """
    due: list[futures.Future[None]] = []
    for request in requests:
      row = self.composer.row(request).each()[0]
      for width in (1, *widths):
        entry = joining.entry(*row.drawing, least=width)
        fits = [size for size in self._sizes if size > entry.width]
        for size in fits:
          line = self._line(entry.kind, size)
          due += self._compile(line, entry, reads=size == fits[0])
    due.append(self._finisher.warm(self._sizes))
    for future in due:
      future.result()

  # Of the thread that writes, from here on.

  def _take(self, work: Work) -> None:
    """Lets a row wait; for any thread."""
    self._inbox.put(work)
    self._wake.set()

  def _run(self) -> None:
    while not self._closing:
      self._wake.clear()
      while not self._inbox.empty():
        work = self._inbox.get()
        error = self._tried(functools.partial(self._arrive, work))
        if error is not None:
          work.ticket.fail(fault(error))
      error = self._tried(self._look)
      if error is not None:
        # Of no one line: all that is under way may be lost.
        self._give_up(error)
      busy = False
      for line in list(self._lines.values()):
        before = line.blocks
        error = self._tried(functools.partial(self._turn, line))
        if error is not None:
          self._drop(line, error)
        busy |= line.blocks > before or error is not None
      if not busy:
        self._wake.wait(_IDLE)

  def _tried(self, work: Callable[[], None]) -> BaseException | None:
    """Does work; returns what it raises, so that this thread never ends."""
    try:
      return self._pools['write'].submit(work).exception()
    except RuntimeError as error:
      # The process ends with the engine open: its pools are shut before.
      self._closing = True
      return error

  def _look(self) -> None:
    """Looks at what has expired, and what could not be compiled."""
    self._expire()
    while not self._broken.empty():
      self._drop(*self._broken.get())

  def _give_up(self, error: BaseException) -> None:
    _log.error('the engine failed', exc_info=error)
    for ticket, _ in list(self._tickets.values()):
      ticket.fail(fault(error))

  def _arrive(self, work: Work) -> None:
    """Lets a new row wait in the line of its kind."""
    if work.ticket.over:
      return
    needs = work.entry.width if work.moved is None else work.moved.at
    size = next(size for size in self._sizes if size > needs)
    line = self._line(work.entry.kind, size)
    if work.moved is not None:
      line.moved.append(work)
    else:
      line.waiting.put(work.ticket.client, work)
    self._compile(line, work.entry, reads=work.moved is None)

  def _expire(self) -> None:
    now = time.monotonic()
    for ticket, _ in list(self._tickets.values()):
      if now > ticket.until:
        ticket.fail(
          Expired(
            f'not done in {ticket.until - ticket.begun:.0f} s; ask for less, '
            'or later',
            code='expired',
            retry_after=self._later(1),
          )
        )

  def _turn(self, line: Line) -> None:
    """Lets a line write a block."""
    line.leave()
    if not line.ready(0):
      return
    begun = time.monotonic()
    line.seat()
    if not line.held:
      return
    done, full, told = line.block()
    for work in full:
      self._take(work)
    for ticket, steps in told:
      self._finisher.tell(ticket, steps)
    if done:
      self._finisher.take(done)
      self.metrics.count('rows', len(done))
    seconds = time.monotonic() - begun
    self.metrics.time('block', seconds)
    self._rate = 0.95 * self._rate + 0.05 * len(done) / max(seconds, 1e-6)

  def _drop(self, line: Line, error: BaseException) -> None:
    """Gives up a line that has failed; the others go on."""
    _log.error('writing failed', exc_info=error)
    for key, other in list(self._lines.items()):
      if other is line:
        del self._lines[key]
    for work in line.all():
      work.ticket.fail(fault(error))

  def _line(self, kind: joining.Kind, size: int) -> Line:
    """Returns the line of a kind and a room; an idle one gives way."""
    with self._lock:
      found = self._lines.get((kind, size))
      if found is None:
        idle = [key for key, line in self._lines.items() if line.idle]
        if len(self._lines) >= self.plan.lanes and idle:
          del self._lines[min(idle, key=lambda key: self._lines[key].used)]
        count = max(1, self.plan.slots * self._room // size)
        found = Line(slots.Lane(kind, self._params, size, count))
        self._lines[kind, size] = found
      return found

  def _compile(
    self, line: Line, entry: joining.Entry, *, reads: bool
  ) -> list[futures.Future[None]]:
    """Lets what a row needs be compiled; returns what is under way.

    Args:
      line: Where it is written.
      entry: The row.
      reads: Whether its prompt is read there.
    """
    due = {0: line.lane.compile}
    if reads:
      due[entry.width] = line.lane.compile_reading
    with self._lock:
      for width, work in due.items():
        if width not in line.compiled:
          line.compiled[width] = self._guarded(
            'compile',
            functools.partial(work, entry),
            lambda error: self._broken.put((line, error)),
          )
      return [line.compiled[width] for width in due]

  def _guarded(
    self,
    pool: str,
    work: Callable[[], None],
    failed: Callable[[AurlError], Any],
  ) -> futures.Future[None]:
    """Runs work in a pool; what it raises is told, and ends nothing else."""

    def look(future: futures.Future[None]) -> None:
      self._wake.set()
      error = None if future.cancelled() else future.exception()
      if error is not None:
        if not isinstance(error, AurlError):
          _log.error('%s failed', pool, exc_info=error)
        failed(fault(error))

    future = self._pools[pool].submit(work)
    future.add_done_callback(look)
    return future

  def _gauges(self) -> None:
    def held() -> int:
      return sum(len(line.held) for line in list(self._lines.values()))

    def waiting() -> int:
      return sum(len(line.waiting) for line in list(self._lines.values()))

    self.metrics.gauge('rows_written_now', held)
    self.metrics.gauge('rows_waiting', waiting)
    self.metrics.gauge('lanes', lambda: len(self._lines))
    self.metrics.gauge('requests_now', lambda: len(self._tickets))
