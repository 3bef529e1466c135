"""What turning a dial does to the music: one attribute after the other.

  python tools/turn_dials.py runs/vae --split valid --n 64 --roll turned.png

Fits the dials on excerpts of the training split, encodes excerpts of another,
and lets the model write each anew (greedily, by itself) with one dial turned
by -2, -1, 0, 1 and 2 standard deviations of the data. Prints a line of JSON an
attribute:

  correlation  of what the dim says with what the notes have, over excerpts, in
               the beats that it tells of: those up to the last onset
  moved        means of the attribute in the written music, in deviations of
               the data from that of the data, a number a turn
  others       the same of the other attributes
  span         how far it went from the first turn to the last
  steady       whether it rose with every turn
  apart        whether each other one went less than half as far

Attributes are computed of the notes (`evaluation.attributes`). An attribute
whose deviation in the data is tiny, as is the polyphony of chorales, tells
little in these units: the line has the deviation. `--roll` draws one excerpt,
a row a dial and a column a turn; `--save` keeps the dials.
"""

import argparse
import json
import pathlib
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from aurl_jax.core import files
from aurl_jax.core.errors import AurlError, ConfigError
from aurl_jax.deploy.dials import Dials
from aurl_jax.deploy.latents import LatentSpace
from aurl_jax.evaluation import attributes
from aurl_jax.experiment import dials as dials_lib
from aurl_jax.experiment.latents import opened
from aurl_jax.music import panels
from aurl_jax.music.notes import Notes

TURNS = (-2.0, -1.0, 0.0, 1.0, 2.0)


def main(argv: Sequence[str] | None = None) -> int:
  """Prints the lines; returns the exit status."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('workdir', type=pathlib.Path, help='a run, or a bundle')
  parser.add_argument('--config', default='', help='page of a bundle')
  parser.add_argument('--split', default='valid')
  parser.add_argument('--n', type=int, default=64, help='pieces; 0 for all')
  parser.add_argument('--fit', type=int, default=1024, help='training pieces')
  parser.add_argument('--seed', type=int, default=0, help='of the choice')
  parser.add_argument('--roll', type=pathlib.Path, help='image to write')
  parser.add_argument('--save', type=pathlib.Path, help='file of the dials')
  args = parser.parse_args(argv)
  try:
    _run(args)
  except AurlError as error:
    print(error, file=sys.stderr)
    return error.exit_code
  return 0


def _run(args: argparse.Namespace) -> None:
  space, cache = opened(args.workdir, page=args.config)
  if args.split not in cache:
    raise ConfigError(f'no split {args.split!r}; there are {", ".join(cache)}')
  context = space.composer.model.config.context
  dials = dials_lib.fit(space, cache, args.fit)
  if args.save:
    dials.save(args.save)
  pieces = dials_lib.excerpts(cache[args.split], args.n, args.seed, context)
  music = written(space, dials, pieces)
  for line in report(space, dials, pieces, music):
    print(json.dumps(line), flush=True)
  if args.roll:
    files.write_atomic(args.roll, rolls(music))


def written(
  space: LatentSpace, dials: Dials, pieces: Sequence[np.ndarray]
) -> dict[str, list[list[Notes]]]:
  """Returns what the model writes: attribute -> turn -> pieces."""
  latents = space.encode(pieces)
  music: dict[str, list[list[Notes]]] = {}
  # A dial that is not turned is the same for all.
  still = [piece.notes for piece in space.decode(latents)]
  for name in dials.deviations:
    music[name] = [
      [p.notes for p in space.decode(dials.turn(latents, **{name: by}))]
      if by
      else still
      for by in TURNS
    ]
  return music


def report(
  space: LatentSpace,
  dials: Dials,
  pieces: Sequence[np.ndarray],
  music: Mapping[str, list[list[Notes]]],
) -> list[dict[str, Any]]:
  """Returns the lines, one an attribute."""
  decode = space.composer.tokenizer.decode
  posterior = space.posterior(pieces)
  told, notes = dials.read(posterior), [decode(piece) for piece in pieces]
  slots = np.maximum(np.asarray(posterior.used).sum(axis=1), 1)
  ends = [
    int(count) * dials.beats * piece.ticks_per_beat
    for count, piece in zip(slots, notes, strict=True)
  ]
  same, true = attributes.table(notes, ends), attributes.table(notes)
  return [
    {
      'attribute': name,
      'correlation': _correlation(told[name], same[:, _column(name)]),
      'deviation': round(dials.deviations[name], 4),
      **effect(name, dials.deviations, true, turns),
    }
    for name, turns in music.items()
  ]


def effect(
  name: str,
  deviations: Mapping[str, float],
  true: np.ndarray,
  turns: Sequence[Sequence[Notes]],
) -> dict[str, Any]:
  """Returns how a dial moved its own attribute, and the others.

  Args:
    name: Of the dial.
    deviations: Of all of them.
    true: Attributes of the data, as of `attributes.table`.
    turns: What was written, a list of pieces a turn.
  """
  means = np.array([np.nanmean(attributes.table(p), axis=0) for p in turns])
  moved = {
    other: (means - np.nanmean(true, axis=0))[:, _column(other)] / deviation
    for other, deviation in deviations.items()
    if deviation > 0
  }
  own = moved.pop(name, np.zeros(len(turns)))
  span = float(own[-1] - own[0])
  far = {other: float(np.ptp(path)) for other, path in moved.items()}
  return {
    'moved': _rounded(own),
    'others': {other: _rounded(path) for other, path in moved.items()},
    'span': round(span, 3),
    'steady': bool((np.diff(own) > 0).all()),
    'apart': all(path < span / 2 for path in far.values()),
  }


def rolls(music: Mapping[str, list[list[Notes]]]) -> bytes:
  """Returns a PNG of the first excerpt: a row a dial, a column a turn."""
  rows = [[turn[0] for turn in turns] for turns in music.values()]
  titles = [[f'{name} {by:+.0f} sd' for by in TURNS] for name in music]
  return panels.draw(rows, titles)


def _column(name: str) -> int:
  return attributes.NAMES.index(name)


def _correlation(one: np.ndarray, other: np.ndarray) -> float | None:
  """Returns Pearson's, over what both have; None if one never varies."""
  both = np.isfinite(one) & np.isfinite(other)
  one, other = one[both], other[both]
  if len(one) < 2 or not (one.std() > 0 and other.std() > 0):
    return None
  return round(float(np.corrcoef(one, other)[0, 1]), 4)


def _rounded(values: np.ndarray) -> list[float]:
  return [round(float(value), 3) for value in values]


if __name__ == '__main__':
  sys.exit(main())
