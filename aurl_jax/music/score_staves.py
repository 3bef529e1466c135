"""Who plays what: hands of a keyboard, and voices of a staff.

Axes: `n` notes, `t` onsets, `s` places where the keyboard may be split.
"""

from typing import NamedTuple

import numpy as np

_KEYBOARDS = frozenset({*range(9), *range(16, 24), 46})
"""Programs that two hands play on two staves."""
_SPLITS = np.arange(43, 79)
"""Lowest pitches that the right hand may have at a moment."""
_MIDDLE = 60
_SPAN = 14
"""Semitones that a hand reaches without a leap."""
_MOVE, _OFF_MIDDLE = 0.6, 0.04
"""Costs of a semitone: moving the split, and its distance to middle C."""
_CLEF_MIDDLE = 57
"""Staves that lie lower than this on the whole have a bass clef."""


class Chord(NamedTuple):
  """Notes of one voice that begin and end together.

  Attributes:
    start: Onset.
    end: Where they end.
    rows: Their rows in the piece, lowest pitch first.
  """

  start: int
  end: int
  rows: tuple[int, ...]


def needs_two(program: int, pitch: np.ndarray) -> bool:
  """Whether a part is written on two staves."""
  if program not in _KEYBOARDS or len(pitch) < 2:
    return False
  low, high = np.percentile(pitch, [5, 95])
  return bool(low < _MIDDLE - 5 and high > _MIDDLE)


def clef(program: int, pitch: np.ndarray) -> tuple[str, int, int]:
  """Returns sign, line and octaves of the clef of a staff.

  Args:
    program: General MIDI program.
    pitch: [n], all that it holds.
  """
  if program == 41:
    return 'C', 3, 0
  if 24 <= program <= 31:
    return 'G', 2, -1
  if 32 <= program <= 39 or program == 43:
    return 'F', 4, -1
  middle = float(np.median(pitch)) if len(pitch) else 127
  return ('F', 4, 0) if middle < _CLEF_MIDDLE else ('G', 2, 0)


def right_hand(onset: np.ndarray, pitch: np.ndarray) -> np.ndarray:
  """Returns whether the right hand plays each note, [n] bool.

  The path of the split point that costs least: hands that span little, a
  split that moves little and stays near middle C.

  Args:
    onset: [n], ascending.
    pitch: [n].
  """
  starts, first = np.unique(onset, return_index=True)
  lowest, highest = _reach(pitch, first)
  cost = _spans(lowest, highest)
  moves = _MOVE * np.abs(_SPLITS[:, None] - _SPLITS[None])
  total, back = cost[0], np.zeros(cost.shape, np.int64)
  for row in range(1, len(starts)):
    ways = total[:, None] + moves
    back[row] = ways.argmin(axis=0)
    total = ways.min(axis=0) + cost[row]
  path = np.zeros(len(starts), np.int64)
  path[-1] = total.argmin()
  for row in range(len(starts) - 1, 0, -1):
    path[row - 1] = back[row, path[row]]
  split = _SPLITS[path][np.searchsorted(starts, onset)]
  return np.asarray(pitch >= split)


def _reach(
  pitch: np.ndarray, first: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
  """Returns how far left and right hand reach for each split, [t, s].

  Args:
    pitch: [n], in order of time.
    first: [t], the row of the first note of each onset.
  """
  left = np.where(pitch[:, None] < _SPLITS, pitch[:, None], -1)
  right = np.where(pitch[:, None] >= _SPLITS, pitch[:, None], 128)
  low = np.minimum.reduceat(pitch, first)[:, None]
  high = np.maximum.reduceat(pitch, first)[:, None]
  left_top = np.maximum.reduceat(left, first)
  right_bottom = np.minimum.reduceat(right, first)
  left_span = np.where(left_top < 0, 0, left_top - low)
  right_span = np.where(right_bottom > 127, 0, high - right_bottom)
  return left_span, right_span


def _spans(left: np.ndarray, right: np.ndarray) -> np.ndarray:
  wide = np.maximum(left - _SPAN, 0) + np.maximum(right - _SPAN, 0)
  return wide + _OFF_MIDDLE * np.abs(_SPLITS - _MIDDLE)


def voices(
  onset: np.ndarray, end: np.ndarray, pitch: np.ndarray, rows: np.ndarray
) -> list[list[Chord]]:
  """Returns the voices of a staff: chords in time that do not overlap.

  At each onset the higher chord takes the first voice that is free, so that
  music in one voice stays in the first.

  Args:
    onset: [n] of the piece.
    end: [n] of the piece.
    pitch: [n] of the piece.
    rows: Which of the notes the staff holds.
  """
  chords: dict[tuple[int, int], list[int]] = {}
  for row in rows[np.lexsort([pitch[rows], onset[rows]])].tolist():
    chords.setdefault((int(onset[row]), int(end[row])), []).append(row)
  found: list[list[Chord]] = []
  order = sorted(chords, key=lambda key: (key[0], -pitch[chords[key][-1]]))
  for start, stop in order:
    chord = Chord(start, stop, tuple(chords[start, stop]))
    free = next((v for v in found if v[-1].end <= start), None)
    if free is None:
      found.append([chord])
    else:
      free.append(chord)
  return found
