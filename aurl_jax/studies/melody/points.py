"""Where a melody returns to itself, as points in time and pitch.

A repeat is a set of notes that a map (a shift in time and pitch, the same
upside down, the same at half the speed) takes to other notes. Meredith,
Lemström and Wiggins ("Algorithms for discovering repeated patterns in
multidimensional representations of polyphonic music", JNMR 31, 2002: SIA,
SIATEC) sort all the difference vectors of notes; those of one vector are a
maximal translatable pattern. Collins et al. ("SIARCT-CFP", ISMIR 2011; "SIA
... compactness trawler", 2010) cut such patterns where they are not compact.
Here the vectors are of notes that stand at most so far apart that their number
is bounded, and `scan` finds what a prototype is like anywhere, note by note,
with notes missing, added and moved. Axes: `n` notes, `m` of a prototype.
"""

import dataclasses
from typing import NamedTuple

import numpy as np

from aurl_jax.music.midi_scan import compiled

_VECTORS = 300_000
"""Most vectors of a map: reach gets shorter in long pieces, not time longer."""
_HOLE = 3
"""Notes in a row that a repeat may lack."""
_LEAST = 4
"""Matched notes of a repeat."""
_LATE = 6
"""Cells by which a note may come early or late."""
NEAR_PITCH, NEAR_TIME, EXTRA = 0.4, 0.5, 0.05
"""Worth of a note two semitones off at most, of one in the wrong place, and
what a note costs that the prototype has not."""


class Map(NamedTuple):
  """How an occurrence comes from a prototype.

  A note at a cell goes to T + up / down * cell, its pitch to P + sign * pitch.
  """

  sign: int
  up: int
  down: int


MAPS = {
  'transposed': Map(1, 1, 1),
  'inverted': Map(-1, 1, 1),
  'augmented': Map(1, 2, 1),
  'diminished': Map(1, 1, 2),
}


@dataclasses.dataclass(frozen=True)
class Repeats:
  """Stretches that come again, one a row.

  Attributes:
    spans: [r, 2] int64, the first note and the one after the last.
    worth: [r] float64: notes that match, less half of those that do not.
  """

  spans: np.ndarray
  worth: np.ndarray


def repeats(cells: np.ndarray, pitch: np.ndarray, how: Map) -> Repeats:
  """Returns compact patterns that a map takes to other notes of a line.

  Both the patterns and what they become.

  Args:
    cells: [n] int64, onsets, ascending.
    pitch: [n] int64.
    how: The map; its speed is `up`, `down` is not used.
  """
  first, second = _pairs(len(cells), both=how.up > 1)
  shift = cells[second] - how.up * cells[first]
  rise = pitch[second] - how.sign * pitch[first]
  key = shift * 1024 + rise
  order = np.argsort(key, kind='stable')
  first, second, key = first[order], second[order], key[order]
  cut = np.diff(key) != 0
  cut |= np.diff(first) > _HOLE
  cut |= np.abs(np.diff(second)) > 2 * _HOLE
  begins = np.append(0, np.flatnonzero(cut) + 1)[: len(key)]
  ends = np.append(begins[1:], len(key))
  many = ends - begins
  keep = many >= _LEAST
  begins, ends, many = begins[keep], ends[keep], many[keep]
  source = np.stack([first[begins], first[ends - 1] + 1], axis=1)
  target = np.stack([second[begins], second[ends - 1] + 1], axis=1)
  worth = 1.5 * many - 0.5 * np.maximum(
    source[:, 1] - source[:, 0], target[:, 1] - target[:, 0]
  )
  apart = (target[:, 0] >= source[:, 1]) | (source[:, 0] >= target[:, 1])
  fine = apart & (worth >= _LEAST - 1)
  return Repeats(
    np.concatenate([source[fine], target[fine]]), np.tile(worth[fine], 2)
  )


