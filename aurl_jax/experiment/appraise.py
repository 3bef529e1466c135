"""What a model writes, held against music of people: a report to cite.

out/report.json     every number, with what it is of
out/report.html     the same as tables and pictures, whole in itself
"""

import json
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from aurl_jax.core import files
from aurl_jax.core.errors import DataError, MidiError, TokenError
from aurl_jax.data import frames, sources
from aurl_jax.deploy import bundle as bundle_lib
from aurl_jax.deploy.composer import Composer
from aurl_jax.evaluation import comparison, likelihood, metrics
from aurl_jax.evaluation.frechet import SetError
from aurl_jax.experiment import appraise_page, generate, progress
from aurl_jax.experiment.workdir import Workdir
from aurl_jax.generation import following
from aurl_jax.music import midi
from aurl_jax.music import time as time_lib
from aurl_jax.music.notes import Notes
from aurl_jax.tokens.tokenizer import Tokenizer

REPORT, PAGE = 'report.json', 'report.html'
_AT_ONCE = 32
"""Pieces that are written at a time."""


class Music(NamedTuple):
  """A set of pieces.

  Attributes:
    name: As it was asked for.
    pieces: The notes.
    composer: What wrote them; None of files.
    unread: Files that hold no music.
  """

  name: str
  pieces: list[Notes]
  composer: Composer | None = None
  unread: int = 0


def write(
  model: str,
  reference: str,
  out: files.StrPath,
  *,
  against: str = '',
  n: int = 0,
  seed: int = 0,
  quiet: bool = False,
) -> dict[str, Any]:
  """Writes the report of a model, or of a folder of MIDI files.

  Args:
    model: A run, a bundle, a shipped name, or a folder of MIDI files.
    reference: A folder of MIDI files, or JSON of four-part frames
      (`data.frames`).
    out: The folder to write to.
    against: A second model, or folder, that is held against the reference too.
    n: Pieces that a model writes; 0 takes as many as the reference has.
    seed: Of the first of them, and of subsets.
    quiet: Whether to show no progress.

  Returns:
    The report, as in `report.json`, and `page`, where it can be read.

  Raises:
    DataError: There is no such music, or nothing of it can be read.
    BundleError: There is no such model.
    SetError: A set is too small.
  """
  real = of_files(reference)
  sets = []
  for name in (model, against) if against else (model,):
    with progress.bar(f'writing {name}', quiet=quiet) as told:
      sets.append(music(name, n or len(real.pieces), seed, told))
  report = {
    'reference': {'name': reference, **_counted(real)},
    'seed': seed,
    'metrics': {m.name: _defined(m) for m in metrics.METRICS},
    'models': [_judged(each, real, seed) for each in sets],
  }
  folder = pathlib.Path(out).expanduser()
  folder.mkdir(parents=True, exist_ok=True)
  text = json.dumps(report, indent=1, allow_nan=False) + '\n'
  files.write_atomic(folder / REPORT, text)
  files.write_atomic(folder / PAGE, appraise_page.page(report))
  return {**report, 'page': str(folder / PAGE)}


def music(
  name: str, count: int, seed: int, told: progress.Report | None = None
) -> Music:
  """Returns what a model writes, or what a folder of MIDI files holds.

  Args:
    name: As of `write`.
    count: Pieces that a model writes.
    seed: Of the first of them.
    told: Is told how many are written, of how many.

  Raises:
    As `write`.
  """
  path = pathlib.Path(name).expanduser()
  bundled = (path / bundle_lib.CONFIG).exists()
  if path.is_dir() and not Workdir(path).holds_run and not bundled:
    return of_files(name)
  composer = generate.load(name)
  pieces: list[Notes] = []
  while len(pieces) < count:
    some = min(_AT_ONCE, count - len(pieces))
    asked = composer.request(n=some, seed=seed + len(pieces))
    pieces += [piece.notes for piece in composer.generate(asked)]
    if told is not None:
      told(len(pieces), count)
  return Music(name, pieces, composer)


