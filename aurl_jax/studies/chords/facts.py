"""What a learned listener is told of each atom: windows around its beat.

All facts are shares of pitch classes in stretches of time, in the order of
`WINDOWS`, so that they turn with the root: one listener serves twelve roots.
Axes: `a` atoms, `f` facts.
"""

import numpy as np

from aurl_jax.studies.chords import pulse
from aurl_jax.studies.chords.atoms import Atoms

WINDOWS = (
  (-12.0, 12.0),
  (-4.0, -2.0),
  (-2.0, -1.0),
  (-1.0, 0.0),
  (0.0, 1.0),
  (1.0, 2.0),
  (2.0, 4.0),
)
"""Quarter notes from the beat in which an atom begins."""
BASSES = WINDOWS[3:6]
TURNED = len(WINDOWS) + len(BASSES) + 3
"""Facts that turn with the root: of the windows, the atom, what is struck."""
FIXED = pulse.LEVELS + 2
"""Facts that do not: the level, the length and the fullness."""
_ON_BEAT = 2


def tell(atoms: Atoms, levels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """Returns the facts, [a, TURNED, 12] and [a, FIXED] float32.

  Args:
    atoms: Of a piece.
    levels: [a] of `pulse.levels`.
  """
  edge = np.append(0.0, np.cumsum(atoms.length))
  start = _beat(edge[:-1], levels)
  low = atoms.bass * atoms.length[:, None]
  rows = [
    _window(atoms.sounding, edge, start + a, start + b) for a, b in WINDOWS
  ]
  rows += [_window(low, edge, start + a, start + b) for a, b in BASSES]
  rows += [atoms.sounding, low, np.minimum(atoms.struck, 2)]
  facts = np.stack(rows, axis=1)
  turned = facts / np.maximum(facts.sum(axis=2, keepdims=True), 1e-9)
  level = levels[:, None] == np.arange(pulse.LEVELS)
  length = np.minimum(atoms.length, 4.0)
  full = atoms.sounding.sum(axis=1) / atoms.length
  fixed = np.column_stack([level, length, np.minimum(full, 4.0)])
  return turned.astype(np.float32), fixed.astype(np.float32)


def _beat(start: np.ndarray, levels: np.ndarray) -> np.ndarray:
  """Returns where the beat of each atom begins, [a] quarter notes."""
  beat = np.where(levels <= _ON_BEAT, start, -np.inf)
  last = np.maximum.accumulate(beat) if len(beat) else beat
  # Without a beat within one and a half, the atom is its own.
  return np.where(start - last < 1.5, last, start)


def _window(
  values: np.ndarray, edge: np.ndarray, low: np.ndarray, high: np.ndarray
) -> np.ndarray:
  """Returns the sums of values between times, [a, 12]."""
  total = np.zeros((len(values) + 1, values.shape[1]))
  np.cumsum(values, axis=0, out=total[1:])

  def until(at: np.ndarray) -> np.ndarray:
    at = np.clip(at, 0, edge[-1])
    row = np.searchsorted(edge, at, side='right') - 1
    row = np.minimum(row, len(values) - 1)
    part = (at - edge[row]) / np.maximum(edge[row + 1] - edge[row], 1e-12)
    return total[row] + part[:, None] * values[row]

  return until(high) - until(low)
