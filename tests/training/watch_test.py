"""Going back: when, to what, how often, and the same after a restart."""

import logging

import jax
import numpy as np
import optax
import pytest

from aurl_jax.core.checkpoint import Checkpoints
from aurl_jax.core.errors import Interrupted
from aurl_jax.training import callbacks, loop, state, steps
from aurl_jax.training.averages import AverageConfig
from aurl_jax.training.guard import GuardConfig
from aurl_jax.training.metrics import TrainingError
from aurl_jax.training.options import StepConfig
from aurl_jax.training.signals import Stop
from aurl_jax.training.watch import Watch
from tests.training import faulty, toy

OPTIONS = StepConfig(
  guard=GuardConfig(rollback_after=3, rollbacks=2),
  averages=AverageConfig(ema=0.9),
)
MODEL, OPTIMIZER = faulty.Faulty(), optax.adam(0.05)
STEP = steps.make_train_step(MODEL, OPTIMIZER, lambda _: 0.05, OPTIONS)
EVERY = 4
STEPS = 24


def _fresh():
  return state.create(MODEL, OPTIMIZER, seed=3, options=OPTIONS)


def _run(folder, bad, *, stop_after=None, options=OPTIONS):
  """Trains with bad batches, or goes on; returns the state."""
  with Checkpoints(folder, keep=8) as kept, Stop() as stop:

    def back(most):
      kept.wait()
      found = [s for s in kept.steps() if s <= most and s % EVERY == 0]
      if not found:
        return _fresh()
      return kept.restore(
        state.abstract(MODEL, OPTIMIZER, options=OPTIONS), found[-1]
      ).state

    class StopAfter:
      def due(self, context):
        return context.step == stop_after

      def __call__(self, context):
        stop.request('a test')

    batches = faulty.Batches(bad)
    like = state.abstract(MODEL, OPTIMIZER, options=OPTIONS)
    resumed = callbacks.resume(kept, like, batches=batches)
    return loop.fit(
      resumed.state if resumed else _fresh(),
      Watch(STEP, options.guard, back),
      batches,
      [StopAfter(), callbacks.Checkpoint(checkpoints=kept, every=EVERY)],
      steps=STEPS,
      totals=resumed.totals if resumed else None,
      stop=stop,
    )


def _follow(numbers, start=None):
  """Returns the state after the good batches of these numbers alone."""
  now = start or _fresh()
  for number in numbers:
    now, _ = STEP(now, faulty.batch(number))
  return now


def _same(one, two):
  for name in ('params', 'opt', 'ema'):
    faulty.same(one[name], two[name])


def test_bad_batches_leave_no_trace_but_counters(tmp_path, caplog):
  bad = {2: 'nan', 9: 'gradient', 10: 'inf', 20: 'nan'}
  last = _run(tmp_path, bad)
  _same(last, _follow(n for n in range(1, STEPS + 1) if n not in bad))
  assert int(last['step']) == STEPS
  guard = jax.device_get(last['guard'])
  assert (guard['skipped'], guard['rollbacks'], guard['streak']) == (4, 0, 0)
  for number, streak in ((2, 1), (9, 1), (10, 2), (20, 1)):
    assert f'step {number} was skipped, {streak} in a row' in caplog.text


STREAK = {10: 'nan', 11: 'gradient', 12: 'inf'}


def test_a_streak_goes_back_past_the_bad_batches(tmp_path, caplog):
  last = _run(tmp_path, STREAK)
  # Back to step 8; 13 and 14 were in flight when it was noticed.
  _same(last, _follow([*range(1, 9), *range(15, STEPS + 1)]))
  guard = jax.device_get(last['guard'])
  assert (guard['rollbacks'], guard['streak']) == (1, 0)
  assert guard['skipped'] == 5
  assert guard['updates'] == 8 + STEPS - 14
  assert int(last['step']) == STEPS
  assert 'steps 10 to 12 were skipped' in caplog.text
  assert 'to the parameters of step 8 (rollback 1 of 2)' in caplog.text
  assert 'the batch of step 15' in caplog.text


def test_before_the_first_checkpoint_it_starts_afresh(tmp_path):
  last = _run(tmp_path, {1: 'nan', 2: 'nan', 3: 'nan'})
  _same(last, _follow(range(6, STEPS + 1)))


def test_a_checkpoint_inside_the_streak_is_none_to_go_back_to(tmp_path):
  last = _run(tmp_path, {7: 'nan', 8: 'nan', 9: 'nan'})
  _same(last, _follow([*range(1, 5), *range(12, STEPS + 1)]))


def test_rollbacks_run_out(tmp_path, caplog):
  bad = dict.fromkeys(range(6, 100), 'nan')
  caplog.set_level(logging.WARNING)
  with pytest.raises(TrainingError, match='after 2 rollbacks') as caught:
    _run(tmp_path, bad)
  assert caught.value.code == 'non_finite'
  assert 'optimizer.learning_rate' in str(caught.value)
  assert caplog.text.count('going back') == 2


def test_bad_steps_at_the_very_end_are_told(tmp_path, caplog):
  _run(tmp_path, {STEPS: 'nan'})
  assert f'step {STEPS} was skipped, 1 in a row' in caplog.text


@pytest.mark.parametrize('stop_after', [8, 10, 11, 12, 13, 14, 15])
def test_interrupted_at_any_step_it_ends_as_unbroken(
  tmp_path, stop_after, unbroken
):
  with pytest.raises(Interrupted):
    _run(tmp_path, STREAK, stop_after=stop_after)
  last = _run(tmp_path, STREAK)
  faulty.same(faulty.arrays(last), unbroken)


@pytest.fixture(scope='module')
def unbroken(tmp_path_factory):
  return faulty.arrays(_run(tmp_path_factory.mktemp('whole'), STREAK))


def test_the_shut_guard_has_kept_what_was_in_flight_from_learning():
  begun = _fresh()
  for number in (1, 2, 3):
    begun, _ = STEP(begun, faulty.batch(number, kind='nan'))
  kept = faulty.arrays(begun['params'])
  begun, metrics = STEP(begun, toy.batch(4))
  faulty.same(faulty.arrays(begun['params']), kept)
  assert int(metrics['streak']) == 4
  np.testing.assert_array_equal(metrics['counts'], 0)
