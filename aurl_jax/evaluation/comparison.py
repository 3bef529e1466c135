"""Two sets of pieces side by side: every metric, and distances of the sets.

Nothing that is told is `nan`: what cannot be told is None, with the reason
beside it. Metrics are compared by Mann and Whitney's test, corrected by Holm's
over all of them, with bootstrap intervals of the means over pieces. Sets are
compared by the distances of `evaluation.frechet` and `evaluation.neighbours`
over the vectors of `evaluation.metrics`, by `evaluation.overlap` and
`evaluation.diversity`; distances beside what the reference is to itself, half
against half. Axes: `n`, `m` pieces.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from aurl_jax.evaluation import (
  bootstrap,
  diversity,
  frechet,
  metrics,
  musical,
  neighbours,
  overlap,
  statistics,
)
from aurl_jax.evaluation.bootstrap import Interval
from aurl_jax.music.notes import Notes

FEWEST = 2
"""Pieces of a set that have a metric, for it to be compared."""
_SAMPLES = 1000
"""Sets that are drawn for an interval."""
_OVERLAPPED = 200
"""Pieces of a set whose overlaps are worked out: the cost grows squared."""


class Row(NamedTuple):
  """A metric of two sets.

  Attributes:
    name: Of `metrics.METRICS`.
    generated: Mean over the pieces of the first set, and its interval.
    reference: The same of the second one.
    effect: Cliff's delta, -1..1: above 0 where the first is the larger.
    auc: How often the first is the larger of two, 0..1, with its interval: 0.5
      where the metric does not tell the sets apart.
    p: Chance of such a difference where there is none, corrected.
    pieces: How many of each set have the metric.
  """

  name: str
  generated: Interval
  reference: Interval
  effect: float
  auc: Interval
  p: float
  pieces: tuple[int, int]

  def as_dict(self) -> dict[str, Any]:
    """Returns all but the name as JSON's own types."""
    return {
      'generated': _interval(self.generated),
      'reference': _interval(self.reference),
      'effect': self.effect,
      'auc': _interval(self.auc),
      'p': self.p,
      'pieces': list(self.pieces),
    }


class Comparison(NamedTuple):
  """What two sets are to each other.

  Attributes:
    rows: A row each metric that could be compared.
    left_out: Metric -> why it could not be.
    sets: Name of a distance -> figures by name, or `why` there are none.
  """

  rows: list[Row]
  left_out: dict[str, str]
  sets: dict[str, dict[str, Any]]

  def as_dict(self) -> dict[str, Any]:
    """Returns everything as JSON's own types."""
    rows = {row.name: row.as_dict() for row in self.rows}
    return {'metrics': rows, 'left_out': self.left_out, 'sets': self.sets}


def compare(
  generated: Sequence[Notes],
  reference: Sequence[Notes],
  *,
  seed: int = 0,
  tables: tuple[np.ndarray, np.ndarray] | None = None,
) -> Comparison:
  """Returns what two sets of pieces are to each other.

  Args:
    generated: Pieces of a model, say.
    reference: Pieces of people.
    seed: Of subsets and of drawn sets.
    tables: Metrics of both, as of `metrics.table`, if they are known.

  Raises:
    SetError: A set has fewer than two pieces (code `few`).
  """
  if min(len(generated), len(reference)) < FEWEST:
    raise frechet.SetError(
      f'sets of {len(generated)} and {len(reference)} pieces are too small to '
      'be compared; give two or more of each',
      code='few',
    )
  if tables is None:
    tables = metrics.table(generated), metrics.table(reference)
  rows, left_out = _rows(*tables, seed)
  sets = _distances(*tables, seed)
  sets['overlap'] = _overlaps(generated, reference)
  sets['diversity'] = {
    'self_bleu': _known(diversity.self_bleu(generated)),
    'self_bleu_of_reference': _known(diversity.self_bleu(reference)),
    'distinct_4': _known(diversity.distinct(generated)),
    'distinct_4_of_reference': _known(diversity.distinct(reference)),
  }
  return Comparison(rows, left_out, sets)


def row(
  name: str,
  one: Float[np.ndarray, ' n'],
  other: Float[np.ndarray, ' m'],
  *,
  seed: int = 0,
) -> Row | str:
  """Returns a figure of two sets side by side, its p not corrected.

  Args:
    name: Of the figure.
    one: Of each piece of the first set; those that are no numbers are left out.
    other: Likewise of the second one.
    seed: Of drawn sets.

  Returns:
    The row; or why there is none, where fewer than two pieces have a figure.
  """
  known = [column[np.isfinite(column)] for column in (one, other)]
  pieces = (len(known[0]), len(known[1]))
  if min(pieces) < FEWEST:
    return f'{pieces[0]} and {pieces[1]} pieces have it'
  found = statistics.unpaired(*known)
  made, real = (
    bootstrap.interval(np.mean, x, samples=_SAMPLES, seed=seed) for x in known
  )
  area = statistics.auc(*known)
  return Row(name, made, real, found.effect, area, found.p, pieces)


def _rows(
  one: np.ndarray, other: np.ndarray, seed: int
) -> tuple[list[Row], dict[str, str]]:
  """Returns a row for each metric, and why there is none for the others."""
  rows, left_out = [], {}
  for name, *columns in zip(metrics.BY_NAME, one.T, other.T, strict=True):
    found = row(name, *columns, seed=seed)
    if isinstance(found, str):
      left_out[name] = found
    else:
      rows.append(found)
  corrected = statistics.holm([row.p for row in rows])
  return [
    row._replace(p=float(p)) for row, p in zip(rows, corrected, strict=True)
  ], left_out


def _distances(
  one: np.ndarray, other: np.ndarray, seed: int
) -> dict[str, dict[str, Any]]:
  """Returns distances over the vectors of metrics."""
  real, made, kept = metrics.vectors(other, one)
  names = [list(metrics.BY_NAME)[k] for k in kept]
  found: dict[str, dict[str, Any]] = {}
  try:
    far = frechet.extrapolated(made, real, seed=seed, shrink=True)
    floor, kernel_floor = frechet.floor(real, seed=seed, shrink=True)
    found['frechet'] = {
      **dataclasses.asdict(far),
      'floor': floor,
      'metrics': names,
    }
    found['kernel'] = {
      'distance': frechet.kernel_distance(made, real),
      'floor': kernel_floor,
    }
  except frechet.SetError as error:
    found |= {name: {'why': str(error)} for name in ('frechet', 'kernel')}
  try:
    found['cover'] = neighbours.cover(made, real)._asdict()
  except frechet.SetError as error:
    found['cover'] = {'why': str(error)}
  return found


def _overlaps(
  generated: Sequence[Notes], reference: Sequence[Notes]
) -> dict[str, Any]:
  """Returns the overlap of each feature of both sets (mgeval's), or None."""
  some = [set_[:_OVERLAPPED] for set_ in (generated, reference)]
  found = overlap.overlaps(*some)
  return {name: _known(found[name].mean) for name in musical.FEATURES}


def _interval(found: Interval) -> list[float]:
  return [found.estimate, found.low, found.high]


def _known(value: float) -> float | None:
  return value if math.isfinite(value) else None
