"""Fits the few numbers of the studies and writes them beside the code.

  python tools/fit_studies.py [--songs 744] [--only beats]

Reads POP909's training songs of the shared data (AURL_DATA) and nothing else.
`melody`: logistic regression of `studies.voices.features` on whether a note
is of the MELODY track. `chords`: softmax regression of `studies.chords`'
features, seen from each root, on the labels of `chord_midi.txt`, beat by beat.
`beat_…`: see `tools/fit_beats.py`.
"""

import argparse
import json
import os
import pathlib
import sys
from collections.abc import Iterator

import fit_beats
import numpy as np

from aurl_jax.music import chords as chords_lib
from aurl_jax.music import midi, time
from aurl_jax.music.notes import Notes
from aurl_jax.studies import groups, onsets, voices, weights
from aurl_jax.studies.chords import recogniser as chords

ROOT = pathlib.Path(__file__).resolve().parent.parent


def main() -> int:
  """Writes the file; returns the exit status."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--songs', type=int, default=744)
  parser.add_argument('--only', choices=['melody', 'chords', 'beats'])
  args = parser.parse_args()
  tables = json.loads(weights.PATH.read_text()) if args.only else {}
  if args.only in (None, 'melody'):
    tables['melody'] = fit_melody(songs(args.songs))
  if args.only in (None, 'chords'):
    tables['chords'] = fit_chords(songs(args.songs))
  if args.only in (None, 'beats'):
    tables |= fit_tracker(songs(args.songs))
  rows = [f'"{name}": {json.dumps(row)}' for name, row in tables.items()]
  weights.PATH.write_text('{\n' + ',\n'.join(rows) + '\n}\n')
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


def fit_chords(found: Iterator[tuple[pathlib.Path, Notes]]) -> list[float]:
  """Returns the weights and the bias of each quality, one behind the other.

  One beat in `_EVERY` is learned from.
  """
  facts, labels = [], []
  for song, notes in found:
    beats = np.loadtxt(song / 'beat_midi.txt')[:, 0]
    bounds = np.unique(time.seconds_to_ticks(notes, beats))
    starts, ends = chords.segments(notes, bounds)
    heard = chords.features(notes, starts, ends)
    middle = time.ticks_to_seconds(notes, (starts + ends) // 2)
    truth = _labels(song / 'chord_midi.txt', middle)
    use = np.flatnonzero((truth >= 0) & (heard[:, 0].sum(axis=1) > 0))
    facts.append(heard[use[::_EVERY]].astype(np.float32))
    labels.append(truth[use[::_EVERY]])
  fitted = _softmax(np.concatenate(facts), np.concatenate(labels))
  return [round(float(value), 3) for value in fitted.ravel()]


_EVERY = 10


def fit_tracker(
  found: Iterator[tuple[pathlib.Path, Notes]],
) -> dict[str, list[float]]:
  """Returns the numbers of `studies.beat_paths`, by `tools/fit_beats.py`."""
  read = [
    fit_beats.song(onsets.find(notes), np.loadtxt(song / 'beat_midi.txt'))
    for song, notes in found
  ]
  return fit_beats.fit([song for song in read if song is not None])


def _labels(path: pathlib.Path, seconds: np.ndarray) -> np.ndarray:
  """Returns the index of the chord at each time; -1 where none is told."""
  rows = [line.split() for line in path.read_text().splitlines() if line]
  starts = np.array([float(row[0]) for row in rows])
  index = [chords_lib.nearest(row[2]) for row in rows]
  known = np.array([-1 if chord is None else chord.index for chord in index])
  place = np.searchsorted(starts, seconds, side='right') - 1
  return np.where(place < 0, -1, known[place])


def _softmax(
  facts: np.ndarray, labels: np.ndarray, steps: int = 300
) -> np.ndarray:
  """Returns [quality, 5 * 12 + 1], by Adam on all rows at once."""
  turns = (np.arange(12)[:, None] + np.arange(12)) % 12
  rows = facts[:, :, turns].transpose(0, 2, 1, 3).reshape(len(facts), 12, -1)
  rows = np.concatenate([rows, np.ones_like(rows[..., :1])], axis=2)
  flat = rows.reshape(-1, rows.shape[-1])
  wanted = np.zeros((len(facts), chords_lib.SIZE), np.float32)
  wanted[np.arange(len(facts)), labels] = 1
  fitted = np.zeros((len(chords_lib.QUALITIES), flat.shape[1]), np.float32)
  mean, square = np.zeros_like(fitted), np.zeros_like(fitted)
  for step in range(1, steps + 1):
    scores = (flat @ fitted.T).reshape(len(facts), -1)
    scores = np.concatenate([np.zeros_like(scores[:, :1]), scores], axis=1)
    scores = np.exp(scores - scores.max(axis=1, keepdims=True))
    chance = scores / scores.sum(axis=1, keepdims=True)
    error = (chance - wanted)[:, 1:].reshape(-1, len(fitted)) / len(facts)
    slope = error.T @ flat + 1e-5 * fitted
    mean = 0.9 * mean + 0.1 * slope
    square = 0.99 * square + 0.01 * slope**2
    rate = 0.1 * (1 - step / steps) + 0.002
    spread = np.sqrt(square / (1 - 0.99**step)) + 1e-8
    fitted -= rate * mean / (1 - 0.9**step) / spread
  return fitted


if __name__ == '__main__':
  sys.exit(main())
