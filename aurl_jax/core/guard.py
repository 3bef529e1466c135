"""What the commands make of errors: a message and an exit code, no traceback.

Exit codes: 0 done, 2 bad usage or input, 3 interrupted and resumable by the
same command; anything else that is raised is a fault of ours, and ends with
a traceback and 1.
"""

import sys
from collections.abc import Callable

from aurl_jax.core.errors import AurlError, Interrupted

INTERRUPTED = Interrupted.exit_code

Report = Callable[[str, str], None]
"""Tells a person or a machine: the message, and the error's code."""


def guarded(command: Callable[[], int], report: Report) -> int:
  """Returns the exit code of a command; its errors are reported.

  Args:
    command: What to do; returns an exit code of its own.
    report: Called with a message and a code, at most once.
  """
  try:
    return command()
  except AurlError as error:
    report(str(error), error.code)
    return error.exit_code
  except BrokenPipeError:
    # Whoever read our output has seen enough.
    sys.stderr.close()
    return 0
  except OSError as error:
    report(f'{error.filename}: {error.strerror}', 'os')
    return AurlError.exit_code
  except KeyboardInterrupt:
    report('interrupted; the same command goes on', 'interrupted')
    return INTERRUPTED
