"""What music of people is like, as bounds that shipped models are held to.

  python tools/quality_bounds.py [--out tests/regression/bounds.json]

For each model a corpus of held-out music (POP909 valid with its beats aligned,
the chorales of JSB valid, the valid splits of the page `multi`; AURL_DATA):
excerpts of eight bars, one a piece. Of
each metric the share of music between the 10th and the 90th percentile; of
sets of so many excerpts as the test writes, drawn 200 times, the 5th and the
95th percentile of `self_bleu` and `distinct`; and of the excerpts by
themselves the largest share that the model's index of training music knows.
`tests/regression/quality_test.py` reads the file, and does without the data.
"""

import argparse
import json
import os
import pathlib
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import aurl_jax
from aurl_jax.data import frames
from aurl_jax.data.preprocess import Preprocess
from aurl_jax.evaluation import diversity, metrics
from aurl_jax.experiment import data as prepared
from aurl_jax.experiment import pages, sections
from aurl_jax.music import midi, time
from aurl_jax.music.notes import Notes

ROOT = pathlib.Path(__file__).resolve().parent.parent
NAMES = (
  *('scale_consistency', 'pitch_class_entropy', 'register', 'polyphony'),
  *('onset_density', 'groove_similarity', 'onset_entropy', 'mean_length'),
  *('chord_tone_rate', 'stepwise_rate', 'repeated_rate', 'structure_short'),
)
BARS, SET, DRAWS = 8, 24, 200


def main(argv: Sequence[str] | None = None) -> int:
  """Writes the file; returns the exit status."""
  parser = argparse.ArgumentParser(description=__doc__)
  default = ROOT / 'tests' / 'regression' / 'bounds.json'
  parser.add_argument('--out', type=pathlib.Path, default=default)
  args = parser.parse_args(argv)
  data = pathlib.Path(
    os.environ.get('AURL_DATA', ROOT.parent / 'shared' / 'data')
  )
  found = {name: bounds(name, read(data)) for name, read in CORPORA.items()}
  text = json.dumps({'bars': BARS, 'set': SET, 'models': found}, indent=1)
  args.out.write_text(text + '\n')
  return 0


def _pop(data: pathlib.Path) -> list[Notes]:
  aligned = Preprocess(beats='align')
  paths = sorted((data / 'pop909' / 'valid').glob('*/*.mid'))
  pieces = [aligned(midi.read(path).notes) for path in paths]
  return [excerpt(notes, 8) for notes in pieces if _in_four(notes)]


def _in_four(notes: Notes) -> bool:
  """Whether the bars were found: most files themselves say 1/4."""
  return tuple(notes.meters[0].tolist())[1:] == (4, 4)


def _chorales(data: pathlib.Path) -> list[Notes]:
  found = frames.read(data / 'jsb_chorales' / 'jsb16_valid.json')
  return [excerpt(notes, 0) for notes in found]


def _multi(data: pathlib.Path) -> list[Notes]:
  """Returns excerpts of those pieces that have as many bars."""
  del data  # The page finds it.
  run = sections.parse(pages.load(pages.find('multi')))
  cache = prepared.prepared(run, quiet=True)
  pieces = [run.tokenizer.decode(ids) for ids in cache['valid']]
  long = [notes for notes in pieces if len(time.bar_starts(notes)) > BARS]
  return [excerpt(notes, 0) for notes in long]


CORPORA: dict[str, Callable[[pathlib.Path], list[Notes]]] = {
  'chorale': _chorales,
  'pop': _pop,
  'multi': _multi,
}
"""Shipped model -> excerpts of music that it was not trained on."""


def excerpt(notes: Notes, first: int, bars: int = BARS) -> Notes:
  """Returns so many bars of a piece, from one on."""
  edges = np.append(time.bar_starts(notes), notes.end)
  low = edges[min(first, max(len(edges) - 2, 0))]
  high = edges[min(first + bars, len(edges) - 1)]
  inside = (notes.onset >= low) & (notes.onset < high)
  names = ('onset', 'duration', 'pitch', 'velocity', 'track')
  columns = {name: getattr(notes, name)[inside] for name in names}
  columns['onset'] = columns['onset'] - low
  return Notes.build(
    notes.ticks_per_beat,
    columns,
    tracks=notes.tracks,
    meters=[(0, 4, 4)],
    tempos=[(0, int(notes.tempos['microseconds'][0]))]
    if len(notes.tempos)
    else [],
  )


def bounds(name: str, pieces: Sequence[Notes]) -> dict[str, Any]:
  """Returns the bounds of a model from music of people."""
  table = metrics.table(pieces, NAMES)
  low, high = np.nanquantile(table, [0.1, 0.9], axis=0)
  sets = variety(pieces)
  index = aurl_jax.load(name).index
  known = [0.0 if index is None else index.report(x).share for x in pieces]
  return {
    'pieces': len(pieces),
    'metrics': {
      metric: [round(a, 5), round(b, 5)]
      for metric, a, b in zip(NAMES, low.tolist(), high.tolist(), strict=True)
    },
    'sets': {
      key: np.quantile(values, [0.05, 0.95]).round(5).tolist()
      for key, values in sets.items()
    },
    'known': round(float(np.quantile(known, 0.95)), 5),
  }


def variety(pieces: Sequence[Notes], size: int = SET) -> dict[str, list[float]]:
  """Returns what is measured of sets of so many pieces, drawn many times."""
  random = np.random.default_rng(0)
  sets: dict[str, list[float]] = {'self_bleu': [], 'distinct': []}
  for _ in range(DRAWS):
    chosen = random.choice(len(pieces), min(size, len(pieces)), replace=False)
    some = [pieces[i] for i in chosen.tolist()]
    sets['distinct'].append(diversity.distinct(some))
    sets['self_bleu'].append(diversity.self_bleu(some))
  return sets


if __name__ == '__main__':
  sys.exit(main())
