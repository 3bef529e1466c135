"""Fits the few numbers of the studies and writes them beside the code.

  python tools/fit_studies.py [--songs 744]

Reads POP909's training songs of the shared data (AURL_DATA) and nothing else.
`melody`: logistic regression of `studies.voices.features` on whether a note
is of the MELODY track.
"""

import argparse
import json
import os
import pathlib
import sys
from collections.abc import Iterator

import numpy as np

from aurl_jax.music import midi
from aurl_jax.music.notes import Notes
from aurl_jax.studies import groups, voices, weights

ROOT = pathlib.Path(__file__).resolve().parent.parent


def main() -> int:
  """Writes the file; returns the exit status."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--songs', type=int, default=744)
  args = parser.parse_args()
  tables = {'melody': fit_melody(songs(args.songs))}
  text = {name: json.dumps(values) for name, values in tables.items()}
  rows = ',\n'.join(f'"{name}": {row}' for name, row in text.items())
  weights.PATH.write_text('{\n' + rows + '\n}\n')
  return 0


def songs(count: int) -> Iterator[tuple[pathlib.Path, Notes]]:
  """Yields folder and notes of so many songs, spread over the split."""
  default = ROOT.parent / 'shared' / 'data'
  folder = pathlib.Path(os.environ.get('AURL_DATA') or default)
  found = sorted((folder / 'pop909' / 'train').iterdir())
  for place in np.linspace(0, len(found) - 1, min(count, len(found))):
    song = found[round(place)]
    yield song, midi.read(song / f'{song.name}.mid').notes


def fit_melody(found: Iterator[tuple[pathlib.Path, Notes]]) -> list[float]:
  """Returns the weights of `voices.features`."""
  facts, labels = [], []
  for _, notes in found:
    names = [track.name for track in notes.tracks]
    if 'MELODY' in names:
      heard = groups.played(notes)
      facts.append(voices.features(heard))
      labels.append(notes.track[heard.index] == names.index('MELODY'))
  fitted = logistic(np.concatenate(facts), np.concatenate(labels))
  return [round(float(value), 3) for value in fitted]


def logistic(
  facts: np.ndarray, labels: np.ndarray, ridge: float = 1.0
) -> np.ndarray:
  """Returns the weights of a logistic regression, by Newton's method.

  Args:
    facts: [n, f].
    labels: [n] bool.
    ridge: Of the squared weights.
  """
  fitted = np.zeros(facts.shape[1])
  for _ in range(12):
    chance = 1 / (1 + np.exp(-facts @ fitted))
    slope = facts.T @ (chance - labels) + ridge * fitted
    curve = (facts * (chance * (1 - chance))[:, None]).T @ facts
    fitted -= np.linalg.solve(curve + ridge * np.eye(len(fitted)), slope)
  return fitted


if __name__ == '__main__':
  sys.exit(main())
