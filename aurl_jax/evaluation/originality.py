"""What a piece shares with the music that a model has learnt from.

An `Index` is made of training pieces and keeps hashes alone, no music: a
filter of all runs of so many notes (`evaluation.fuse`), and a table of where
some groups of notes stand (`evaluation.fingerprints`). What it takes for a
copy is told in `evaluation.ngrams`. A report errs to one side: no shared run
is missed, and one is told as longer than it is where runs of several pieces
meet in it.

Axes: `k` notes of lines; `b` bars; `p` pieces.
"""

import dataclasses
import functools
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Int

from aurl_jax.evaluation import fingerprints, fuse, ngrams
from aurl_jax.evaluation.fingerprints import Matches, Table
from aurl_jax.evaluation.fuse import Fuse
from aurl_jax.evaluation.ngrams import Lines
from aurl_jax.music import time
from aurl_jax.music.notes import Notes

NOTES = 12
"""Of a run. Of fewer the style itself has many; see decision 22."""
_NEAREST = 3
_APART = 8
"""Beats without a match that end a passage."""
_LEAST = 3
"""Matches that make a passage."""


class Source(NamedTuple):
  """A place in the training music.

  Attributes:
    piece: Its name.
    bar: Counted from 1.
    semitones: By which the copy is higher.
  """

  piece: str
  bar: int
  semitones: int


class Run(NamedTuple):
  """Notes in a row of a line that training music has, too.

  Attributes:
    notes: How many.
    bar: In which bar of the piece they begin, from 1.
    track: Of the piece.
    source: Where they are from; None where no group of notes tells.
  """

  notes: int
  bar: int
  track: int
  source: Source | None


class Passage(NamedTuple):
  """Bars that are near bars of the training music.

  Attributes:
    bars: The first and the last of the piece, from 1.
    source: Where the first is from.
    alike: Share 0..1 of what is kept of those training bars that is here.
  """

  bars: tuple[int, int]
  source: Source
  alike: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Report:
  """What a piece shares with training music.

  Attributes:
    share: 0..1 of its runs of `Index.notes` notes that training music has.
    run: The longest; None where there is none of so many notes.
    near: The nearest passages, the nearest first.
  """

  share: float
  run: Run | None
  near: tuple[Passage, ...]

  def as_dict(self) -> dict[str, Any]:
    """Returns plain values, for JSON."""
    run = None
    if self.run is not None:
      source = self.run.source and self.run.source._asdict()
      run = self.run._asdict() | {'source': source}
    near = [p._asdict() | {'source': p.source._asdict()} for p in self.near]
    return {'share': round(self.share, 4), 'run': run, 'near': near}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Index:
  """What is kept of training music to know copies by.

  Attributes:
    notes: Of a run in the filter.
    cells_per_beat: Of the grid that onsets count in.
    filter: All runs of so many notes.
    table: Where some groups of notes stand.
    pieces: Names of the pieces.
    starts: int64 `[p]`, the cell at which each begins, of all in a row.
    bars: int64 `[b]`, the cells at which bars begin, likewise.
  """

  notes: int
  cells_per_beat: int
  filter: Fuse
  table: Table
  pieces: tuple[str, ...]
  starts: Int[np.ndarray, ' p']
  bars: Int[np.ndarray, ' b']

  def report(self, notes: Notes) -> Report:
    """Returns what a piece shares with the training music."""
    rows = ngrams.lines(notes, self.cells_per_beat)
    found, whole = self.found(rows)
    matched = fingerprints.matches(self.table, rows)
    bars = _bars(notes, self.cells_per_beat)
    share = float(found.sum() / max(whole.sum(), 1))
    return Report(
      share=share,
      run=self._run(rows, found, matched, bars),
      near=self._near(rows, matched, bars),
    )

  def found(
    self, rows: Lines
  ) -> tuple[Bool[np.ndarray, ' k'], Bool[np.ndarray, ' k']]:
    """Returns which notes end runs that are found, and which end any."""
    hashed, whole = ngrams.grams(rows, self.notes)
    return whole & self.filter.holds(hashed[:, 0], hashed[:, 1]), whole

  def ends(self, notes: Notes, most: int) -> int:
    """Returns how many notes of a piece end shared runs of so many.

    Args:
      notes: The piece.
      most: Notes of a run, at least `Index.notes`.
    """
    rows = ngrams.lines(notes, self.cells_per_beat)
    long = counted(self.found(rows)[0]) > most - self.notes
    return int(long.sum())

  def _run(
    self, rows: Lines, found: np.ndarray, matched: Matches, bars: np.ndarray
  ) -> Run | None:
    ends = counted(found)
    if not ends.max(initial=0):
      return None
    last = int(ends.argmax())
    length = int(ends[last]) + self.notes - 1
    first = last - length + 1
    inside = (matched.note >= first) & (matched.last <= last)
    return Run(
      notes=length,
      bar=_number(bars, rows.cell[first]),
      track=int(rows.line[first]),
      source=self._source(matched, inside, int(rows.cell[first])),
    )

  def _source(
    self, matched: Matches, inside: np.ndarray, cell: int
  ) -> Source | None:
    """Returns where a cell is from, by most of the matches of a run."""
    votes = np.stack([matched.offset[inside], matched.semitones[inside]])
    if not votes.shape[1]:
      return None
    told, counts = np.unique(votes, axis=1, return_counts=True)
    offset, semitones = told[:, counts.argmax()].tolist()
    return self._at(cell + offset, semitones)

  def _at(self, place: int, semitones: int) -> Source:
    piece = max(int(self.starts.searchsorted(place, 'right')) - 1, 0)
    begin, bar = self.bars.searchsorted([self.starts[piece], place], 'right')
    number = max(int(bar - begin) + 1, 1)
    return Source(self.pieces[piece], number, semitones)

  def _near(
    self, rows: Lines, matched: Matches, bars: np.ndarray
  ) -> tuple[Passage, ...]:
    """Returns the passages with most matches that agree."""
    place = self.table.place[matched.entry].astype(np.int64)
    piece = self.starts.searchsorted(place, 'right')
    cell = rows.cell[matched.note]
    columns = (cell, piece, matched.semitones, matched.offset)
    order = np.lexsort(columns)
    told = np.stack(columns)[:, order]
    jump = np.diff(told[0]) > _APART * self.cells_per_beat
    new = jump | (np.diff(told[1:]) != 0).any(axis=0)
    groups = np.split(order, np.flatnonzero(new) + 1)
    sizes = np.array([len(np.unique(matched.entry[g])) for g in groups])
    best: list[Passage] = []
    for number in np.argsort(-sizes, kind='stable').tolist():
      if sizes[number] < _LEAST or len(best) == _NEAREST:
        break
      passage = self._passage(groups[number], matched, cell, bars)
      # A piece that repeats itself is told once.
      if not any(_same(passage, other) for other in best):
        best.append(passage)
    return tuple(best)

  def _passage(
    self, group: np.ndarray, matched: Matches, cell: np.ndarray, bars: Any
  ) -> Passage:
    first, last = int(cell[group].min()), int(cell[group].max())
    offset = int(matched.offset[group[0]])
    place = self.places
    low, high = place.searchsorted([first + offset, last + offset + 1])
    kept = max(int(high - low), 1)
    return Passage(
      bars=(_number(bars, first), _number(bars, last)),
      source=self._at(first + offset, int(matched.semitones[group[0]])),
      alike=round(min(len(np.unique(matched.entry[group])) / kept, 1.0), 3),
    )

  @functools.cached_property
  def places(self) -> Int[np.ndarray, ' e']:
    """The cells of all groups of notes, ascending."""
    return np.sort(self.table.place.astype(np.int64))


