"""Music that is computed ahead of a clock, and the clocks.

`Thread` computes while music plays; `Rehearsal` lets no time pass but what
computing takes, so that an hour of music is judged as fast as it is written.
Both work ahead by so many bars and no more, so that a change is soon heard.
Times are seconds.
"""

import collections
import threading
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol, runtime_checkable

from aurl_jax.music.window import Window


@runtime_checkable
class Clock(Protocol):
  """Tells the time and waits."""

  def now(self) -> float:
    """Returns the time."""
    ...

  def wait(self, until: float) -> None:
    """Returns at a time, or at once if that has passed."""
    ...


class Wall:
  """The time of the world, from a start that is not told."""

  def now(self) -> float:
    """Returns the time."""
    return time.perf_counter()

  def wait(self, until: float) -> None:
    """Sleeps."""
    while (left := until - self.now()) > 0:
      time.sleep(left)


class Skipping:
  """A time that passes when somebody waits."""

  def __init__(self) -> None:
    self._now = 0.0

  def now(self) -> float:
    """Returns the time."""
    return self._now

  def wait(self, until: float) -> None:
    """Lets the time pass at once."""
    self._now = max(self._now, until)


class Ready(NamedTuple):
  """What has been computed.

  Attributes:
    window: None where the music is over.
    at: When it stood ready.
    seconds: That it took.
  """

  window: Window | None
  at: float
  seconds: float


@runtime_checkable
class Ahead(Protocol):
  """Windows, computed ahead."""

  @property
  def clock(self) -> Clock:
    """The clock by which they are waited for."""
    ...

  def take(self, until: float) -> Ready | None:
    """Returns the next window as soon as it is there; None if it is not.

    Args:
      until: When to give up.

    Raises:
      Exception: What computing has raised.
    """
    ...

  def close(self) -> None:
    """Computes no more."""
    ...


class Thread:
  """Computes in a thread, by the wall clock.

  Attributes:
    clock: By which `take` waits.
  """

  def __init__(self, source: Iterator[Window], bars: int = 2) -> None:
    """Begins to compute.

    Args:
      source: What is computed.
      bars: Complete bars that may wait, at least 1.
    """
    self.clock: Clock = Wall()
    self._source, self._most = source, bars
    self._found: collections.deque[Ready] = collections.deque()
    self._error: BaseException | None = None
    self._closed = False
    self._changed = threading.Condition()
    # A thread that outlives its music must not keep the process alive.
    self._thread = threading.Thread(target=self._work, daemon=True)
    self._thread.start()

  def take(self, until: float) -> Ready | None:
    """See `Ahead`."""
    with self._changed:
      while not (self._found or self._error):
        left = until - self.clock.now()
        if left <= 0:
          return None
        self._changed.wait(left)
      if not self._found:
        assert self._error is not None
        raise self._error
      found = self._found.popleft()
      self._changed.notify_all()
      return found

  def close(self) -> None:
    """See `Ahead`; waits for what is being computed, a second at most."""
    with self._changed:
      self._closed = True
      self._changed.notify_all()
    self._thread.join(1.0)

  def _work(self) -> None:
    try:
      while self._wanted():
        start = self.clock.now()
        window = next(self._source, None)
        now = self.clock.now()
        with self._changed:
          self._found.append(Ready(window, now, now - start))
          self._changed.notify_all()
        if window is None:
          return
    except BaseException as error:  # noqa: BLE001
      # Told where the music is waited for.
      with self._changed:
        self._error = error
        self._changed.notify_all()

  def _wanted(self) -> bool:
    """Waits until another window is wanted; False if none ever is."""
    with self._changed:
      while not self._closed:
        if sum(_ends(found) for found in self._found) < self._most:
          return True
        self._changed.wait()
    return False


class Rehearsal:
  """Computes when it is asked to, and tells when a thread had been ready.

  Attributes:
    clock: Passes over what is waited for.
  """

  def __init__(
    self,
    source: Iterator[Window],
    bars: int = 2,
    stopwatch: Callable[[], float] = time.perf_counter,
  ) -> None:
    """Computes nothing yet.

    Args:
      source: As of `Thread`.
      bars: Likewise.
      stopwatch: Measures what computing takes.
    """
    self.clock: Clock = Skipping()
    self._source, self._most, self._stopwatch = source, bars, stopwatch
    self._next: Ready | None = None
    self._free = 0.0
    # When bars were taken: that makes room for others.
    self._taken: collections.deque[float] = collections.deque(
      [0.0] * bars, maxlen=bars
    )
    self._open = True

  def take(self, until: float) -> Ready | None:
    """See `Ahead`."""
    if self._next is None:
      self._next = self._compute()
    if self._next.at > until:
      self.clock.wait(until)
      return None
    found, self._next = self._next, None
    self.clock.wait(found.at)
    if _ends(found):
      self._taken.append(self.clock.now())
    return found

  def close(self) -> None:
    """See `Ahead`."""

  def _compute(self) -> Ready:
    begun = max(self._free, self._taken[0])
    start = self._stopwatch()
    window = next(self._source, None)
    seconds = self._stopwatch() - start
    self._free = begun + seconds
    return Ready(window, self._free, seconds)


def _ends(found: Ready) -> bool:
  """Whether this completes a bar."""
  return found.window is not None and found.window.last
