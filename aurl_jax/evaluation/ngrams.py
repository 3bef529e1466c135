"""Notes in a row, whatever their key, their place or their tempo.

A line is the pitched notes of one track, by onset, then by pitch: who copies a
melody under other chords has copied, and who plays a chord has to play all of
it. What counts of a note is how far it is from the note before it, in
semitones and in cells of the grid; so transposed and shifted copies are
copies, and what a tempo makes of a cell does not count. Lengths and velocities
do not, either. Runs are hashed by polynomials modulo 2^32 (Karp and Rabin,
IBM J. Res. Dev. 31, 1987), two of them, in arithmetic of 32 bits that numpy
and a device do alike.

Axes: `k` notes of lines, line after line.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Int, UInt32

from aurl_jax.music.notes import Notes

LONGEST_GAP = 255
"""Cells between notes beyond which all gaps are one."""
_PITCHES = 128
_BASES = (0x9E3779B1, 0x85EBCA77)
"""Odd; primes of xxHash, as good as any."""
_SALTS = (0x2545F491, 0x6C078965)


class Lines(NamedTuple):
  """The lines of a piece, or of many, one behind the other.

  Attributes:
    line: int64 `[k]`, number of the line, ascending.
    cell: int64 `[k]`, onset in cells since the piece began, ascending in a
      line.
    pitch: int64 `[k]`, ascending in a cell.
  """

  line: Int[np.ndarray, ' k']
  cell: Int[np.ndarray, ' k']
  pitch: Int[np.ndarray, ' k']

  def whole(self, notes: int) -> Bool[np.ndarray, ' k']:
    """Returns at which notes so many in a row of one line end."""
    found = np.zeros(len(self.line), np.bool_)
    found[notes - 1 :] = (
      self.line[notes - 1 :] == self.line[: max(len(self.line) - notes + 1, 0)]
    )
    return found


def lines(notes: Notes, cells_per_beat: int) -> Lines:
  """Returns the lines of a piece, a track each; equal notes stand once.

  Args:
    notes: Of any clock; an onset counts as its nearest cell.
    cells_per_beat: Of the grid.
  """
  beat = notes.ticks_per_beat
  tuned = ~notes.is_drum
  onset = notes.onset[tuned]
  cell = (2 * onset * cells_per_beat + beat) // (2 * beat)
  rows: Int[np.ndarray, '3 k'] = np.stack(
    [notes.track[tuned], cell, notes.pitch[tuned]]
  ).astype(np.int64)
  rows = rows[:, np.lexsort(rows[::-1])]
  new = (np.diff(rows, prepend=-1) != 0).any(axis=0)
  return Lines(*rows[:, new])


def joined(parts: Sequence[Lines]) -> Lines:
  """Returns the lines of several pieces, numbered on."""
  first, numbers = 0, []
  for part in parts:
    numbers.append(part.line + first)
    first = int(numbers[-1].max(initial=first - 1)) + 1
  none = np.zeros(0, np.int64)
  return Lines(
    np.concatenate([none, *numbers]),
    np.concatenate([none, *(part.cell for part in parts)]),
    np.concatenate([none, *(part.pitch for part in parts)]),
  )


def steps(interval: Any, gap: Any) -> Any:
  """Returns what tells a note from the one before, uint32 of their shape.

  For numpy and for jax arrays.

  Args:
    interval: Semitones up from the note before, -127..127.
    gap: Cells behind it, at least 0.
  """
  far = gap > LONGEST_GAP
  gap = gap * ~far + LONGEST_GAP * far
  return ((interval + _PITCHES) * (LONGEST_GAP + 1) + gap).astype(np.uint32)


def mixed(value: Any) -> Any:
  """Returns 32 well mixed bits of 32 bits, one to one.

  The finaliser of MurmurHash3 (A. Appleby, public domain). For arrays of
  uint32, of numpy or jax.
  """
  value = (value ^ (value >> np.uint32(16))) * np.uint32(0x85EBCA6B)
  value = (value ^ (value >> np.uint32(13))) * np.uint32(0xC2B2AE35)
  return value ^ (value >> np.uint32(16))


def keys(row: Sequence[Any]) -> tuple[Any, Any]:
  """Returns two hashes of steps in a row, uint32 of their common shape.

  Args:
    row: The first step, the second …, each uint32; they broadcast.
  """
  return key(row, 0), key(row, 1)


def key(row: Sequence[Any], which: int = 0) -> Any:
  """Returns one of the two hashes of `keys`, the first or the second."""
  base, salt = np.uint32(_BASES[which]), np.uint32(_SALTS[which])
  total = mixed(row[0] ^ salt)
  for step in row[1:]:
    total = total * base + mixed(step ^ salt)
  return mixed(total)


def grams(rows: Lines, notes: int) -> tuple[UInt32[np.ndarray, 'k 2'], Any]:
  """Returns the hashes of all runs of so many notes.

  Args:
    rows: The lines.
    notes: Of a run, at least 2.

  Returns:
    Of each note the hashes of the run that ends there, and bool `[k]`,
    whether there is one; where not, the hashes mean nothing.
  """
  count = len(rows.line)
  found = np.zeros((count, 2), np.uint32)
  if count >= notes:
    told = steps(np.diff(rows.pitch), np.diff(rows.cell).clip(0))
    runs = count - notes + 1
    row = [told[first : first + runs] for first in range(notes - 1)]
    found[notes - 1 :] = np.stack(keys(row), axis=1)
  return found, rows.whole(notes)
