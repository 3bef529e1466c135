"""Prepared data for a run: made once, found again by what it is made of."""

import dataclasses
import json
import logging
import pathlib
from collections.abc import Iterable, Sequence
from typing import Any

import jax

from aurl_jax.core import config, files
from aurl_jax.core.errors import ConfigError, DataError
from aurl_jax.core.typing import Batch
from aurl_jax.data import gather, housekeeping, pipeline, prepare
from aurl_jax.data.cache import TokenCache
from aurl_jax.data.curriculum import Curriculum
from aurl_jax.data.objective import Mixture
from aurl_jax.data.piece import Options
from aurl_jax.data.quarantine import Quarantine
from aurl_jax.data.report import Report
from aurl_jax.experiment import inspect, learning
from aurl_jax.experiment import progress as progress_lib
from aurl_jax.experiment.sections import RunConfig
from aurl_jax.experiment.together import together
from aurl_jax.parallel import rules
from aurl_jax.training.callbacks import Context

_log = logging.getLogger(__name__)


def prepared(run: RunConfig, *, quiet: bool = False) -> TokenCache:
  """Returns the token cache of a run's data, prepared if need be.

  Process 0 prepares; what fails on one process fails on all.

  Raises:
    DataError: The source is missing or holds no usable music, or the cache
      cannot be written.
    AurlError: This happened to another process.
  """
  first = jax.process_index() == 0
  name, *_ = together(lambda: _kept(run, quiet=quiet).name if first else '')
  out = housekeeping.prepared_folder() / name
  housekeeping.note_use(out)
  opened: list[TokenCache] = []

  def open_here() -> str:
    opened.append(TokenCache.open(out))
    return digest(opened[0])

  _refuse_different(together(open_here), out)
  return opened[0]


def _refuse_different(digests: list[str], out: pathlib.Path) -> None:
  """Raises DataError if processes have found different data."""
  for number, found in enumerate(digests):
    if found != digests[0]:
      raise DataError(
        f'process {number} has other data at {out} than process 0; let '
        'AURL_CACHE name one folder that all hosts share, or copy it',
        code='other_data',
      )


def _kept(run: RunConfig, *, quiet: bool) -> pathlib.Path:
  """Prepares a run's data in the cache, which is kept small."""
  data, root = run.data, housekeeping.prepared_folder()
  progress_lib.say(f'preparing {data.source} in {root}', quiet=quiet)
  try:
    with progress_lib.bar('preparing', quiet=quiet) as progress:
      report = prepare.keep(
        data.source,
        run.tokenizer,
        root,
        options=data.options,
        splits=data.splits or None,
        progress=progress,
        store=housekeeping.store(),
      )
  except OSError as error:
    raise DataError(
      f'cannot keep prepared data in {root}: {error}; set AURL_CACHE to a '
      'folder that can be written',
      code='cache',
    ) from error
  _tidy_up(report)
  return report.folder


def _tidy_up(report: Report) -> None:
  """Tells what a new set warns of, and keeps the cache small."""
  if report.reused:
    return
  for warning in report.warnings:
    _log.warning('%s: %s', report.folder, warning)
  housekeeping.prune()


def prepare_named(
  source: str,
  tokenizer: str,
  out: str,
  *,
  splits: str | None = None,
  changes: Sequence[str] = (),
  quiet: bool = False,
) -> dict[str, Any]:
  """Prepares a folder, or the embedded corpus, for a named tokenizer.

  Args:
    source: A folder of MIDI, or `chorales`.
    tokenizer: Short name or `package.module:Class`.
    out: Folder to publish.
    splits: Name of a frozen table of splits.
    changes: Options as `KEY=VALUE`, such as `preprocess.quantise=1`; see
      `data.piece.Options`. Values are JSON, or text as it stands.
    quiet: Whether to keep progress from the console.

  Returns:
    The report; see `data.report.Report`.

  Raises:
    ConfigError: There is no such option, or its value is wrong.
    DataError: The source is missing or holds no usable music.
  """
  options = _options(changes)
  built = inspect.tokenizer_named(tokenizer)
  progress_lib.say(f'preparing {source} in {out}', quiet=quiet)
  with progress_lib.bar('preparing', quiet=quiet) as progress:
    report = prepare.prepare(
      source,
      built,
      out,
      options=options,
      splits=splits,
      progress=progress,
      store=housekeeping.store(),
    )
  _tidy_up(report)
  return report.as_dict()


