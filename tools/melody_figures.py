"""How well melodies and motifs are found, in figures: a line of JSON each.

  python tools/melody_figures.py motifs [--split valid] [--n 60] [--seed 0]

`motifs`: motifs planted in tunes of the Nottingham set and in voices of the
lieder (`tools/plant_motifs.py`): precision, recall, and the recall of each
kind, at each level of noise. Reads AURL_DATA.
"""

import argparse
import json
import os
import pathlib
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import plant_motifs

from aurl_jax.studies.melody import line, motifs

ROOT = pathlib.Path(__file__).resolve().parent.parent


def main() -> int:
  """Prints the lines; returns the exit status."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('what', choices=['motifs'])
  parser.add_argument('--split', default='valid')
  parser.add_argument('--n', type=int, default=60)
  parser.add_argument('--seed', type=int, default=0)
  args = parser.parse_args()
  told = {'motifs': planted}[args.what]
  for row in told(args.split, args.n, args.seed):
    print(json.dumps(row), flush=True)
  return 0


def paths(folder: str, split: str) -> list[pathlib.Path]:
  """Returns the files of a frozen split."""
  default = ROOT.parent / 'shared' / 'data'
  data = pathlib.Path(os.environ.get('AURL_DATA') or default)
  table = json.loads((ROOT / f'tools/splits/{folder}.json').read_text())
  rows = [row for row in table['pieces'] if row['split'] == split]
  return [data / folder / row['name'] for row in rows]


def tunes(corpus: str, split: str, n: int) -> list[np.ndarray]:
  """Returns so many tunes of a corpus, spread over it."""
  found = paths(corpus, split)
  if corpus == 'nottingham':
    found = [path.parent / 'melody' / path.name for path in found]
  places = np.linspace(0, len(found) - 1, min(n, len(found)))
  return [plant_motifs.read(found[round(p)]) for p in places]


def planted(split: str, n: int, seed: int) -> Iterator[dict[str, Any]]:
  """Yields the figures of each corpus and level."""
  finder = motifs.Finder()
  for corpus in ('nottingham', 'openscore_lieder'):
    read = tunes(corpus, split, n)
    for name, level in plant_motifs.LEVELS.items():
      rng = np.random.default_rng(seed)
      counts: dict[str, int] = {}
      kinds: dict[str, list[int]] = {}
      took, pieces = 0.0, 0
      for place, tune in enumerate(read):
        donor = read[(place * 7 + 3) % len(read)]
        motif = plant_motifs.draw_motif(donor, rng)
        if motif is None or not len(tune):
          continue
        made = plant_motifs.plant(tune, motif, rng, level)
        if made is None:
          continue
        heard = line.of(made.notes)
        began = time.perf_counter()
        got = [one.spans for one in finder(heard)]
        took += time.perf_counter() - began
        pieces += 1
        score = plant_motifs.judged(made, got)
        for kind, pair in score.pop('kinds').items():
          kinds[kind] = [
            a + b for a, b in zip(kinds.get(kind, [0, 0]), pair, strict=True)
          ]
        for key, value in score.items():
          counts[key] = counts.get(key, 0) + value
      yield {
        'corpus': corpus,
        'split': split,
        'noise': name,
        'tunes': pieces,
        'precision': counts['true'] / (counts['true'] + counts['false']),
        'recall': counts['recalled'] / counts['planted'],
        **counts,
        'kinds': {k: round(a / b, 3) for k, (a, b) in kinds.items()},
        'seconds_each': took / pieces,
      }


if __name__ == '__main__':
  sys.exit(main())
