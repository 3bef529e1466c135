"""Where phrases of a melody end: the local boundary detection model.

Cambouropoulos, "The local boundary detection model (LBDM) and its application
in the study of expressive timing", ICMC 2001. An interval is a boundary as far
as it differs from those beside it: in pitch, in time from onset to onset, and
in the rest before the next note, weighted 1/4, 1/2 and 1/4. Axis: `n` notes.
"""

import numpy as np

from aurl_jax.studies.melody.line import Line

_WEIGHTS = (0.25, 0.5, 0.25)
_LEAST, _SPREADS = 0.55, 1.5
"""Strength of a boundary: of the strongest, or, as one long rest outdoes all
others, standard deviations above the mean, whichever is less."""
_FEWEST = 4
"""Notes of a phrase."""


def strengths(line: Line) -> np.ndarray:
  """Returns how much of a boundary there is before each note, [n], 0..1.

  Example:
    >>> from aurl_jax.music.notes import Notes
    >>> from aurl_jax.studies.melody import line
    >>> tune = Notes.build(1, {'onset': [0, 1, 2, 6, 7, 8], 'duration': 1,
    ...                        'pitch': [60, 62, 64, 65, 64, 62]})
    >>> int(strengths(line.of(tune)).argmax())
    3
  """
  strength = np.zeros(len(line))
  if len(line) < 3:
    return strength
  rest = line.onset[1:] - (line.onset + line.duration)[:-1]
  kinds = (
    np.abs(np.diff(line.pitch)).astype(np.float64),
    np.diff(line.onset),
    np.maximum(rest, 0),
  )
  for weight, steps in zip(_WEIGHTS, kinds, strict=True):
    told = steps * _change(steps)
    strength[1:] += weight * told / max(float(told.max()), 1e-9)
  return strength / max(float(strength.max()), 1e-9)


def _change(steps: np.ndarray) -> np.ndarray:
  """Returns how much each interval differs from its neighbours, 0..2."""
  total = steps[1:] + steps[:-1]
  apart = np.abs(np.diff(steps)) / np.maximum(total, 1e-9)
  return np.append(0, apart) + np.append(apart, 0)


def starts(line: Line) -> np.ndarray:
  """Returns the first note of each phrase, [p] int64.

  Phrases are 4 notes at least, and a line with notes has one.
  """
  if not len(line):
    return np.zeros(0, np.int64)
  strength = strengths(line)
  beside = np.maximum(np.append(0, strength[:-1]), np.append(strength[1:], 0))
  least = min(_LEAST, float(strength.mean() + _SPREADS * strength.std()))
  found = np.flatnonzero((strength >= max(least, 1e-9)) & (strength >= beside))
  firsts = [0]
  for place in found.tolist():
    if place - firsts[-1] >= _FEWEST and len(line) - place >= _FEWEST:
      firsts.append(place)
  return np.array(firsts, np.int64)
