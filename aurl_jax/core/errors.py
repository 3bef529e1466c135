"""The errors a user can meet: what is wrong, where, and the remedy.

Every deliberate error of the library derives from `AurlError` and carries a
stable `code` for machines. The command line turns its `exit_code` into the
exit status; any other exception is a fault of ours and ends with 1.
"""


class AurlError(ValueError):
  """Base of the errors that bad input or usage causes.

  Attributes:
    code: A short stable name of the cause, such as `empty_folder`.
    exit_code: What the command line exits with (2: bad usage or input).
  """

  exit_code = 2

  def __init__(self, message: str, *, code: str = 'bad_input') -> None:
    super().__init__(message)
    self.code = code


class ConfigError(AurlError):
  """A configuration that cannot be built; names the key and the remedy."""


class MidiError(AurlError):
  """Bytes that hold no music to save."""


class TokenError(AurlError):
  """Notes that a tokenization cannot hold, or ids that are no music."""


class DataError(AurlError):
  """A data set that cannot be prepared or read."""


class CheckpointError(AurlError):
  """A checkpoint that cannot be written, or is not what the run needs."""


class BundleError(AurlError):
  """A bundle that is incomplete, altered, or not one of ours."""


class Interrupted(AurlError):
  """Work that stopped cleanly on a signal and goes on when run again."""

  exit_code = 3
