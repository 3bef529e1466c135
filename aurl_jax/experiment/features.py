"""Numbers of many pieces, one after another, in memory that does not grow."""

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

_SAMPLE = 10_000
"""Values that quantiles are of; of more, as many are drawn."""


class Spread(NamedTuple):
  """How a feature lies over the pieces that have it.

  Attributes:
    pieces: How many these are.
    mean: Of their values.
    deviation: Their standard deviation.
    quantiles: At 5, 50 and 95 %; of 10,000 of them, if there are more.
    bars: Counts of 20 bins between the least and the greatest of those.
  """

  pieces: int
  mean: float
  deviation: float
  quantiles: tuple[float, float, float]
  bars: tuple[int, ...]


class Gathered:
  """The values of one feature.

  Mean and variance are kept by Welford's method (Technometrics, 1962), and a
  sample by Vitter's algorithm R (ACM TOMS, 1985), drawn from a fixed seed.
  """

  def __init__(self) -> None:
    """Begins with none."""
    self._count, self._mean, self._squares = 0, 0.0, 0.0
    self._sample: list[float] = []
    self._random = np.random.default_rng(0)

  def add(self, value: float) -> None:
    """Takes a value."""
    self._count += 1
    off = value - self._mean
    self._mean += off / self._count
    self._squares += off * (value - self._mean)
    if len(self._sample) < _SAMPLE:
      self._sample.append(value)
      return
    place = int(self._random.integers(self._count))
    if place < _SAMPLE:
      self._sample[place] = value

  def spread(self) -> Spread:
    """Returns what is known; NaN for what no value tells."""
    if not self._count:
      none = (math.nan,) * 3
      return Spread(0, math.nan, math.nan, none, ())
    low, middle, high = np.quantile(self._sample, (0.05, 0.5, 0.95)).tolist()
    bars, _ = np.histogram(self._sample, bins=20)
    deviation = math.sqrt(self._squares / self._count)
    quantiles = (low, middle, high)
    return Spread(
      self._count, self._mean, deviation, quantiles, tuple(bars.tolist())
    )


class Table:
  """Features of pieces, by study and name.

  Attributes:
    pieces: How many were taken.
  """

  def __init__(self) -> None:
    """Begins without a piece."""
    self._found: dict[str, Gathered] = {}
    self.pieces = 0

  def add(self, features: Mapping[str, float | None]) -> None:
    """Takes the `flat` features of a piece; None is no value."""
    self.pieces += 1
    for name, value in features.items():
      gathered = self._found.setdefault(name, Gathered())
      if value is not None:
        gathered.add(value)

  @property
  def names(self) -> list[str]:
    """Names of all features, in the order in which they came."""
    return list(self._found)

  def spreads(self) -> Iterator[tuple[str, Spread]]:
    """Yields names and spreads."""
    for name, gathered in self._found.items():
      yield name, gathered.spread()


def flat(rows: Iterable[Mapping[str, Any]]) -> dict[str, float | None]:
  """Returns the features of a piece, by study and name.

  Args:
    rows: The lines of the piece, as of `studies.analysis`.

  Example:
    >>> flat([{'study': 'chords', 'features': {'rate': 0.5}},
    ...   {'study': 'melody', 'error': {}}])
    {'chords.rate': 0.5}
  """
  return {
    f'{row["study"]}.{name}': value
    for row in rows
    for name, value in row.get('features', {}).items()
  }
