"""Note values: how a stretch of a bar is written with heads, dots and ties.

All numbers are positions from the start of the bar (see `score_time`). A
tuplet covers a beat, a part of it or a pair of beats; what crosses its edge
is tied. Elsewhere a value must not hide the beat: it lies inside one, or
begins on a stronger place than any that it crosses, or is the middle of
short-long-short; other stretches are cut at the strongest place inside.
"""

import bisect
import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from aurl_jax.music.score_time import (
  NORMAL,
  RESOLUTION,
  SHORTEST,
  Bar,
  ScoreError,
)

WHOLE = 4 * RESOLUTION
_VALUES = {WHOLE * 2 // 2**power: power - 1 for power in range(9)}
"""Length -> halvings of a whole note, -1..7, of what has no dot."""


class Tuplet(NamedTuple):
  """A stretch whose values are `actual` in the time of `normal`."""

  start: int
  end: int
  actual: int

  @property
  def normal(self) -> int:
    """How many plain values last as long."""
    return NORMAL[self.actual]


class Value(NamedTuple):
  """One written note or rest.

  Attributes:
    start: Position in the bar.
    end: Position in the bar.
    halvings: -1 for a breve, 0 for a whole note, … 7 for a 128th.
    dots: 0 or 1.
    tuplet: Whose member it is, or None.
  """

  start: int
  end: int
  halvings: int
  dots: int
  tuplet: Tuplet | None = None


class Meter:
  """Where the beats of a bar lie, and how strong each place is.

  Attributes:
    beat: What is beamed and must be seen: three units in compound meters.
  """

  def __init__(self, bar: Bar) -> None:
    count, denominator = bar.meter
    unit = WHOLE // denominator
    self.compound = count % 3 == 0 and (count > 3 or denominator >= 8)
    self.beat = 3 * unit if self.compound else unit
    sizes = [bar.full]
    beats = bar.full // self.beat
    while beats % 2 == 0 and beats > 2:
      beats //= 2
      sizes.append(beats * self.beat)
    sizes += [self.beat, unit]
    while sizes[-1] > SHORTEST and sizes[-1] % 2 == 0:
      sizes.append(sizes[-1] // 2)
    self._sizes = sizes

  def strength(self, place: int) -> int:
    """Returns the largest period that a place begins."""
    return next((size for size in self._sizes if place % size == 0), 1)

  def strongest(self, start: int, end: int) -> int:
    """Returns the strongest place inside a stretch.

    Of equals the last one, or the first if the stretch begins between them.
    """
    for size in self._sizes:
      last = (end - 1) // size * size
      if last > start:
        return last if start % size == 0 else (start // size + 1) * size
    return start + (end - start) // 2


def tuplets(bar: Bar, points: Sequence[int]) -> list[Tuplet]:
  """Returns the tuplets that a bar of one voice needs.

  Args:
    bar: The bar.
    points: Where something begins or ends, ascending.

  Raises:
    ScoreError: A point lies on no grid that is written (code `grid`).
  """
  found: list[Tuplet] = []
  start = 0
  while start < bar.length:
    # Triplets of quarters and halves span two and four beats.
    beats = next(
      n
      for n in (4, 2, 1)
      if start % (n * bar.unit) == 0 and start + n * bar.unit <= bar.full
    )
    end = start + beats * bar.unit
    found += _cover(start, end, bar.unit, points)
    start = end
  return found


def _cover(
  start: int, end: int, unit: int, points: Sequence[int]
) -> list[Tuplet]:
  """Returns the tuplets of a stretch, the fewest and simplest."""
  inside = points[
    bisect.bisect_right(points, start) : bisect.bisect_left(points, end)
  ]
  if all((p - start) % SHORTEST == 0 for p in inside):
    return []
  length = end - start
  middle = start + length // 2
  if length > unit:
    if middle not in inside and all(
      3 * (p - start) % length == 0 for p in inside
    ):
      return [Tuplet(start, end, 3)]
  elif middle not in inside or length % 2:
    for parts in (1, 2, 4, 8):
      for actual in (3, 5, 7):
        grid = parts * actual
        if length % grid == 0 and all(
          (p - start) % (length // grid) == 0 for p in inside
        ):
          return [Tuplet(start, end, actual)]
  if length < SHORTEST:
    raise ScoreError(
      f'a note begins at {inside[0]}/{RESOLUTION} of a quarter note in its '
      'bar, which no tuplet holds; score_time.to_score rounds it',
      code='grid',
    )
  return [
    *_cover(start, middle, unit, points),
    *_cover(middle, end, unit, points),
  ]


def write(
  start: int, end: int, meter: Meter, brackets: Sequence[Tuplet], *, rest: bool
) -> list[Value]:
  """Returns the values, tied if a note, that fill a stretch.

  Args:
    start: Where it begins.
    end: Where it ends.
    meter: Of the bar.
    brackets: The tuplets of the bar, ascending.
    rest: Whether it is silence, which shows the beat more strictly.
  """
  values: list[Value] = []
  at = start
  for tuplet in brackets:
    if tuplet.end <= at or tuplet.start >= end:
      continue
    if at < tuplet.start:
      values += _plain(at, tuplet.start, meter, rest)
    inner = max(at, tuplet.start), min(end, tuplet.end)
    values += _in_tuplet(*inner, tuplet)
    at = inner[1]
  if at < end:
    values += _plain(at, end, meter, rest)
  return values


def _in_tuplet(start: int, end: int, tuplet: Tuplet) -> Iterator[Value]:
  """Yields values of a tuplet, the longest first."""
  while start < end:
    nominal = (end - start) * tuplet.actual // tuplet.normal
    written = _written(nominal)
    if written is None:
      nominal = max(v for v in _VALUES if v <= nominal)
      written = _VALUES[nominal], 0
    stop = start + nominal * tuplet.normal // tuplet.actual
    yield Value(start, stop, *written, tuplet)
    start = stop


def _plain(start: int, end: int, meter: Meter, rest: bool) -> list[Value]:
  written = _written(end - start)
  if written is not None and _shows(start, end, meter, rest):
    return [Value(start, end, *written)]
  if end - start <= SHORTEST:
    raise ScoreError(
      f'{end - start}/{RESOLUTION} of a quarter note is no written value; '
      'score_time.to_score rounds it',
      code='grid',
    )
  middle = meter.strongest(start, end)
  return [
    *_plain(start, middle, meter, rest),
    *_plain(middle, end, meter, rest),
  ]


def _written(length: int) -> tuple[int, int] | None:
  """Returns halvings and dots of a value that lasts so long, if any."""
  if length in _VALUES:
    return _VALUES[length], 0
  if length % 3 == 0 and length * 2 // 3 in _VALUES and length > SHORTEST:
    return _VALUES[length * 2 // 3], 1
  return None


def _shows(start: int, end: int, meter: Meter, rest: bool) -> bool:
  """Whether a value leaves the beat to be seen."""
  length = end - start
  base = length if length in _VALUES else length * 2 // 3
  beat = meter.beat
  if start // beat == (end - 1) // beat:
    grid = base if rest or base == SHORTEST else base // 2
    return start % beat % grid == 0
  crossed = meter.strength(meter.strongest(start, end))
  if rest and base != length and not meter.compound:
    return False
  if meter.strength(start) >= crossed:
    return True
  half = length // 2
  middle = length in _VALUES and 4 * half >= beat
  return not rest and middle and (start - half) % (4 * half) == 0


def beams(
  values: Sequence[tuple[Value, bool]], meter: Meter
) -> list[list[str]]:
  """Returns the beams of each value, the outermost first.

  Args:
    values: Values of a voice, and whether each is a note.
    meter: Of the bar; a beam stays inside a beat.

  Returns:
    Of each value the words of MusicXML: `begin`, `continue`, `end`,
    `forward hook`, `backward hook`; empty without a beam.
  """
  marks: list[list[str]] = [[] for _ in values]

  def key(item: tuple[int, tuple[Value, bool]]) -> tuple[int, int]:
    row, (value, sounds) = item
    alone = not sounds or value.halvings < 3
    return value.start // meter.beat, row if alone else -1

  for (_, row), group in itertools.groupby(enumerate(values), key):
    members = [index for index, _ in group]
    if row == -1 and len(members) > 1:
      flags = [values[index][0].halvings - 2 for index in members]
      for index, words in zip(members, _beam(flags), strict=True):
        marks[index] = words
  return marks


def _beam(flags: list[int]) -> Iterator[list[str]]:
  """Yields the words of each member of a group, from its flags."""
  for place, own in enumerate(flags):
    before = flags[place - 1] if place else 0
    after = flags[place + 1] if place + 1 < len(flags) else 0
    words = []
    for level in range(1, own + 1):
      joined = before >= level, after >= level
      if joined == (True, True):
        words.append('continue')
      elif joined == (True, False):
        words.append('end')
      elif joined == (False, True):
        words.append('begin')
      else:
        words.append('backward hook' if before else 'forward hook')
    yield words
