"""Pulling notes towards 16ths and triplets, beat by beat.

`music.quantise` rounds a piece to a tokenizer's grid; this is the musical
step before it, which decides what a beat is made of. Axis: `n` notes.
"""

import dataclasses

import numpy as np

from aurl_jax.music.notes import Notes
from aurl_jax.music.rebuild import rebuilt


@dataclasses.dataclass(frozen=True, kw_only=True)
class Snap:
  """Beat-aligned quantisation; a beat is a quarter note.

  Each beat is divided by `straight` or by `triplet`: the triplet wins if the
  distances of its onsets, summed over its notes, shrink by over `penalty`.
  Ends follow the division of the beat in which they fall, so that what was
  legato stays so; a note that had a length keeps at least one division. The
  other events (tempos, texts, controls) stay where they are.

  With strength 1 it is idempotent: by the triangle inequality, notes that
  were moved to one division are at least as far from the other as the sums
  differed, and a note that moves to the next beat lies on both divisions.
  With strength 0 nothing changes.

  Attributes:
    strength: How far notes go, 0..1.
    straight: Divisions of a straight beat (4: sixteenths).
    triplet: Divisions of the other kind; 0 for none.
    penalty: Beats by which a triplet must be better.

  Raises:
    ValueError: A value out of range.
  """

  strength: float | int = 1.0
  straight: int = 4
  triplet: int = 3
  penalty: float | int = 0.05

  def __post_init__(self) -> None:
    if not (0 <= self.strength <= 1 and self.penalty >= 0):
      raise ValueError(
        f'strength {self.strength} must lie in 0..1 and penalty '
        f'{self.penalty} be 0 or more'
      )
    if self.straight < 1 or self.triplet < 0:
      raise ValueError(
        f'a beat has 1 or more straight divisions, not {self.straight}, and '
        f'0 or more others, not {self.triplet}'
      )

  def __call__(self, notes: Notes) -> Notes:
    """Returns the piece with onsets and ends pulled to the divisions.

    Example:
      >>> late = Notes.build(12, {'onset': [1, 4, 8], 'duration': 4,
      ...                         'pitch': 60})
      >>> Snap()(late).onset.tolist()
      [0, 4, 8]
    """
    if not len(notes) or not self.strength:
      return notes
    triplets = self.triplet_beats(notes)
    onset, after = self._nearest(notes, notes.onset, triplets)
    end, _ = self._nearest(notes, notes.onset + notes.duration, triplets)
    has_length = notes.duration > 0
    end = np.where(has_length, np.where(end > onset, end, after), onset)
    start = self._pulled(notes.onset, onset)
    length = self._pulled(notes.onset + notes.duration, end) - start
    length = np.where(has_length, np.maximum(length, 1), 0)
    return rebuilt(notes, {'onset': start, 'duration': length})

  def triplet_beats(self, notes: Notes) -> np.ndarray:
    """Returns the beats that are divided by `triplet`, int64, ascending."""
    if not self.triplet:
      return np.zeros(0, np.int64)
    beat, place = np.divmod(notes.onset, notes.ticks_per_beat)
    gain = _distance(place, notes.ticks_per_beat, self.straight)
    gain = gain - _distance(place, notes.ticks_per_beat, self.triplet)
    beats, where = np.unique(beat, return_inverse=True)
    total = np.zeros(len(beats), np.int64)
    np.add.at(total, where, gain)
    return beats[total > self.penalty * notes.ticks_per_beat]

  def _nearest(
    self, notes: Notes, ticks: np.ndarray, triplets: np.ndarray
  ) -> tuple[np.ndarray, np.ndarray]:
    """Returns the division nearest to each tick, and the one behind it."""
    size = notes.ticks_per_beat
    beat, place = np.divmod(ticks, size)
    near = _points(size, self.straight)[_index(place, size, self.straight)]
    near += beat * size
    if len(triplets):
      three = np.isin(beat, triplets)
      index = _index(place[three], size, self.triplet)
      near[three] = _points(size, self.triplet)[index] + beat[three] * size
    return near, self._behind(size, near, triplets)

  def _behind(
    self, size: int, ticks: np.ndarray, triplets: np.ndarray
  ) -> np.ndarray:
    """Returns the first division behind each tick."""
    beat, place = np.divmod(ticks, size)
    points = _points(size, self.straight)
    behind = points[np.searchsorted(points, place, side='right')]
    if len(triplets):
      three = np.isin(beat, triplets)
      points = _points(size, self.triplet)
      index = np.searchsorted(points, place[three], side='right')
      behind[three] = points[index]
    return behind + beat * size

  def _pulled(self, ticks: np.ndarray, goal: np.ndarray) -> np.ndarray:
    if self.strength == 1:
      return goal
    step = np.rint(self.strength * (goal - ticks)).astype(np.int64)
    return ticks + step


def _points(size: int, divisions: int) -> np.ndarray:
  """Returns the ticks of the divisions of a beat, and of its end."""
  twice = 2 * np.arange(divisions + 1) * size + divisions
  return twice // (2 * divisions)


def _index(place: np.ndarray, size: int, divisions: int) -> np.ndarray:
  """Returns the index of the point nearest to each place in a beat."""
  points = _points(size, divisions)
  middles = points[1:] + points[:-1]
  return np.searchsorted(middles, 2 * place, side='right')


def _distance(place: np.ndarray, size: int, divisions: int) -> np.ndarray:
  near = _points(size, divisions)[_index(place, size, divisions)]
  return np.abs(place - near)
