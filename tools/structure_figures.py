"""Long pieces against songs: how they return to themselves.

  python tools/structure_figures.py pop --n 50 --minutes 3 --out out
  python tools/structure_figures.py multi --config multi --n 100 --out out
  python tools/structure_figures.py chorale --config chorale --bars 12 --out out

A model writes pieces of forms that are drawn (or of `--form`), or with `--bars`
pieces of so many bars and no form; with `--families` each is asked for the
families of instruments of a piece of the train split, drawn of those of at
least eight bars. Of these and of the music of a page, prepared as for training
(`--config`, by default `pop`; AURL_DATA), the indicators of
`evaluation.structure` are worked out. Prints a line of JSON for each of them:
the median of the pieces, the quartiles of the train split, whether the median
lies between them, the Wasserstein distance of pieces to the train split, and
the floor, that of the valid split to it, and of as many pieces of valid as
there are (mean of 200 draws), since few are further away by chance. Then a line
on the drafts: how many stretches were written, drawn again, and stay weak, and
how pieces end.

The folder gets the pieces as MIDI files, with their forms as markers,
`figures.jsonl`, and `structure.png`: plan and matrix of the first five. What is
there already is not written again.
"""

import argparse
import json
import pathlib
import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from aurl_jax.core import files
from aurl_jax.core.errors import AurlError
from aurl_jax.deploy.composer import Composer
from aurl_jax.evaluation import structure, structure_plot
from aurl_jax.experiment import data, generate, pages, sections
from aurl_jax.generation import longer
from aurl_jax.generation.form import Form
from aurl_jax.generation.judge import busy
from aurl_jax.generation.piece import Piece
from aurl_jax.music import midi
from aurl_jax.music import time as time_lib
from aurl_jax.music.notes import Notes
from aurl_jax.tokens import controls
from aurl_jax.tokens.controls import Controls

_SHOWN, _DRAWS = 5, 200


def main() -> int:
  """Prints the lines; returns the exit status."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('model', help='a run, a bundle or a shipped name')
  parser.add_argument('--n', type=int, default=50)
  parser.add_argument('--minutes', type=float, default=3.0)
  parser.add_argument('--form', default='')
  parser.add_argument('--bars', type=int, default=0, help='without a form')
  parser.add_argument(
    '--lengths', action='store_true', help='as many bars as the music has'
  )
  parser.add_argument(
    '--families', action='store_true', help='instruments as the music has them'
  )
  parser.add_argument('--config', default='pop', help='page of the music')
  parser.add_argument('--temperature', type=float)
  parser.add_argument('--seed', type=int, default=0, help='of the first piece')
  parser.add_argument('--out', type=pathlib.Path, default='out')
  args = parser.parse_args()
  asked = {'form': args.form, 'minutes': args.minutes, 'seed': args.seed}
  if args.bars or args.lengths:
    asked = {'bars': args.bars, 'seed': args.seed}
  if args.temperature is not None:
    asked['temperature'] = args.temperature
  try:
    composer = generate.load(args.model)
    lengths = bars_of('train', args.config) if args.lengths else []
    families = families_of('train', args.config) if args.families else []
    facts = written(composer, asked, args.n, args.out, lengths, families)
    real = {name: songs(name, args.config) for name in ('train', 'valid')}
  except AurlError as error:
    print(error, file=sys.stderr)
    return error.exit_code
  for line in compared(facts, real):
    print(json.dumps(line), flush=True)
  print(json.dumps(drafts(facts)))
  picture(facts[:_SHOWN], args.out)
  return 0


def written(
  composer: Composer,
  asked: dict[str, Any],
  n: int,
  out: pathlib.Path,
  lengths: Sequence[int] = (),
  families: Sequence[tuple[int, ...]] = (),
) -> list[dict[str, Any]]:
  """Returns the facts of pieces, and writes those that are not there yet.

  Of each one the bars are one of the lengths, and the families of instruments
  are some of those, if there are any.
  """
  out.mkdir(parents=True, exist_ok=True)
  log = out / 'figures.jsonl'
  found: dict[int, dict[str, Any]] = {}
  if log.exists():
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    found = {line['seed']: line for line in lines}
  seeds = range(asked['seed'], asked['seed'] + n)
  for seed in seeds:
    if seed in found:
      continue
    if len(lengths):
      drawn = np.random.default_rng(seed).choice(np.asarray(lengths))
      asked = asked | {'bars': int(drawn)}
    if families:
      drawn = np.random.default_rng([seed, 1]).integers(len(families))
      told = Controls(instruments=families[drawn])
      asked = asked | {'controls': told}
    began = time.monotonic()
    piece = composer.generate(composer.request(**{**asked, 'seed': seed}))[0]
    name = f'piece_{seed}.mid'
    piece.save(out / name)
    found[seed] = {
      'seed': seed,
      'file': name,
      'took': round(time.monotonic() - began, 1),
      'families': list(controls.families(piece.notes)),
      'seconds': piece.report['seconds'],
      'grammatical': piece.grammatical,
      'ended': piece.ended,
      **indicators(piece.notes),
      **_formed(piece, asked.get('bars', 0)),
    }
    with log.open('a') as file:
      file.write(json.dumps(found[seed]) + '\n')
  return [found[seed] for seed in seeds]


def _formed(piece: Piece, bars: int) -> dict[str, Any]:
  """Returns how a piece ends, and of one with a form how it was written."""
  if bars:
    return {'form': '', **end(piece.notes, bars)}
  form = piece.report['form']
  return {
    'form': form,
    **longer.resampled(piece),
    **end(piece.notes, Form.parse(form).bars),
    'written': piece.more['written'],
  }


def songs(split: str, page: str = 'pop') -> dict[str, np.ndarray]:
  """Returns the indicators of a split of a page's music, by name."""
  return columns([indicators(notes) for notes in pieces_of(split, page)])


