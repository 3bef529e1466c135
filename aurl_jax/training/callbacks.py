"""What happens beside the steps: log, evaluate, sample, save, resume.

The loop asks callbacks in their order. The order that keeps records whole
is Evaluate, Sample, Log, Checkpoint: evaluation adds to the record that the
log writes, and a checkpoint holds the sums of what is not yet logged.
"""

import dataclasses
import time
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from typing import Any, Protocol, runtime_checkable

import jax

from aurl_jax.core.checkpoint import Checkpoints
from aurl_jax.core.errors import CheckpointError
from aurl_jax.parallel import host
from aurl_jax.training import metrics as metrics_lib
from aurl_jax.training.state import TrainState, eval_params


class Clock:
  """Seconds spent on steps; callbacks run while it is paused."""

  def __init__(self) -> None:
    self._spent = 0.0
    self._since: float | None = time.perf_counter()

  @property
  def seconds(self) -> float:
    """Seconds it has run."""
    running = 0.0 if self._since is None else time.perf_counter() - self._since
    return self._spent + running

  def pause(self) -> None:
    """Stops the clock, if it runs."""
    self._spent, self._since = self.seconds, None

  def go(self) -> None:
    """Starts the clock again, if it is paused."""
    if self._since is None:
      self._since = time.perf_counter()


@dataclasses.dataclass(kw_only=True)
class Context:
  """What a callback sees after a step.

  Attributes:
    step: Steps done.
    first: Steps done when the loop began.
    state: After them; the next step destroys it, so keep no reference. A
      callback may put another one in its place, for those behind it and for
      the next step.
    metrics: Of the last step, on the devices.
    totals: Sums since the last log.
    clock: Time spent on steps.
    data: State of the data iterator.
    waited: Seconds that the loop waited for batches.
    ending: 'done' after the last step, 'stopped' when a signal ends the
      loop early, else ''. A callback sets it by `finish`.
    record: What this step's log record holds beside the averages.
  """

  step: int
  first: int
  state: TrainState
  metrics: Mapping[str, jax.Array]
  totals: metrics_lib.Totals
  clock: Clock
  data: Any = None
  waited: float = 0.0
  ending: str = ''
  record: MutableMapping[str, Any] = dataclasses.field(default_factory=dict)

  def finish(self) -> None:
    """Makes this step the last; the callbacks that follow see it as such."""
    self.ending = self.ending or 'done'


@runtime_checkable
class Callback(Protocol):
  """Something to do after some steps."""

  def due(self, context: Context) -> bool:
    """Returns whether to call it now; must not wait for a device."""
    ...

  def __call__(self, context: Context) -> None:
    """Does it."""
    ...


@runtime_checkable
class Writer(Protocol):
  """Takes log records, as the writers of `core.writers`."""

  def write(self, record: Mapping[str, Any]) -> None:
    """Writes one record."""
    ...


