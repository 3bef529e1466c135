"""What the study of chords tells of a piece.

Axes: `c` chords, `m` bar lines. A key is 0..11 for the major key of a tonic
and 12..23 for the minor one.
"""

import dataclasses

import numpy as np

from aurl_jax.music import chords as chords_lib
from aurl_jax.music import theory
from aurl_jax.music.chords import Chord

KEYS = 24
_ASCII = str.maketrans({'♭': 'b', '♯': '#'})


@dataclasses.dataclass(frozen=True, eq=False)
class Harmony:
  """Chords one behind the other, and the key of each.

  Attributes:
    starts: [c] float64, seconds, ascending.
    ends: [c] float64, seconds, after the starts.
    chord: [c] int64, by `music.chords.from_index`.
    bass: [c] int64, pitch class of the lowest note; -1 where it is the root.
    key: [c] int64, 0..23, the local key; -1 where none is told.
    bars: [m] float64, seconds of the bar lines, the last one at the end.
  """

  starts: np.ndarray
  ends: np.ndarray
  chord: np.ndarray
  bass: np.ndarray
  key: np.ndarray
  bars: np.ndarray

  def __len__(self) -> int:
    return len(self.starts)

  @property
  def lengths(self) -> np.ndarray:
    """Seconds of each chord, [c]."""
    return self.ends - self.starts

  def chords(self) -> list[Chord]:
    """Returns the chords, with their basses."""
    pairs = zip(self.chord.tolist(), self.bass.tolist(), strict=True)
    return [_with_bass(index, bass) for index, bass in pairs]

  def labels(self) -> list[str]:
    """Returns the Harte labels, such as 'C:maj/3'."""
    return [chord.label() for chord in self.chords()]

  def key_runs(self) -> list[tuple[float, float, int]]:
    """Returns (start, end, key) of each stretch of one key."""
    runs: list[tuple[float, float, int]] = []
    for start, end, key in zip(
      self.starts.tolist(), self.ends.tolist(), self.key.tolist(), strict=True
    ):
      if runs and runs[-1][2] == key:
        runs[-1] = (runs[-1][0], end, key)
      else:
        runs.append((start, end, key))
    return [run for run in runs if run[2] >= 0]

  def main_key(self) -> int:
    """Returns the key that holds longest; -1 without one."""
    told = self.key >= 0
    if not told.any():
      return -1
    return int(np.bincount(self.key[told], self.lengths[told]).argmax())


def _with_bass(index: int, bass: int) -> Chord:
  chord = chords_lib.from_index(index)
  if bass < 0 or chord.root is None or bass == chord.root:
    return chord
  return dataclasses.replace(chord, bass=bass)


def key_name(key: int) -> str:
  """Returns the name of a key 0..23, as mir_eval reads it.

  Example:
    >>> key_name(3), key_name(9 + 12)
    ('Eb major', 'A minor')
  """
  if not 0 <= key < KEYS:
    raise ValueError(f'key {key}; there are 0..{KEYS - 1}')
  minor = key >= 12
  fifths = (7 * (key % 12) - 3 * minor + 5) % 12 - 5
  return theory.key_name(fifths, minor).translate(_ASCII)
