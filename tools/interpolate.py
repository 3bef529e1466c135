"""Whether ways through the latent space of a run are smooth.

  python tools/interpolate.py runs/vae --n 64 --steps 8

Encodes pairs of pieces of a split, goes from one to the other by `slerp` of
their latents in so many steps, lets the model write each point (greedily, by
itself), and measures how far neighbours are apart (`evaluation.paths`). With
`--even`, points are moved to where the music goes evenly. Prints one line of
JSON: for `slerp/tokens` and `slerp/notes`, and for `mixing/notes`, the way that
leaves and takes notes of the two ends one by one, over the pairs:

  step    mean of the median steps, in tokens or notes
  jump    median of the largest step over the median one
  worst   largest of these
  within  share of pairs whose largest step is at most 3 times the median one
"""

import argparse
import itertools
import json
import pathlib
import sys
from collections.abc import Sequence

import jax
import numpy as np

from aurl_jax.core.errors import AurlError, ConfigError
from aurl_jax.data.cache import fitting
from aurl_jax.deploy import ways as ways_lib
from aurl_jax.deploy.latents import LatentSpace
from aurl_jax.evaluation import paths
from aurl_jax.experiment.latents import opened
from aurl_jax.generation.piece import Piece

MOST = 3.0
"""A smooth way has no step larger than this times its median."""


def main(argv: Sequence[str] | None = None) -> int:
  """Prints the line; returns the exit status."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('workdir', type=pathlib.Path, help='a run, or a bundle')
  parser.add_argument('--config', default='', help='page of a bundle')
  parser.add_argument('--split', default='valid')
  parser.add_argument('--n', type=int, default=64, help='pairs')
  parser.add_argument('--steps', type=int, default=8, help='of a way')
  parser.add_argument(
    '--even', type=int, default=0, help='rounds in which points are moved'
  )
  parser.add_argument('--seed', type=int, default=0, help='of all choices')
  args = parser.parse_args(argv)
  try:
    space, cache = opened(args.workdir, page=args.config)
    if args.split not in cache:
      raise ConfigError(
        f'no split {args.split!r}; there are {", ".join(cache)}'
      )
    context = space.composer.model.config.context
    found = fitting(cache[args.split], context, args.seed)
    pieces = list(itertools.islice(found, 2 * args.n))
    print(json.dumps(report(space, pieces, args.steps, args.even)))
  except AurlError as error:
    print(error, file=sys.stderr)
    return error.exit_code
  return 0


def report(
  space: LatentSpace, pieces: Sequence[np.ndarray], steps: int, even: int = 0
) -> dict[str, object]:
  """Returns the figures of the line.

  Args:
    space: The model.
    pieces: Ids; each two are a pair.
    steps: Of a way, 2 or more.
    even: As of `ways.written`.

  Raises:
    ConfigError: There is no pair, or no way.
  """
  if len(pieces) < 2 or steps < 2:
    raise ConfigError(
      f'{len(pieces)} pieces and {steps} steps make no way; there must be two '
      'of each'
    )
  shares = np.linspace(0, 1, steps + 1)
  ways: dict[str, list[list[int]]] = {
    name: [] for name in ('slerp/tokens', 'slerp/notes', 'mixing/notes')
  }
  for number, way in enumerate(written(space, pieces, shares, even)):
    rows = [paths.rows_of(piece.notes) for piece in way]
    mixed = [paths.mixed(rows[0], rows[-1], s, number) for s in shares]
    ways['slerp/tokens'].append(paths.steps([piece.ids for piece in way]))
    ways['slerp/notes'].append(paths.steps(rows))
    ways['mixing/notes'].append(paths.steps(mixed))
  told = {name: figures(found) for name, found in ways.items()}
  return {'pairs': len(pieces) // 2, 'steps': steps, **told}


def written(
  space: LatentSpace,
  pieces: Sequence[np.ndarray],
  shares: np.ndarray,
  even: int,
) -> list[list[Piece]]:
  """Returns what the model writes on each pair's way (`ways.written`)."""
  count = len(pieces) // 2
  latents = space.encode(pieces[: 2 * count])
  one, other = (
    jax.tree.map(lambda x, at=at: x[at::2], latents) for at in (0, 1)
  )
  return ways_lib.written(space, one, other, shares, even=even)


def figures(ways: Sequence[Sequence[int]]) -> dict[str, float]:
  """Returns what the steps of all ways say."""
  jumps = np.array([paths.jump(way) for way in ways])
  return {
    'step': round(float(np.mean([np.median(way) for way in ways])), 3),
    'jump': round(float(np.median(jumps)), 3),
    'worst': round(float(jumps.max()), 3),
    'within': round(float((jumps <= MOST).mean()), 4),
  }


if __name__ == '__main__':
  sys.exit(main())
