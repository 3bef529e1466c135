"""How alike two melodies are, whatever their key, 0..1, 1 for equal.

Three views, as none is right alone: `edit` counts what must be changed,
`geometric` what coincides, `transport` how far the one curve must be carried to
become the other. Axes: `n`, `m` notes of two lines.
"""

import numpy as np
import scipy.optimize

from aurl_jax.music.midi_scan import compiled
from aurl_jax.studies.melody import contour
from aurl_jax.studies.melody.line import Line

_POINTS = 40
"""Points of a curve that is carried."""
_FAR = 6.0
"""Semitones at which curves are alike by 1/e."""
_LONG = 600
"""Notes of a line that are compared: its first ones."""


def compare(one: Line, other: Line) -> dict[str, float]:
  """Returns all likenesses by name; NaN unless both have two notes."""
  return {
    'edit': edit(one, other),
    'geometric': geometric(one, other),
    'transport': transport(one, other),
  }


def edit(one: Line, other: Line, *, local: bool = False) -> float:
  """Returns how little must be edited to make one line the other.

  After Mongeau and Sankoff, "Comparison of musical sequences", Computers and
  the Humanities 24, 1990: steps are replaced, left out, put in, split and
  joined; a step is an interval and how the time to the next onset compares
  with the one before.

  Args:
    one: A line.
    other: Another.
    local: Whether the shorter line may lie anywhere in the longer one.
  """
  if min(len(one), len(other)) < 2:
    return float('nan')
  if local and len(one) > len(other):
    one, other = other, one
  rows = [_steps(line) for line in (one, other)]
  cost = _distance(*rows[0], *rows[1], local)
  most = len(rows[0][0]) if local else max(len(row[0]) for row in rows)
  return float(np.clip(1 - cost / most, 0, 1))


def _steps(line: Line) -> tuple[np.ndarray, np.ndarray]:
  """Returns intervals in semitones, and ratios of gaps in octaves."""
  line = line.take(0, _LONG)
  gaps = np.log2(np.maximum(np.diff(line.onset), 1e-3))
  return np.diff(line.pitch).astype(np.float64), np.append(0, np.diff(gaps))


@compiled
def _unlike(interval: float, gap: float) -> float:
  """Returns what it costs to take one step for another, 0..1."""
  pitch = min(abs(interval), 4.0) / 4
  return min(0.7 * pitch + 0.3 * min(abs(gap), 2.0) / 2 + 0.2 * (pitch > 0), 1)


@compiled
def _distance(
  one: np.ndarray,
  gaps: np.ndarray,
  other: np.ndarray,
  other_gaps: np.ndarray,
  local: bool,
) -> float:
  """Returns the least cost to make one line the other, by dynamic programming.

  Two steps may stand for one whose interval is their sum: a note more.
  """
  many, most = len(one), len(other)
  table = np.zeros((many + 1, most + 1))
  table[:, 0] = np.arange(many + 1)
  if not local:
    table[0] = np.arange(most + 1)
  for i in range(1, many + 1):
    for j in range(1, most + 1):
      best = min(table[i - 1, j], table[i, j - 1]) + 1
      step = _unlike(one[i - 1] - other[j - 1], gaps[i - 1] - other_gaps[j - 1])
      best = min(best, table[i - 1, j - 1] + step)
      if j > 1:
        pair = other[j - 1] + other[j - 2]
        best = min(
          best, table[i - 1, j - 2] + 0.5 + _unlike(one[i - 1] - pair, 0.0)
        )
      if i > 1:
        pair = one[i - 1] + one[i - 2]
        best = min(
          best, table[i - 2, j - 1] + 0.5 + _unlike(pair - other[j - 1], 0.0)
        )
      table[i, j] = best
  return table[many].min() if local else table[many, most]


def geometric(one: Line, other: Line) -> float:
  """Returns the share of the longer line's points that coincide with others.

  At the best shift in time and pitch. A point is a cell and a pitch: notes that
  fall on one point, a trill between two cells, count once.

  The largest maximal matching of two point sets: Ukkonen, Lemström and
  Mäkinen, "Geometric algorithms for transposition invariant content-based
  music retrieval", ISMIR 2003 (problem P2), by sorting difference vectors.
  """
  if min(len(one), len(other)) < 2:
    return float('nan')
  ones, others = _points(one), _points(other)
  _, counts = np.unique(others[:, None] - ones, return_counts=True)
  return float(counts.max() / max(len(ones), len(others)))


def _points(line: Line) -> np.ndarray:
  """Returns the distinct points of a line, `cell * 1024 + pitch`.

  Differences of two of them tell shifts apart: no two pitches are 512 apart.
  """
  line = line.take(0, _LONG)
  return np.unique(line.cells * 1024 + line.pitch)


def transport(one: Line, other: Line) -> float:
  """Returns how near two curves are, each in its own middle and its own time.

  The Wasserstein distance of order 1 between equal weights on points in time
  and pitch, in semitones, the whole length counting an octave: exp(-distance /
  6). Typke, Giannopoulos, Veltkamp, Wiering and van Oostrum, "Using
  transportation distances for measuring melodic similarity", ISMIR 2003.
  """
  if min(len(one), len(other)) < 2:
    return float('nan')
  times = np.arange(_POINTS) / _POINTS * 12
  curves = [contour.sampled(line, _POINTS) for line in (one, other)]
  first, second = (curve - curve.mean() for curve in curves)
  cost = np.hypot(times[:, None] - times, first[:, None] - second)
  rows, columns = scipy.optimize.linear_sum_assignment(cost)
  return float(np.exp(-cost[rows, columns].mean() / _FAR))
