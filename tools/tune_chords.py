"""Chooses the weights between the parts of the chord listener.

  python tools/tune_chords.py [--way learned] [--rounds 2] [--songs 62]

Coordinate by coordinate, on pieces of training splits alone (AURL_DATA): all of
When in Rome's, whose labels serve for this and for nothing that is fitted, and
so many of POP909's. The figure that grows is the mean over both sets of root
and maj/min by time, and a twentieth of the local key of When in Rome. Steps
are halved from round to round. Prints a line of JSON a move, the last one with
the weights, for `studies.chords.listener`.
"""

import argparse
import dataclasses
import json
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

import chord_figures
import chord_sets
import numpy as np
from chord_sets import Labelled

from aurl_jax.music import chords as chords_lib
from aurl_jax.music import time
from aurl_jax.studies.chords import atoms, learned, pulse
from aurl_jax.studies.chords.atoms import Atoms
from aurl_jax.studies.chords.listener import Listener

STEPS = {
  'learned': 0.5, 'template': 0.7, 'key': 0.2, 'change': 1.0, 'opening': 0.4,
  'power': 0.08, 'fit': 0.1,
}  # fmt: skip
LEVEL = 0.5
"""Of each level."""
FLOORS = {'template': 2.0, 'opening': -9.0}
"""What weights may not fall below, 0 where nothing is said: with weaker
templates chords that are written out plainly are heard as others, as the
learned listener has seen few bare ones."""
_KEY = 0.05
_LEAST = 2e-5
"""By which a move must be better."""


class Heard(NamedTuple):
  """A piece as it is judged: stretches in which nothing changes.

  Attributes:
    atoms: Of the piece.
    levels: Of each atom.
    scores: What the learned listener says of them.
    atom: [s] the atom of each stretch that is labelled; -1 behind the last.
    chord: [s] what is written there.
    key: [s] the key, -1 for none.
    seconds: [s] how long it is.
  """

  atoms: Atoms
  levels: np.ndarray
  scores: np.ndarray
  atom: np.ndarray
  chord: np.ndarray
  key: np.ndarray
  seconds: np.ndarray


def main() -> int:
  """Prints the moves; returns the exit status."""
  parser = argparse.ArgumentParser(description=__doc__)
  ways = list(chord_figures.WAYS)
  parser.add_argument('--way', choices=ways, default='learned')
  parser.add_argument('--rounds', type=int, default=2)
  parser.add_argument('--songs', type=int, default=62)
  args = parser.parse_args()
  songs = list(chord_sets.pop909('train'))
  places = np.linspace(0, len(songs) - 1, min(args.songs, len(songs)))
  sets = [
    [prepared(songs[round(place)]) for place in places],
    [prepared(piece) for piece in chord_sets.when_in_rome('train')],
  ]
  known = {id(piece.atoms): piece.scores for pieces in sets for piece in pieces}
  # What it says of a piece is the same for all weights.
  learned.scores = lambda heard, levels: known[id(heard)]
  listener = chord_figures.WAYS[args.way]()
  for line in search(listener, sets, args.rounds):
    print(json.dumps(line), flush=True)
  return 0


def prepared(piece: Labelled) -> Heard:
  """Returns a piece to be heard many times."""
  heard = atoms.cut(piece.notes)
  levels = pulse.find(piece.notes, heard).levels
  rows = np.array(
    [
      (start, stop, chord.index, key)
      for start, stop, chord, key in piece.rows
      if chord is not None and stop > start
    ]
  )
  edges = np.unique(
    np.concatenate([heard.starts, heard.ends, rows[:, 0], rows[:, 1]])
  )
  middle = (edges[:-1] + edges[1:]) / 2
  atom = np.searchsorted(heard.starts, middle, side='right') - 1
  atom = np.where(middle < heard.ends[atom], atom, -1)
  row = np.searchsorted(rows[:, 0], middle, side='right') - 1
  told = (row >= 0) & (middle < rows[np.maximum(row, 0), 1])
  seconds = np.diff(time.ticks_to_seconds(piece.notes, edges))
  return Heard(
    heard,
    levels,
    learned.scores(heard, levels),
    atom[told],
    rows[row[told], 2],
    rows[row[told], 3],
    seconds[told],
  )


def search(
  listener: Listener, sets: list[list[Heard]], rounds: int
) -> Iterator[dict[str, Any]]:
  """Yields each move that is better, and the weights at the end."""
  best, figures = total(listener, sets)
  yield {'begin': round(best, 5), **figures}
  names = [*STEPS, *(f'level {k}' for k in range(pulse.LEVELS))]
  if not listener.learned:
    names.remove('learned')
  for number in range(rounds):
    for name in names:
      for sign in (1, -1):
        step = sign * STEPS.get(name, LEVEL) / 2**number
        start = best
        while (other := moved(listener, name, step)) is not None:
          value, found = total(other, sets)
          if value < best + _LEAST:
            break
          best, listener, figures = value, other, found
        if best > start:
          yield {'move': name, 'total': round(best, 5), **figures}
          break
  yield {'weights': dataclasses.asdict(listener), **figures}


def moved(listener: Listener, name: str, step: float) -> Listener | None:
  """Returns a listener with another weight; None if it may not have it."""
  if name.startswith('level '):
    levels = list(listener.levels)
    place = int(name.removeprefix('level '))
    levels[place] = round(levels[place] + step, 4)
    return dataclasses.replace(listener, levels=tuple(levels))
  value = round(getattr(listener, name) + step, 4)
  if value < FLOORS.get(name, 0):
    return None
  return dataclasses.replace(listener, **{name: value})


def total(
  listener: Listener, sets: list[list[Heard]]
) -> tuple[float, dict[str, list[float]]]:
  """Returns the figure that grows, and root, maj/min and key of each set."""
  songs, scores = (judged(listener, pieces) for pieces in sets)
  value = (songs[0] + songs[1] + scores[0] + scores[1]) / 4 + _KEY * scores[2]
  told = {
    name: [round(float(x), 4) for x in found]
    for name, found in (('pop', songs), ('rome', scores))
  }
  return float(value), told


_ALL = [chords_lib.from_index(index) for index in range(chords_lib.SIZE)]
_ROOT = np.array([-1 if c.root is None else c.root for c in _ALL])
_NAMES = ('N', 'maj', 'min', None)
_TRIAD = np.array(
  [_NAMES.index(chord_figures.TRIADS.get(c.quality)) for c in _ALL]
)


def judged(listener: Listener, pieces: list[Heard]) -> np.ndarray:
  """Returns the shares of time whose root, maj/min and key are right, [3]."""
  right, all_ = np.zeros(3), np.full(3, 1e-9)
  for piece in pieces:
    first, chords, keys = listener.path(piece.atoms, piece.levels)
    sizes = np.diff(np.append(first, len(piece.atoms)))
    # Behind the last atom nothing is heard.
    chord = np.append(np.repeat(chords, sizes), 0)[piece.atom]
    key = np.append(np.repeat(keys, sizes), -1)[piece.atom]
    root = _ROOT[chord] == _ROOT[piece.chord]
    triad = root & (_TRIAD[chord] == _TRIAD[piece.chord])
    rows = (
      (root, np.ones(len(root), np.bool_)),
      (triad, _TRIAD[piece.chord] < _NAMES.index(None)),
      (key == piece.key, piece.key >= 0),
    )
    for place, (good, counts) in enumerate(rows):
      right[place] += piece.seconds[good & counts].sum()
      all_[place] += piece.seconds[counts].sum()
  return right / all_


if __name__ == '__main__':
  sys.exit(main())
