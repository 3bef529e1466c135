"""What plans do for a piece as a whole: with them against without, in pairs.

  python tools/guided.py form [--pairs 24] [--minutes 1.5]
  python tools/guided.py tune [--pairs 24] [--bars 16] [--weight 6]

`form`: pieces of `--model` of a form that is drawn from the templates, and
pieces of the same length, meter and tempo from the same seed without any.
`tune`: pieces that lean to the shapes and the motif of a song's melody, each
of another song of POP909 valid (AURL_DATA), and the same seeds without; what
is heard of shapes and motifs is counted alike in both.

Prints a line of JSON an indicator: medians of both sides and of real songs,
the mean difference in pairs with its 95 % interval (bootstrap, BCa), and
Wilcoxon's p, corrected by Holm over the indicators.
"""

import argparse
import itertools
import json
import math
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import phrases
import quality_bounds

import aurl_jax
from aurl_jax.data.preprocess import Preprocess
from aurl_jax.evaluation import bootstrap, statistics, structure
from aurl_jax.generation import tune as tune_lib
from aurl_jax.generation.request import Request
from aurl_jax.generation.tune import Tune
from aurl_jax.music import time
from aurl_jax.music.grid import Grid
from aurl_jax.music.notes import Notes, Track
from aurl_jax.studies.melody.study import Melody
from aurl_jax.studies.structure.finding import Structure

_OF_FORM = ('recurring', 'varied', 'letters', 'section_bars', 'resolution')
_NAME = 'melody'
_OF_MELODY = ('melody_in_motifs', 'melody_motifs', 'melody_entropy')


