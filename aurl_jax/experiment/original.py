"""The index of a run's training music, and what other music shares with that.

It is made when a run has been trained, and comes along with its bundle.
"""

import dataclasses
import logging
import os
import pathlib
import time
from collections.abc import Mapping, Sequence
from typing import Any

from aurl_jax.core import files
from aurl_jax.core.errors import ConfigError
from aurl_jax.data.cache import TokenCache
from aurl_jax.deploy import bundle as bundle_lib
from aurl_jax.deploy import originals
from aurl_jax.deploy.composer import Composer
from aurl_jax.evaluation import originality
from aurl_jax.evaluation.originality import Index
from aurl_jax.experiment import data, sections
from aurl_jax.experiment.workdir import Workdir
from aurl_jax.generation.original import fitting
from aurl_jax.music import midi
from aurl_jax.tokens.compound import Compound
from aurl_jax.tokens.grid import VoiceGrid
from aurl_jax.tokens.remi import Remi
from aurl_jax.tokens.tokenizer import Tokenizer

MOST = 20_000_000
"""Notes of a training split of which an index is made unasked: 2 minutes."""
_SHORTEST = 4

_log = logging.getLogger(__name__)


def of(
  cache: TokenCache, tokenizer: Tokenizer, notes: int = originality.NOTES
) -> Index:
  """Returns the index of the split `train`.

  Args:
    cache: Prepared data.
    tokenizer: That made its ids.
    notes: As of `originality.build`.

  Raises:
    ConfigError: Runs of so few notes tell nothing, or the tokenization has no
      cells to count in (code `original`).
  """
  if notes < _SHORTEST:
    raise ConfigError(
      f'all music shares runs of {notes} notes; let notes be {_SHORTEST} or '
      f'more (the default is {originality.NOTES})',
      code='original',
    )
  if not knows(tokenizer):
    raise ConfigError(
      f'{type(tokenizer).__name__} tells no cells of a grid, by which copies '
      'are known; an index is made of compound, remi or grid',
      code='original',
    )
  split = cache['train']
  pieces = (
    (entry['name'], tokenizer.decode(ids))
    for entry, ids in zip(split.pieces, split, strict=True)
  )
  return originality.build(pieces, tokenizer.grid.cells_per_beat, notes)


def knows(tokenizer: Tokenizer) -> bool:
  """Returns whether an index can be made of a tokenization's music."""
  return isinstance(tokenizer, Compound | Remi | VoiceGrid)


def leave(folder: Workdir, cache: TokenCache, tokenizer: Tokenizer) -> None:
  """Keeps the index in a run's folder, where one can be made in minutes."""
  count = cache.manifest['splits'].get('train', {}).get('notes', 0)
  if not knows(tokenizer) or not count:
    return
  if count > MOST:
    _log.warning(
      'no index is made of %d notes unasked; `aurl original %s` makes it',
      count,
      folder.root,
    )
    return
  _keep(folder, of(cache, tokenizer))


def _keep(folder: Workdir, index: Index) -> None:
  files.write_atomic(folder.index, originals.to_bytes(index))


def make(run: str, notes: int = originality.NOTES) -> dict[str, Any]:
  """Makes the index of a run anew.

  Args:
    run: The run's folder.
    notes: As of `originality.build`.

  Returns:
    `file`, its `bytes` and those of the `filter`, `pieces`, `notes` of a run,
    and the `seconds` that it took.

  Raises:
    ConfigError: There is no run, or as `of`.
    DataError: Its data is gone.
  """
  folder = Workdir(pathlib.Path(run))
  config = sections.parse(folder.read_config())
  cache = data.prepared(config, quiet=True)
  begin = time.perf_counter()
  index = of(cache, config.tokenizer, notes)
  seconds = time.perf_counter() - begin
  _keep(folder, index)
  return {
    'file': str(folder.index),
    **_facts(index, folder.index),
    'seconds': round(seconds, 2),
  }


def _facts(index: Index, path: pathlib.Path) -> dict[str, Any]:
  return {
    'bytes': path.stat().st_size,
    'filter': index.filter.prints.nbytes,
    'pieces': len(index.pieces),
    'notes': index.notes,
  }


def into_bundle(bundle: str, config: Mapping[str, Any]) -> dict[str, Any]:
  """Puts the index of a page's training music into a bundle of its model.

  Args:
    bundle: A folder, or a shipped name.
    config: Of the run that the bundle was made of.

  Returns:
    `bundle`, and facts as of `make`.

  Raises:
    ConfigError: The page has another tokenizer than the bundle (`original`).
    BundleError, DataError: As of `bundle.load` and `data.prepared`.
  """
  run = sections.parse(config)
  outline = bundle_lib.outline(bundle)
  if run.tokenizer != outline.tokenizer:
    raise ConfigError(
      f'the bundle {bundle} has another tokenizer than the page, '
      f'{outline.tokenizer} and not {run.tokenizer}; name the page of its run',
      code='original',
    )
  index = of(data.prepared(run, quiet=True), run.tokenizer)
  folder = bundle_lib.add_index(bundle, index)
  path = folder / originals.NAME
  return {'bundle': str(folder), **_facts(index, path)}


def with_index(composer: Composer, folder: Workdir) -> Composer:
  """Returns a model with the index of its run, if one has been made.

  Raises:
    BundleError: The file is damaged.
  """
  return dataclasses.replace(composer, index=kept(folder))


def kept(folder: Workdir) -> Index | None:
  """Returns the index of a run, if one has been made.

  Raises:
    BundleError: The file is damaged.
  """
  path = folder.index
  if not path.is_file():
    return None
  return originals.from_bytes(path.read_bytes(), str(path))


def report(
  model: str, paths: Sequence[str | os.PathLike[str]]
) -> list[dict[str, Any]]:
  """Returns what pieces share with the training music of a model.

  Args:
    model: A run's folder, a bundle's, or a shipped name.
    paths: MIDI files.

  Returns:
    Of each `file`, and `Report.as_dict`.

  Raises:
    RequestError: The model has no index (code `original`).
    BundleError, ConfigError: There is no such model.
    MidiError: A file holds no music.
  """
  folder = Workdir(pathlib.Path(model))
  if folder.holds_run:
    tokenizer = sections.parse(folder.read_config()).tokenizer
    found = kept(folder)
  else:
    outline = bundle_lib.outline(model)
    tokenizer, found = outline.tokenizer, outline.index
  index = fitting(tokenizer, found)
  return [{'file': os.fspath(path), **_of_file(index, path)} for path in paths]


def _of_file(index: Index, path: str | os.PathLike[str]) -> dict[str, Any]:
  notes = midi.read(pathlib.Path(path)).notes
  return index.report(notes).as_dict()
