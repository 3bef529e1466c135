"""Metrics of lines: steps, leaps, and how alike two contours are.

A line is the upper one of each track (`musical.intervals`). Shares of steps and
leaps: Huron, "Tone and Voice", Music Perception 2001 (melodies move by small
intervals). Contour: Friedmann, "A methodology for the discussion of contour",
Journal of Music Theory 1985, its contour interval array compared by the pairs
whose order is the same (Marvin and Laprade, "Relating musical contours",
Journal of Music Theory 1987). Axes: `n` notes.
"""

import math

import numpy as np
from jaxtyping import Int

from aurl_jax.evaluation import musical
from aurl_jax.music.notes import Notes

STEP = 2
"""Semitones of the widest step; wider is a skip."""
LEAP = 5
"""Semitones from which an interval is a leap."""


def stepwise_rate(notes: Notes) -> float:
  """Returns the share of a piece's intervals of one or two semitones."""
  size = abs(musical.intervals(notes))
  return _share((size > 0) & (size <= STEP))


def repeated_rate(notes: Notes) -> float:
  """Returns the share of a piece's intervals that repeat a pitch, or `nan`."""
  return _share(musical.intervals(notes) == 0)


def leap_rate(notes: Notes) -> float:
  """Returns the share of a piece's intervals of a fourth and more, or `nan`."""
  return _share(abs(musical.intervals(notes)) >= LEAP)


def leap_recovery(notes: Notes) -> float:
  """Returns how many leaps are followed by a turn of direction, or `nan`.

  Of those leaps after which the line moves at all (von Hippel and Huron, "Why
  do skips precede reversals?", Music Perception 2000).
  """
  found = []
  for track in np.unique(notes.track):
    steps = musical.intervals(_of_track(notes, int(track)))
    leap, then = steps[:-1], steps[1:]
    some = (abs(leap) >= LEAP) & (then != 0)
    found.append(np.sign(leap[some]) != np.sign(then[some]))
  return _share(np.concatenate(found)) if found else math.nan


def contour_similarity(
  one: Int[np.ndarray, ' n'], other: Int[np.ndarray, ' m']
) -> float:
  """Returns the share of the pairs of notes that both lines order alike, 0..1.

  Args:
    one: Pitches of a line, two or more.
    other: As many of another one.

  Raises:
    ValueError: They are not as many, or fewer than two.

  Example:
    >>> contour_similarity(np.array([60, 64, 62]), np.array([50, 59, 48]))
    0.6666666666666666
  """
  if len(one) != len(other) or len(one) < 2:
    raise ValueError(
      f'lines of {len(one)} and {len(other)} notes have no contour in common; '
      'give as many of both, two or more'
    )
  first, second = np.triu_indices(len(one), 1)
  ways = [np.sign(line[second] - line[first]) for line in (one, other)]
  return float((ways[0] == ways[1]).mean())


def _of_track(notes: Notes, track: int) -> Notes:
  keep = notes.track == track
  columns = ('onset', 'duration', 'pitch', 'velocity', 'track')
  return Notes.build(
    notes.ticks_per_beat,
    {name: getattr(notes, name)[keep] for name in columns},
    tracks=notes.tracks,
  )


def _share(hits: np.ndarray) -> float:
  return float(hits.mean()) if len(hits) else math.nan
