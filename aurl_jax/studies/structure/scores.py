"""Scores of a segmentation against another one.

Those of the field (MIREX; Nieto et al., "Audio-based music structure analysis",
TISMIR 2020): precision, recall and F1 of boundaries within a tolerance, each
matched once, and of pairs of times that have one label. The piece's start and
end are no boundaries. Axes: `s` sections, `b` boundaries.
"""

from collections.abc import Sequence

import numpy as np

_STEP = 0.1
"""Seconds between the times whose labels are compared."""
_MOST = 20_000


def boundaries(
  found: np.ndarray, truth: np.ndarray, within: float | int
) -> tuple[float, float, float]:
  """Returns precision, recall and F1 of boundaries, 0..1; nothing there is 1.

  Args:
    found: [b] ascending.
    truth: [b] ascending, in the same unit.
    within: How far apart a boundary and its match may be.

  Example:
    >>> boundaries(np.array([4, 8]), np.array([4, 9, 12]), 0)[0]
    0.5
  """
  hits, at = 0, 0
  for value in found.tolist():
    while at < len(truth) and truth[at] < value - within:
      at += 1
    if at < len(truth) and truth[at] <= value + within:
      hits, at = hits + 1, at + 1
  precision = hits / len(found) if len(found) else float(not len(truth))
  recall = hits / len(truth) if len(truth) else float(not len(found))
  return precision, recall, _mean(precision, recall)


def pairs(
  found: tuple[np.ndarray, Sequence[str]],
  truth: tuple[np.ndarray, Sequence[str]],
  end: float | int,
) -> tuple[float, float, float]:
  """Returns precision, recall and F1 of pairs of times with one label, 0..1.

  Of Levy and Sandler, "Structural segmentation of musical audio by constrained
  clustering" (IEEE TASLP 2008).

  Args:
    found: [s] where sections begin, ascending from 0, and their labels.
    truth: Likewise.
    end: Of the piece, in the same unit, seconds or bars.
  """
  times = np.linspace(0, end, min(_MOST, max(2, int(end / _STEP))), False)
  one, other = (_groups(*part, times) for part in (found, truth))
  table = np.zeros((one.max() + 1, other.max() + 1))
  np.add.at(table, (one, other), 1)
  both = _twos(table).sum()
  precision = both / max(_twos(table.sum(axis=1)).sum(), 1)
  recall = both / max(_twos(table.sum(axis=0)).sum(), 1)
  return float(precision), float(recall), _mean(precision, recall)


def edits(one: Sequence[str], other: Sequence[str]) -> int:
  """Returns how many labels are to be set, added or removed (Levenshtein).

  Example:
    >>> edits('AABA', 'ABA')
    1
  """
  row = np.arange(len(other) + 1)
  for place, label in enumerate(one, 1):
    best = np.empty(len(other) + 1, np.int64)
    best[0] = place
    differs = np.array([label != x for x in other], np.int64)
    best[1:] = np.minimum(row[1:] + 1, row[:-1] + differs)
    # A label is added: the least of what stands to the left, a step each.
    steps = np.arange(len(best))
    row = np.minimum.accumulate(best - steps) + steps
  return int(row[-1])


def _groups(
  starts: np.ndarray, labels: Sequence[str], times: np.ndarray
) -> np.ndarray:
  """Returns the number of the label at each time."""
  number = np.unique(np.array(labels), return_inverse=True)[1]
  place = np.searchsorted(starts, times, side='right') - 1
  return np.asarray(number[np.maximum(place, 0)])


def _twos(counts: np.ndarray) -> np.ndarray:
  return counts * (counts - 1) / 2


def _mean(precision: float, recall: float) -> float:
  """Returns the harmonic mean."""
  total = float(precision) + float(recall)
  return 2 * float(precision) * float(recall) / total if total else 0.0