def build(
  pieces: Iterable[tuple[str, Notes]], cells_per_beat: int, notes: int = NOTES
) -> Index:
  """Returns the index of training music.

  Args:
    pieces: Their names and their music, quantised.
    cells_per_beat: Of the grid.
    notes: Of a run in the filter, at least 2: shorter runs are not known.
  """
  names, starts, parts, bars, begin = [], [], [], [], 0
  for name, music in pieces:
    rows, own = (
      ngrams.lines(music, cells_per_beat),
      _bars(music, cells_per_beat),
    )
    names.append(name)
    starts.append(begin)
    parts.append(rows._replace(cell=rows.cell + begin))
    bars.append(own + begin)
    begin = max(int(rows.cell.max(initial=0)), int(own[-1])) + begin + 1
  rows = ngrams.joined(parts)
  hashed, whole = ngrams.grams(rows, notes)
  return Index(
    notes=notes,
    cells_per_beat=cells_per_beat,
    filter=fuse.build(hashed[whole]),
    table=fingerprints.build(rows),
    pieces=tuple(names),
    starts=np.array(starts, np.int64),
    bars=np.concatenate([np.zeros(0, np.int64), *bars]),
  )


def _same(one: Passage, other: Passage) -> bool:
  """Returns whether passages share bars, and are from one piece."""
  apart = one.bars[1] < other.bars[0] or other.bars[1] < one.bars[0]
  return not apart and one.source.piece == other.source.piece


def counted(found: Bool[np.ndarray, ' k']) -> Int[np.ndarray, ' k']:
  """Returns how many in a row are found up to each note.

  A line's first notes end no run, so that none goes on into another line.
  """
  index = np.arange(len(found))
  last = np.maximum.accumulate(np.where(found, -1, index))
  return index - last


def _bars(notes: Notes, cells_per_beat: int) -> Int[np.ndarray, ' b']:
  """Returns the cells at which the bars of a piece begin."""
  ticks = time.bar_starts(notes, max(notes.end, 1))
  return ticks * cells_per_beat // notes.ticks_per_beat


def _number(bars: np.ndarray, cell: Any) -> int:
  """Returns the number of the bar of a cell, from 1."""
  return max(int(bars.searchsorted(cell, 'right')), 1)
