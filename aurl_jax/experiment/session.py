"""The training of a run: from where it stands to its last step."""

import contextlib
import dataclasses
import logging
from collections.abc import Callable, Mapping
from typing import Any

from aurl_jax.core.checkpoint import Checkpoints
from aurl_jax.data.cache import TokenCache
from aurl_jax.data.pipeline import Stream
from aurl_jax.data.quarantine import Quarantine
from aurl_jax.experiment import (
  beginning,
  data,
  evaluate,
  keeping,
  records,
  rollback,
)
from aurl_jax.experiment.build import Parts
from aurl_jax.experiment.workdir import Workdir
from aurl_jax.parallel import ahead
from aurl_jax.training import callbacks as callbacks_lib
from aurl_jax.training import loop, signals, watch
from aurl_jax.training import state as state_lib

_log = logging.getLogger(__name__)
_TIDY_EVERY = 250
"""Steps: rare enough that to take the pages anew costs nothing to speak of."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Session:
  """What one call of the run brings: who stops it, and who is told.

  Attributes:
    stop: Asked after each step.
    writers: Who takes the records.
    begin: Called when the run is about to go on.
    noted: Where rotten pieces are noted.
    compiled: Told of each program of the step before it runs.
  """

  stop: signals.Stop
  writers: list[Any]
  begin: Callable[[], None]
  noted: Quarantine
  compiled: ahead.Seen


def train(
  parts: Parts, cache: TokenCache, folder: Workdir, session: Session
) -> Any:
  """Resumes or starts, trains, and returns the parameters to use.

  Args:
    parts: The run's objects.
    cache: Its data.
    folder: Its folder.
    session: What this call brings.

  Raises:
    Interrupted: A signal came; another call goes on.
    TrainingError: Too many steps were bad, or there is no batch.
  """
  latents = parts.run.model.has_latents
  keeper = keeping.Keeper(
    parts.run.checkpoint,
    judged='valid' in cache,
    collapse=parts.run.elbo.patience if latents else 0,
  )
  beside: dict[str, Any] = {
    'run': {'data': data.digest(cache)},
    'memories': keeper.memories,
  }
  with (
    contextlib.closing(
      data.train_batches(parts.run, cache, parts.mesh, session.noted)
    ) as batches,
    Checkpoints(folder.checkpoints, keep=parts.run.keep) as kept,
    records.profile(parts, folder) as profile,
  ):
    resumed = _resume(parts, kept, batches, session, beside)
    every = parts.run.train.checkpoint_every
    save = callbacks_lib.Checkpoint(
      checkpoints=kept, every=every, best=keeper.best, **beside
    )
    before = _callbacks(parts, cache, folder, session, keeper)
    state = loop.fit(
      resumed.state if resumed else beginning.state(parts),
      _step(parts, cache, kept, session),
      batches,
      [*before, save, profile, callbacks_lib.Tidy(every=_TIDY_EVERY)],
      steps=resumed.step if resumed and keeper.over else parts.run.train.steps,
      mesh=parts.mesh,
      totals=resumed.totals if resumed else None,
      stop=session.stop,
    )
    state = keeper.hand_back(kept, parts.abstract_state(), state)
  return state_lib.eval_params(state)


def _resume(
  parts: Parts,
  kept: Checkpoints,
  batches: Stream,
  session: Session,
  beside: Mapping[str, Any],
) -> callbacks_lib.Resumed | None:
  """Returns where the run stands, if it has begun, and says that it goes on.

  `beside` is what a checkpoint holds beside the state.
  """
  resumed = callbacks_lib.resume(
    kept,
    parts.abstract_state(),
    batches=batches,
    writers=session.writers,
    **beside,
  )
  session.begin()
  if resumed:
    _log.info('going on after step %d', resumed.step)
  return resumed


def _step(
  parts: Parts, cache: TokenCache, kept: Checkpoints, session: Session
) -> watch.Watch:
  """Returns the training step, which goes back to a checkpoint if it must."""
  step = ahead.Ahead(
    parts.train_step(cache),
    seen=session.compiled,
    largest=data.largest(parts.run),
  )
  back = rollback.earlier(
    kept,
    parts.run.train.checkpoint_every,
    like=parts.abstract_state,
    fresh=lambda: beginning.state(parts),
  )
  why = parts.diagnosis(cache)
  return watch.Watch(step, parts.options.guard, back, why)


def _callbacks(
  parts: Parts,
  cache: TokenCache,
  folder: Workdir,
  session: Session,
  keeper: keeping.Keeper,
) -> list[Any]:
  """Returns what happens beside the steps, up to the checkpoint."""
  train = parts.run.train
  result: list[Any] = []
  if train.evaluate_every and 'valid' in cache:
    limit = train.evaluate_batches
    judge = evaluate.judge(parts, cache, 'valid', limit, session.noted)
    result.append(
      callbacks_lib.Evaluate(every=train.evaluate_every, function=judge)
    )
  if train.sample_every:
    sample = records.sampler(parts, folder, session.writers)
    result.append(
      callbacks_lib.Sample(every=train.sample_every, function=sample)
    )
  result.append(data.CountRotten(every=train.log_every, noted=session.noted))
  log = records.log(parts, cache, session.writers)
  return [*result, *log, *keeper.callbacks]
