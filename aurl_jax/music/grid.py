"""`Grid`: the values that quantised music may take.

The one table that `music.transform.quantise` rounds to and that tokenizers
number. A cell is `1 / cells_per_beat` of a quarter note; 12 cells hold both
16ths and triplets exactly.
"""

import dataclasses
import functools
import math

import numpy as np

from aurl_jax.music import notes as notes_lib

TEMPO_STEPS = 48
"""Tempo bins an octave: 1.5 % apart, so at most 0.7 % from the truth."""
_TEMPO_LOW, _TEMPO_HIGH = -144, 96
"""Bins below and above 120 bpm: 15 to 480 bpm."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Grid:
  """Resolution of quantised music.

  Attributes:
    cells_per_beat: Positions in a quarter note.
    velocity_bins: Bins of equal width over 0..127; must divide 128.
    bar_beats: The longest bar, in quarter notes; longer meters are reduced.
    voices: Tracks that may share one instrument (program, or drums).
    program: If given, all notes take this program and no drum flag, and
      only the track tells voices apart.
    exact_beats: Durations are multiples of a cell up to here, then coarser.
    chords: Whether chord symbols are kept.
  """

  cells_per_beat: int = 12
  velocity_bins: int = 32
  bar_beats: int = 12
  voices: int = 32
  program: int | None = None
  exact_beats: int = 4
  chords: bool = False

  def __post_init__(self) -> None:
    if self.cells_per_beat < 1 or 128 % self.velocity_bins:
      raise ValueError(
        'cells_per_beat must be positive and velocity_bins divide 128, '
        f'not {self.cells_per_beat} and {self.velocity_bins}'
      )

  @property
  def bar_cells(self) -> int:
    """Cells of the longest bar."""
    return self.cells_per_beat * self.bar_beats

  @functools.cached_property
  def durations(self) -> np.ndarray:
    """Lengths a note may have, in cells, ascending, up to 64 beats.

    Every cell up to `exact_beats`; then a quarter beat apart up to twice
    that, a beat up to 16 beats, four beats up to 64.
    """
    cell, exact = self.cells_per_beat, self.exact_beats
    quarter = max(1, cell // 4)
    parts = [
      np.arange(1, exact * cell + 1),
      np.arange(exact * cell, 2 * exact * cell + 1, quarter),
      np.arange(2 * exact * cell, 16 * cell + 1, cell),
      np.arange(16 * cell, 64 * cell + 1, 4 * cell),
    ]
    return np.unique(np.concatenate(parts))

  @functools.cached_property
  def tempos(self) -> np.ndarray:
    """Microseconds a quarter note of each tempo bin, slowest first."""
    steps = np.arange(_TEMPO_LOW, _TEMPO_HIGH + 1) / TEMPO_STEPS
    return np.rint(notes_lib.DEFAULT_TEMPO * 2.0**-steps).astype(np.int64)

  @functools.cached_property
  def tempo_edges(self) -> np.ndarray:
    """First microseconds of each bin but the fastest, ascending.

    The geometric mean of neighbours, rounded up: a tempo at the middle
    goes to the slower one. The bin of a tempo counts from the other end:
    `len(tempos) - 1 - searchsorted(tempo_edges, tempo, side='right')`.
    """
    slower, faster = self.tempos[-2::-1], self.tempos[:0:-1]
    products = (slower * faster).tolist()
    return np.array([math.isqrt(p - 1) + 1 for p in products], np.int64)

  @functools.cached_property
  def velocities(self) -> np.ndarray:
    """The velocity that stands for each bin: its middle, at least 1."""
    width = 128 // self.velocity_bins
    return np.maximum(np.arange(self.velocity_bins) * width + width // 2, 1)

  @functools.cached_property
  def meters(self) -> tuple[tuple[int, int], ...]:
    """Meters whose bar is a whole number of cells, at most `bar_cells`."""
    return tuple(
      (n, d)
      for d in (1, 2, 4, 8, 16, 32)
      for n in range(1, 25)
      if (4 * self.cells_per_beat * n) % d == 0
      and 4 * self.cells_per_beat * n // d <= self.bar_cells
    )

  @functools.cached_property
  def _known_meters(self) -> frozenset[tuple[int, int]]:
    return frozenset(self.meters)

  def meter_cells(self, numerator: int, denominator: int) -> int:
    """Cells of a full bar of a meter of `meters`."""
    return 4 * self.cells_per_beat * numerator // denominator

  def nearest_meter(self, numerator: int, denominator: int) -> tuple[int, int]:
    """Returns a meter of `meters` whose bars tile those of the given one.

    The largest divisor of the numerator that fits; 4/4 when none does.

    Example:
      >>> Grid().nearest_meter(6, 8), Grid().nearest_meter(26, 4)
      ((6, 8), (2, 4))
    """
    for n in range(min(24, numerator), 0, -1):
      if numerator % n == 0 and (n, denominator) in self._known_meters:
        return n, denominator
    return self.nearest_meter(*notes_lib.DEFAULT_METER)
