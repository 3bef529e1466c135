"""Where a run goes back to after too many bad steps in a row."""

import logging
from collections.abc import Callable
from typing import Any

from aurl_jax.core.checkpoint import Checkpoints
from aurl_jax.core.errors import CheckpointError

_log = logging.getLogger(__name__)


def earlier(
  kept: Checkpoints,
  every: int,
  *,
  like: Callable[[], Any],
  fresh: Callable[[], Any],
) -> Callable[[int], Any]:
  """Returns what finds a good state of at most so many steps.

  Checkpoints of the run's rhythm come first, so that a run that was
  interrupted goes back to where an unbroken one would.

  Args:
    kept: The run's checkpoints.
    every: Steps between them; 0 for none but at the ends.
    like: Returns what to restore to, as `state.abstract` does.
    fresh: Returns the state before the first step.
  """

  def back(most: int) -> Any:
    kept.wait()
    for step in _candidates(kept.steps(), every, most):
      try:
        return kept.restore(like(), step).state
      except CheckpointError as error:
        _log.warning('checkpoint %d is passed over: %s', step, error)
    return fresh()

  return back


def _candidates(steps: list[int], every: int, most: int) -> list[int]:
  """Returns where to go back to, best first.

  Below the bad steps, the newest; among them, the oldest, whose parameters
  are still those of before; and what an interruption left, if the keeping of
  few has removed all that an unbroken run would have.
  """
  rhythm = [step for step in steps if every and step % every == 0]
  before = [step for step in rhythm if step <= most]
  among = [step for step in rhythm if step > most]
  others = [step for step in steps if step not in rhythm]
  if not 0 < every <= most:
    others = []
  return [*reversed(before), *among, *reversed(others)]
