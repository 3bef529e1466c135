"""What a model writes, held against music of people: a report to cite.

out/report.json     every number, with what it is of
out/report.html     the same as tables, pictures and players, whole in itself
"""

import dataclasses
import json
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from aurl_jax.core import files
from aurl_jax.core.errors import TokenError
from aurl_jax.deploy.composer import Composer
from aurl_jax.evaluation import (
  comparison,
  likelihood,
  metrics,
  progression,
  spaces,
)
from aurl_jax.evaluation.frechet import SetError
from aurl_jax.experiment import (
  appraise_examples,
  appraise_original,
  appraise_page,
  measuring,
  music_sets,
  progress,
)
from aurl_jax.experiment.appraise_original import Judge, Pair
from aurl_jax.experiment.appraise_spaces import ENCODER, Latents, Sound
from aurl_jax.experiment.appraise_style import Styles
from aurl_jax.experiment.measuring import Measured
from aurl_jax.experiment.music_sets import Music
from aurl_jax.generation import following
from aurl_jax.music import time as time_lib
from aurl_jax.music.notes import Notes
from aurl_jax.tokens.tokenizer import Tokenizer

REPORT, PAGE = 'report.json', 'report.html'


@dataclasses.dataclass(frozen=True, kw_only=True)
class Asked:
  """What a report shall tell, beside the metrics.

  Attributes:
    against: A second model, or folder, that is held against the reference too.
    n: Pieces that a model writes; 0 takes as many as the reference has.
    seed: Of the first of them, and of subsets.
    training: Music that copies are looked for in: a folder of MIDI files, or
      JSON of frames. '' takes the index that a model carries.
    styles: A folder of labelled pieces (`appraise_style.labelled`); '' tells
      no styles.
    encoder: A model with latents in whose space sets are compared; '' for none.
    audio: What hears the sets (`evaluation.embedding`); '' for nothing.
    seconds: Of each piece that are heard.
    jobs: Processes that measure pieces.
    beats: What is done to bar lines of MIDI files (`music_sets.of_files`).
  """

  against: str = ''
  n: int = 0
  seed: int = 0
  training: str = ''
  styles: str = ''
  encoder: str = ENCODER
  audio: str = ''
  seconds: float | int = spaces.SECONDS
  jobs: int = 1
  beats: str = 'keep'


class _Reference(NamedTuple):
  """What is known of the reference, and of what sets are held against."""

  music: Music
  measured: Measured
  progressions: progression.Progressions
  views: dict[str, Sound | Latents]
  vectors: dict[str, spaces.Vectors]
  judge: Judge | None
  styles: Styles | None


def write(
  model: str,
  reference: str,
  out: files.StrPath,
  asked: Asked | None = None,
  *,
  quiet: bool = False,
) -> dict[str, Any]:
  """Writes the report of a model, or of a folder of MIDI files.

  Args:
    model: A run, a bundle, a shipped name, or a folder of MIDI files.
    reference: A folder of MIDI files, or JSON of four-part frames
      (`data.frames`).
    out: The folder to write to.
    asked: What it shall tell; by default all that takes no more than minutes.
    quiet: Whether to show no progress.

  Returns:
    The report, as in `report.json`, and `page`, where it can be read.

  Raises:
    DataError: There is no such music, or nothing of it can be read.
    BundleError, ConfigError: There is no such model, or no such encoder.
    EmbeddingError: There is no such embedding.
    SetError: A set is too small.
  """
  asked = asked or Asked()
  real = _read(reference, asked, quiet)
  told, shown = [], [('The reference', appraise_examples.first(real.music))]
  for name in (model, asked.against) if asked.against else (model,):
    with progress.bar(f'writing {name}', quiet=quiet) as bar:
      count = asked.n or len(real.music.pieces)
      made = music_sets.music(name, count, asked.seed, bar, asked.beats)
    part, pairs = _judged(made, real, asked, quiet)
    told.append(part)
    shown.append((made.name, appraise_examples.first(made)))
    nearest = appraise_examples.of_pairs(made, pairs)
    shown.append((f'{made.name}: nearest to training music', nearest))
  report = {
    'reference': {
      'name': reference,
      'beats': asked.beats,
      **_counted(real.music),
    },
    'seed': asked.seed,
    'metrics': {m.name: _defined(m) for m in metrics.METRICS},
    'models': told,
  }
  return {**report, 'page': _saved(report, shown, out)}


