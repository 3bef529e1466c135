"""What a listener hears begin, as evidence for beats.

Axis: `e` onsets (chords count once). Times are seconds.
"""

import dataclasses

import numpy as np

from aurl_jax.music.notes import Notes
from aurl_jax.studies import groups
from aurl_jax.studies.groups import Played

MARKS = (5, 4, 4, 5, 5, 5)
"""Values that each mark may take: notes of the chord, height above the
lowest note around, loudness against the surroundings, longest note, change
of harmony, time to the next low note."""
_CHORD = 0.04
_AROUND = 1.5
_HARMONY = 0.75


@dataclasses.dataclass(frozen=True)
class Onsets:
  """The onsets of a piece, with their marks.

  Attributes:
    seconds: [e] float64, ascending.
    marks: [e, 6] int64, each below its number in `MARKS`.
  """

  seconds: np.ndarray
  marks: np.ndarray

  def __len__(self) -> int:
    return len(self.seconds)


def find(notes: Notes) -> Onsets:
  """Returns the onsets of a piece; of drums alone, those of its drums."""
  if len(notes) and notes.is_drum.all():
    notes = notes.replace(
      is_drum=np.zeros(len(notes), np.bool_),
      tracks=tuple(track._replace(is_drum=False) for track in notes.tracks),
    )
  heard = groups.played(notes, _CHORD)
  first = heard.first
  if not len(first):
    return Onsets(np.zeros(0), np.zeros((0, len(MARKS)), np.int64))
  seconds = np.add.reduceat(heard.onset, first) / heard.sizes
  lowest = np.minimum.reduceat(heard.pitch, first)
  loudest = np.maximum.reduceat(heard.velocity, first)
  longest = np.maximum.reduceat(heard.end - heard.onset, first)
  height = lowest - _least_around(seconds, lowest)
  marks = [
    np.minimum(heard.sizes, MARKS[0]) - 1,
    np.digitize(height, [1, 5, 12]),
    np.digitize(loudest - groups.local(seconds, loudest, _AROUND)[0],
                [-8, 0, 8]),
    np.digitize(longest, [0.15, 0.3, 0.6, 1.2]),
    np.digitize(_harmony(heard, seconds), [0.1, 0.25, 0.45, 0.7]),
    _until_low(seconds, height < 5),
  ]  # fmt: skip
  return Onsets(seconds, np.stack(marks, axis=1))


def _least_around(seconds: np.ndarray, values: np.ndarray) -> np.ndarray:
  """Returns the least value within `_AROUND` seconds, by a sparse table."""
  low = np.searchsorted(seconds, seconds - _AROUND)
  high = np.searchsorted(seconds, seconds + _AROUND, side='right')
  level = np.frexp(high - low)[1] - 1  # the largest power of two inside
  tables = [values]
  for power in range(int(level.max())):
    last = tables[-1]
    tables.append(np.minimum(last[: -(1 << power)], last[1 << power :]))
  width = max(map(len, tables))
  full = np.stack([np.pad(t, (0, width - len(t))) for t in tables])
  return np.minimum(full[level, low], full[level, high - (1 << level)])


def _harmony(heard: Played, seconds: np.ndarray) -> np.ndarray:
  """Returns 1 - the cosine of the pitch classes before and behind, [e]."""
  heavy = np.zeros((len(heard.onset) + 1, 12))
  length = np.clip(heard.end - heard.onset, 0, 1)
  heavy[np.arange(1, len(heavy)), heard.pitch % 12] = np.sqrt(length)
  total = np.cumsum(heavy, axis=0)

  def until(times: np.ndarray) -> np.ndarray:
    return total[np.searchsorted(heard.onset, times)]

  middle = until(seconds - _CHORD / 2)
  before = middle - until(seconds - _HARMONY)
  behind = until(seconds + _HARMONY) - middle
  norm = np.sqrt((before**2).sum(axis=1) * (behind**2).sum(axis=1))
  return 1 - (before * behind).sum(axis=1) / np.maximum(norm, 1e-9)


def _until_low(seconds: np.ndarray, is_low: np.ndarray) -> np.ndarray:
  """Returns 0 for high onsets, else 1..4 by the time to the next low one."""
  low = np.append(seconds[is_low], seconds[-1] + 2)
  wait = low[np.searchsorted(low, seconds, side='right').clip(0, len(low) - 1)]
  return np.where(is_low, 1 + np.digitize(wait - seconds, [0.35, 0.7, 1.4]), 0)
