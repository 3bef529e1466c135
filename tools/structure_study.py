"""The figures of the structure study: phrase boundaries against people.

  python tools/structure_study.py [--split valid] [--songs N] [--own]
  python tools/structure_study.py --tune [--songs 150]
  python tools/structure_study.py --speed

Reads POP909 of the shared data (AURL_DATA); see `tools/phrases.py`. What is
told is the mean over songs of F1 of phrase boundaries, those at the very start
and end left out, in the bars of the labels: a boundary is right if it is the
very bar line. `first` and `second` are the annotators, `both` the mean of the
two. Prints a line of JSON for each method: the people against each other, a
boundary every 4 and 8 bars, novelty, the matrix's decomposition, the shortest
description (both ours, of what others published), and the study's own.

With `--own` the bars are not those of the labels but those that the study
finds by itself in the MIDI file: a boundary is right if it lies within half a
bar of the label's, in seconds. With `--tune` settings of the methods are tried
on training songs, which is how they were chosen; with `--speed` seconds a
piece are told for corpora of several kinds.
"""

import argparse
import dataclasses
import itertools
import json
import pathlib
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import phrases

from aurl_jax.music import midi
from aurl_jax.studies.structure import (
  alike,
  boundaries,
  evidence,
  finding,
  labels,
  scores,
  views,
)
from aurl_jax.studies.structure.factors import Spectral
from aurl_jax.studies.structure.finding import Structure
from aurl_jax.studies.structure.lengths import Shortest
from aurl_jax.studies.structure.views import Views

Find = Callable[[Views], np.ndarray]
Seen = tuple[phrases.Song, Views]
_SAME = (0.6, 0.64, 0.68, 0.7, 0.72, 0.74, 0.76, 0.8, 0.84)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Novelty:
  """Foote's novelty: boundaries at its peaks.

  Attributes:
    size: Bars to either side.
    least: Of a peak.
  """

  size: int = 8
  least: float = 0.03

  def find(self, seen: Views) -> np.ndarray:
    """Returns the first bar of each section; the first one is 0."""
    values = np.concatenate(
      [
        evidence.novelty(alike.matrices(seen[low:high])['all'], self.size)[
          first - low : last - low
        ]
        for low, high, first, last in evidence.blocks(len(seen))
      ]
    )
    padded = np.pad(values, 1, constant_values=-1)
    peak = (values >= padded[:-2]) & (values > padded[2:])
    return np.union1d([0], np.flatnonzero(peak & (values >= self.least)))


def every(bars: int) -> Find:
  """Returns what puts a boundary every so many bars."""
  return lambda seen: np.arange(0, len(seen), bars)


def main() -> int:
  """Prints the lines; returns the exit status."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--split', choices=['train', 'valid'], default='valid')
  parser.add_argument('--songs', type=int)
  parser.add_argument('--own', action='store_true')
  parser.add_argument('--tune', action='store_true')
  parser.add_argument('--speed', action='store_true')
  args = parser.parse_args()
  if args.speed:
    lines = speeds()
  elif args.tune:
    lines = tuned(read('train', args.songs))
  elif args.own:
    lines = unaided(args.split, args.songs)
  else:
    lines = compared(read(args.split, args.songs))
  for line in lines:
    print(json.dumps(line), flush=True)
  return 0


def read(split: str, count: int | None) -> list[Seen]:
  """Returns songs and the views of their bars."""
  return [
    (song, views.see(song.notes, song.edges))
    for song in phrases.songs(split, count)
  ]


def compared(seen: Sequence[Seen]) -> Iterator[dict[str, Any]]:
  """Yields a line for each method."""
  people = [
    scores.boundaries(song.starts(0)[1:], song.starts(1)[1:], 0)[2]
    for song, _ in seen
  ]
  yield {'method': 'people', 'songs': len(seen), 'both': _mean(people)}
  methods: dict[str, Find] = {
    'every 4 bars': every(4),
    'every 8 bars': every(8),
    'novelty': Novelty().find,
    'decomposition': Spectral().find,
    'shortest description': Shortest().find,
    'ours': boundaries.find,
  }
  for name, find in methods.items():
    yield {'method': name, **figure(seen, find)}
  yield {'method': 'letters, people', **_letters_of_people(seen)}
  yield {'method': 'letters, ours', **letters(seen, boundaries.find)}
  whole = lambda view: np.zeros(1, np.int64)  # noqa: E731
  yield {'method': 'letters, one for all', **letters(seen, whole)}


def figure(seen: Sequence[Seen], find: Find) -> dict[str, Any]:
  """Returns F1 against each annotator, precision and recall, and the time."""
  rows, began = [], time.perf_counter()
  found = [find(view) for _, view in seen]
  took = (time.perf_counter() - began) / len(seen)
  for (song, _), starts in zip(seen, found, strict=True):
    rows.append(
      [scores.boundaries(starts[1:], song.starts(k)[1:], 0) for k in (0, 1)]
    )
  mean = np.mean(rows, axis=0)
  return {
    'first': round(float(mean[0, 2]), 4),
    'second': round(float(mean[1, 2]), 4),
    'both': round(float(mean[:, 2].mean()), 4),
    'precision': round(float(mean[:, 0].mean()), 4),
    'recall': round(float(mean[:, 1].mean()), 4),
    'seconds': round(took, 4),
  }


def letters(
  seen: Sequence[Seen], find: Find, same: float = labels.SAME
) -> dict[str, Any]:
  """Returns F1 of pairs of bars with one letter, against each annotator."""
  rows = []
  for song, view in seen:
    found = labels.label(view, find(view), same)
    part = (found.starts, found.letters)
    rows.append(
      [scores.pairs(part, _part(song, k), len(view))[2] for k in (0, 1)]
    )
  first, second = np.mean(rows, axis=0).tolist()
  return {
    'first': round(first, 4),
    'second': round(second, 4),
    'both': round((first + second) / 2, 4),
  }


def _letters_of_people(seen: Sequence[Seen]) -> dict[str, Any]:
  rows = [
    scores.pairs(_part(song, 0), _part(song, 1), len(view))[2]
    for song, view in seen
  ]
  return {'both': _mean(rows)}


def _part(song: phrases.Song, annotator: int) -> tuple[np.ndarray, list[str]]:
  """Returns where an annotator's phrases begin, and their letters."""
  return song.starts(annotator), [x for x, _ in song.labels[annotator]]


