"""How alike bars are, in each view, also when transposed.

The self-similarity matrix is Foote's ("Visualizing music and audio using
self-similarity", ACM Multimedia 1999), of bars. That a repetition may be
transposed, and is found at the best of twelve, follows Goto ("A chorus section
detection method for musical audio signals", IEEE TASLP 2006). Axes: `m` bars.
"""

import numpy as np

from aurl_jax.studies.structure.views import CLASSES, Views

_AROUND = 4
"""Bars to either side that tell the transposition of a repetition."""
_TURNED = 0.1
"""By how much a transposed repetition must fit better than a plain one."""


def cosines(rows: np.ndarray, others: np.ndarray | None = None) -> np.ndarray:
  """Returns the cosine of each two rows, 0..1; 1 if both are 0, else 0 if one.

  Example:
    >>> cosines(np.array([[1.0, 0.0], [0.0, 0.0]]))
    array([[1., 0.],
           [0., 1.]])
  """
  unit, empty = _unit(rows)
  # The very same array twice makes the product symmetric to the last bit.
  against, none = (unit, empty) if others is None else _unit(others)
  found = np.clip(unit @ against.T, 0, 1)
  return np.where(np.logical_and.outer(empty, none), 1.0, found)


def _unit(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """Returns rows of length 1, and which of them are 0."""
  size = np.linalg.norm(rows, axis=1)
  empty = size == 0
  return rows / np.where(empty, 1, size)[:, None], empty


def along(matrix: np.ndarray, low: int, high: int) -> np.ndarray:
  """Returns the mean along diagonals, from `low` to before `high` bars on.

  [i, j] is the mean of [i + k, j + k]; what lies outside counts nothing, and
  where all does it is 0.
  """
  count = len(matrix)
  total, seen = np.zeros_like(matrix), np.zeros_like(matrix)
  for k in range(low, high):
    first, last = max(0, -k), min(count, count - k)
    if first < last:
      here, there = slice(first, last), slice(first + k, last + k)
      total[here, here] += matrix[there, there]
      seen[here, here] += 1
  return total / np.maximum(seen, 1)


def matrices(views: Views) -> dict[str, np.ndarray]:
  """Returns a similarity of bars, 0..1, for each view, [m, m].

  `tune`: the melody, at the transposition at which the bars around fit best;
  `harmony`: pitch classes and bass, likewise; `rhythm`: onsets of the melody;
  `texture`: onsets of all; `all`: the mean of these.
  """
  tune, harmony = _turned(views)
  rhythm, texture = cosines(views.rhythm), cosines(views.onsets)
  return {
    'tune': tune,
    'harmony': harmony,
    'rhythm': rhythm,
    'texture': texture,
    'all': (tune + harmony + rhythm + texture) / 4,
  }


def turn(rows: np.ndarray, step: int) -> np.ndarray:
  """Returns rows of pitch classes so many semitones higher, [m, k * 12]."""
  parts = rows.reshape(len(rows), -1, CLASSES)
  return np.roll(parts, step, axis=2).reshape(len(rows), -1)


def _turned(views: Views) -> tuple[np.ndarray, np.ndarray]:
  """Returns tune and harmony at the best transposition of each place."""
  count = len(views)
  best = np.full((count, count), -1.0)
  tune, harmony = np.zeros_like(best), np.zeros_like(best)
  for step in range(CLASSES):
    one = cosines(views.melody, turn(views.melody, step))
    other = cosines(views.chroma, turn(views.chroma, step)) / 2
    other += cosines(views.bass, turn(views.bass, step)) / 2
    fits = along(one + other, -_AROUND, _AROUND + 1) - _TURNED * (step > 0)
    better = fits > best
    best[better] = fits[better]
    tune[better], harmony[better] = one[better], other[better]
  return tune, harmony