def pieces_of(split: str, page: str) -> list[Notes]:
  """Returns the pieces of a split of a page's music, as a model reads them."""
  run = sections.parse(pages.load(pages.find(page)))
  cache = data.prepared(run, quiet=True)
  return [run.tokenizer.decode(ids) for ids in cache[split]]


def bars_of(split: str, page: str) -> list[int]:
  """Returns how many bars each piece of a split has, of those with eight."""
  pieces = pieces_of(split, page)
  counts = [len(time_lib.bar_starts(notes)) for notes in pieces]
  return [count for count in counts if count >= 2 * structure.STRETCH]


def families_of(split: str, page: str) -> list[tuple[int, ...]]:
  """Returns the families of each piece of a split of at least eight bars."""
  pieces = pieces_of(split, page)
  return [
    controls.families(notes)
    for notes in pieces
    if len(time_lib.bar_starts(notes)) >= 2 * structure.STRETCH
  ]


def columns(rows: list[dict[str, Any]]) -> dict[str, np.ndarray]:
  """Returns the indicators of rows, those that are no number left out."""
  found = {n: np.array([row[n] for row in rows]) for n in structure.BANDS}
  return {name: part[np.isfinite(part)] for name, part in found.items()}


def indicators(notes: Notes) -> dict[str, float]:
  """Returns the indicators of a piece."""
  return structure.indicators(structure.similarity(notes))


def end(notes: Notes, bars: int) -> dict[str, float]:
  """Returns how a piece ends.

  `hangs`: bars that something sounds on behind the last one; `busy`: see
  `generation.judge.busy`.
  """
  starts = time_lib.bar_starts(notes, bars * 64 * notes.ticks_per_beat)
  bar = int(starts[1])
  late = max(0, int(notes.end) - bars * bar) / bar
  return {'hangs': late, 'busy': busy(notes, bar, bars)}


def compared(
  facts: list[dict[str, Any]], real: dict[str, dict[str, np.ndarray]]
) -> list[dict[str, Any]]:
  """Returns a line for each indicator."""
  own = columns(facts)
  lines = []
  for name in structure.BANDS:
    if not len(own[name]):
      lines.append({'indicator': name, 'pieces': 0})
      continue
    low, middle, high = np.percentile(real['train'][name], [25, 50, 75])
    median = float(np.median(own[name]))
    floor = structure.wasserstein(real['valid'][name], real['train'][name])
    away = structure.wasserstein(own[name], real['train'][name])
    many = floor_of(len(own[name]), real['valid'][name], real['train'][name])
    lines.append(
      {
        'indicator': name,
        'pieces': len(own[name]),
        'median': round(median, 4),
        'songs': [round(float(v), 4) for v in (low, middle, high)],
        'inside': bool(low <= median <= high),
        'wasserstein': round(away, 4),
        'floor': round(floor, 4),
        'by_floor': round(away / floor, 2),
        'as_many': round(many, 4),
        'by_as_many': round(away / many, 2),
      }
    )
  return lines


def floor_of(count: int, valid: np.ndarray, train: np.ndarray) -> float:
  """Returns the mean distance of so many pieces of valid to train."""
  rng, count = np.random.default_rng(0), min(count, len(valid))
  drawn = [rng.choice(valid, count, replace=False) for _ in range(_DRAWS)]
  return float(np.mean([structure.wasserstein(one, train) for one in drawn]))


def drafts(facts: list[dict[str, Any]]) -> dict[str, Any]:
  """Returns the line on drafts, ends and lengths."""
  total = {
    name: sum(row.get(name, 0) for row in facts)
    for name in ('stretches', 'drawn_again', 'weak')
  }
  seconds = [row['seconds'] for row in facts]
  return {
    **total,
    'grammatical': all(row['grammatical'] for row in facts),
    'ended': sum(row['ended'] for row in facts),
    'hangs': max(row['hangs'] for row in facts),
    'busy': round(float(np.mean([row['busy'] for row in facts])), 3),
    'seconds': [round(v, 1) for v in (min(seconds), max(seconds))],
    'took': round(float(np.median([row['took'] for row in facts])), 1),
  }


def picture(facts: list[dict[str, Any]], out: pathlib.Path) -> None:
  """Draws plan and matrix of pieces, `structure.png`."""
  rows = []
  for row in facts:
    notes = midi.read(out / row['file']).notes
    told = ', '.join(f'{name} {row[name]:.2f}' for name in structure.BANDS)
    title = f'seed {row["seed"]}: {told}'
    plan = list(Form.parse(row['form']).sections) if row['form'] else []
    rows.append((title, plan, structure.similarity(notes)))
  files.write_atomic(out / 'structure.png', structure_plot.draw(rows))


if __name__ == '__main__':
  sys.exit(main())