def tuned(seen: Sequence[Seen]) -> Iterator[dict[str, Any]]:
  """Yields a line for each setting of each method."""
  for size, least in itertools.product((2, 4, 8), (0.0, 0.03, 0.06, 0.1)):
    peaks = Novelty(size=size, least=least)
    yield {'novelty': [size, least], **figure(seen, peaks.find)}
  for groups, around in itertools.product((4, 6, 8, 12), (1, 2, 4)):
    spectral = Spectral(groups=groups, around=around)
    yield {'decomposition': [groups, around], **figure(seen, spectral.find)}
  for match, phrase in itertools.product(
    (0.75, 0.8, 0.85, 0.9), (0.0, 0.25, 0.5)
  ):
    short = Shortest(match=match, phrase=phrase)
    yield {'shortest': [match, phrase], **figure(seen, short.find)}
  if boundaries.PATH.exists():
    for same in _SAME:
      yield {'same': same, **letters(seen, boundaries.find, same)}


def unaided(split: str, count: int | None) -> Iterator[dict[str, Any]]:
  """Yields lines of the study as a whole, from MIDI files alone."""
  study, rows, right = Structure(), [], []
  for song in phrases.songs(split, count):
    found = study.analyse(song.notes)
    seconds = finding.seconds(song.notes, song.edges)
    truths = [finding.written(seconds, label) for label in song.labels]
    rows.append([list(study.validate(found, t).values()) for t in truths])
    away = np.abs(found.seconds[:, None] - seconds).min(axis=1)
    right.append(float(np.median(away) < 0.1))
  names = study.validate(found, truths[0])
  for k, name in enumerate(names):
    first, second = np.mean(rows, axis=0)[:, k].tolist()
    yield {
      'unaided': name,
      'first': round(first, 4),
      'second': round(second, 4),
      'both': round((first + second) / 2, 4),
    }
  yield {'unaided': 'songs whose bar lines are right', 'share': _mean(right)}


def speeds() -> Iterator[dict[str, Any]]:
  """Yields seconds a piece, by corpus."""
  study = Structure()
  patterns = {
    'pop909': 'pop909/valid/*/*.mid',
    'multitrack': 'multitrack/**/*.mid',
    'openscore_quartets': 'openscore_quartets/**/*.mid',
    'piano_midi_de': 'piano_midi_de/**/*.mid',
    'nottingham': 'nottingham/valid/*.mid',
    's3_symphonies': 's3_symphonies/**/*.mid',
  }
  for name, pattern in patterns.items():
    paths = sorted(phrases.data().glob(pattern))
    yield {'corpus': name, **_speed(study, paths[:: max(1, len(paths) // 40)])}


def _speed(study: Structure, paths: Sequence[pathlib.Path]) -> dict[str, Any]:
  """Returns seconds a piece, reading left out."""
  took, bars = [], []
  for path in paths:
    notes = midi.read(path).notes
    began = time.perf_counter()
    found = study.analyse(notes)
    took.append(time.perf_counter() - began)
    bars.append(len(found))
  return {
    'pieces': len(took),
    'median': round(float(np.median(took)), 4),
    'mean': round(float(np.mean(took)), 4),
    'most': round(max(took), 3),
    'most_bars': max(bars),
  }


def _mean(values: Sequence[float]) -> float:
  return round(float(np.mean(values)), 4)


if __name__ == '__main__':
  sys.exit(main())
