"""Whether a critic chooses well: best of n samples against one of them.

  python tools/rerank.py runs/gan --groups 64 --of 8

Draws groups of pieces from a prior of a `vae_gan` run, keeps of each the one
that the critic scores highest, and compares these with the first of each
group, which nobody chose, and with the one scored lowest: the overlap of pitch
classes, grooves, densities and intervals with pieces of the split
(`evaluation.overlap`, the mean of both directions). Prints one line of JSON;
`gain` is best less first, with its 95 % interval over groups (bootstrap, in
pairs): a gain whose interval holds 0 is none.
"""

import argparse
import json
import pathlib
import sys
from collections.abc import Sequence

import numpy as np

from aurl_jax.core.errors import AurlError
from aurl_jax.deploy.latents import LatentSpace
from aurl_jax.deploy.ranking import Ranker
from aurl_jax.evaluation import gains, overlap
from aurl_jax.experiment import prior, ranking
from aurl_jax.experiment.latents import opened
from aurl_jax.generation.piece import Piece
from aurl_jax.music.notes import Notes


def main(argv: Sequence[str] | None = None) -> int:
  """Prints the line; returns the exit status."""
  args = _parser().parse_args(argv)
  try:
    ranker = ranking.opened(args.workdir)
    space, cache = opened(args.workdir)
    music = prior.pieces(
      cache[args.split], space.composer.model.config.context, args.seed
    )
    others = [space.composer.tokenizer.decode(ids) for ids in music[: args.n]]
    pieces = drawn(space, args)
    print(json.dumps(report(ranker, pieces, others, args.of, args.samples)))
  except AurlError as error:
    print(error, file=sys.stderr)
    return error.exit_code
  return 0


def _parser() -> argparse.ArgumentParser:
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('workdir', type=pathlib.Path)
  parser.add_argument('--split', default='valid')
  parser.add_argument('--groups', type=int, default=64)
  parser.add_argument('--of', type=int, default=8, help='pieces of a group')
  parser.add_argument('--n', type=int, default=256, help='pieces of the split')
  parser.add_argument('--kind', default='', help='of the prior')
  parser.add_argument('--temperature', type=float, default=1.0)
  parser.add_argument('--seed', type=int, default=0, help='of all choices')
  parser.add_argument('--samples', type=int, default=200, help='of an interval')
  return parser


def drawn(space: LatentSpace, args: argparse.Namespace) -> list[Piece]:
  """Returns pieces of the prior, one group behind the other."""
  latents = space.prior(args.groups * args.of, args.seed, kind=args.kind)
  return space.decode(latents, temperature=args.temperature, seed=args.seed)


def report(
  ranker: Ranker,
  pieces: Sequence[Piece],
  others: Sequence[Notes],
  of: int,
  samples: int,
) -> dict[str, object]:
  """Returns the figures of the line.

  Args:
    ranker: The critic.
    pieces: One group behind the other.
    others: Pieces that all sets are compared with.
    of: Pieces of a group.
    samples: Of the bootstrap.
  """
  scores = ranker.scores([piece.ids for piece in pieces]).reshape(-1, of)
  start = of * np.arange(len(scores))
  chosen = {
    'best': start + scores.argmax(axis=1),
    'first': start,
    'worst': start + scores.argmin(axis=1),
  }
  notes = [piece.notes for piece in pieces]
  sets = {name: [notes[row] for row in rows] for name, rows in chosen.items()}
  result: dict[str, object] = {'groups': len(scores), 'of': of}
  result |= {name: overlaps(set_, others) for name, set_ in sets.items()}
  found = gains.gains(sets['best'], sets['first'], others, samples=samples)
  result['gain'] = {feature: str(gain) for feature, gain in found.items()}
  return result


def overlaps(
  set_: Sequence[Notes], others: Sequence[Notes]
) -> dict[str, float]:
  """Returns the overlap of a set with others by each usual feature."""
  found = overlap.overlaps(set_, others)
  return {name: round(found[name].mean, 4) for name in overlap.USUAL}


if __name__ == '__main__':
  sys.exit(main())