def _pairs(size: int, *, both: bool) -> tuple[np.ndarray, np.ndarray]:
  """Returns pairs of notes, by the first and then the second one."""
  most = max(_VECTORS // max(size, 1), 64)
  reach = min(size - 1, most // 2 if both else most)
  steps = np.arange(1, reach + 1)
  if both:
    steps = np.concatenate([-steps[::-1], steps])
  first = np.repeat(np.arange(size), len(steps))
  second = first + np.tile(steps, size)
  inside = (second >= 0) & (second < size)
  return first[inside], second[inside]


class Prototype(NamedTuple):
  """The notes of a motif: cells and pitches from its first one, length."""

  cells: np.ndarray
  pitch: np.ndarray
  length: int


class Hits(NamedTuple):
  """Where a prototype was found.

  Attributes:
    score: [h] float64, share of the prototype that is there, about 0..1.
    exact: [h] float64, share of notes that are there to the cell.
    cell: [h] int64, where the occurrence begins.
    rise: [h] int64, pitch of the first note of the prototype there.
    how: [h] int64, index in `MAPS`.
  """

  score: np.ndarray
  exact: np.ndarray
  cell: np.ndarray
  rise: np.ndarray
  how: np.ndarray


def scan(cells: np.ndarray, pitch: np.ndarray, wanted: Prototype) -> Hits:
  """Returns how well a prototype fits at each note, by each map.

  Each of its first notes in turn is laid on each note of the line.
  """
  found = [
    _scan(cells, pitch, wanted.cells, wanted.pitch, *how)
    for how in MAPS.values()
  ]
  kind = np.repeat(np.arange(len(found)), [len(f) for f in found])
  rows = np.concatenate(found)
  fits = rows[:, 0] > 0
  rows, kind = rows[fits], kind[fits]
  return Hits(
    rows[:, 0],
    rows[:, 1],
    rows[:, 2].astype(np.int64),
    rows[:, 3].astype(np.int64),
    kind,
  )


_ANCHORS = 4
_THERE = 0.4
"""Share of the notes that must be there to the cell."""
_FLOOR = 0.55
"""A score that is lower is not worked out, and told as 0."""


@compiled
def _score(
  cells: np.ndarray, pitch: np.ndarray, at: np.ndarray, wanted: np.ndarray
) -> float:
  """Returns how much of some notes is there, 0 if that is not enough."""
  many, size = len(at), len(cells)
  soft, seen, low = 0.0, 0, 0
  for k in range(many):
    while low < size and cells[low] < at[k] - _LATE:
      low += 1
    best, look = 0.0, low
    while look < size and cells[look] <= at[k] + _LATE:
      if cells[look] == at[k] and pitch[look] == wanted[k]:
        best = 1.0
        break
      if cells[look] == at[k] and abs(pitch[look] - wanted[k]) <= 2:
        best = max(best, NEAR_PITCH)
      elif cells[look] != at[k] and pitch[look] == wanted[k]:
        best = max(best, NEAR_TIME)
      look += 1
    soft += best
    seen += best > 0
    if soft + (many - 1 - k) < _FLOOR * many:
      return 0.0
  inside, look = 0, 0
  while look < size and cells[look] <= at[many - 1]:
    inside += cells[look] >= at[0]
    look += 1
  return (soft - EXTRA * max(inside - seen, 0)) / many


@compiled
def _scan(
  cells: np.ndarray,
  pitch: np.ndarray,
  own_cells: np.ndarray,
  own_pitch: np.ndarray,
  sign: int,
  up: int,
  down: int,
) -> np.ndarray:
  """Returns [anchors * n, 4]: score, share that is exact, cell, pitch."""
  size, many = len(cells), len(own_cells)
  table = np.full(cells[-1] - cells[0] + 1, -1_000)
  for place in range(size):
    table[cells[place] - cells[0]] = pitch[place]
  there = own_cells * up // down
  height = sign * own_pitch
  anchors = min(_ANCHORS, many)
  rows = np.zeros((size * anchors, 4))
  for anchor in range(anchors):
    for place in range(size):
      start = cells[place] - there[anchor]
      rise = pitch[place] - height[anchor]
      exact = 0
      for k in range(many):
        cell = start + there[k] - cells[0]
        if 0 <= cell < len(table):
          exact += table[cell] == rise + height[k]
      if exact < _THERE * many:
        continue
      low = place
      while low > 0 and cells[low - 1] >= start - _LATE:
        low -= 1
      score = _score(cells[low:], pitch[low:], start + there, rise + height)
      if score > 0:
        row = anchor * size + place
        rows[row, 0], rows[row, 1] = score, exact / many
        rows[row, 2], rows[row, 3] = start, rise
  return rows