def of_files(name: str) -> Music:
  """Returns the pieces of a folder of MIDI files, or of JSON of frames.

  Files that hold no music are counted and left out.

  Raises:
    DataError: There is no such file or folder, or it holds no music.
  """
  path = pathlib.Path(name).expanduser()
  if path.is_file():
    return Music(name, frames.read(path))
  found = list(sources.folder(path))
  pieces, unread = [], 0
  for source in found:
    try:
      notes = midi.read(path / source.name).notes
    except (MidiError, OSError):
      unread += 1
      continue
    pieces.append(notes)
  if not pieces:
    raise DataError(
      f'{path}: none of {len(found)} files holds music that can be read',
      code='nothing_usable',
    )
  return Music(name, pieces, unread=unread)


def likelihoods(composer: Composer, pieces: Sequence[Notes]) -> dict[str, Any]:
  """Returns how likely a model finds pieces.

  Pieces longer than its context are read in windows that overlap by half, in
  which the later half counts. What its tokenization cannot hold is left out.

  Returns:
    `nats_per_token` (an id of a field), `bits_per_note`, `bits_per_second`,
    `perplexity`, `tokenization`, `pieces` and `left_out`; or `why` there are
    none. Figures of two models may be compared where their tokenizations, grids
    and bins of velocity are the same.
  """
  tokenizer, context = composer.tokenizer, composer.model.config.context
  if composer.model.config.has_latents:
    return {'why': 'a model of latents has a bound, and no likelihood'}
  held, left_out = _held(tokenizer, pieces)
  if not held:
    return {'why': f'its tokenization holds none of the {left_out} pieces'}
  rows, spans = [], []
  for ids, _ in held:
    for row, span in windows(ids, context):
      rows.append(row)
      spans.append(span)
  nats = -following.scores(composer.model, composer.params, rows, spans).sum()
  counts = sum(int((ids[1:] != 0).sum()) for ids, _ in held)
  notes = sum(likelihood.count_notes(tokenizer, ids) for ids, _ in held)
  seconds = sum(seconds for _, seconds in held)
  found = likelihood.summary(nats, counts, notes=notes, seconds=seconds)
  return {
    'nats_per_token': found['nats_per_id'],
    'perplexity': found['perplexity'],
    'bits_per_note': found['bits_per_note'],
    'bits_per_second': found.get('bits_per_second'),
    'tokenization': repr(tokenizer),
    'pieces': len(held),
    'left_out': left_out,
  }


def windows(
  ids: np.ndarray, context: int
) -> Iterator[tuple[np.ndarray, tuple[int, int]]]:
  """Yields parts of ids that a context holds, and of each the steps that count.

  Each step but the first counts once, after as many others as can be, half a
  context at least where there are so many.

  Example:
    >>> [(len(part), span) for part, span in windows(np.zeros((10, 1)), 4)]
    [(4, (1, 4)), (4, (2, 4)), (4, (2, 4)), (4, (2, 4))]
  """
  done = 1
  while done < len(ids):
    first = 0 if done == 1 else max(0, done - context // 2)
    stop = min(len(ids), first + context)
    yield ids[first:stop], (done - first, stop - first)
    done = stop


def _held(
  tokenizer: Tokenizer, pieces: Sequence[Notes]
) -> tuple[list[tuple[np.ndarray, float]], int]:
  """Returns ids and seconds of pieces; how many cannot be held."""
  found, left_out = [], 0
  for notes in pieces:
    try:
      ids = tokenizer.encode(notes)
    except TokenError:
      left_out += 1
      continue
    found.append((ids, time_lib.duration_seconds(notes)))
  return found, left_out


def _judged(made: Music, real: Music, seed: int) -> dict[str, Any]:
  """Returns the part of the report on one set."""
  found: dict[str, Any] = {'name': made.name, **_counted(made)}
  try:
    found |= comparison.compare(made.pieces, real.pieces, seed=seed).as_dict()
  except SetError as error:
    raise SetError(f'{made.name}: {error}', code=error.code) from error
  if made.composer is not None:
    found['likelihood'] = likelihoods(made.composer, real.pieces)
  return found


def _counted(found: Music) -> dict[str, int]:
  return {'pieces': len(found.pieces), 'unread': found.unread}


def _defined(metric: metrics.Metric) -> Mapping[str, str]:
  return {
    'family': metric.family,
    'unit': metric.unit,
    'source': metric.source,
  }
