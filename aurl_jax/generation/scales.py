"""`Scales`: only notes of a key or a mode, bar by bar."""

import dataclasses

import numpy as np

from aurl_jax.generation.frame import Frame, Kept, Table, classes
from aurl_jax.music.notes import Notes
from aurl_jax.music.scales import Scale


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scales:
  """Pitched notes belong to the scale of the bar in which they begin.

  Drums are exempt. A minor key has the seventh degree of both the natural and
  the harmonic scale (`music.scales`).

  Attributes:
    frame: The bars.
    scales: Of each row; None leaves one open.
    name: What reports call it.
  """

  frame: Frame
  scales: tuple[Scale | None, ...]
  name: str = 'key'

  def narrow(self, table: Table) -> None:
    """Takes out the pitch classes outside the scales."""
    for row, scale in enumerate(self.scales):
      if scale is not None:
        table.chroma[row] &= classes(scale.pitch_classes)

  def kept(self, notes: Notes) -> Kept:
    """Returns how many pitched notes are in their scale."""
    placed = self.frame.pitched(notes)
    pairs = zip(placed.row.tolist(), placed.pitch.tolist(), strict=True)
    inside = [self._has(row, pitch) for row, pitch in pairs]
    return Kept.of(np.array(inside, bool))

  def _has(self, row: int, pitch: int) -> bool:
    scale = self.scales[row]
    return scale is None or pitch % 12 in scale.pitch_classes
