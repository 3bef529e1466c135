"""A stop that was asked for: SIGINT and SIGTERM as a flag."""

import os
import signal
import threading
from types import FrameType, TracebackType
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
# Processes must leave the loop at the same step, and asking each other costs
# a round trip: a stop comes at most this many steps late.
_AGREE_EVERY = 16
_NOTICE = b'\nstopping after this step; a checkpoint is being saved\n'


class Stop:
  """Notes the first signal, and survives those that follow, while entered.

  A second signal must not break the save that the first one asked for;
  SIGKILL remains for those in a hurry. Enter it around a whole command to
  cover what follows the loop as well. Outside the main thread, where Python
  allows no handlers, it only reports `request`.

  Attributes:
    name: Name of the signal that came first, or '' for none.
  """

  def __init__(self) -> None:
    self.name = ''
    self._previous: dict[int, Any] = {}

  def __enter__(self) -> 'Stop':
    if threading.current_thread() is threading.main_thread():
      for number in _SIGNALS:
        self._previous[number] = signal.signal(number, self._note)
    return self

  def __exit__(
    self,
    kind: type[BaseException] | None,
    error: BaseException | None,
    trace: TracebackType | None,
  ) -> None:
    for number, handler in self._previous.items():
      signal.signal(number, handler)
    self._previous = {}

  def request(self, name: str) -> None:
    """Asks for a stop from inside, as a signal of that name would."""
    self.name = self.name or name

  def agreed(self, step: int) -> bool:
    """Returns whether all processes stop after this step."""
    if jax.process_count() == 1:
      return bool(self.name)
    if step % _AGREE_EVERY:
      return False
    flags = multihost_utils.process_allgather(np.array(bool(self.name)))
    if np.any(flags):
      self.request('a signal to another process')
    return bool(self.name)

  def _note(self, number: int, frame: FrameType | None) -> None:
    # Not logging and not print: their buffers cannot be entered twice.
    if not self.name:
      os.write(2, _NOTICE)
    self.request(signal.Signals(number).name)
