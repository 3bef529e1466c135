"""The loop: fetch, step, ask each callback whether it is due."""

import contextlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax

from aurl_jax.core.errors import Interrupted
from aurl_jax.core.typing import Batch
from aurl_jax.training.callbacks import Callback, Clock, Context
from aurl_jax.training.feed import Feed
from aurl_jax.training.metrics import Totals, TrainingError
from aurl_jax.training.signals import Stop
from aurl_jax.training.state import TrainState
from aurl_jax.training.watch import Step, Watch


def fit(
  state: TrainState,
  step: Step | Watch,
  batches: Iterator[Batch],
  callbacks: Sequence[Callback],
  *,
  steps: int,
  mesh: jax.sharding.Mesh | None = None,
  totals: Mapping[str, Any] | None = None,
  stop: Stop | None = None,
) -> TrainState:
  """Trains until so many steps are done, or the batches end.

  The host runs a little ahead of the devices and, until a callback is due,
  reads nothing from them but whether finished steps were bad.

  Args:
    state: Where to start; `state['step']` steps are done. It is donated.
    step: As of `make_train_step`; a `Watch` of it can go back to an earlier
      state, where otherwise the run ends.
    batches: Host batches of this process; `get_state` makes them resumable.
    callbacks: Asked in this order after each step.
    steps: Number of steps of the whole run.
    mesh: Where batches go; None for one device.
    totals: Sums of the running log window, from `callbacks.resume`.
    stop: An entered `Stop` of the caller; by default one for the loop.

  Raises:
    Interrupted: A signal came; the callbacks have been asked, with `ending`
      'stopped'.
    TrainingError: There is no batch, or there were too many bad steps in a
      row (`non_finite`) and no rollback is left.
  """
  if int(state['step']) >= steps:
    return state
  feed, window = Feed(batches, mesh), Totals(totals)
  if feed.empty:
    raise TrainingError('there is no batch to train on', code='no_batch')
  watch = step if isinstance(step, Watch) else Watch(step)
  watch.begin(state)
  with Stop() if stop is None else contextlib.nullcontext(stop) as stop:
    last = _train(state, watch, feed, callbacks, window, steps, stop)
  if last.ending == 'stopped':
    raise Interrupted(
      f'stopped on {stop.name} after step {last.step} of {steps}; run the '
      'same command again to go on from the last checkpoint',
      code='interrupted',
    )
  return last.state


def _train(
  state: TrainState,
  watch: Watch,
  feed: Feed,
  callbacks: Sequence[Callback],
  window: Totals,
  steps: int,
  stop: Stop,
) -> Context:
  """Runs the loop; returns what the callbacks saw last."""
  first, clock = int(state['step']), Clock()
  for number in itertools.count(first + 1):
    state, metrics = watch.step(state, feed.take())
    window.add(metrics)
    feed.fetch()
    state = watch.after(number, state, metrics)
    done = number == steps or feed.empty
    context = Context(
      step=number,
      first=first,
      state=state,
      metrics=metrics,
      ending='done' if done else 'stopped' if stop.agreed(number) else '',
      totals=window,
      clock=clock,
      data=feed.state,
      waited=feed.seconds_waited,
    )
    _ask(callbacks, context)
    state = context.state
    if context.ending:
      break
  watch.finish()
  return context


def _ask(callbacks: Sequence[Callback], context: Context) -> None:
  """Runs those callbacks that are due, when the devices have done the step.

  They are waited for before the clock stands still: their work is time of
  the steps. And once after the first step, whose time is nobody's measure.
  """
  if context.step == context.first + 1:
    jax.block_until_ready(context.metrics)
  for callback in callbacks:
    if callback.due(context):
      jax.block_until_ready(context.metrics)
      context.clock.pause()
      callback(context)
  context.clock.go()
