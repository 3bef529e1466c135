"""`Ticket`: one request on its way through an engine."""

import dataclasses
import itertools
import time
from collections.abc import Callable
from concurrent import futures

import numpy as np

from aurl_jax.core.errors import AurlError
from aurl_jax.generation.piece import Piece
from aurl_jax.generation.request import Request
from aurl_jax.serving.errors import Cancelled

_numbers = itertools.count(1)


@dataclasses.dataclass(frozen=True)
class Steps:
  """Steps that are new in a row.

  Attributes:
    row: Which one, from 0 on.
    ids: int32 `[k, f]`.
    attempt: Number of the try that they are of, 0 for the first: a row that
      is drawn anew begins anew.
  """

  row: int
  ids: np.ndarray
  attempt: int = 0


Listener = Callable[[Steps], None]
"""Told new steps, by a thread that judges: it must return at once."""


class Ticket:
  """What whoever asked holds; safe for several threads."""

  def __init__(
    self,
    request: Request,
    client: str,
    seconds: float | int,
    listen: Listener | None = None,
  ) -> None:
    """Begins a request.

    Args:
      request: What is asked.
      client: Who asks, for fairness.
      seconds: After which it is given up.
      listen: Told steps as they come.
    """
    self.number = next(_numbers)
    self.request, self.client, self.listen = request, client, listen
    self.begun = time.monotonic()
    self.until = self.begun + seconds
    self.taken = False
    """Whether its rows are on their way."""
    self._future: futures.Future[list[Piece]] = futures.Future()
    # Only `cancel` below takes it back, not whoever waits for it.
    self._future.set_running_or_notify_cancel()

  @property
  def over(self) -> bool:
    """Whether it has been answered, or given up."""
    return self._future.done()

  @property
  def future(self) -> futures.Future[list[Piece]]:
    """Gives the pieces, or the error, when it is over."""
    return self._future

  def result(self, timeout: float | int | None = None) -> list[Piece]:
    """Waits for the pieces.

    Args:
      timeout: Seconds to wait; None waits until it is over.

    Raises:
      TimeoutError: It is not over in time.
      AurlError: It cannot be answered.
    """
    return self._future.result(timeout)

  def cancel(self, message: str = 'taken back') -> bool:
    """Gives it up; its slots are free at the next block."""
    return self.fail(Cancelled(message, code='cancelled'))

  def fail(self, error: AurlError) -> bool:
    """Ends it with an error; False if it is over already."""
    return self._end(lambda: self._future.set_exception(error))

  def answer(self, pieces: list[Piece]) -> bool:
    """Ends it with its pieces; False if it is over already."""
    return self._end(lambda: self._future.set_result(pieces))

  def _end(self, end: Callable[[], None]) -> bool:
    try:
      end()
    except futures.InvalidStateError:
      return False
    return True