@dataclasses.dataclass(kw_only=True)
class Log:
  """Writes averages over the steps since the last record.

  Also whenever an earlier callback has added to the record, so that each
  record of a step is one and holds a loss.

  Attributes:
    every: Steps between records; 0 for the last step only.
    writers: Where records go; only the first process writes.
    fields: Names of the fields, for `nats/NAME`.
    derive: Record -> what follows from it, which it gets as well.
  """

  every: int
  writers: Sequence[Writer]
  fields: Sequence[str] = ()
  derive: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None = None
  _step: int = 0
  _seconds: float = 0.0

  def due(self, context: Context) -> bool:
    """Returns whether a record is to be written."""
    return _due(self.every, context, at_end=True) or bool(context.record)

  def __call__(self, context: Context) -> None:
    """Writes the record and starts new sums."""
    total = context.totals.fetch()
    context.totals.reset()
    record: dict[str, Any] = {'step': context.step}
    record |= metrics_lib.summary(total, self.fields)
    record['tokens_per_second'] = self._rate(context, total)
    record |= context.record
    if self.derive is not None:
      record |= self.derive(record)
    if jax.process_index() == 0:
      for writer in self.writers:
        writer.write(record)

  def _rate(self, context: Context, total: Mapping[str, Any]) -> float:
    """Returns tokens a second; sums may reach back beyond a restart."""
    seconds = context.clock.seconds - self._seconds
    steps = context.step - max(self._step, context.first)
    self._seconds, self._step = context.clock.seconds, context.step
    tokens = float(total['tokens']) * steps / float(total['steps'])
    return round(tokens / max(seconds, 1e-9), 1)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evaluate:
  """Adds what a function finds about the parameters to the record.

  Attributes:
    every: Steps between evaluations; 0 for the last step only.
    function: Parameters -> name -> value; all processes call it.
    prefix: Put before each name, with a slash.
  """

  every: int
  function: Callable[[Any], Mapping[str, float]]
  prefix: str = 'valid'

  def due(self, context: Context) -> bool:
    """Returns whether to evaluate after this step."""
    return _due(self.every, context, at_end=True)

  def __call__(self, context: Context) -> None:
    """Evaluates, into the record."""
    for name, value in self.function(eval_params(context.state)).items():
      context.record[f'{self.prefix}/{name}'] = value


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sample:
  """Hands the parameters to a function that writes what they play.

  Attributes:
    every: Steps between samples; 0 for the last step only.
    function: Called with the parameters and the number of steps done;
      returns paths of what it wrote, which the record names as `samples`.
    at_end: Whether to sample after the last step in any case.
  """

  every: int
  function: Callable[[Any, int], Sequence[str] | None]
  at_end: bool = False

  def due(self, context: Context) -> bool:
    """Returns whether to sample after this step."""
    return _due(self.every, context, at_end=self.at_end or not self.every)

  def __call__(self, context: Context) -> None:
    """Samples."""
    written = self.function(eval_params(context.state), context.step)
    if written:
      context.record['samples'] = list(written)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Checkpoint:
  """Saves all that a run needs to go on; `resume` is its other direction.

  Stands behind all others: what they put into the record is saved as the
  step's metrics, and what they remember as their memory.

  Attributes:
    checkpoints: Where to.
    every: Steps between checkpoints; 0 for the end only.
    run: What must be the same on resume, JSON: seed, digests of the config.
    memories: Name -> a callback with `save` and `load`.
    best: With a `step`, the best so far: a step that becomes it is saved
      in any case.
  """

  checkpoints: Checkpoints
  every: int
  run: Mapping[str, Any] = dataclasses.field(default_factory=dict)
  memories: Mapping[str, Any] = dataclasses.field(default_factory=dict)
  best: Any = None

  def due(self, context: Context) -> bool:
    """Returns whether to save after this step; always at an ending."""
    if self.best is not None and self.best.step == context.step:
      return True
    wanted = _due(self.every, context, at_end=True)
    return wanted or context.ending == 'stopped'

  def __call__(self, context: Context) -> None:
    """Saves; in the background unless the loop ends."""
    extra = {
      'data': context.data,
      'totals': context.totals.save(),
      'run': dict(self.run),
      'memories': {name: who.save() for name, who in self.memories.items()},
    }
    self.checkpoints.save(
      context.step,
      context.state,
      extra,
      block=bool(context.ending),
      metrics=context.record,
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tidy:
  """Gives memory back that the callbacks before it have left unused.

  Attributes:
    every: Steps between; 0 for never.
  """

  every: int

  def due(self, context: Context) -> bool:
    """Returns whether to tidy after this step."""
    return _due(self.every, context, at_end=False)

  def __call__(self, context: Context) -> None:
    """Tidies."""
    del context
    host.tidy()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Resumed:
  """Where a run goes on.

  Attributes:
    step: Steps done.
    state: For `fit`.
    totals: For `fit`.
  """

  step: int
  state: TrainState
  totals: Mapping[str, Any]


def resume(
  checkpoints: Checkpoints,
  like: TrainState,
  *,
  batches: Any,
  writers: Sequence[Any] = (),
  run: Mapping[str, Any] | None = None,
  memories: Mapping[str, Any] | None = None,
) -> Resumed | None:
  """Returns where the newest good checkpoint left off, or None.

  Sets the data iterator, and drops log records of steps that will be done
  again: after a restart from nothing, all of them.

  Args:
    checkpoints: Where from.
    like: As of `state.abstract`.
    batches: The data iterator, before its first batch.
    writers: Those with a `truncate(step)` are cut back.
    run: As given to `Checkpoint`; None takes any.
    memories: As given to `Checkpoint`; one that the checkpoint does not
      know begins anew.

  Raises:
    CheckpointError: The checkpoint is of another run.
  """
  restored = None
  checkpoints.wait()
  if (step := checkpoints.latest()) is not None:
    restored = checkpoints.restore(like, step)
    _check_run(restored.extra['run'], run)
  for writer in writers if jax.process_index() == 0 else ():
    if hasattr(writer, 'truncate'):
      writer.truncate(restored.step if restored else 0)
  if restored is None:
    return None
  if restored.extra['data'] is not None:
    batches.set_state(restored.extra['data'])
  saved = restored.extra.get('memories', {})
  for name, who in (memories or {}).items():
    if name in saved:
      who.load(saved[name])
  return Resumed(
    step=restored.step, state=restored.state, totals=restored.extra['totals']
  )


def _check_run(
  saved: Mapping[str, Any], current: Mapping[str, Any] | None
) -> None:
  if current is None or dict(saved) == dict(current):
    return
  names = sorted(saved.keys() | current.keys())
  changes = '; '.join(
    f'{name} was {saved.get(name)!r} and is {current.get(name)!r}'
    for name in names
    if saved.get(name) != current.get(name)
  )
  raise CheckpointError(
    f'the checkpoint belongs to another run: {changes}. Use another workdir, '
    'or the config that the run began with',
    code='other_run',
  )


def _due(every: int, context: Context, *, at_end: bool) -> bool:
  if at_end and context.ending == 'done':
    return True
  return every > 0 and context.step % every == 0
