"""The shape of a melody: nine classes, and a sum of cosines.

Huron, "The melodic arch in Western folksongs", Computing in Musicology 10,
1996, compares the first pitch, the mean of those between, and the last one.
Cornelissen, Zuidema and Burgoyne, "Cosine contours: a multipurpose
representation for melodies", ISMIR 2021, sample the pitch at equal times and
keep the first coefficients of its discrete cosine transform: the first of
them says how far it falls, the second how far it sags.
"""

import numpy as np
import scipy.fft

from aurl_jax.music import theory
from aurl_jax.studies.melody.line import Line

_WAYS = (
  *((1, -1), (-1, 1), (1, 1), (-1, -1), (0, 0)),
  *((1, 0), (-1, 0), (0, 1), (0, -1)),
)
CLASSES = dict(zip(_WAYS, theory.CONTOURS, strict=True))
"""Which way it goes to the middle, and from there -> class."""
_SAME = 0.5
"""Semitones that are no difference: means are seldom whole."""
SAMPLES, COEFFICIENTS = 50, 5


def huron(line: Line) -> str:
  """Returns the class of a line, one of `CLASSES`; '' without notes.

  Example:
    >>> from aurl_jax.music.notes import Notes
    >>> from aurl_jax.studies.melody import line
    >>> arch = Notes.build(1, {'onset': range(5), 'duration': 1,
    ...                        'pitch': [60, 64, 67, 64, 60]})
    >>> huron(line.of(arch))
    'convex'
  """
  if not len(line):
    return ''
  first, last = float(line.pitch[0]), float(line.pitch[-1])
  inner = line.pitch[1:-1]
  middle = float(inner.mean()) if len(inner) else (first + last) / 2
  return CLASSES[_way(middle - first), _way(last - middle)]


def _way(step: float) -> int:
  """Returns which way a step goes, -1, 0, 1."""
  return int(np.sign(step)) if abs(step) >= _SAME else 0


def sampled(line: Line, samples: int = SAMPLES) -> np.ndarray:
  """Returns the pitch at equal times of a line, [samples] float64.

  A rest has the pitch of the note before it.
  """
  if not len(line):
    return np.zeros(samples)
  end = line.onset[-1] + line.duration[-1]
  share = (np.arange(samples) + 0.5) / samples
  times = line.onset[0] + share * (end - line.onset[0])
  place = np.searchsorted(line.onset, times, side='right') - 1
  return line.pitch[np.maximum(place, 0)].astype(np.float64)


def cosine(line: Line, coefficients: int = COEFFICIENTS) -> np.ndarray:
  """Returns the first coefficients of a contour without its mean, semitones.

  Each is the amplitude of its cosine: positive first one, it falls; positive
  second one, it sags.

  Returns:
    [coefficients] float64.
  """
  pitch = sampled(line)
  turned = scipy.fft.dct(pitch - pitch.mean(), norm='ortho')
  return turned[1 : coefficients + 1] * np.sqrt(2 / len(pitch))
