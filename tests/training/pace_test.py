"""How long a run will take: told once, without the step that compiles."""

from aurl_jax.training import callbacks, pace
from aurl_jax.training.metrics import Totals


class _Clock(callbacks.Clock):
  """A clock that is set."""

  seconds = 0.0


def _steps(callback, seconds, first=0):
  """Lets a run take steps of so many seconds each."""
  clock = _Clock()
  for step, spent in enumerate(seconds, first + 1):
    clock.seconds += spent
    context = callbacks.Context(
      step=step,
      first=first,
      state={},
      metrics={},
      totals=Totals(),
      clock=clock,
    )
    if callback.due(context):
      callback(context)


def test_the_first_step_does_not_count_and_it_is_told_once():
  told = []
  callback = pace.Pace(tell=lambda *words: told.append(words), steps=20)
  _steps(callback, [90.0, 2.0, 4.0, 50.0, 50.0])
  assert told == [(3.0, 17)]


def test_a_run_that_goes_on_counts_from_there():
  told = []
  callback = pace.Pace(tell=lambda *words: told.append(words), steps=20)
  _steps(callback, [90.0, 1.0, 1.0], first=10)
  assert told == [(1.0, 7)]


def test_a_run_too_short_to_measure_tells_nothing():
  told = []
  _steps(pace.Pace(tell=lambda *words: told.append(words), steps=2), [9.0, 1.0])
  assert told == []
