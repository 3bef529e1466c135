"""Progress for people: lines and a bar on the terminal's error stream."""

import contextlib
import logging
import sys
from collections.abc import Callable, Iterator

import rich.console
import rich.progress

Report = Callable[[int, int], None]
_log = logging.getLogger(__name__)


def say(message: str, *, quiet: bool = False) -> None:
  """Tells people, unless quiet, and the log file."""
  _log.info('%s', message)
  if not quiet:
    # Whoever closed the stream has seen enough, and the work is not over.
    with contextlib.suppress(BrokenPipeError):
      print(message, file=sys.stderr, flush=True)


@contextlib.contextmanager
def bar(title: str, *, quiet: bool = False) -> Iterator[Report | None]:
  """Gives a function of (done, total) that moves a bar, or None if quiet."""
  if quiet:
    yield None
    return
  console = rich.console.Console(stderr=True)
  with rich.progress.Progress(console=console, transient=True) as shown:
    task = shown.add_task(title, total=None)

    def report(done: int, total: int) -> None:
      shown.update(task, completed=done, total=total)

    yield report
