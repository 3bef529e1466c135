"""How a piece returns to itself: similarity of its bars, and indicators of it.

The self-similarity matrix (Foote, "Visualizing music and audio using
self-similarity", ACM Multimedia 1999) is of bars, and what is compared are two
views of a bar: how long each pitch class sounds in each quarter of it, and how
many notes begin in each 16th of it; a similarity is the mean of both cosines.

From Wu and Yang, "The Jazz Transformer on the Front Line", ISMIR 2020, section
5, stands the idea of indicators of structure at a short, a middle and a long
range. Theirs is the largest fitness of a segment of so many seconds in a scape
plot of audio (Mueller et al.), which wants a thresholded matrix, a penalty and
optimal paths; ours are plainer, and their values are not comparable: how well
each stretch of four bars is found again at such a distance, earlier or later.
Axes: `m` bars.
"""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from aurl_jax.music.notes import Notes
from aurl_jax.studies.structure import alike, views
from aurl_jax.studies.structure.lines import edges

__all__ = [
  'BANDS',
  'STRETCH',
  'bars',
  'edges',
  'indicators',
  'similarity',
  'wasserstein',
]

BANDS: Mapping[str, tuple[int, int]] = {
  'short': (1, 4),
  'mid': (5, 16),
  'long': (17, 1 << 16),
}
"""Least and largest distance in bars: within a phrase, between phrases, between
sections."""
STRETCH = 4
"""Bars that return together."""


def similarity(notes: Notes) -> Float[np.ndarray, 'm m']:
  """Returns how alike the bars of a piece are, 0..1, 1 for equal ones.

  Bars that are both without pitches, or without notes, count as alike. Bars
  after the last onset are none. Drums have no pitch.
  """
  chroma, onsets = bars(notes)
  return (alike.cosines(chroma) + alike.cosines(onsets)) / 2


def bars(
  notes: Notes,
) -> tuple[Float[np.ndarray, 'm p'], Float[np.ndarray, 'm q']]:
  """Returns what is compared of bars.

  `[m, 48]`, the share of each quarter of a bar in which a pitch class sounds,
  and `[m, 16]`, notes that begin in each 16th of it.
  """
  if not len(notes):
    parts = views.PARTS * views.CLASSES
    return np.zeros((0, parts)), np.zeros((0, views.PLACES))
  return views.sounding(notes, edges(notes))


def indicators(
  matrix: Float[np.ndarray, 'm m'], stretch: int = STRETCH
) -> dict[str, float]:
  """Returns how well stretches are found again, 0..1, for each of `BANDS`.

  The mean over all stretches of the best match among those that begin within
  the band from it; `nan` where a piece is too short for any.

  Args:
    matrix: As of `similarity`.
    stretch: Bars of a stretch.
  """
  count = len(matrix) - stretch + 1
  if count < 1:
    return dict.fromkeys(BANDS, float('nan'))
  alike = sum(
    matrix[k : k + count, k : k + count] for k in range(stretch)
  ) / float(stretch)
  away = np.abs(np.subtract.outer(np.arange(count), np.arange(count)))
  found = {}
  for name, (low, high) in BANDS.items():
    inside = (away >= low) & (away <= high)
    best = np.where(inside, alike, -1).max(axis=1)
    best = best[inside.any(axis=1)]
    found[name] = float(best.mean()) if len(best) else float('nan')
  return found


def wasserstein(
  one: Float[np.ndarray, ' a'], other: Float[np.ndarray, ' b']
) -> float:
  """Returns how far apart two samples are, in their unit.

  The area between their distribution functions: the first Wasserstein distance.

  Example:
    >>> wasserstein(np.array([0.0, 1.0]), np.array([2.0, 3.0]))
    2.0
  """
  one, other = np.sort(one), np.sort(other)
  points = np.sort(np.concatenate([one, other]))
  shares = [
    np.searchsorted(part, points[:-1], side='right') / len(part)
    for part in (one, other)
  ]
  return float(np.sum(np.abs(shares[0] - shares[1]) * np.diff(points)))
