"""Progress for people: a bar on the terminal's error stream."""

import contextlib
from collections.abc import Callable, Iterator

import rich.console
import rich.progress

Report = Callable[[int, int], None]


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
