"""What rules of bars are about: which bars, which cells, which notes.

A `Rule` is one wish in the words of music. It narrows a `Table` of what may
stand where, from which `generation.seats` makes masks on the device, and it
tells of a finished piece how well it was kept, from the notes alone. Axes: `r`
rows, one a bar before the wishes begin anew; `c` cells of the longest bar; `n`
notes.
"""

import dataclasses
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Int

from aurl_jax.music import time, transform
from aurl_jax.music.grid import Grid
from aurl_jax.music.instruments import DRUMS
from aurl_jax.music.notes import Notes

NO_LIMIT = 1 << 20
"""More notes than any bar has."""


class Kept(NamedTuple):
  """How well a piece kept a rule.

  Attributes:
    share: 0..1, of what the rule is about; 1 where there is nothing.
    broken: How many times it was not kept.
  """

  share: float
  broken: int

  @classmethod
  def of(cls, kept: Bool[np.ndarray, ' n']) -> 'Kept':
    """Returns what a row of yes and no comes to.

    Example:
      >>> Kept.of(np.array([True, True, False, True]))
      Kept(share=0.75, broken=1)
    """
    if not kept.size:
      return cls(1.0, 0)
    return cls(float(kept.mean()), int((~kept).sum()))


class Placed(NamedTuple):
  """Where the notes of a piece stand; int64 arrays, in cells.

  Attributes:
    bar: Number of the bar in the piece.
    row: Of the wishes; -1 for a bar that no wish is about.
    cell: Inside the bar.
    onset: From the start of the piece.
    end: Likewise.
    program: 128 for drums.
    track: Which track.
    pitch: MIDI pitch.
  """

  bar: Int[np.ndarray, ' n']
  row: Int[np.ndarray, ' n']
  cell: Int[np.ndarray, ' n']
  onset: Int[np.ndarray, ' n']
  end: Int[np.ndarray, ' n']
  program: Int[np.ndarray, ' n']
  track: Int[np.ndarray, ' n']
  pitch: Int[np.ndarray, ' n']

  def where(self, chosen: Bool[np.ndarray, ' n']) -> 'Placed':
    """Returns some of the notes."""
    return Placed(*(column[chosen] for column in self))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Frame:
  """The bars that wishes are about.

  Attributes:
    grid: Of the tokenizer.
    rows: Bars after which the wishes begin anew.
    first: Bars of the piece before them.
    bars: How many there are; 0 for all that follow.
    meters: Numerator and denominator of each row; empty where they are open.
  """

  grid: Grid
  rows: int = 1
  first: int = 0
  bars: int = 0
  meters: tuple[tuple[int, int], ...] = ()

  @property
  def span(self) -> Int[np.ndarray, '3']:
    """Rows, bars before the wishes, and bars with wishes."""
    bars = self.bars or NO_LIMIT
    return np.array([self.rows, self.first, bars], np.int32)

  def cells(self, row: int) -> int:
    """Returns how long the bar of a row is; at most, if that is open."""
    if not self.meters:
      return self.grid.bar_cells
    return self.grid.meter_cells(*self.meters[row])

  def row(self, bar: Int[np.ndarray, '*n']) -> Int[np.ndarray, '*n']:
    """Returns the row of bars of the piece, -1 for those without one."""
    told = bar - self.first
    about = (told >= 0) & ((told < self.bars) | (self.bars == 0))
    return np.where(about, told % self.rows, -1)

  def place(self, notes: Notes) -> Placed:
    """Returns where the notes of a piece stand, on the grid."""
    notes, micro = self._on_grid(notes)
    # Offsets from a cell reach half a cell to both sides.
    onset = (notes.onset + micro // 2) // micro
    end = onset + np.maximum(notes.duration // micro, 1)
    starts = self.starts(notes)
    bar = starts.searchsorted(onset, side='right') - 1
    return Placed(
      bar=bar,
      row=self.row(bar),
      cell=onset - starts[bar],
      onset=onset,
      end=end,
      program=np.where(notes.is_drum, DRUMS, notes.program),
      track=notes.track,
      pitch=notes.pitch,
    )

  def starts(self, notes: Notes) -> Int[np.ndarray, ' b']:
    """Returns the cells at which the bars of a piece start."""
    notes, micro = self._on_grid(notes)
    last = int(notes.onset.max(initial=0)) + micro
    end = max(last, notes.end)
    return np.unique(time.bar_starts(notes, end) // micro)

  def _on_grid(self, notes: Notes) -> tuple[Notes, int]:
    """Returns notes and how many ticks a cell has."""
    if notes.ticks_per_beat % self.grid.cells_per_beat:
      notes = transform.quantise(notes, self.grid)
    return notes, notes.ticks_per_beat // self.grid.cells_per_beat

  def counted(self, notes: Notes) -> Placed:
    """Returns the notes of bars that wishes are about."""
    placed = self.place(notes)
    return placed.where(placed.row >= 0)

  def pitched(self, notes: Notes) -> Placed:
    """Returns those among them that are no drums."""
    placed = self.counted(notes)
    return placed.where(placed.program != DRUMS)


@dataclasses.dataclass(kw_only=True)
class Table:
  """What may stand where; rules narrow it in place.

  Attributes:
    chroma: bool `[r, c, 12]`, pitch classes of notes that begin in a cell.
    onsets: bool `[r, c]`, whether any note may begin there.
    sounds: bool `[129, 128]`, pitches of each program, of the drums last.
    least: int `[r]`, notes that must begin in a bar.
    most: int `[r]`, notes that may.
    polyphony: int `[r]`, pitched notes that may sound at once.
    writable: bool `[129, v]`, voices of each program that may be written.
    given: int `[r]`, steps of what is given in a bar.
    each: Notes that may sound at once in one track.
  """

  chroma: np.ndarray
  onsets: np.ndarray
  sounds: np.ndarray
  least: np.ndarray
  most: np.ndarray
  polyphony: np.ndarray
  writable: np.ndarray
  given: np.ndarray
  each: int = NO_LIMIT

  @classmethod
  def open(cls, frame: Frame) -> 'Table':
    """Returns a table in which everything may stand.

    Of a grid of voices, each a track of one program, all that they can.
    """
    rows, cells = frame.rows, frame.grid.bar_cells
    table = cls(
      chroma=np.ones((rows, cells, 12), bool),
      onsets=np.ones((rows, cells), bool),
      sounds=np.ones((DRUMS + 1, 128), bool),
      least=np.zeros(rows, np.int32),
      most=np.full(rows, NO_LIMIT, np.int32),
      polyphony=np.full(rows, NO_LIMIT, np.int32),
      writable=np.ones((DRUMS + 1, frame.grid.voices), bool),
      given=np.zeros(rows, np.int32),
    )
    if frame.grid.program is not None:
      table.sounds[np.arange(DRUMS + 1) != frame.grid.program] = False
      table.each = 1
    return table


@runtime_checkable
class Rule(Protocol):
  """One wish, in the words of music."""

  @property
  def name(self) -> str:
    """What reports call it."""
    ...

  def narrow(self, table: Table) -> None:
    """Takes out of a table what the rule forbids."""
    ...

  def kept(self, notes: Notes) -> Kept:
    """Returns how well a finished piece kept it."""
    ...


def classes(pitch_classes: frozenset[int]) -> Bool[np.ndarray, '12']:
  """Returns which of the twelve pitch classes are in a set."""
  found = np.zeros(12, bool)
  found[list(pitch_classes)] = True
  return found
