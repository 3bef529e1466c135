"""`Harmony`: notes that go with a chord progression."""

import dataclasses

import numpy as np

from aurl_jax.generation.frame import Frame, Kept, Table, classes
from aurl_jax.music.notes import Notes
from aurl_jax.music.progressions import Bar
from aurl_jax.music.scales import Scale


@dataclasses.dataclass(frozen=True, kw_only=True)
class Harmony:
  """Pitched notes sound with the chord under which they begin.

  On a beat, which is one of the meter's denominator, they are tones of the
  chord. Between beats they may be tones of the bar's scale besides; where no
  scale is given, tones of any chord of the progression. A strict harmony has
  tones of the chord everywhere. `N` is no chord: there the scale holds alone.
  What a note held on sounds like under the next chord is not looked at, and
  drums are exempt. Chords and beats are those of the meter that was asked for,
  also where a piece has another, as it may under a weight.

  Attributes:
    frame: The bars; their meters are given.
    bars: Of each row its chords, which share it evenly.
    scales: Of each row; None for none.
    strict: Whether only tones of the chord may begin between beats.
    name: What reports call it.
  """

  frame: Frame
  bars: tuple[Bar, ...]
  scales: tuple[Scale | None, ...]
  strict: bool = False
  name: str = 'chords'

  def narrow(self, table: Table) -> None:
    """Takes out what is foreign to the chords."""
    passing = frozenset[int]().union(
      *(chord.pitch_classes() for bar in self.bars for chord in bar)
    )
    for row, bar in enumerate(self.bars):
      cells, scale = self.frame.cells(row), self.scales[row]
      more = passing if scale is None else scale.pitch_classes
      for cell in range(cells):
        tones = bar[cell * len(bar) // cells].pitch_classes()
        if tones and not self.strict and not self._on_beat(row, cell):
          tones |= more
        if tones:
          table.chroma[row, cell] &= classes(tones)

  def _on_beat(self, row: int, cell: int) -> bool:
    denominator = self.frame.meters[row][1]
    return cell * denominator % (4 * self.frame.grid.cells_per_beat) == 0

  def kept(self, notes: Notes) -> Kept:
    """Returns how many pitched notes go with their chord."""
    placed = self.frame.pitched(notes)
    columns = zip(
      placed.row.tolist(),
      placed.cell.tolist(),
      (placed.pitch % 12).tolist(),
      strict=True,
    )
    return Kept.of(np.array([self._fits(*note) for note in columns], bool))

  def _fits(self, row: int, cell: int, tone: int) -> bool:
    bar, length = self.bars[row], self.frame.cells(row)
    chord = bar[min(cell * len(bar) // length, len(bar) - 1)]
    if chord.root is None or tone in chord.pitch_classes():
      return True
    if self.strict or self._on_beat(row, cell):
      return False
    scale = self.scales[row]
    if scale is not None:
      return tone in scale.pitch_classes
    return any(tone in c.pitch_classes() for other in self.bars for c in other)
