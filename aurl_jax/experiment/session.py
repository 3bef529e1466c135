"""The training of a run: from where it stands to its last step."""

import contextlib
import dataclasses
import logging
from collections.abc import Callable, Mapping
from typing import Any

from aurl_jax.core.checkpoint import Checkpoints
from aurl_jax.core.errors import DataError
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
from aurl_jax.training import gate as gate_lib
from aurl_jax.training import loop, signals, watch
from aurl_jax.training import pace as pace_lib
from aurl_jax.training import state as state_lib

_log = logging.getLogger(__name__)
# So rarely that to take the pages anew costs nothing to speak of.
_TIDY = callbacks_lib.Tidy(every=250)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Session:
  """What one call of the run brings: who stops it, and who is told.

  Attributes:
    stop: Asked after each step.
    writers: Who takes the records.
    begin: Called when the run is about to go on.
    noted: Where rotten pieces are noted.
    compiled: Told of each program of the step before it runs.
    paced: Tells how long it will take.
  """

  stop: signals.Stop
  writers: list[Any]
  begin: Callable[[], None]
  noted: Quarantine
  compiled: ahead.Seen
  paced: pace_lib.Pace


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
  keeper = _keeper(parts, cache)
  with (
    contextlib.closing(
      data.train_batches(parts.run, cache, parts.mesh, session.noted)
    ) as batches,
    Checkpoints(folder.checkpoints, keep=parts.run.keep) as kept,
    records.profile(parts, folder) as profile,
  ):
    gate = _gate(parts, cache, kept, session)
    beside: dict[str, Any] = {
      'run': {'data': data.digest(cache)},
      'memories': keeper.memories | ({'gate': gate} if gate else {}),
    }
    resumed = _resume(parts, kept, batches, session, beside)
    every = parts.run.train.checkpoint_every
    save = callbacks_lib.Checkpoint(
      checkpoints=kept, every=every, best=keeper.best, **beside
    )
    judges = [*_judges(parts, cache, session), *([gate] if gate else [])]
    told = _told(parts, cache, folder, session)
    state = loop.fit(
      resumed.state if resumed else _begun(parts, cache, session),
      _step(parts, cache, kept, session),
      batches,
      [*judges, *told, *keeper.callbacks, save, profile, _TIDY],
      steps=resumed.step if resumed and keeper.over else parts.run.train.steps,
      mesh=parts.mesh,
      totals=resumed.totals if resumed else None,
      stop=session.stop,
    )
    state = keeper.hand_back(kept, parts.abstract_state(), state)
  return state_lib.eval_params(state)


def _begun(parts: Parts, cache: TokenCache, session: Session) -> Any:
  """Returns the state before the first step.

  What begins with another model is judged first, as at the end, so that the
  records tell what the training does to it (step 0).
  """
  state = beginning.state(parts)
  if not parts.run.train.begin_from or 'valid' not in cache:
    return state
  judge = evaluate.judge(parts, cache, 'valid', noted=session.noted)
  found = judge(state_lib.eval_params(state))
  record = {'step': 0} | {f'valid/{name}': v for name, v in found.items()}
  for writer in session.writers:
    writer.write(record)
  return state


def _keeper(parts: Parts, cache: TokenCache) -> keeping.Keeper:
  latents = parts.run.model.has_latents
  return keeping.Keeper(
    parts.run.checkpoint,
    judged='valid' in cache,
    collapse=parts.run.elbo.patience if latents else 0,
  )


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
  why = parts.diagnosis(cache)
  return watch.Watch(step, parts.options.guard, _back(parts, kept), why)


def _back(parts: Parts, kept: Checkpoints) -> watch.Back:
  """Returns what finds a good earlier state."""
  return rollback.earlier(
    kept,
    parts.run.train.checkpoint_every,
    like=parts.abstract_state,
    fresh=lambda: beginning.state(parts),
  )


def _gate(
  parts: Parts, cache: TokenCache, kept: Checkpoints, session: Session
) -> gate_lib.Gate | None:
  """Returns what lets the critic teach, if there is one.

  Raises:
    DataError: There is nothing to judge it by.
  """
  if parts.gan is None:
    return None
  if 'valid' not in cache:
    raise DataError(
      'gan: the critic is judged by a validation split, and the data has '
      "none; give it more pieces, or set model.mode to 'vae'"
    )
  held_out = lambda: evaluate.held_out(parts, cache, session.noted)  # noqa: E731
  judge = gate_lib.make_judge(parts.gan, held_out, parts.mesh)
  return gate_lib.Gate(parts.run.gan, judge, _back(parts, kept))


def _judges(parts: Parts, cache: TokenCache, session: Session) -> list[Any]:
  """Returns what judges the parameters now and then."""
  train = parts.run.train
  if not train.evaluate_every or 'valid' not in cache:
    return []
  limit = train.evaluate_batches
  judge = evaluate.judge(parts, cache, 'valid', limit, session.noted)
  return [callbacks_lib.Evaluate(every=train.evaluate_every, function=judge)]


def _told(
  parts: Parts, cache: TokenCache, folder: Workdir, session: Session
) -> list[Any]:
  """Returns what makes the records, behind what judges."""
  train = parts.run.train
  result: list[Any] = [session.paced]
  if train.sample_every:
    sample = records.sampler(parts, folder, session.writers)
    result.append(
      callbacks_lib.Sample(every=train.sample_every, function=sample)
    )
  result.append(data.CountRotten(every=train.log_every, noted=session.noted))
  return [*result, *records.log(parts, cache, session.writers)]
