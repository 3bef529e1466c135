"""Requests whose pieces are fetched later."""

import secrets
import time
from typing import NamedTuple

from aurl_jax.serving.errors import Overloaded, ServeError
from aurl_jax.serving.ticket import Ticket


class NotThere(ServeError):
  """There is no such job, or no longer, or it is somebody else's."""

  status = 404


class Job(NamedTuple):
  """A request that goes on without whoever asked.

  Attributes:
    name: By which it is asked for; cannot be guessed.
    ticket: The request.
    asker: Whose it is.
  """

  name: str
  ticket: Ticket
  asker: str


class Jobs:
  """Keeps jobs for a while. Of one thread."""

  def __init__(self, most: int, seconds: float | int) -> None:
    """Takes how many are kept at once, and for how long.

    Args:
      most: Jobs, those that are done among them.
      seconds: From its beginning on, behind what it may take.
    """
    self._most, self._seconds = most, seconds
    self._jobs: dict[str, Job] = {}

  def room(self) -> None:
    """Raises Overloaded if no job more can be kept."""
    now = time.monotonic()
    for name, job in list(self._jobs.items()):
      if job.ticket.over and now > job.ticket.until + self._seconds:
        del self._jobs[name]
    if len(self._jobs) >= self._most:
      raise Overloaded(
        f'{self._most} jobs are kept already; delete those that you have '
        'fetched, or come again later',
        code='jobs',
        retry_after=30,
      )

  def add(self, ticket: Ticket, asker: str) -> Job:
    """Keeps a job."""
    job = Job(secrets.token_urlsafe(16), ticket, asker)
    self._jobs[job.name] = job
    return job

  def find(self, name: str, asker: str) -> Job:
    """Returns a job.

    Raises:
      NotThere: There is none.
    """
    job = self._jobs.get(name)
    if job is None or job.asker != asker:
      raise NotThere('there is no such job, or no longer', code='job')
    return job

  def drop(self, name: str, asker: str) -> None:
    """Takes a job back, and forgets it.

    Raises:
      NotThere: There is none.
    """
    self.find(name, asker).ticket.cancel()
    del self._jobs[name]
