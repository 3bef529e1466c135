"""What a server answers where it gives no music; each has an HTTP status."""

from aurl_jax.core.errors import AurlError


class ServeError(AurlError):
  """Base of these errors.

  Attributes:
    status: Of HTTP.
    retry_after: Seconds after which to ask again; 0 tells none.
  """

  status = 400

  def __init__(
    self, message: str, *, code: str = 'request', retry_after: int = 0
  ) -> None:
    super().__init__(message, code=code)
    self.retry_after = retry_after


class Overloaded(ServeError):
  """More is asked for than can wait."""

  status = 429


class Draining(ServeError):
  """The server ends, and takes nothing more."""

  status = 503


class Expired(ServeError):
  """A request has taken longer than it may."""

  status = 503


class Cancelled(ServeError):
  """Whoever asked has gone, or has taken it back."""

  status = 409


class Failed(ServeError):
  """A fault of ours; the log tells it."""

  status = 500


def fault(error: BaseException) -> AurlError:
  """Returns an error as whoever asked may see it."""
  if isinstance(error, AurlError):
    return error
  return Failed('a fault of ours; the log of the server tells it', code='fault')