def main(argv: Sequence[str] | None = None) -> int:
  """Prints the lines; returns the exit status."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('kind', choices=['form', 'tune'])
  parser.add_argument('--model', default='pop')
  parser.add_argument('--pairs', type=int, default=24)
  parser.add_argument('--minutes', type=float, default=1.5)
  parser.add_argument('--bars', type=int, default=16)
  parser.add_argument('--weight', type=float, default=6.0)
  parser.add_argument('--seed', type=int, default=0)
  args = parser.parse_args(argv)
  model = aurl_jax.load(args.model)
  # Most files say 1/4, and their beats are not those of their ticks.
  aligned = Preprocess(beats='align')
  found = (aligned(song.notes) for song in phrases.songs('valid', None))
  # Of a few the bars are not found.
  known = (
    notes for notes in found if tuple(notes.meters[0].tolist())[1:] == (4, 4)
  )
  songs = list(itertools.islice(known, args.pairs))
  if args.kind == 'form':
    rows = _forms(model, args)
    real = [_of_form(song) for song in songs]
  else:
    rows = _tunes(model, args, songs)
    grid = model.tokenizer.grid
    real = [_of_tune(_part(song, args.bars), None, grid) for song in songs]
  for line in compared(rows, real):
    print(json.dumps({'kind': args.kind, 'pairs': len(rows), **line}))
  return 0


Row = tuple[dict[str, float], dict[str, float]]
"""Indicators of a piece with a plan, and of the one without."""


def _forms(model: Any, args: argparse.Namespace) -> list[Row]:
  rows = []
  for seed in range(args.seed, args.seed + args.pairs):
    (planned,) = model.generate(Request(minutes=args.minutes, seed=seed))
    _, numerator, denominator = time.meter_changes(planned.notes)[0]
    plain = Request(
      bars=len(time.bar_starts(planned.notes)),
      meter=(int(numerator), int(denominator)),
      tempo=_tempo(planned.notes),
      seed=seed,
    )
    (free,) = model.generate(plain)
    rows.append((_of_form(planned.notes), _of_form(free.notes)))
    print(f'{len(rows)} pairs', file=sys.stderr, flush=True)
  return rows


def _tempo(notes: Notes) -> float:
  return 60e6 / float(notes.tempos['microseconds'][0])


def _of_form(notes: Notes) -> dict[str, float]:
  """Returns how a piece comes back to itself."""
  found = structure.indicators(structure.similarity(notes))
  heard = Structure()
  features = heard.features(heard.analyse(notes))
  return {f'SI {name}': x for name, x in found.items()} | {
    name: features[name] for name in _OF_FORM
  }


def _tunes(
  model: Any, args: argparse.Namespace, songs: Sequence[Notes]
) -> list[Row]:
  grid = model.tokenizer.grid
  tunes = [
    tune_lib.of(song, grid, args.bars, track='MELODY', weight=args.weight)
    for song in songs
  ]
  asked = [
    Request(bars=args.bars, seed=args.seed + k, meter=(4, 4))
    for k in range(len(tunes))
  ]
  with_tune = [
    Request(bars=args.bars, seed=args.seed + k, meter=(4, 4), tune=tune)
    for k, tune in enumerate(tunes)
  ]
  sides = [model.generate(side) for side in (with_tune, asked)]
  return [
    (_of_tune(led[0].notes, tune, grid), _of_tune(free[0].notes, tune, grid))
    for led, free, tune in zip(*sides, tunes, strict=True)
  ]


def _of_tune(notes: Notes, tune: Tune | None, grid: Grid) -> dict[str, float]:
  """Returns what is heard of a melody, and of what was asked of it."""
  found = structure.indicators(structure.similarity(notes))
  heard = Melody(given=_NAME)
  features = heard.features(heard.analyse(_alone(notes)))
  told = {f'SI {name}': x for name, x in found.items()}
  told |= {name: features[name] for name in _OF_MELODY}
  if tune is not None:
    for name, kept in tune_lib.kept(tune, grid, notes, 0).items():
      told[name.partition(',')[0]] = kept.share
  return told


def _alone(notes: Notes) -> Notes:
  """Returns the melody's track of a piece, named: the first that is pitched."""
  first = next(
    (n for n, t in enumerate(notes.tracks) if not t.is_drum and t.program == 0),
    -1,
  )
  mine = notes.track == first
  names = ('onset', 'duration', 'pitch', 'velocity')
  columns = {name: getattr(notes, name)[mine] for name in names}
  return Notes.build(
    notes.ticks_per_beat,
    columns,
    tracks=[Track(_NAME, 0, False)] if mine.any() else [],
    tempos=notes.tempos.tolist(),
    meters=notes.meters.tolist(),
  )


def _part(notes: Notes, bars: int) -> Notes:
  """Returns so many bars of a song, from the fifth on."""
  return quality_bounds.excerpt(notes, 4, bars)


def compared(
  rows: Sequence[Row], real: Sequence[dict[str, float]]
) -> list[dict[str, Any]]:
  """Returns a line an indicator; pairs in which one side has none are left out.

  Args:
    rows: Of each pair.
    real: Of real songs.
  """
  lines = []
  for name in rows[0][0]:
    pairs = np.array([(a.get(name), b.get(name)) for a, b in rows], np.float64)
    pairs = pairs[np.isfinite(pairs).all(axis=1)]
    if len(pairs) < 3:
      continue
    one, other = pairs.T
    apart = bootstrap.interval(np.mean, one - other)
    of_real = [
      row[name] for row in real if math.isfinite(row.get(name, math.nan))
    ]
    lines.append(
      {
        'indicator': name,
        'counted': len(pairs),
        'with': round(float(np.median(one)), 4),
        'without': round(float(np.median(other)), 4),
        'real': round(float(np.median(of_real)), 4) if of_real else None,
        'difference': [
          round(x, 4) for x in (apart.estimate, apart.low, apart.high)
        ],
        'p': statistics.paired(one, other).p,
      }
    )
  corrected = statistics.holm([line['p'] for line in lines]).tolist()
  return [line | {'p': p} for line, p in zip(lines, corrected, strict=True)]


if __name__ == '__main__':
  sys.exit(main())
