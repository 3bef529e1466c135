"""Notes that begin together, and what surrounds a note.

Axes: `n` notes that are no drums, in order of onset; `g` groups of them.
Times are seconds.
"""

import dataclasses

import numpy as np

from aurl_jax.music import time
from aurl_jax.music.notes import Notes

TOGETHER = 0.03
"""Seconds in which the notes of a chord begin."""


@dataclasses.dataclass(frozen=True)
class Played:
  """The pitched notes of a piece, in seconds.

  Attributes:
    index: [n] int64, where each note stands in the piece.
    onset: [n] float64, seconds, ascending.
    end: [n] float64, seconds.
    pitch: [n] int64.
    velocity: [n] int64.
    first: [g] int64, the first note of each group.
  """

  index: np.ndarray
  onset: np.ndarray
  end: np.ndarray
  pitch: np.ndarray
  velocity: np.ndarray
  first: np.ndarray

  @property
  def sizes(self) -> np.ndarray:
    """Notes of each group, [g] int64."""
    return np.diff(np.append(self.first, len(self.onset)))

  @property
  def group(self) -> np.ndarray:
    """The group of each note, [n] int64."""
    return np.repeat(np.arange(len(self.first)), self.sizes)


def played(notes: Notes, together: float = TOGETHER) -> Played:
  """Returns the pitched notes of a piece in groups.

  Args:
    notes: The piece; its drums are left out.
    together: Seconds between the first and the last onset of a group.
  """
  index = np.flatnonzero(~notes.is_drum)
  onset = time.ticks_to_seconds(notes, notes.onset[index])
  end = time.ticks_to_seconds(notes, (notes.onset + notes.duration)[index])
  return Played(
    index,
    onset,
    end,
    notes.pitch[index],
    notes.velocity[index],
    firsts(onset, together),
  )


def firsts(onset: np.ndarray, together: float = TOGETHER) -> np.ndarray:
  """Returns where groups begin, [g] int64.

  Args:
    onset: [n] seconds, ascending.
    together: Seconds between the first and the last onset of a group.

  Example:
    >>> firsts(np.array([0.0, 0.01, 0.5])).tolist()
    [0, 2]
  """
  after = np.searchsorted(onset, onset + together, side='right').tolist()
  found, place = [], 0
  while place < len(onset):
    found.append(place)
    place = after[place]
  return np.array(found, np.int64)


def local(
  onset: np.ndarray, values: np.ndarray, seconds: float | int
) -> tuple[np.ndarray, np.ndarray]:
  """Returns mean and standard deviation around each onset.

  Args:
    onset: [n] seconds, ascending.
    values: [n] numbers.
    seconds: How far to either side.
  """
  low = np.searchsorted(onset, onset - seconds)
  high = np.searchsorted(onset, onset + seconds, side='right')
  one = np.append(0.0, np.cumsum(values))
  two = np.append(0.0, np.cumsum(np.square(values, dtype=np.float64)))
  size = np.maximum(high - low, 1)
  mean = (one[high] - one[low]) / size
  square = (two[high] - two[low]) / size
  return mean, np.sqrt(np.maximum(square - mean**2, 0))
