"""The host's eye on bad steps: warns of them, and goes back if it must.

It reads a step's streak once the step is long finished, so it never waits.
What it decides depends on nothing but the streaks of given steps, which a
checkpoint holds: a run that was killed and resumed decides the same.
"""

import collections
import logging
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np

from aurl_jax.core.typing import Batch
from aurl_jax.training import guard as guard_lib
from aurl_jax.training.guard import GuardConfig
from aurl_jax.training.metrics import TrainingError
from aurl_jax.training.state import TrainState

# Steps handed to the devices before the host waits: enough that they never
# idle, few enough that a stop or an error comes soon and batches do not pile
# up in memory.
AHEAD = 2

Step = Callable[[TrainState, Batch], tuple[TrainState, Any]]
"""As of `make_train_step`: jitted. What it is sent by the host beside the batch
is an error."""

Back = Callable[[int], TrainState]
"""Returns a good state of at most so many steps; the last was good, too."""

Why = Callable[[TrainState, Batch, int], str]
"""As of `make_diagnosis`."""

_WHY = {
  guard_lib.NOT_FINITE: 'its loss or gradient is not a finite number',
  guard_lib.SPIKE: 'its loss or gradient is a spike',
}
_log = logging.getLogger(__name__)


class Watch:
  """A step, and an eye on what becomes of it.

  After too many bad steps in a row training goes on with an earlier state
  and the batches that follow (Chowdhery et al. 2022, PaLM, section 5.1). The
  number of the step, which counts batches, goes on; the optimizer's own
  count, and so the learning rate, go back.

  Before it goes back, or ends the run, it names the tensor that was the first
  not to be finite; until then the last few batches are kept for that, and
  nothing else is done.
  """

  def __init__(
    self,
    step: Step,
    config: GuardConfig | None = None,
    back: Back | None = None,
    why: Why | None = None,
  ) -> None:
    """Watches a step.

    Args:
      step: As of `make_train_step`.
      config: The guard's, as in the step's options; by default the default.
      back: Where to go back to; None if there is nothing.
      why: Says what was not finite; None for nobody.
    """
    self._step, self._why = step, why
    self._config, self._back = config or GuardConfig(), back
    self._flights: collections.deque[tuple[int, Any, Batch | None]] = (
      collections.deque()
    )
    self._batch: Batch | None = None

  def step(self, state: TrainState, batch: Batch) -> tuple[TrainState, Any]:
    """Returns what the step that is watched does."""
    self._batch = batch
    # What a step needs is on the devices: a number that the host sends with
    # each step is a fault that nothing else would show.
    with jax.transfer_guard('disallow'):
      return self._step(state, batch)

  def begin(self, state: TrainState) -> None:
    """Begins before a step; a streak in the state goes on."""
    self._flights.clear()
    step, streak = int(state['step']), int(state['guard']['streak'])
    if 0 < self._config.rollback_after <= streak:
      # The guard is shut: these were in flight when the run ended.
      for number in range(step - AHEAD + 1, step + 1):
        self._flights.append(
          (number, {'streak': np.int32(streak - step + number)}, None)
        )

  def after(
    self, number: int, state: TrainState, metrics: Mapping[str, Any]
  ) -> TrainState:
    """Waits for the step that is `AHEAD` steps back, and looks at it.

    Args:
      number: The step just handed to the devices.
      state: After it.
      metrics: Of it.

    Returns:
      The state to go on with: the one given, or an earlier one.

    Raises:
      TrainingError: The loop has gone back often enough, or cannot.
    """
    if 'streak' in metrics:
      metrics['streak'].copy_to_host_async()
    self._flights.append((number, metrics, self._batch))
    if len(self._flights) <= AHEAD:
      return state
    last, found, batch = self._flights.popleft()
    jax.block_until_ready(found)
    streak = _look(last, found)
    if not 0 < self._config.rollback_after <= streak:
      return state
    self._flights.clear()
    cause = self._cause(state, last, found, batch)
    return self._go_back(state, number, last, streak, cause)

  def finish(self) -> None:
    """Looks at the steps that are left when the loop ends."""
    while self._flights:
      _look(*self._flights.popleft()[:2])

  def _cause(
    self,
    state: TrainState,
    last: int,
    metrics: Mapping[str, Any],
    batch: Batch | None,
  ) -> str:
    """Returns what was not finite in a step, as a clause; '' if unknown."""
    bad = int(metrics.get('cause', -1)) == guard_lib.NOT_FINITE
    if not bad or batch is None or self._why is None:
      return ''
    # The guard has kept the parameters as that step found them.
    found = self._why(state, batch, last)
    return f' (the first tensor of step {last} that is not finite: {found})'

  def _go_back(
    self, state: TrainState, number: int, last: int, streak: int, cause: str
  ) -> TrainState:
    """Returns an earlier state; the step, and so the data, go on."""
    guard = jax.device_get(state['guard'])
    times = int(guard['rollbacks'])
    bad = f'steps {last - streak + 1} to {last} were skipped, as they were bad'
    bad += cause
    if self._back is None or times >= self._config.rollbacks:
      raise _hopeless(bad, times)
    # Two states at a time may not fit; the guard is all that is needed.
    for leaf in jax.tree.leaves(state):
      leaf.delete()
    earlier = self._back(last - streak)
    _log.warning(
      '%s: going back to the parameters of step %d (rollback %d of %d); '
      'training goes on with the batch of step %d',
      bad,
      int(earlier['step']),
      times + 1,
      self._config.rollbacks,
      number + 1,
    )
    counters = {'skipped': guard['skipped'], 'rollbacks': np.int32(times + 1)}
    return _counted(earlier, np.int32(number), counters)


def _look(number: int, metrics: Mapping[str, Any]) -> int:
  """Warns if a finished step was bad; returns its streak."""
  streak = int(metrics.get('streak', 0))
  if streak and 'cause' in metrics and int(metrics['cause']) in _WHY:
    _log.warning(
      'step %d was skipped, %d in a row: %s',
      number,
      streak,
      _WHY[int(metrics['cause'])],
    )
  return streak


def _counted(
  earlier: TrainState, step: np.int32, counters: dict[str, Any]
) -> TrainState:
  """Returns an earlier state that knows what has happened since."""

  def replaced(old: jax.Array, value: Any) -> jax.Array:
    return jax.device_put(np.asarray(value, old.dtype), old.sharding)

  guard = earlier['guard']
  counters = {'streak': np.int32(0)} | counters
  after = {name: replaced(guard[name], x) for name, x in counters.items()}
  return earlier | {
    'step': replaced(earlier['step'], step),
    'guard': guard | after,
  }


def _hopeless(bad: str, times: int) -> TrainingError:
  tried = f'after {times} rollbacks' if times else 'with nothing to go back to'
  return TrainingError(
    f'{bad}, {tried}: training cannot go on; nothing after the last '
    'checkpoint was kept. Lower optimizer.learning_rate, raise '
    'optimizer.warmup_steps or lower optimizer.clip_norm; if train.spike is '
    'set, raise it. Then run again',
    code='non_finite',
  )
