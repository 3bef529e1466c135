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
hears it (`evaluation.embedding`), or of the latents of a model. `own` are the
distances of the same spoilt pieces from what they were, plain: what is spoilt,
without what the halves differ by as they are, which hides small steps from few
pieces.
"""

import argparse
import json
import os
import pathlib
import sys
from collections.abc import Callable, Sequence
from typing import Any

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
  rows, _, kept = metrics.vectors(table, plain)
  floor = frechet.floor(rows, shrink=True, seed=seed)
  yield {
    'pieces': len(rows),
    'metrics': [list(metrics.BY_NAME)[k] for k in kept],
    'floor': {'frechet': floor[0], 'kernel': floor[1]},
  }

  def far(found: np.ndarray) -> dict:
    """Returns the figures of spoilt pieces."""
    # Of the same metrics at each share.
    real, was, here = (
      x[np.isfinite(x).all(axis=1)]
      for x in (table[:, kept], plain[:, kept], found[:, kept])
    )
    was, here = (frechet.standardised(real, x) for x in (was, here))
    real = frechet.standardised(real, real)
    told = frechet.extrapolated(here, real, seed=seed, shrink=True)
    return {
      'frechet': told.plain,
      'infinite': [told.estimate, told.low, told.high],
      'kernel': frechet.kernel_distance(real, here),
      'own': {
        'frechet': frechet.distance(here, was, shrink=True),
        'kernel': frechet.kernel_distance(was, here),
      },
    }

  far_of = lambda some: far(metrics.table(some))  # noqa: E731
  yield from spoilt(pieces, far(plain), far_of, seed)


def seen(view, reference: list[Notes], pieces: list[Notes], seed: int):
  """Yields the lines in the space of a view, the floor first."""
  real, plain = view.vectors(reference), view.vectors(pieces)

  def far(found: spaces.Vectors) -> dict:
    """Returns the figures of spoilt pieces."""
    one, own = (
      spaces.distances(found, other, seed=seed) for other in (real, plain)
    )
    return {
      'frechet': one['frechet']['plain'],
      'infinite': [one['frechet'][x] for x in ('estimate', 'low', 'high')],
      'kernel': one['kernel']['distance'],
      'own': {
        'frechet': own['frechet']['plain'],
        'kernel': own['kernel']['distance'],
      },
    }

  floor = spaces.distances(plain, real, seed=seed)
  yield view.facts() | {
    'pieces': real.pieces,
    'windows': len(real.rows),
    'floor': {
      'frechet': floor['frechet']['floor'],
      'kernel': floor['kernel']['floor'],
    },
  }
  far_of = lambda some: far(view.vectors(some))  # noqa: E731
  yield from spoilt(pieces, far(plain), far_of, seed)


def spoilt(
  pieces: list[Notes],
  first: dict,
  far: Callable[[list[Notes]], dict],
  seed: int,
):
  """Yields a line for each way of spoiling pieces; `first` is of none."""
  for name, way in corruption.WAYS.items():
    steps = []
    for share in corruption.LADDER:
      some = [way(x, share, seed + i) for i, x in enumerate(pieces)]
      steps.append({'share': share} | (far(some) if share else first))
    yield told(name, steps)


def told(way: str, steps: list[dict]) -> dict:
  """Returns the line of a way, and whether each distance grows."""
  grows = lambda values: bool(np.all(np.diff(list(values)) > 0))  # noqa: E731
  return (
    {'way': way, 'steps': rounded(steps)}
    | {key: grows(step[key] for step in steps) for key in ('frechet', 'kernel')}
    | {
      f'own_{key}': grows(step['own'][key] for step in steps)
      for key in ('frechet', 'kernel')
    }
  )


def rounded(value: Any) -> Any:
  """Returns figures as they are printed."""
  if isinstance(value, dict):
    return {key: rounded(each) for key, each in value.items()}
  if isinstance(value, list):
    return [rounded(each) for each in value]
  return round(value, 5)


if __name__ == '__main__':
  sys.exit(main())
