"""Training: one call from a config and a folder to a trained run."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import jax

from aurl_jax.core import logs
from aurl_jax.core.errors import Interrupted
from aurl_jax.core.writers import numbers, read_jsonl
from aurl_jax.data import report
from aurl_jax.data.cache import TokenCache
from aurl_jax.data.quarantine import Quarantine
from aurl_jax.experiment import (
  build,
  card,
  data,
  evaluate,
  memory,
  original,
  parameters,
  plots,
  progress,
  records,
  sections,
  session,
  status,
)
from aurl_jax.experiment.build import Parts
from aurl_jax.experiment.session import Session
from aurl_jax.experiment.workdir import Workdir
from aurl_jax.parallel import host
from aurl_jax.parallel import memory as memory_lib
from aurl_jax.parallel import mesh as mesh_lib
from aurl_jax.training import pace, signals

_ENDING = (
  'trained; judging the model and writing what it plays, which compiles once '
  'more, a minute or so'
)


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
    AurlError: Another process trains in the folder (`in_use`).
    ConfigError: The config cannot be built, or belongs to another run.
    DataError: There is nothing to train on.
    Interrupted: A signal came; the same call goes on.
  """
  given = folder.read_config() if config is None else config
  asked = sections.parse(given, allow)
  values = folder.agree(given)
  host.keep_memory()
  parts = build.build(asked)
  with folder.claim():
    return _run(parts, folder, values, quiet=quiet)


def _run(
  parts: Parts, folder: Workdir, values: Mapping[str, Any], *, quiet: bool
) -> dict[str, Any]:
  """Does what `run` promises, in a folder that no other trainer uses."""
  asked, process = parts.run, jax.process_index()
  quiet = quiet or not asked.logging.console or process > 0
  logs.setup(folder.root, process_index=process, records=not quiet)
  progress.say(f'devices: {mesh_lib.describe(parts.mesh)}', quiet=quiet)
  held = _held(parts, quiet=quiet)
  cache = data.prepared(asked, quiet=quiet)
  progress.say(_described(cache), quiet=quiet)
  if asked.data.batching == 'bucket':
    progress.say(_padded(data.padding(asked, cache)), quiet=quiet)
  result = _work(parts, cache, folder, values, held, quiet=quiet)
  return {'workdir': str(folder.root), 'steps': asked.train.steps, **result}


def _work(
  parts: Parts,
  cache: TokenCache,
  folder: Workdir,
  values: Mapping[str, Any],
  held: tuple[parameters.Part, ...],
  *,
  quiet: bool,
) -> dict[str, Any]:
  """Trains, judges, writes what is left of a run; returns its figures."""
  with contextlib.ExitStack() as ending:
    with mesh_lib.use(parts.mesh), signals.Stop() as stop, host.settled():
      writers = records.writers(parts, folder, values)
      for writer in writers:
        ending.callback(writer.close)

      def begin() -> None:
        # The folder is the run's once nothing stands in its way any more.
        if jax.process_index() == 0:
          folder.store(values)
        parameters.keep(held, folder)
        ending.enter_context(status.kept(folder.root))
        ending.enter_context(_card_if_stopped(parts, cache, folder))

      here = Session(
        stop=stop,
        writers=writers,
        begin=begin,
        noted=data.quarantine(parts.run, folder.quarantine),
        compiled=memory.watch(parts.run, folder, quiet=quiet),
        paced=_paced(parts, quiet=quiet),
      )
      params = session.train(parts, cache, folder, here)
      progress.say(_ENDING, quiet=quiet)
      figures = _figures(parts, cache, params, here.noted)
      figures |= _before(folder)
    return _leave(parts, cache, folder, params, figures, writers)


def _held(parts: Parts, *, quiet: bool) -> tuple[parameters.Part, ...]:
  """Tells what the network holds; refuses what cannot fit."""
  state = parts.abstract_state()
  found = parameters.parts(state)
  progress.say(parameters.table(found), quiet=quiet)
  memory.check(state, parts.run, parts.mesh.size, memory_lib.limit())
  return found


def _paced(parts: Parts, *, quiet: bool) -> pace.Pace:
  """Returns what tells how long the run will take."""
  train = parts.run.train

  def tell(seconds: float, left: int) -> None:
    progress.say(
      f'a step takes {seconds:.2g} s; what is left (steps: {left:,}) takes '
      f'about {card.duration(seconds * left)}, evaluations not counted. A '
      f'record every {train.log_every:,} steps; train.steps is how many',
      quiet=quiet,
    )

  return pace.Pace(tell=tell, steps=train.steps)


def _described(cache: TokenCache) -> str:
  splits = cache.manifest['splits'].items()
  counts = ', '.join(f'{name} {found["pieces"]:,}' for name, found in splits)
  told = (
    f'data: pieces {counts}, in {cache.folder} ({report.FILES} there tells of '
    'each file); the first step and the first evaluation compile, a minute or '
    'so each'
  )
  if 'valid' not in cache:
    told += (
      '\nno piece is left to judge the model by (valid): there will be no '
      'figures of how well it does; give it more files'
    )
  return told


def _padded(found: Mapping[str, float]) -> str:
  shares = (f'{mode} {100 * share:.1f} %' for mode, share in found.items())
  return f'padding: {", ".join(shares)}'


def _figures(
  parts: Parts, cache: TokenCache, params: Any, noted: Quarantine
) -> dict[str, Any]:
  """Judges the trained model, and the table beside it if asked for."""
  if 'valid' not in cache:
    return {}
  found = evaluate.judge(parts, cache, 'valid', noted=noted)(params)
  figures = {f'valid/{name}': value for name, value in found.items()}
  if parts.run.logging.baseline:
    figures |= evaluate.baseline(parts, cache)
  return figures


def _before(folder: Workdir) -> dict[str, float]:
  """Returns what the records tell of the model that the run began with."""
  if jax.process_index() > 0:
    return {}
  begun = [r for r in read_jsonl(folder.metrics) if r['step'] == 0]
  figures = numbers(begun[-1]) if begun else {}
  return {
    f'before/{name}': value
    for name, value in figures.items()
    if name in ('valid/loss', 'valid/perplexity', 'valid/bits_per_note')
  }


def _leave(
  parts: Parts,
  cache: TokenCache,
  folder: Workdir,
  params: Any,
  figures: dict[str, Any],
  writers: list[Any],
) -> dict[str, Any]:
  """Writes curves, card, index and samples, and returns all figures."""
  if jax.process_index() == 0:
    plots.write(folder)
    card.write(folder, parts, cache, figures)
    original.leave(folder, cache, parts.run.tokenizer)
  if not parts.run.logging.page:
    return figures
  page = records.last_samples(parts, folder, writers, params)
  return figures | ({'page': str(page)} if page else {})


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
