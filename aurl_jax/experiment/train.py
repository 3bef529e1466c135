"""Training: one call from a config and a folder to a trained run."""

import dataclasses
import functools
import gc
import logging
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import jax

from aurl_jax.core import checkpoint, logs
from aurl_jax.data.cache import TokenCache
from aurl_jax.experiment import (
  build,
  card,
  data,
  evaluate,
  generate,
  memory,
  progress,
  sections,
)
from aurl_jax.experiment.build import Parts
from aurl_jax.experiment.workdir import Workdir
from aurl_jax.parallel import ahead, host
from aurl_jax.parallel import mesh as mesh_lib
from aurl_jax.training import callbacks as callbacks_lib
from aurl_jax.training import loop, signals

_log = logging.getLogger(__name__)
_SHOWN = (
  'loss',
  'accuracy',
  'learning_rate',
  'tokens_per_second',
  'valid/loss',
  'valid/accuracy',
)
"""What the console shows of a record; the files have all of it."""


def run(
  config: Mapping[str, Any] | None,
  folder: Workdir,
  allow: tuple[str, ...] = (),
  *,
  quiet: bool = False,
) -> dict[str, Any]:
  """Trains to the last step, or goes on with the run in the folder.

  Args:
    config: Plain sections; None takes those stored in the folder.
    folder: The run's folder.
    allow: Modules outside `aurl_jax` that the config may name.
    quiet: Whether to keep progress from the console, whatever the config
      says.

  Returns:
    `workdir`, `steps`, the figures on the validation split, and `page` if
    samples were written.

  Raises:
    ConfigError: The config cannot be built, or belongs to another run.
    DataError: There is nothing to train on.
    Interrupted: A signal came; the same call goes on.
  """
  given = folder.read_config() if config is None else config
  asked = sections.parse(given, allow)
  values = folder.agree(given)
  host.keep_memory()
  parts = build.build(asked)
  logs.setup(folder.root, process_index=jax.process_index())
  quiet = quiet or not asked.logging.console or jax.process_index() > 0
  progress.say(f'devices: {mesh_lib.describe(parts.mesh)}', quiet=quiet)
  cache = data.prepared(asked, quiet=quiet)
  progress.say(_described(cache), quiet=quiet)
  with mesh_lib.use(parts.mesh), signals.Stop() as stop, host.settled():
    writers = _writers(parts, folder, quiet=quiet)
    # The folder is the run's once nothing stands in its way any more.
    begin = functools.partial(folder.store, values)
    compiled = memory.watch(parts.run, folder, quiet=quiet)
    session = _Session(stop, writers, begin, compiled)
    params = _train(parts, cache, folder, session)
    figures = _figures(parts, cache, params)
  result = _leave(parts, cache, folder, params, figures)
  return {'workdir': str(folder.root), 'steps': asked.train.steps, **result}


def _described(cache: TokenCache) -> str:
  splits = cache.manifest['splits'].items()
  counts = (f'{name} {found["pieces"]:,} pieces' for name, found in splits)
  return f'data: {", ".join(counts)}; the first step compiles, a minute or so'


@dataclasses.dataclass(frozen=True)
class _Session:
  """What one call of the run brings: who stops it, and who is told.

  Attributes:
    stop: Asked after each step.
    writers: Who takes the records.
    begin: Called when the run is about to go on.
    compiled: Told of each program of the step before it runs.
  """

  stop: signals.Stop
  writers: list[Any]
  begin: Callable[[], None]
  compiled: ahead.Seen


def _train(
  parts: Parts, cache: TokenCache, folder: Workdir, session: _Session
) -> Any:
  """Resumes or starts, trains, and returns the parameters."""
  batches = data.train_batches(parts.run, cache, parts.mesh)
  writers = session.writers
  identity = {'data': data.digest(cache)}
  with checkpoint.Checkpoints(
    folder.checkpoints, keep=parts.run.logging.keep_checkpoints
  ) as kept:
    resumed = callbacks_lib.resume(
      kept,
      parts.abstract_state(),
      batches=batches,
      writers=writers,
      run=identity,
    )
    if jax.process_index() == 0:
      session.begin()
    if resumed:
      _log.info('going on after step %d', resumed.step)
    state = loop.fit(
      resumed.state if resumed else parts.fresh_state(),
      ahead.Ahead(parts.train_step(cache), seen=session.compiled),
      batches,
      [
        *_callbacks(parts, cache, folder, writers),
        callbacks_lib.Checkpoint(
          checkpoints=kept,
          every=parts.run.train.checkpoint_every,
          run=identity,
        ),
      ],
      steps=parts.run.train.steps,
      mesh=parts.mesh,
      totals=resumed.totals if resumed else None,
      stop=session.stop,
    )
  for writer in writers:
    writer.close()
  return state['params']


def _writers(parts: Parts, folder: Workdir, *, quiet: bool) -> list[Any]:
  """Returns who takes the log records, in this order."""
  if jax.process_index():
    return []
  writers: list[Any] = [logs.JsonlWriter(folder.metrics)]
  if parts.run.logging.tensorboard:
    writers.append(logs.TensorBoardWriter(folder.root / 'tb'))
  if not quiet:
    writers.append(
      logs.ConsoleWriter(total=parts.run.train.steps, shown=_SHOWN)
    )
  return writers


def _callbacks(
  parts: Parts, cache: TokenCache, folder: Workdir, writers: list[Any]
) -> list[Any]:
  """Returns what happens beside the steps, up to the log."""
  train = parts.run.train
  result: list[Any] = []
  if train.evaluate_every and 'valid' in cache:
    judge = evaluate.judge(parts, cache, 'valid', train.evaluate_batches)
    result.append(
      callbacks_lib.Evaluate(every=train.evaluate_every, function=judge)
    )
  if train.sample_every:

    def sample(params: Any, step: int) -> None:
      _write(parts, params, folder.samples / f'step_{step}')

    result.append(
      callbacks_lib.Sample(every=train.sample_every, function=sample)
    )
  result.append(
    callbacks_lib.Log(
      every=train.log_every, writers=writers, fields=parts.fields
    )
  )
  return result


def _figures(parts: Parts, cache: TokenCache, params: Any) -> dict[str, Any]:
  """Judges the trained model, and the table beside it if asked for."""
  if 'valid' not in cache:
    return {}
  found = evaluate.judge(parts, cache, 'valid')(params)
  figures = {f'valid/{name}': value for name, value in found.items()}
  if parts.run.logging.baseline:
    figures |= evaluate.baseline(parts, cache)
  return figures


def _leave(
  parts: Parts,
  cache: TokenCache,
  folder: Workdir,
  params: Any,
  figures: dict[str, Any],
) -> dict[str, Any]:
  """Writes samples and the model card, and returns all figures."""
  if jax.process_index() == 0:
    card.write(folder.card, parts, cache, figures)
  if not parts.run.logging.page:
    return figures
  return figures | _write(parts, params, folder.samples)


def _write(parts: Parts, params: Any, out: pathlib.Path) -> dict[str, Any]:
  """Writes samples; all processes call it, the first one writes."""
  composer = parts.composer(params)
  if jax.process_index():
    return {}
  with mesh_lib.use(mesh_lib.alone()):
    written = generate.write(composer, parts.run.generate.request(), out)
  # The figures of the page refer to themselves.
  gc.collect()
  return {'page': written['page']}
