"""Whether what a prior draws sounds like what the model has encoded.

  python tools/prior_samples.py runs/vae --n 64

Decodes draws of the standard normal and of each prior that the run carries
(`aurl prior`), and the reconstructions of as many pieces of a split, and
compares each set with other pieces of the split: the overlap of pitch classes,
grooves, densities and intervals (`evaluation.overlap`, the mean of both
directions), and means of figures of a piece. Prints one line of JSON; `off` is
the largest relative difference from the reconstructions among the overlaps.
"""

import argparse
import json
import pathlib
import sys
from collections.abc import Sequence

import numpy as np

from aurl_jax.core.errors import AurlError
from aurl_jax.deploy.latents import LatentSpace
from aurl_jax.evaluation import musical, overlap
from aurl_jax.experiment import prior
from aurl_jax.experiment.latents import opened
from aurl_jax.models.latent import Latents
from aurl_jax.music.notes import Notes

FEATURES = overlap.USUAL
MEANS = {
  'notes_a_beat': musical.onset_density,
  'groove_similarity': musical.groove_similarity,
  'beats_a_note': musical.mean_length,
}


def main() -> int:
  """Prints the line; returns the exit status."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('workdir', type=pathlib.Path, help='a run, or a bundle')
  parser.add_argument('--config', default='', help='page of a bundle')
  parser.add_argument('--split', default='valid')
  parser.add_argument('--n', type=int, default=64, help='pieces of a set')
  parser.add_argument('--seed', type=int, default=0, help='of all choices')
  args = parser.parse_args()
  try:
    space, cache = opened(args.workdir, page=args.config)
    context = space.composer.model.config.context
    music = prior.pieces(cache[args.split], context, args.seed)
    print(json.dumps(report(space, music, args.n, args.seed)))
  except AurlError as error:
    print(error, file=sys.stderr)
    return error.exit_code
  return 0


def report(
  space: LatentSpace, music: Sequence[np.ndarray], n: int, seed: int
) -> dict[str, dict[str, float]]:
  """Returns the figures of each set, by its name.

  Args:
    space: The model, with its priors.
    music: Ids of pieces; the first `n` are reconstructed, the next ones are
      what all sets are compared with.
    n: Pieces of a set.
    seed: Of the draws.
  """
  decode = space.composer.tokenizer.decode
  others = [decode(ids) for ids in music[n : 5 * n]]
  told = {'reconstructions': space.encode(music[:n])}
  priors = space.composer.priors
  for kind in ('standard', *(priors.kinds if priors else ())):
    told[kind] = space.prior(n, seed, kind=kind)
  sets = {'pieces': [decode(ids) for ids in music[:n]]}
  sets |= {name: written(space, latents) for name, latents in told.items()}
  found = {name: figures(notes, others) for name, notes in sets.items()}
  for each in found.values():
    each['off'] = off(each, found['reconstructions'])
  return found


def written(space: LatentSpace, latents: Latents) -> list[Notes]:
  """Returns what the model writes of latents, the likeliest ids."""
  return [piece.notes for piece in space.decode(latents)]


def figures(notes: list[Notes], others: list[Notes]) -> dict[str, float]:
  """Returns overlaps of a set with others, and means over its pieces."""
  found = overlap.overlaps(notes, others)
  result = {name: round(found[name].mean, 4) for name in FEATURES}
  for name, figure in MEANS.items():
    result[name] = round(float(np.nanmean([figure(n) for n in notes])), 4)
  return result


def off(one: dict[str, float], other: dict[str, float]) -> float:
  """Returns the largest relative difference of the overlaps of two sets."""
  parts = [abs(one[name] / other[name] - 1) for name in FEATURES]
  return round(max(parts), 4)


if __name__ == '__main__':
  sys.exit(main())
