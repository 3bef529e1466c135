"""Sections by decomposing the matrix of a piece.

Spectral clustering of McFee and Ellis, "Analyzing song structure with spectral
clustering" (ISMIR 2014): bars are nodes of a graph, tied to those they repeat
and to their neighbours; the first eigenvectors of its Laplacian are smooth
where a piece stays the same. Here bars are grouped by them as there, but begun
from the farthest bars instead of by chance, so that a piece always gives the
same. Axes: `m` bars, `k` eigenvectors.
"""

import dataclasses

import numpy as np
import scipy.ndimage

from aurl_jax.studies.structure import alike, evidence
from aurl_jax.studies.structure.views import Views

_ROUNDS = 30
_NEAREST = 1
"""Bars to either side that are no repetition."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Spectral:
  """Finds where the group of bars changes.

  Attributes:
    groups: Eigenvectors, and groups of bars.
    around: Bars over which repetition is smoothed, along diagonals.
    links: Repetitions that a bar is tied to.
  """

  groups: int = 4
  around: int = 1
  links: int = 6

  def find(self, views: Views) -> np.ndarray:
    """Returns the first bar of each section, [s] int64; the first one is 0."""
    found = [np.zeros(1, np.int64)]
    for low, high, first, last in evidence.blocks(len(views)):
      group = self.grouped(alike.matrices(views[low:high])['all'])
      part = low + 1 + np.flatnonzero(np.diff(group))
      found.append(part[(part >= first) & (part < last)])
    return np.unique(np.concatenate(found))

  def grouped(self, matrix: np.ndarray) -> np.ndarray:
    """Returns the group of each bar, [m] int64, from a similarity, [m, m]."""
    vectors = eigenvectors(self._graph(matrix), self.groups)
    return _clustered(vectors, self.groups)

  def _graph(self, matrix: np.ndarray) -> np.ndarray:
    """Returns how strongly bars are tied, [m, m], symmetric."""
    count = len(matrix)
    line = np.arange(count)
    smooth = alike.along(matrix, -self.around, self.around + 1)
    near = np.abs(np.subtract.outer(line, line)) <= _NEAREST
    smooth = np.where(near, 0, smooth) ** 4
    kept = min(self.links, count)
    least = -np.partition(-smooth, kept - 1, axis=1)[:, kept - 1 : kept]
    again = np.where(smooth >= least, smooth, 0)
    again = np.minimum(again, again.T)
    path = np.zeros_like(again)
    steps = np.diagonal(matrix, 1)
    path[line[:-1], line[1:]] = path[line[1:], line[:-1]] = steps + 1e-3
    # Both kinds of ties count alike at each bar (their equation 7).
    one, other = again.sum(axis=1), path.sum(axis=1)
    total = one + other
    share = float(other @ total / max(float(total @ total), 1e-12))
    return np.asarray(share * again + (1 - share) * path)


def eigenvectors(graph: np.ndarray, count: int) -> np.ndarray:
  """Returns the first of the symmetric normalised Laplacian, [m, k], rows 1.

  They are smoothed by a median of nine bars, as there.
  """
  degree = 1 / np.sqrt(np.maximum(graph.sum(axis=1), 1e-9))
  laplacian = np.eye(len(graph)) - graph * degree[:, None] * degree
  vectors = np.linalg.eigh(laplacian)[1][:, :count]
  smooth = scipy.ndimage.median_filter(vectors, size=(9, 1), mode='nearest')
  size = np.linalg.norm(smooth, axis=1, keepdims=True)
  return np.asarray(smooth / np.maximum(size, 1e-9))


def _clustered(rows: np.ndarray, count: int) -> np.ndarray:
  """Returns the group of each row, by Lloyd's iteration from far rows."""
  centres = rows[:1]
  while len(centres) < min(count, len(rows)):
    away = np.square(rows[:, None] - centres).sum(axis=2).min(axis=1)
    centres = np.vstack([centres, rows[away.argmax()]])
  group = np.zeros(len(rows), np.int64)
  for _ in range(_ROUNDS):
    group = np.square(rows[:, None] - centres).sum(axis=2).argmin(axis=1)
    for k in np.unique(group).tolist():
      centres[k] = rows[group == k].mean(axis=0)
  return group
