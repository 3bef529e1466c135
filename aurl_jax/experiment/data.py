"""Prepared data for a run: made once, found again by what it is made of."""

import json
import logging
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from aurl_jax.core import config, files
from aurl_jax.core.errors import ConfigError, DataError
from aurl_jax.data import housekeeping, pipeline, prepare
from aurl_jax.data.cache import TokenCache
from aurl_jax.data.piece import Options
from aurl_jax.data.report import Report
from aurl_jax.experiment import inspect
from aurl_jax.experiment import progress as progress_lib
from aurl_jax.experiment.sections import RunConfig
from aurl_jax.parallel import rules

_log = logging.getLogger(__name__)
_LONGEST_NAME = 64


def prepared(run: RunConfig, *, quiet: bool = False) -> TokenCache:
  """Returns the token cache of a run's data, prepared if need be.

  Raises:
    DataError: The source is missing or holds no usable music, or the cache
      cannot be written.
  """
  name = ''
  if jax.process_index() == 0:
    name = _kept(run, quiet=quiet).name
  if jax.process_count() > 1:
    name = _agreed(name)
  out = housekeeping.prepared_folder() / name
  housekeeping.note_use(out)
  return TokenCache.open(out)


def _agreed(name: str) -> str:
  """Returns process 0's name, once it has prepared the data."""
  text = np.zeros(_LONGEST_NAME, np.uint8)
  text[: len(name)] = np.frombuffer(name.encode('ascii'), np.uint8)
  told = np.asarray(multihost_utils.broadcast_one_to_all(text))
  return told.tobytes().rstrip(b'\0').decode('ascii')


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
  text = json.dumps(cache.manifest['files'], sort_keys=True)
  return files.digest(text.encode())


def options(run: RunConfig, batching: str | None = None) -> pipeline.Options:
  """Returns how rows are filled in this run."""
  return {
    'batch_size': run.train.batch_size,
    'context': run.model.context,
    'seed': run.seed,
    'mode': batching or run.data.batching,
  }


def train_batches(
  run: RunConfig, cache: TokenCache, mesh: jax.sharding.Mesh
) -> Iterator[Any]:
  """Returns this process's endless, resumable batches of `train`."""
  index, count = rules.share(mesh)
  return iter(
    pipeline.batches(
      cache,
      'train',
      process_index=index,
      process_count=count,
      **options(run),
    )
  )
