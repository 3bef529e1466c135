"""How strong the place in the bar is at which an atom begins.

The meter of a score is believed. Where onsets lie beside the grid of ticks by
a constant (a file played to a click that is not its own), beats and bars are
put where most is struck, as `studies.bars` does, but at the cost of a few
histograms. Axis: `a` atoms.
"""

import dataclasses

import numpy as np

from aurl_jax.music import time
from aurl_jax.music.notes import Notes
from aurl_jax.studies.chords.atoms import Atoms

LEVELS = 6
"""0 a bar, 1 half of one, 2 a beat, 3 half of one, 4 a quarter, 5 the rest."""
_GRID = 0.25
_BAR = 4.0
_LOOSE = 0.3
"""Vector strength of onsets that tell no phase of their 16ths."""
_ON_GRID = 0.04
"""Quarter notes beside the grid that are still on it."""
_SLACK = 0.09
"""Quarter notes by which an onset may miss its place."""


@dataclasses.dataclass(frozen=True, eq=False)
class Pulse:
  """Where bars begin, and how strong the start of each atom is.

  Attributes:
    levels: [a] int64, 0..`LEVELS` - 1; 0 begins a bar.
    bars: [m] int64, ticks of the bar lines, ascending, the end of the music
      among them; none without atoms.
  """

  levels: np.ndarray
  bars: np.ndarray


def find(notes: Notes, atoms: Atoms) -> Pulse:
  """Returns the pulse of a piece.

  Example:
    >>> from aurl_jax.studies.chords import atoms
    >>> scale = Notes.build(4, {'onset': range(16), 'duration': 1,
    ...                         'pitch': 60})
    >>> find(scale, atoms.cut(scale)).levels[:9].tolist()
    [0, 4, 3, 4, 2, 4, 3, 4, 1]
  """
  if not len(atoms):
    return Pulse(np.zeros(0, np.int64), np.zeros(0, np.int64))
  size, end = notes.ticks_per_beat, int(atoms.ends[-1])
  start = atoms.starts / size
  accent = _accents(atoms)
  shift, strength = _circular(start, _GRID, accent)
  if abs(shift) <= _ON_GRID or strength < _LOOSE:
    rows = time.meter_changes(notes)
    if any(row[1] > 1 for row in rows):
      bars = time.bar_starts(notes, end)
      return Pulse(_notated(start, rows, size), np.append(bars, end))
  place = np.rint((start - shift) / _GRID).astype(np.int64)
  line = _line(place, accent)
  levels = _levels((place - line) * _GRID, _BAR, 1.0, thirds=False)
  first = (line * _GRID + shift) % _BAR
  bars = np.rint(np.arange(first, end / size, _BAR) * size).astype(np.int64)
  inside = bars[(bars > 0) & (bars < end)]
  return Pulse(levels, np.concatenate([[0], inside, [end]]))


def _accents(atoms: Atoms) -> np.ndarray:
  """Returns how much begins with each atom, [a]; a new bass counts most."""
  new = np.abs(np.diff(atoms.bass, axis=0, prepend=0)).sum(axis=1) / 2
  struck = np.minimum(atoms.struck, 1).sum(axis=1)
  return (struck + 4 * new) * np.minimum(atoms.length, 1.0) ** 0.5


def _circular(
  values: np.ndarray, period: float, weight: np.ndarray
) -> tuple[float, float]:
  """Returns the circular mean, in -period/2..period/2, and its strength."""
  total = weight.sum()
  if total <= 0:
    return 0.0, 0.0
  mean = (weight * np.exp(2j * np.pi * values / period)).sum() / total
  return float(np.angle(mean)) / (2 * np.pi) * period, float(abs(mean))


def _notated(
  start: np.ndarray, rows: list[tuple[int, int, int]], size: int
) -> np.ndarray:
  """Returns levels by the meters that are written."""
  result = np.zeros(len(start), np.int64)
  ticks = np.array([row[0] for row in rows]) / size
  part = np.searchsorted(ticks, start + _SLACK, side='right') - 1
  for row, (_, numerator, denominator) in enumerate(rows):
    here = part == row
    bar = 4 * numerator / denominator
    compound = numerator % 3 == 0 and numerator > 3
    beat = 4 / denominator * (3 if compound else 1)
    result[here] = _levels(start[here] - ticks[row], bar, beat, compound)
  return result


def _levels(
  place: np.ndarray, bar: float, beat: float, thirds: bool
) -> np.ndarray:
  """Returns levels of places, in quarter notes from a bar line."""
  beats = round(bar / beat)
  steps = [bar, bar / 2 if beats % 2 == 0 else bar, beat]
  steps += [beat / 3, beat / 6] if thirds else [beat / 2, beat / 4]
  result = np.full(len(place), LEVELS - 1)
  for level in range(len(steps) - 1, -1, -1):
    off = np.abs(place - steps[level] * np.rint(place / steps[level]))
    result[off <= min(_SLACK, steps[level] / 4)] = level
  return result


def _line(place: np.ndarray, accent: np.ndarray) -> int:
  """Returns a bar line, in quarters of a beat, put where most is struck."""
  fold = np.bincount(place % 16, accent, minlength=16).reshape(4, 4)
  sixteenth = int(fold.sum(axis=0).argmax())
  beats = np.roll(fold.ravel(), -sixteenth).reshape(4, 4)[:, 0]
  first = int((beats + 0.5 * np.roll(beats, -2)).argmax())
  return first * 4 + sixteenth
