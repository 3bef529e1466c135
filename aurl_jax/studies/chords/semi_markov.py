"""The best way to part atoms into chords, each in a key: semi-Markov Viterbi.

A chord is a run of atoms; what it is worth depends on the run as a whole, its
length among it (Sarawagi and Cohen, "Semi-Markov conditional random fields for
information extraction", NIPS 2004; for chords Masada and Bunescu, "Chord
recognition in symbolic music: a segmental CRF model", TISMIR 2019). Its key is
decided with it, as each says which of the other are likely (Raphael and
Stoddard, "Functional harmonic analysis using probabilistic models", Computer
Music Journal 2004). Axes: `a` atoms, `c` chords, `k` keys, `r` runs.
"""

import dataclasses
from typing import Any

import numpy as np

from aurl_jax.music.midi_scan import compiled

_HELD = 6
"""Chords that are weighed of each run, and of each atom: the likeliest."""
_STEP = 0.5


@dataclasses.dataclass(frozen=True, eq=False)
class Lattice:
  """What runs are worth.

  A run of atoms i..j-1 under chord c in key k is worth
  `score[i:j, c].sum() + fit[i:j, k].sum() + given[k, c] + opening[i]`
  `+ span[length]`, and a change from key h to k before it `-move[h, k]`.

  Attributes:
    score: [a, c] float64, what each atom says for each chord.
    length: [a] float64, quarter notes, above 0.
    opening: [a] float64, what it is worth that a chord begins here.
    fit: [a, k] float64, what each atom says for each key.
    given: [k, c] float64, what a chord is worth in a key.
    move: [k, k] float64, prices, 0 for staying.
    span: [s] float64, what a run of so many half quarter notes is worth; a
      longer run than the last has only where it is one atom.
  """

  score: np.ndarray
  length: np.ndarray
  opening: np.ndarray
  fit: np.ndarray
  given: np.ndarray
  move: np.ndarray
  span: np.ndarray


def best(lattice: Lattice) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """Returns the best path: first atoms, chords and keys of runs, [r] each.

  Only chords that are among the likeliest of some atom are weighed.
  """
  count = len(lattice.score)
  if not count:
    return (np.zeros(0, np.int64),) * 3
  kept = _kept(lattice.score)
  total = _sums(lattice.score[:, kept])
  fit = _sums(lattice.fit)
  edge = np.append(0.0, np.cumsum(lattice.length))
  worth, origin, chord, came = _forward(
    total,
    edge,
    np.ascontiguousarray(lattice.opening),
    fit,
    np.ascontiguousarray(lattice.given[:, kept]),
    np.ascontiguousarray(lattice.move),
    np.ascontiguousarray(lattice.span),
  )
  runs = []
  place, key = count, int(worth[-1].argmax())
  while place > 0:
    runs.append((origin[place, key], kept[chord[place, key]], key))
    place, key = origin[place, key], came[place, key]
  first, chords, keys = np.array(runs[::-1], np.int64).T
  return first, chords, keys


def _kept(score: np.ndarray) -> np.ndarray:
  """Returns the chords that are weighed, ascending."""
  size = score.shape[1]
  if size <= _HELD:
    return np.arange(size)
  top = np.argpartition(score, size - _HELD, axis=1)[:, size - _HELD :]
  return np.flatnonzero(np.bincount(top.ravel(), minlength=size))


def _sums(values: np.ndarray) -> np.ndarray:
  """Returns the sums before each row, one row more."""
  total = np.zeros((len(values) + 1, values.shape[1]))
  np.cumsum(values, axis=0, out=total[1:])
  return total


@compiled
def _likeliest(low: Any, high: Any, some: Any, values: Any) -> int:
  """Finds the chords of a run that it says most for; returns how many."""
  kept = 0
  most = len(values)
  least = -np.inf
  for chord in range(len(low)):
    value = high[chord] - low[chord]
    if kept == most and value <= least:
      continue
    place = kept if kept < most else most - 1
    while place > 0 and values[place - 1] < value:
      values[place] = values[place - 1]
      some[place] = some[place - 1]
      place -= 1
    values[place] = value
    some[place] = chord
    kept = min(kept + 1, most)
    least = values[kept - 1]
  return kept


@compiled
def _modulate(worth: Any, move: Any, opened: Any, source: Any) -> None:
  """Lets the key change where a run opens."""
  for key in range(len(worth)):
    top, which = worth[key], key
    for other in range(len(worth)):
      value = worth[other] - move[other, key]
      if value > top:
        top, which = value, other
    opened[key] = top
    source[key] = which


@compiled
def _forward(
  total: Any, edge: Any, opening: Any, fit: Any, given: Any, move: Any,
  span: Any,
) -> Any:  # fmt: skip
  """Returns what the best path to each place is worth, and its last run."""
  count, keys = len(edge) - 1, given.shape[0]
  worth = np.full((count + 1, keys), -np.inf)
  worth[0] = 0.0
  origin = np.zeros((count + 1, keys), np.int64)
  chord = np.zeros((count + 1, keys), np.int64)
  came = np.zeros((count + 1, keys), np.int64)
  opened = np.zeros((count + 1, keys))
  source = np.zeros((count + 1, keys), np.int64)
  some, values = np.zeros(_HELD, np.int64), np.zeros(_HELD)
  for stop in range(1, count + 1):
    _modulate(worth[stop - 1], move, opened[stop - 1], source[stop - 1])
    for start in range(stop - 1, -1, -1):
      beats = int(np.rint((edge[stop] - edge[start]) / _STEP))
      if beats >= len(span) and start < stop - 1:
        break
      held = span[min(beats, len(span) - 1)] + opening[start]
      kept = _likeliest(total[start], total[stop], some, values)
      for key in range(keys):
        top, which = -np.inf, 0
        for place in range(kept):
          value = values[place] + given[key, some[place]]
          if value > top:
            top, which = value, some[place]
        value = top + held + opened[start, key]
        value += fit[stop, key] - fit[start, key]
        if value > worth[stop, key]:
          worth[stop, key] = value
          origin[stop, key] = start
          chord[stop, key] = which
          came[stop, key] = source[start, key]
  return worth, origin, chord, came
