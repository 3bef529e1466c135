"""How intense a piece is from bar to bar, its climax, and what follows it.

A bar is intense that is loud, full of notes, of many voices, and high. Each is
put between 0 and 1 by fixed bounds, so that pieces can be compared, and their
weighted mean is smoothed. Axis: `m` bars.
"""

import dataclasses

import numpy as np

from aurl_jax.studies.structure.views import Views

_WEIGHTS = np.array([0.3, 0.2, 0.3, 0.2])
"""Of notes, height, loudness, voices."""
_MOST_NOTES, _MOST_VOICES = 64, 8
_LOW, _HIGH = -1.5, 1.5
"""Octaves from middle C between which mean pitches lie."""
_AROUND = 2
"""Bars to either side over which it is smoothed."""
_REST = 4
"""Bars at the end that a piece comes to rest in."""


@dataclasses.dataclass(frozen=True)
class Climax:
  """Where a piece is most intense, and how that is resolved.

  Attributes:
    bar: The most intense one, the last of equals; -1 of an empty piece.
    intensity: There, 0..1.
    rise: By how much it is above the mean of what comes before, -1..1.
    fall: By how much it is above the last four bars, 0..1.
    resolved: The first bar behind it that is as calm as the piece's mean; -1
      if there is none.
  """

  bar: int
  intensity: float
  rise: float
  fall: float
  resolved: int


def intensity(views: Views) -> np.ndarray:
  """Returns the intensity of each bar, [m], 0..1."""
  notes, high, loud, voices, _ = views.sums.T
  parts = np.stack(
    [
      np.log1p(notes) / np.log1p(_MOST_NOTES),
      np.where(notes > 0, (high - _LOW) / (_HIGH - _LOW), 0),
      loud,
      voices / _MOST_VOICES,
    ]
  )
  return smoothed(_WEIGHTS @ np.clip(parts, 0, 1))


def smoothed(values: np.ndarray) -> np.ndarray:
  """Returns a mean over five bars, the near ones counting more, [m]."""
  if not len(values):
    return values
  taper = np.hanning(2 * _AROUND + 3)[1:-1]
  size = np.convolve(np.ones(len(values)), taper, mode='full')
  total = np.convolve(values, taper, mode='full')
  return np.asarray((total / size)[_AROUND : _AROUND + len(values)])


def climax(values: np.ndarray) -> Climax:
  """Returns the climax of a curve, [m].

  Example:
    >>> climax(np.array([0.2, 0.4, 0.9, 0.3, 0.1])).bar
    2
  """
  if not len(values):
    return Climax(-1, 0.0, 0.0, 0.0, -1)
  bar = len(values) - 1 - int(values[::-1].argmax())
  top = float(values[bar])
  calm = np.flatnonzero(values[bar:] <= values.mean())
  before = float(values[:bar].mean()) if bar else top
  fall = top - float(values[-_REST:].mean())
  return Climax(
    bar, top, top - before, fall, bar + int(calm[0]) if len(calm) else -1
  )
