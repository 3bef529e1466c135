"""`Line`: one voice of a piece, a note at a time; and how it is cut to cells.

Axis: `n` notes, ascending by onset.
"""

import dataclasses

import numpy as np

from aurl_jax.music import time
from aurl_jax.music.notes import Notes

CELLS = 12
"""Cells of a quarter note: both triplets and sixteenths lie on them."""
_COARSE = 4
_PLAYED = 1 / 80
"""Quarter notes from the cells at which the middle note of a score is not."""


@dataclasses.dataclass(frozen=True)
class Line:
  """A melody.

  Attributes:
    onset: [n] float64, quarter notes from the start of the piece, ascending.
    duration: [n] float64, quarter notes; no note ends after the next begins.
    pitch: [n] int64, MIDI pitch.
    start: [n] float64, seconds.
    end: [n] float64, seconds.
  """

  onset: np.ndarray
  duration: np.ndarray
  pitch: np.ndarray
  start: np.ndarray
  end: np.ndarray

  def __len__(self) -> int:
    return len(self.onset)

  @property
  def gaps(self) -> np.ndarray:
    """Quarter notes from each onset to the next; to its end for the last."""
    return np.append(np.diff(self.onset), self.duration[-1:])

  @property
  def cells(self) -> np.ndarray:
    """The onsets in twelfths of a quarter note, [n] int64.

    Of music that is played and not written, to whole sixteenths: what lies
    between them is no rhythm.
    """
    cells = np.round(self.onset * CELLS)
    off = np.abs(self.onset - cells / CELLS)
    if len(off) and np.median(off) > _PLAYED:
      cells = np.round(self.onset * _COARSE) * (CELLS // _COARSE)
    return cells.astype(np.int64)

  def take(self, first: int, last: int) -> 'Line':
    """Returns the notes first..last - 1."""
    return Line(*(getattr(self, f)[first:last] for f in _FIELDS))


_FIELDS = ('onset', 'duration', 'pitch', 'start', 'end')


def of(notes: Notes, index: np.ndarray | None = None) -> Line:
  """Returns notes of a piece as a line.

  Of those that begin together the highest stays; each ends at the latest
  where the next begins.

  Args:
    notes: The piece.
    index: [k] which notes are meant, in any order; all but drums if None.

  Example:
    >>> chord = Notes.build(4, {'onset': [0, 0, 4], 'duration': 8,
    ...                         'pitch': [60, 64, 62]})
    >>> line = of(chord)
    >>> line.pitch.tolist(), line.duration.tolist()
    ([64, 62], [1.0, 2.0])
  """
  index = np.flatnonzero(~notes.is_drum) if index is None else index
  order = index[np.lexsort([-notes.pitch[index], notes.onset[index]])]
  onset = notes.onset[order]
  order = order[np.append(True, np.diff(onset) > 0)[: len(order)]]
  onset = notes.onset[order]
  end = onset + notes.duration[order]
  end[:-1] = np.minimum(end[:-1], onset[1:])
  beat = float(notes.ticks_per_beat)
  return Line(
    onset / beat,
    (end - onset) / beat,
    notes.pitch[order],
    time.ticks_to_seconds(notes, onset),
    time.ticks_to_seconds(notes, end),
  )
