"""Prepared data for a run: made once, found again by what it is made of."""

import hashlib
import json
import logging
import pathlib
import re
from collections.abc import Iterator
from typing import Any

import jax
from jax.experimental import multihost_utils

from aurl_jax.core import files
from aurl_jax.data import pipeline, prepare, sources
from aurl_jax.data.cache import TokenCache
from aurl_jax.experiment import inspect
from aurl_jax.experiment import progress as progress_lib
from aurl_jax.experiment.sections import RunConfig
from aurl_jax.tokens import tokenizer as tokenizer_lib
from aurl_jax.tokens.tokenizer import Tokenizer

_log = logging.getLogger(__name__)


def prepared(run: RunConfig, *, quiet: bool = False) -> TokenCache:
  """Returns the token cache of a run's data, prepared if need be.

  Raises:
    DataError: The source is missing or holds no usable music.
  """
  section = tokenizer_lib.save(run.tokenizer)
  key = json.dumps([run.data.source, section], sort_keys=True)
  name = re.sub(r'[^A-Za-z0-9]+', '_', pathlib.Path(run.data.source).name)
  code = hashlib.sha256(key.encode()).hexdigest()[:12]
  out = sources.cache_root() / 'prepared' / f'{name}_{code}'
  if jax.process_index() == 0:
    _prepare(run.data.source, run.tokenizer, out, quiet=quiet)
  if jax.process_count() > 1:
    multihost_utils.sync_global_devices('data')
  return TokenCache.open(out)


def _prepare(
  source: str, tokenizer: Tokenizer, out: pathlib.Path, *, quiet: bool
) -> dict[str, Any]:
  """Prepares a source, or finds it prepared, and returns the report."""
  progress_lib.say(f'preparing {source} in {out}', quiet=quiet)
  with progress_lib.bar('preparing', quiet=quiet) as progress:
    report = prepare.prepare(source, tokenizer, out, progress=progress)
  if not report.reused:
    for warning in report.warnings:
      _log.warning('%s: %s', out, warning)
  return report.as_dict()


def prepare_named(
  source: str, tokenizer: str, out: str, *, quiet: bool = False
) -> dict[str, Any]:
  """Prepares a folder, or the embedded corpus, for a named tokenizer.

  Args:
    source: A folder of MIDI, or `chorales`.
    tokenizer: Short name or `package.module:Class`.
    out: Folder to publish.
    quiet: Whether to keep progress from the console.

  Returns:
    The report; see `data.report.Report`.

  Raises:
    DataError: The source is missing or holds no usable music.
  """
  built = inspect.tokenizer_named(tokenizer)
  return _prepare(source, built, pathlib.Path(out), quiet=quiet)


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


def train_batches(run: RunConfig, cache: TokenCache) -> Iterator[Any]:
  """Returns this process's endless, resumable batches of `train`."""
  return iter(
    pipeline.batches(
      cache,
      'train',
      process_index=jax.process_index(),
      process_count=jax.process_count(),
      **options(run),
    )
  )