def _saved(
  report: Mapping[str, Any], shown: appraise_page.Shown, out: files.StrPath
) -> str:
  """Writes both files; returns the path of the page."""
  folder = pathlib.Path(out).expanduser()
  folder.mkdir(parents=True, exist_ok=True)
  text = json.dumps(report, indent=1, allow_nan=False) + '\n'
  files.write_atomic(folder / REPORT, text)
  files.write_atomic(folder / PAGE, appraise_page.page(report, shown))
  return str(folder / PAGE)


def _read(reference: str, asked: Asked, quiet: bool) -> _Reference:
  """Reads and measures all that sets are held against."""
  music = music_sets.of_files(reference, asked.beats)
  _enough(reference, music)
  views: dict[str, Sound | Latents] = {}
  if asked.audio:
    views['audio'] = Sound(asked.audio, asked.seconds)
  if asked.encoder:
    views['latents'] = Latents(asked.encoder)
  judge = styles = None
  with measuring.begun(music.pieces, asked.jobs) as result:
    if asked.training:
      with progress.bar('training music', quiet=quiet) as bar:
        judge = appraise_original.of_training(
          asked.training, asked.beats, told=bar
        )
    vectors = _vectors(music, views, quiet)
    with progress.bar(f'measuring {music.name}', quiet=quiet) as bar:
      measured = result(bar)
  if asked.styles:
    with progress.bar('styles', quiet=quiet) as bar:
      styles = Styles(asked.styles, asked.jobs, asked.seed, bar)
  model = progression.fit(measured.chords)
  return _Reference(music, measured, model, views, vectors, judge, styles)


def _vectors(
  music: Music, views: Mapping[str, Sound | Latents], quiet: bool
) -> dict[str, spaces.Vectors]:
  """Returns what a set is in other spaces."""
  vectors = {}
  for name, view in views.items():
    with progress.bar(f'{name} of {music.name}', quiet=quiet) as bar:
      vectors[name] = view.vectors(music.pieces, bar)
  return vectors


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


def _judged(
  made: Music, real: _Reference, asked: Asked, quiet: bool
) -> tuple[dict[str, Any], list[Pair]]:
  """Returns the part of the report on a set, and the pairs that are shown."""
  _enough(made.name, made)
  pieces, seed = (made.pieces, real.music.pieces), asked.seed
  with measuring.begun(made.pieces, asked.jobs) as result:
    vectors = _vectors(made, real.views, quiet)
    originality, pairs = appraise_original.part(
      made, real.judge, real.music.pieces, seed
    )
    with progress.bar(f'measuring {made.name}', quiet=quiet) as bar:
      measured = result(bar)
  tables = measured.table, real.measured.table
  compared = comparison.compare(*pieces, seed=seed, tables=tables)
  found = {'name': made.name, **_counted(made), **compared.as_dict()}
  for name, view in real.views.items():
    far = spaces.distances(vectors[name], real.vectors[name], seed=seed)
    found['sets'] |= {
      f'{name}_{kind}': view.facts() | each for kind, each in far.items()
    }
  found['progressions'] = _progressions(measured, real, seed)
  found['originality'] = originality
  if real.styles is not None:
    found['style'] = real.styles.told(*tables)
  if made.composer is not None:
    found['likelihood'] = likelihoods(made.composer, real.music.pieces)
  return found, pairs


def _progressions(
  measured: Measured, real: _Reference, seed: int
) -> dict[str, Any]:
  """Returns the cost of chords by a model of those of the reference."""
  model = real.progressions
  nats = measuring.nats(model, measured.chords)
  own = measuring.nats(model, real.measured.chords, own=True)
  row = comparison.row('nats', nats, own, seed=seed)
  told = {'why': row} if isinstance(row, str) else row.as_dict()
  return {'order': model.order, 'unit': 'nats a chord', **told}


def _enough(name: str, found: Music) -> None:
  """Raises SetError for a set that is too small to be compared."""
  if len(found.pieces) < comparison.FEWEST:
    raise SetError(
      f'{name}: a set of {len(found.pieces)} pieces is too small to be '
      'compared; give two or more of each',
      code='few',
    )


def _counted(found: Music) -> dict[str, int]:
  return {'pieces': len(found.pieces), 'unread': found.unread}


def _defined(metric: metrics.Metric) -> Mapping[str, str]:
  return {
    'family': metric.family,
    'unit': metric.unit,
    'source': metric.source,
  }
