"""Who plays, how high and low, and how many notes sound at once."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from aurl_jax.generation.frame import Frame, Kept, Placed, Table
from aurl_jax.music.instruments import DRUMS, Range
from aurl_jax.music.notes import Notes


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ranges:
  """Only these instruments play, each inside its range.

  Attributes:
    frame: The bars.
    ranges: Program (128 for drums) -> lowest and highest pitch.
    name: What reports call it.
  """

  frame: Frame
  ranges: Mapping[int, Range]
  name: str = 'instruments'

  def narrow(self, table: Table) -> None:
    """Takes out the other instruments, and pitches outside the ranges."""
    pitch = np.arange(table.sounds.shape[1])
    for program in range(len(table.sounds)):
      # An instrument that is not asked for has no pitch at all.
      low, high = self.ranges.get(program, (1, 0))
      table.sounds[program] &= (pitch >= low) & (pitch <= high)

  def kept(self, notes: Notes) -> Kept:
    """Returns how many notes are of these instruments and in range."""
    placed = self.frame.counted(notes)
    pairs = zip(placed.program.tolist(), placed.pitch.tolist(), strict=True)
    return Kept.of(np.array([self._has(*pair) for pair in pairs], bool))

  def _has(self, program: int, pitch: int) -> bool:
    if program not in self.ranges:
      return False
    low, high = self.ranges[program]
    return low <= pitch <= high


@dataclasses.dataclass(frozen=True, kw_only=True)
class Polyphony:
  """At most so many pitched notes sound at any time.

  Attributes:
    frame: The bars.
    most: Of each row, all tracks together; None leaves one open.
    each: In each track; 0 leaves it open.
    name: What reports call it.
  """

  frame: Frame
  most: tuple[int | None, ...]
  each: int = 0
  name: str = 'polyphony'

  def narrow(self, table: Table) -> None:
    """Lowers how many notes may sound."""
    for row, most in enumerate(self.most):
      if most is not None:
        table.polyphony[row] = min(most, table.polyphony[row])
    if self.each:
      table.each = min(self.each, table.each)

  def kept(self, notes: Notes) -> Kept:
    """Returns at how many of the places where notes begin it is kept.

    Notes can only grow too many where one begins, or where a bar with another
    limit does, while they are held: both are places.
    """
    placed = self.frame.place(notes)
    placed = placed.where(placed.program != DRUMS)
    fits = []
    for row, at in self._places(notes, placed):
      sounds = placed.where((placed.onset <= at) & (at < placed.end))
      most = self.most[row]
      fits.append(
        (most is None or len(sounds.onset) <= most)
        and (not self.each or np.bincount(sounds.track).max() <= self.each)
      )
    return Kept.of(np.array(fits, bool))

  def _places(self, notes: Notes, placed: Placed) -> list[tuple[int, int]]:
    """Returns row and cell of all places where something sounds, ascending."""
    starts = self.frame.starts(notes)
    found = np.unique(np.concatenate([placed.onset, starts]))
    bar = starts.searchsorted(found, side='right') - 1
    rows = self.frame.row(bar)
    sounds = (placed.onset <= found[:, None]) & (found[:, None] < placed.end)
    counted = (rows >= 0) & (sounds.sum(axis=1) > 0)
    pairs = zip(rows[counted].tolist(), found[counted].tolist(), strict=True)
    return list(pairs)
