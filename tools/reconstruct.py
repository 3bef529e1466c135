"""What comes back from latents: free-running, against another piece's.

  python tools/reconstruct.py runs/vae --n 256

Encodes pieces of a split, lets the model write each anew from its latents
alone (greedily, no step is given), and compares: the share of equal ids, which
means something in a `grid`, and the F1 of notes by onset and pitch. Then the
same with the latents of another piece, which should bring nothing back. Prints
one line of JSON.
"""

import argparse
import itertools
import json
import pathlib
import sys
from typing import Any

import jax
import numpy as np

from aurl_jax.core.errors import AurlError
from aurl_jax.data.cache import fitting
from aurl_jax.deploy.latents import LatentSpace
from aurl_jax.evaluation import reconstruction
from aurl_jax.experiment.latents import opened
from aurl_jax.models.latent import Latents


def main() -> int:
  """Prints the line; returns the exit status."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('workdir', type=pathlib.Path, help='a run, or a bundle')
  parser.add_argument('--config', default='', help='page of a bundle')
  parser.add_argument('--split', default='valid')
  parser.add_argument('--n', type=int, default=256, help='pieces; 0 for all')
  parser.add_argument('--seed', type=int, default=0, help='of the choice')
  args = parser.parse_args()
  try:
    space, cache = opened(args.workdir, page=args.config)
    context = space.composer.model.config.context
    pieces = chosen(cache[args.split], args.n, args.seed, context)
    print(json.dumps(report(space, pieces)))
  except AurlError as error:
    print(error, file=sys.stderr)
    return error.exit_code
  return 0


def chosen(split: Any, count: int, seed: int, context: int) -> list[np.ndarray]:
  """Returns pieces of a split that fit the context, in a random order."""
  return list(itertools.islice(fitting(split, context, seed), count or None))


def report(space: LatentSpace, pieces: list[np.ndarray]) -> dict[str, float]:
  """Returns the figures of the line."""
  own = space.encode(pieces)
  other = jax.tree.map(lambda x: np.roll(x, 1, axis=0), own)
  result: dict[str, float] = {'pieces': len(pieces)}
  for name, latents in (('own', own), ('other', other)):
    result |= {
      f'{name}/{k}': round(v, 4)
      for k, v in compared(space, latents, pieces).items()
    }
  return result


def compared(
  space: LatentSpace, latents: Latents, pieces: list[np.ndarray]
) -> dict[str, float]:
  """Returns what is equal in pieces and in what latents give."""
  decode = space.composer.tokenizer.decode
  ids, notes = [], []
  for wanted, piece in zip(pieces, space.decode(latents), strict=True):
    ids.append(reconstruction.same_ids(piece.ids, wanted))
    notes.append(reconstruction.note_f1(piece.notes, decode(wanted)))
  return {'ids': float(np.mean(ids)), 'notes': float(np.mean(notes))}


if __name__ == '__main__':
  sys.exit(main())
