"""Do distances of music notice that music is spoilt, and more so by degrees?

  python tools/ladder.py --set pop909 --pieces 100
  python tools/ladder.py --set jsb_chorales --space audio --seconds 12
  python tools/ladder.py --set pop909 --space latents

Of a set of AURL_DATA, two halves that share nothing: one is the reference, the
other is spoilt in four ways by growing shares (`evaluation.corruption`). Prints
a line of JSON a way: Fréchet and kernel distances at each share, with what
infinitely many pieces would give, and whether each distance grows with each
step. The first line is the floor: the reference against itself, in halves. The
space is that of the metrics of `evaluation.metrics`, of sound as an embedding
hears it (`evaluation.embedding`), or of the latents of a model.
"""

import argparse
import json
import os
import pathlib
import sys
from collections.abc import Sequence

import numpy as np

from aurl_jax.evaluation import corruption, frechet, metrics, spaces
from aurl_jax.experiment.appraise_spaces import ENCODER, Latents, Sound
from aurl_jax.music import midi
from aurl_jax.music.notes import Notes


def main(argv: Sequence[str] | None = None) -> int:
  """Prints the lines; returns the exit status."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--set', default='pop909', help='a folder of AURL_DATA')
  parser.add_argument('--pieces', type=int, default=100, help='of a half')
  parser.add_argument('--seed', type=int, default=0, help='of all choices')
  parser.add_argument(
    '--space', default='metrics', choices=('metrics', 'latents', 'audio')
  )
  parser.add_argument('--name', default='', help='of the embedding or model')
  parser.add_argument('--seconds', type=float, default=12.0, help='heard')
  args = parser.parse_args(argv)
  root = pathlib.Path(os.environ.get('AURL_DATA', '../shared/data')) / args.set
  reference, pieces = halves(root, args.pieces, args.seed)
  if args.space == 'metrics':
    lines = climbed(reference, pieces, args.seed)
  else:
    view = (
      Sound(args.name or 'musicnn', args.seconds)
      if args.space == 'audio'
      else Latents(args.name or ENCODER)
    )
    lines = seen(view, reference, pieces, args.seed)
  for line in lines:
    print(json.dumps(line), flush=True)
  return 0


def halves(
  root: pathlib.Path, count: int, seed: int
) -> tuple[list[Notes], list[Notes]]:
  """Returns two sets of pieces that share none."""
  files = sorted(root.rglob('*.mid'))
  if len(files) < 2 * count:
    raise SystemExit(
      f'{root} holds {len(files)} MIDI files, not {2 * count}; ask for fewer '
      '--pieces, or name another --set'
    )
  order = np.random.default_rng(seed).permutation(len(files))[: 2 * count]
  found = [midi.read(files[i]).notes for i in order]
  return found[:count], found[count:]


def climbed(reference: list[Notes], pieces: list[Notes], seed: int):
  """Yields the lines, the floor first."""
  table = metrics.table(reference)
  plain = metrics.table(pieces)
  rows, other, kept = metrics.vectors(table, plain)
  floor = frechet.floor(rows, shrink=True, seed=seed)
  yield {
    'pieces': len(rows),
    'metrics': [list(metrics.BY_NAME)[k] for k in kept],
    'floor': {'frechet': floor[0], 'kernel': floor[1]},
  }
  for name, way in corruption.WAYS.items():
    steps = []
    for share in corruption.LADDER:
      spoilt = [way(notes, share, seed + i) for i, notes in enumerate(pieces)]
      found = plain if share == 0 else metrics.table(spoilt)
      # Of the same metrics at each share.
      one, other = table[:, kept], found[:, kept]
      one, other = (x[np.isfinite(x).all(axis=1)] for x in (one, other))
      other, one = (frechet.standardised(one, x) for x in (other, one))
      far = frechet.extrapolated(one, other, seed=seed, shrink=True)
      steps.append(
        {
          'share': share,
          'frechet': round(far.plain, 4),
          'infinite': [round(x, 4) for x in (far.estimate, far.low, far.high)],
          'kernel': round(frechet.kernel_distance(one, other), 5),
        }
      )
    yield told(name, steps)


def seen(view, reference: list[Notes], pieces: list[Notes], seed: int):
  """Yields the lines in the space of a view, the floor first."""
  real, plain = view.vectors(reference), view.vectors(pieces)
  first = spaces.distances(plain, real, seed=seed)
  yield view.facts() | {
    'pieces': real.pieces,
    'windows': len(real.rows),
    'floor': {
      'frechet': first['frechet']['floor'],
      'kernel': first['kernel']['floor'],
    },
  }
  for name, way in corruption.WAYS.items():
    steps = []
    for share in corruption.LADDER:
      far = first
      if share:
        spoilt = [way(notes, share, seed + i) for i, notes in enumerate(pieces)]
        far = spaces.distances(view.vectors(spoilt), real, seed=seed)
      one = far['frechet']
      ends = (one['estimate'], one['low'], one['high'])
      steps.append(
        {
          'share': share,
          'frechet': round(one['plain'], 4),
          'infinite': [round(x, 4) for x in ends],
          'kernel': round(far['kernel']['distance'], 5),
        }
      )
    yield told(name, steps)


def told(way: str, steps: list[dict]) -> dict:
  """Returns the line of a way, and whether each distance grows."""
  return {'way': way, 'steps': steps} | {
    key: bool(np.all(np.diff([step[key] for step in steps]) > 0))
    for key in ('frechet', 'kernel')
  }


if __name__ == '__main__':
  sys.exit(main())
