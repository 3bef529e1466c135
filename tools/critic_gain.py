"""Whether a critic has taught anything: draws of a run against its control.

  python tools/critic_gain.py runs/gan runs/control --n 256

Both models write of the same draws of the standard normal, with the dials of
held-out pieces where they have dials, and with the same seed. Prints a line of
JSON a run: the overlap with other held-out pieces (`evaluation.overlap`), how
many different pieces of eight notes it wrote, as a share of all (`distinct`);
`gain` is the overlap less that of the control, the last run, with its 95 %
interval over pairs of pieces (bootstrap). It tells of these weights, not of
other seeds of training.
"""

import argparse
import json
import pathlib
import sys
from collections.abc import Sequence
from typing import Any

from aurl_jax.core.errors import AurlError
from aurl_jax.deploy.latents import LatentSpace
from aurl_jax.evaluation import gains, overlap
from aurl_jax.experiment import prior
from aurl_jax.experiment.keeping import Pick
from aurl_jax.experiment.latents import opened
from aurl_jax.music.notes import Notes

_RUN = 8
"""Notes of a run that is looked for in other pieces."""


def main(argv: Sequence[str] | None = None) -> int:
  """Prints the lines; returns the exit status."""
  args = _parser().parse_args(argv)
  try:
    spaces = [opened(run, Pick(step=args.step)) for run in args.workdirs]
    space, cache = spaces[-1]
    context = space.composer.model.config.context
    music = prior.pieces(cache[args.split], context, args.seed)[: 2 * args.n]
    decode = space.composer.tokenizer.decode
    others = [decode(ids) for ids in music[args.n :]]
    sets = [drawn(each, music[: args.n], args.seed) for each, _ in spaces]
    for run, notes in zip(args.workdirs, sets, strict=True):
      line = report(notes, sets[-1], others, args.samples)
      print(json.dumps({'run': run.name, **line}), flush=True)
  except AurlError as error:
    print(error, file=sys.stderr)
    return error.exit_code
  return 0


def _parser() -> argparse.ArgumentParser:
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('workdirs', type=pathlib.Path, nargs='+', metavar='RUN')
  parser.add_argument('--split', default='valid')
  parser.add_argument('--n', type=int, default=256, help='pieces of a set')
  parser.add_argument('--step', type=int, help='of the checkpoints')
  parser.add_argument('--seed', type=int, default=0, help='of all choices')
  parser.add_argument('--samples', type=int, default=200, help='of an interval')
  return parser


def drawn(space: LatentSpace, pieces: Sequence[Any], seed: int) -> list[Notes]:
  """Returns what a model makes of draws, one for each of some pieces."""
  told = space.standard(len(pieces), seed, dials_of=space.encode(pieces))
  found = space.decode(told, temperature=1.0, seed=seed)
  return [piece.notes for piece in found]


def report(
  notes: Sequence[Notes],
  control: Sequence[Notes],
  others: Sequence[Notes],
  samples: int,
) -> dict[str, Any]:
  """Returns the figures of a set.

  Args:
    notes: What a run has written.
    control: What its control has written of the same draws.
    others: Music.
    samples: Of the bootstrap.
  """
  found = overlap.overlaps(notes, others)
  result: dict[str, Any] = {
    name: round(found[name].mean, 4) for name in overlap.USUAL
  }
  result['distinct'] = round(distinct(notes), 4)
  told = gains.gains(notes, control, others, samples=samples)
  return result | {'gain': {name: str(gain) for name, gain in told.items()}}


def distinct(pieces: Sequence[Notes]) -> float:
  """Returns the share of runs of notes that are written once, of all of them.

  A run is what the next notes' pitches and distances in time are.
  """
  runs = [run for piece in pieces for run in _runs(piece)]
  return len(set(runs)) / max(len(runs), 1)


def _runs(notes: Notes) -> list[tuple[Any, ...]]:
  steps = list(zip(notes.pitch.tolist(), notes.onset.tolist(), strict=True))
  return [
    tuple(
      (pitch, onset - steps[at][1]) for pitch, onset in steps[at : at + _RUN]
    )
    for at in range(len(steps) - _RUN + 1)
  ]


if __name__ == '__main__':
  sys.exit(main())
