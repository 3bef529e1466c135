"""Where the bars of a piece are, for who studies its structure.

Bars as the meters say, unless these cannot be meant: then the piece is moved
(`studies.bars`) by a pulse that is read off its onsets, not tracked, which
takes milliseconds. Axis: `m` bars, `b` beats.
"""

import numpy as np

from aurl_jax.music import time
from aurl_jax.music.notes import Notes
from aurl_jax.studies import bars, beats
from aurl_jax.studies.beats import Beats

_OFF = 0.02
"""Beats by which 16ths lie off the ticks' own, from which the ticks' bars are
not the music's."""
_HEED = 0.5
"""Of `beats.off_grid`: more and no pulse can be read off the ticks."""
_BASS = 55
"""Pitches below it tell where beats are twice as loudly."""
_MOST_BARS = 4096
"""Of a piece that has more, several are seen as one."""
_MOST_BEATS = 1 << 20
_LEAST = 2
"""Quarter notes that a bar has; shorter ones are joined."""


def edges(notes: Notes) -> np.ndarray:
  """Returns where bars begin, and where the last one ends, in ticks, `[m + 1]`.

  As the meters say. Bars after the last onset are none; the piece must have
  notes.

  Example:
    >>> edges(Notes.build(4, {'onset': [0, 20], 'duration': 4, 'pitch': 60}))
    array([ 0, 16, 32])
  """
  starts = time.bar_starts(notes, int(notes.onset[-1]) + 1)
  changes = time.meter_changes(notes)
  later = [tick for tick, *_ in changes if tick > starts[-1]]
  _, above, below = changes[len(changes) - len(later) - 1]
  full = -(-4 * notes.ticks_per_beat * above // below)
  return np.append(starts, min([int(starts[-1]) + full, *later]))


def heard(notes: Notes) -> np.ndarray:
  """Returns the edges of bars, in ticks, `[m + 1]`, believed or found.

  They are found, in fours, where the piece tells no meter or bars of one beat,
  or where its 16ths lie off the grid of its ticks; then silence before the
  first onset has no bars, and the first edge may lie before tick 0.
  """
  if not len(notes):
    return np.zeros(1, np.int64)
  if _believed(notes):
    return _few(edges(notes))
  moved = bars.aligned(notes, pulse(notes))
  if moved is notes:
    return _few(_joined(edges(notes), notes.ticks_per_beat))
  return _few(edges(moved) + int(notes.onset[0] - moved.onset[0]))


def pulse(notes: Notes) -> Beats:
  """Returns a steady pulse of quarter notes, read off the onsets.

  The phase of 16ths is their circular mean; of the four, that is the beat on
  which most begins, long and low notes counting more. It tells no downbeats.
  """
  size = notes.ticks_per_beat
  weight = np.minimum(notes.duration, size) / size + 0.25
  fine = _phase(notes, weight)
  place = np.rint((notes.onset - fine) * 4 / size).astype(np.int64) % 4
  weight = weight * np.where(notes.pitch < _BASS, 2, 1)
  best = np.bincount(place, weight, minlength=4).argmax()
  first = round(fine + best * size / 4) % size
  ticks = np.arange(first, notes.onset[-1] + size, size)
  none = np.ones(len(ticks), np.int64)
  seconds = time.ticks_to_seconds(notes, ticks)
  return Beats(seconds, np.arange(len(ticks)), none)


def _phase(notes: Notes, weight: np.ndarray) -> float:
  """Returns the ticks by which 16ths lie behind the grid's, -1/2..1/2 16th."""
  period = notes.ticks_per_beat / 4
  mean = (weight * np.exp(2j * np.pi * notes.onset / period)).sum()
  return float(np.angle(mean)) / (2 * np.pi) * period


def _believed(notes: Notes) -> bool:
  """Whether the bars of the meters can be meant, or none can be found."""
  if notes.onset[-1] > _MOST_BEATS * notes.ticks_per_beat:
    return True
  if beats.off_grid(notes) > _HEED:
    found = notes.onset / (notes.ticks_per_beat / 4)
    if abs(np.exp(2j * np.pi * found).mean()) < _HEED:
      return True
  changes = time.meter_changes(notes)
  if len(notes.meters) and changes[0][1] / changes[0][2] > 1 / 4:
    off = _phase(notes, np.ones(len(notes)))
    return abs(off) <= _OFF * notes.ticks_per_beat
  return False


def _joined(found: np.ndarray, beat: int) -> np.ndarray:
  """Returns edges of which several make a bar, if bars are too short."""
  usual = float(np.median(np.diff(found)))
  if usual >= _LEAST * beat or len(found) < 3:
    return found
  return _thinned(found, max(1, round(4 * beat / usual)))


def _few(found: np.ndarray) -> np.ndarray:
  """Returns the edges of at most so many bars."""
  return _thinned(found, -(-(len(found) - 1) // _MOST_BARS))


def _thinned(found: np.ndarray, many: int) -> np.ndarray:
  """Returns edges of which so many bars make one."""
  return np.append(found[:-1:many], found[-1])
