"""Training: one call from a config and a folder to a trained run."""

import contextlib
import dataclasses
import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax

from aurl_jax.core import checkpoint, logs
from aurl_jax.core.errors import Interrupted
from aurl_jax.data.cache import TokenCache
from aurl_jax.experiment import (
  build,
  card,
  data,
  evaluate,
  plots,
  progress,
  records,
  sections,
  status,
)
from aurl_jax.experiment.build import Parts
from aurl_jax.experiment.workdir import Workdir
from aurl_jax.parallel import host
from aurl_jax.parallel import mesh as mesh_lib
from aurl_jax.training import callbacks as callbacks_lib
from aurl_jax.training import loop, signals

_log = logging.getLogger(__name__)


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
  quiet = quiet or not asked.logging.console
  logs.setup(folder.root, process_index=jax.process_index(), records=not quiet)
  progress.say(f'devices: {mesh_lib.describe(parts.mesh)}', quiet=quiet)
  cache = data.prepared(asked, quiet=quiet)
  progress.say(_described(cache), quiet=quiet)
  result = _work(parts, cache, folder, values)
  return {'workdir': str(folder.root), 'steps': asked.train.steps, **result}


def _work(
  parts: Parts, cache: TokenCache, folder: Workdir, values: Mapping[str, Any]
) -> dict[str, Any]:
  """Trains, judges, writes what is left of a run; returns its figures."""
  with contextlib.ExitStack() as ending:
    with mesh_lib.use(parts.mesh), signals.Stop() as stop:
      writers = records.writers(parts, folder, values)
      for writer in writers:
        ending.callback(writer.close)

      def begin() -> None:
        # The folder is the run's once nothing stands in its way any more.
        folder.store(values)
        ending.enter_context(status.kept(folder.root))
        ending.enter_context(_card_if_stopped(parts, cache, folder))

      params = _train(parts, cache, folder, _Session(stop, writers, begin))
      figures = _figures(parts, cache, params)
    return _leave(parts, cache, folder, params, figures, writers)


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
  """

  stop: signals.Stop
  writers: list[Any]
  begin: Callable[[], None]


def _train(
  parts: Parts, cache: TokenCache, folder: Workdir, session: _Session
) -> Any:
  """Resumes or starts, trains, and returns the parameters."""
  batches = data.train_batches(parts.run, cache)
  writers = session.writers
  identity = {'data': data.digest(cache)}
  with (
    checkpoint.Checkpoints(
      folder.checkpoints, keep=parts.run.logging.keep_checkpoints
    ) as kept,
    records.profile(parts, folder) as profile,
  ):
    resumed = callbacks_lib.resume(
      kept,
      parts.abstract_state(),
      batches=batches,
      writers=writers,
      run=identity,
    )
    session.begin()
    if resumed:
      _log.info('going on after step %d', resumed.step)
    state = loop.fit(
      resumed.state if resumed else parts.fresh_state(),
      parts.train_step(cache),
      batches,
      [
        *_callbacks(parts, cache, folder, writers),
        callbacks_lib.Checkpoint(
          checkpoints=kept,
          every=parts.run.train.checkpoint_every,
          run=identity,
        ),
        profile,
      ],
      steps=parts.run.train.steps,
      mesh=parts.mesh,
      totals=resumed.totals if resumed else None,
      stop=session.stop,
    )
  return state['params']


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
    sample = records.sampler(parts, folder, writers)
    result.append(
      callbacks_lib.Sample(every=train.sample_every, function=sample)
    )
  return [*result, *records.log(parts, cache, writers)]


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
  writers: list[Any],
) -> dict[str, Any]:
  """Writes curves, the model card and samples, and returns all figures."""
  if jax.process_index():
    return figures
  plots.write(folder)
  card.write(folder, parts, cache, figures)
  if not parts.run.logging.page:
    return figures
  page = records.last_samples(parts, folder, writers, params)
  return figures | {'page': str(page)}


@contextlib.contextmanager
def _card_if_stopped(
  parts: Parts, cache: TokenCache, folder: Workdir
) -> Iterator[None]:
  """Leaves a card of what there is when a signal ends the run."""
  try:
    yield
  except Interrupted:
    if jax.process_index() == 0:
      card.write(folder, parts, cache)
    raise