def _options(changes: Sequence[str]) -> Options:
  """Returns the options that `KEY=VALUE` texts make."""
  sections: dict[str, Any] = {}
  for change in changes:
    name, equals, text = change.partition('=')
    section, dot, key = name.partition('.')
    if not equals or not section:
      raise ConfigError(
        f'option {change!r} is not KEY=VALUE, such as preprocess.quantise=1'
      )
    try:
      value = json.loads(text)
    except ValueError:
      value = text
    if dot:
      sections.setdefault(section, {})[key] = value
    else:
      sections[section] = value
  return config.from_section(Options, sections, 'option')


def digest(cache: TokenCache) -> str:
  """Returns what identifies the content of a cache."""
  # The checks follow from the ids, and caches had none at first.
  content = {
    name: found
    for name, found in cache.manifest['files'].items()
    if not name.endswith('/checks.npy')
  }
  text = json.dumps(content, sort_keys=True)
  return files.digest(text.encode())


def options(
  run: RunConfig, batching: str | None = None, mixture: Mixture | None = None
) -> gather.Options:
  """Returns how rows are filled in this run, without its curriculum.

  Args:
    run: The config.
    batching: Another way than the run's; None for that.
    mixture: Of objectives; None for causal alone, controls told but for those
      that are asked.
  """
  return {
    **run.rows,
    'mode': batching or run.data.batching,
    'curriculum': Curriculum(),
    'objective': mixture or learning.unheard(run.model, run.tokenizer),
  }


def quarantine(run: RunConfig, path: pathlib.Path) -> Quarantine:
  """Returns what this process notes rotten data in."""
  process = jax.process_index()
  return Quarantine(path, process=process, limit=run.data.max_bad)


def train_batches(
  run: RunConfig,
  cache: TokenCache,
  mesh: jax.sharding.Mesh,
  noted: Quarantine | None = None,
) -> pipeline.Stream:
  """Returns this process's endless, resumable batches of `train`.

  Args:
    run: The config.
    cache: Its data.
    mesh: The devices, which decide what share is this process's.
    noted: Where rotten pieces are noted; None refuses them.

  Raises:
    ConfigError: They are packed, but the model is not to expect it.
  """
  if run.data.batching == 'pack' and not run.model.packed:
    raise ConfigError(
      "model.packed is False, but data.batching 'pack' puts several pieces "
      "into a row, which would then see each other; set it to 'pad', 'crop' "
      "or 'bucket', or model.packed to True"
    )
  index, count = rules.share(mesh)
  return pipeline.stream(
    cache,
    'train',
    process_index=index,
    process_count=count,
    workers=run.data.workers,
    quarantine=noted,
    **run.rows,
  )


def largest(run: RunConfig) -> tuple[int, int]:
  """Returns rows and steps of the largest batch of training."""
  rows, context = max(
    gather.shapes(run.rows), key=lambda shape: shape.rows * shape.context
  )
  return rows, context


def split_batches(
  run: RunConfig,
  cache: TokenCache,
  split: str,
  mesh: jax.sharding.Mesh,
  noted: Quarantine | None = None,
  mixture: Mixture | None = None,
) -> Iterable[Batch]:
  """Returns the batches of one pass over a split, each step once.

  In rows of the model's context that are packed, which has the least padding,
  or in buckets if training is in buckets, and so without neighbours in a row;
  padded for a model that expects none or whose latents are of one piece a row.
  `mixture` is as for `options`.
  """
  alone = run.model.has_latents or not run.model.packed
  mode = 'pad' if alone else 'pack'
  if run.data.batching == 'bucket':
    mode = 'bucket'
  index, count = rules.share(mesh)
  return pipeline.batches(
    cache,
    split,
    epochs=1,
    process_index=index,
    process_count=count,
    quarantine=noted,
    **options(run, mode, mixture) | {'context': run.model.context},
  )


def padding(run: RunConfig, cache: TokenCache) -> dict[str, float]:
  """Returns the share of padding in an epoch of `train`, by mode, 0..1.

  Of the run's own mode first, and of `pad` and `pack` to compare.
  """
  modes = dict.fromkeys((run.data.batching, 'pad', 'pack'))
  plans = {
    mode: gather.timeline(cache['train'], options(run, mode)).plan(0)
    for mode in modes
  }
  return {mode: plan.padding for mode, plan in plans.items()}


@dataclasses.dataclass(frozen=True, kw_only=True)
class CountRotten:
  """Adds `data/quarantined`, rotten pieces so far, to records, if any are.

  Attributes:
    every: Steps between records; 0 for the last step only.
    noted: Where they are noted.
  """

  every: int
  noted: Quarantine

  def due(self, context: Context) -> bool:
    """Returns whether a record is about to be written."""
    now = self.every and context.step % self.every == 0
    return bool(self.noted.count and (now or context.ending == 'done'))

  def __call__(self, context: Context) -> None:
    """Adds the count."""
    context.record['data/quarantined'] = self.noted.count
