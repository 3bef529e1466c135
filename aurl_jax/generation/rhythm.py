"""When notes begin: how many a bar, and on which cells."""

import dataclasses
import fractions
import re
from collections.abc import Sequence

import numpy as np

from aurl_jax.generation.errors import RequestError
from aurl_jax.generation.frame import Frame, Kept, Table
from aurl_jax.music.notes import Notes

Places = str | Sequence[float | int]
"""A note value such as '8' or '8t', or quarter notes from the bar's start."""
_VALUE = re.compile(r'(1|2|4|8|16|32)(?:th|ths|nds|nd)?(t?)')


@dataclasses.dataclass(frozen=True, kw_only=True)
class Density:
  """At least and at most so many notes begin in a bar, drums among them.

  Attributes:
    frame: The bars.
    ranges: Of each row, least and most; None for no limit above.
    name: What reports call it.
  """

  frame: Frame
  ranges: tuple[tuple[int, int | None], ...]
  name: str = 'density'

  def narrow(self, table: Table) -> None:
    """Writes down how many are wanted."""
    for row, (least, most) in enumerate(self.ranges):
      table.least[row] = max(least, table.least[row])
      if most is not None:
        table.most[row] = min(most, table.most[row])

  def kept(self, notes: Notes) -> Kept:
    """Returns how many bars have as many notes as they shall.

    Without a number of bars, those up to the last note's count.
    """
    bar = self.frame.place(notes).bar
    first = self.frame.first
    stop = first + self.frame.bars
    if not self.frame.bars:
      stop = int(bar.max(initial=first - 1)) + 1
    fits = []
    for number in range(first, stop):
      least, most = self.ranges[(number - first) % self.frame.rows]
      count = int((bar == number).sum())
      fits.append(least <= count and (most is None or count <= most))
    return Kept.of(np.array(fits, bool))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rhythm:
  """Notes begin on given cells of a bar alone.

  Attributes:
    frame: The bars.
    cells: Of each row, the cells; None leaves one open.
    name: What reports call it.
  """

  frame: Frame
  cells: tuple[frozenset[int] | None, ...]
  name: str = 'rhythm'

  def narrow(self, table: Table) -> None:
    """Takes out the other cells."""
    every = np.arange(table.onsets.shape[1])
    for row, cells in enumerate(self.cells):
      if cells is not None:
        table.onsets[row] &= np.isin(every, sorted(cells))

  def kept(self, notes: Notes) -> Kept:
    """Returns how many notes begin on the cells."""
    placed = self.frame.counted(notes)
    fits = []
    for row, cell in zip(
      placed.row.tolist(), placed.cell.tolist(), strict=True
    ):
      cells = self.cells[row]
      fits.append(cells is None or cell in cells)
    return Kept.of(np.array(fits, bool))


def cells(places: Places, frame: Frame, row: int) -> frozenset[int] | None:
  """Returns the cells of a row that a rhythm names; None for all.

  Args:
    places: Such as `'8'` (every 8th), `'8t'` (in triplets), `''` (any), or
      `(0, 1.5, 3)`, quarter notes from the start of the bar.
    frame: The bars.
    row: Which of them.

  Raises:
    RequestError: It cannot be read, is not on the grid, or has no place in
      the bar (code `rhythm`).

  Example:
    >>> from aurl_jax.music.grid import Grid
    >>> frame = Frame(grid=Grid(), meters=((2, 4),))
    >>> sorted(cells('8', frame, 0)), sorted(cells((0, 1.5), frame, 0))
    ([0, 6, 12, 18], [0, 18])
  """
  if places == '':
    return None
  beat, length = frame.grid.cells_per_beat, frame.cells(row)
  if isinstance(places, str):
    step = _step(places) * beat
    found = [step * n for n in range(int(length / step) + 1)]
  else:
    wanted = [fractions.Fraction(p).limit_denominator(480) for p in places]
    found = [place * beat for place in wanted]
    if not found or min(found) < 0 or max(found) >= length:
      raise _error(
        f'{tuple(places)} does not lie inside the bar of '
        f'{float(fractions.Fraction(length, beat)):g} quarter notes'
      )
  odd = [place for place in found if place.denominator != 1]
  if odd:
    raise _error(
      f'{places!r} is not on the grid of {beat} cells a quarter note (at '
      f'{float(odd[0] / beat):g})'
    )
  return frozenset(int(place) for place in found if place < length)


def _step(value: str) -> fractions.Fraction:
  """Returns the quarter notes that a note value lasts."""
  match = _VALUE.fullmatch(value.strip().lower().replace(' ', ''))
  if not match:
    raise _error(f"{value!r} is no note value such as '8', '16' or '8t'")
  step = fractions.Fraction(4, int(match[1]))
  return step * fractions.Fraction(2, 3) if match[2] else step


def _error(cause: str) -> RequestError:
  return RequestError(
    f'rhythm {cause}; give a note value, or places inside the bar in quarter '
    'notes',
    code='rhythm',
  )
