"""A trace of some steps by jax's profiler, while the run goes on.

Asked for by the config, by `SIGUSR1`, or by a file `profile.now` in the
run's folder, which may hold a number of steps and goes away once it is heard.
What goes wrong with a trace is a warning and never ends the run.
"""

import contextlib
import dataclasses
import logging
import pathlib
import signal
import threading
import time
from types import FrameType
from typing import Any

import jax

from aurl_jax.training.callbacks import Context

_log = logging.getLogger(__name__)
_LOOK_EVERY = 1.0
"""Seconds between looks for the file: a folder may be far away."""


@dataclasses.dataclass(kw_only=True)
class Profile:
  """Traces steps on demand; a callback, and a context for the whole loop.

  Attributes:
    folder: Where traces are kept, for TensorBoard or Perfetto.
    request: The file that asks for a trace.
    start: Step after which to trace in any case; 0 for none.
    steps: How many, unless the file says so.
    enabled: Whether to listen at all: one process of several should.
  """

  folder: pathlib.Path
  request: pathlib.Path
  start: int = 0
  steps: int = 10
  enabled: bool = True
  _asked: int = 0
  _until: int = 0
  _looked: float = 0.0
  _previous: Any = None

  def __enter__(self) -> 'Profile':
    # Heard in any case: what is not heard would end the process.
    if threading.current_thread() is threading.main_thread():
      self._previous = signal.signal(signal.SIGUSR1, self._note)
    return self

  def __exit__(self, *_: object) -> None:
    self._stop()
    if self._previous is not None:
      signal.signal(signal.SIGUSR1, self._previous)
      self._previous = None

  def due(self, context: Context) -> bool:
    """Returns whether a trace begins or ends after this step."""
    if self._until:
      return context.step >= self._until or bool(context.ending)
    if self.enabled:
      self._look(context.step)
    return bool(self._asked) and not context.ending

  def __call__(self, context: Context) -> None:
    """Begins or ends a trace."""
    if self._until:
      self._stop()
    else:
      self._begin(context.step)

  def _look(self, step: int) -> None:
    if self.start and step == self.start:
      self._asked = self.steps
    if time.monotonic() - self._looked < _LOOK_EVERY:
      return
    self._looked = time.monotonic()
    with contextlib.suppress(FileNotFoundError):
      text = self.request.read_text(errors='replace').strip()
      self._asked = int(text) if text.isdecimal() and int(text) else self.steps
      with _no_harm():
        self.request.unlink()

  def _begin(self, step: int) -> None:
    count, self._asked = self._asked, 0
    with _no_harm():
      jax.profiler.start_trace(str(self.folder))
      self._until = step + count
      _log.info('tracing steps %d to %d', step + 1, self._until)

  def _stop(self) -> None:
    if not self._until:
      return
    self._until = 0
    with _no_harm():
      jax.profiler.stop_trace()
      _log.info('a trace is in %s', self.folder)

  def _note(self, number: int, frame: FrameType | None) -> None:
    self._asked = self.steps * self.enabled


@contextlib.contextmanager
def _no_harm() -> Any:
  try:
    yield
  except (OSError, RuntimeError) as error:
    _log.warning('no trace: %s', error)
