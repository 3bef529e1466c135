"""How much pieces share with a corpus, beside what its own pieces share.

Music of one style shares runs and figures without anybody copying. So nothing
is told alone: beside it stands what each piece of the corpus shares with all
the others (leave-one-out), and a piece is flagged only where it shares more
than nearly all of these do. Three figures of a piece: the share of its runs of
so many notes that others have (n-grams), the longest run that it shares
(`evaluation.ngrams`), and how much of three bars of some piece stands in it, of
all lines, at one transposition. Where to look for the last one is told by
groups of notes that agree on a place (geometric hashes,
`evaluation.fingerprints`), so that notes put in or left out cost their share of
it and no more. After Yin et
al., "Deep learning's shallow gains: a comparative evaluation of algorithms for
automatic music generation", Machine Learning 2023, and SN Computer Science 3,
2022, whose baseline is of a corpus in halves.

Axes: `p` pieces, `k` notes of lines, `m` matches, `c` places.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int

from aurl_jax.evaluation import fingerprints, ngrams, originality
from aurl_jax.evaluation.fingerprints import Matches
from aurl_jax.evaluation.ngrams import Lines
from aurl_jax.evaluation.originality import Index
from aurl_jax.music.notes import Notes

VERSION = 0.95
"""Alike to so much, two pieces of a corpus are versions of one."""
LEVEL = 0.02
"""Share of the corpus' own pieces that may be flagged."""
BEATS = 12
"""Of a passage."""
_FEWEST_NOTES, _FEWEST_GROUPS = 16, 4
"""Of a passage that tells anything."""
_LOOKED_AT = 16
"""Places, those that most groups agree on."""
_COMMON = 32
"""Places of a group of notes beyond which it tells none."""
_PITCHES = 128
_FAR = 1 << 34
"""More than cells of any corpus."""
FEWEST = 40
"""Pieces by which a limit is told: fewer know too little of what is usual."""


class Borrowed(NamedTuple):
  """What a piece shares with a corpus.

  Attributes:
    share: 0..1 of its runs of `Index.notes` notes that the corpus has.
    run: Notes of the longest shared run; 0 where it has less than such a run.
    alike: 0..1 of the notes of `BEATS` beats of a piece of the corpus that are
      here too; where only an index is known, of the groups that it keeps.
  """

  share: float
  run: int
  alike: float


class Limits(NamedTuple):
  """From where on a piece shares more than the corpus' own do.

  Attributes:
    run: Notes of the longest run of a piece that is not flagged.
    alike: Share of a passage likewise.
    pieces: How many pieces that is told by.
  """

  run: int
  alike: float
  pieces: int

  def flags(self, found: Borrowed) -> bool:
    """Returns whether a piece shares more."""
    return found.run > self.run or found.alike > self.alike


def of(index: Index, notes: Notes) -> Borrowed:
  """Returns what a piece shares with the music of an index."""
  rows = ngrams.lines(notes, index.cells_per_beat)
  found, whole = index.found(rows)
  matched = fingerprints.matches(index.table, rows, _COMMON)
  places = _places(index, matched)
  return Borrowed(*_runs(index, found, whole), _kept(index, places))


def limits(
  own: Sequence[Borrowed], level: float | int = LEVEL
) -> Limits | None:
  """Returns limits that at most a share of pieces is beyond.

  Half of the share for runs, half for passages.

  Args:
    own: What pieces share that are no copies, such as the corpus' own. Those
      that hold a passage of another nearly note for note are versions of it,
      copies themselves, and do not count.
    level: The share, 0..1.

  Returns:
    None where there are fewer than `FEWEST` pieces that are no versions.

  Raises:
    ValueError: The level is no share.
  """
  if not 0 <= level <= 1:
    raise ValueError(f'a level is a share in 0..1, not {level}')
  own = [each for each in own if each.alike < VERSION]
  if len(own) < FEWEST:
    return None
  at = 1 - level / 2
  run, alike = (
    np.quantile([getattr(x, name) for x in own], at, method='higher')
    for name in ('run', 'alike')
  )
  return Limits(int(run), float(alike), len(own))


@dataclasses.dataclass(frozen=True)
class Corpus:
  """Pieces of a corpus, each of which can be held against all others.

  Attributes:
    pieces: Name -> music, quantised.
    cells_per_beat: Of the grid.
    notes: Of a run, at least 2.
  """

  pieces: Mapping[str, Notes]
  cells_per_beat: int
  notes: int = originality.NOTES

  @functools.cached_property
  def index(self) -> Index:
    """The index of all pieces."""
    return originality.build(
      self.pieces.items(), self.cells_per_beat, self.notes
    )

  def left_out(self, name: str) -> Borrowed:
    """Returns what one of the pieces shares with all others.

    Raises:
      KeyError: There is no such piece.
    """
    own = self._numbers[name]
    rows = self._lines[own]
    hashed, whole = self._hashed(rows)
    known = self._known
    at = known.keys.searchsorted(hashed).clip(max=max(len(known.keys) - 1, 0))
    found = np.zeros(len(hashed), np.bool_)
    if len(known.keys):
      there = known.keys[at] == hashed
      found = whole & there & (known.several[at] | (known.owner[at] != own))
    matched = fingerprints.matches(self.index.table, rows, _COMMON)
    places = _places(self.index, matched, own)
    return Borrowed(*_runs(self.index, found, whole), self._alike(rows, places))

  def of(self, notes: Notes) -> Borrowed:
    """Returns what a piece that is none of these shares with them."""
    rows = ngrams.lines(notes, self.cells_per_beat)
    found, whole = self.index.found(rows)
    matched = fingerprints.matches(self.index.table, rows, _COMMON)
    places = _places(self.index, matched)
    return Borrowed(*_runs(self.index, found, whole), self._alike(rows, places))

  def baseline(
    self, most: int = 0, told: Callable[[int, int], object] | None = None
  ) -> list[Borrowed]:
    """Returns what pieces share with all others.

    Args:
      most: How many pieces, spread evenly; 0 takes all.
      told: Is told how many are done, of how many.
    """
    names = list(self.pieces)
    count = min(most or len(names), len(names))
    found = []
    for number in range(count):
      found.append(self.left_out(names[number * len(names) // count]))
      if told is not None:
        told(number + 1, count)
    return found

  def _alike(self, rows: Lines, places: '_Places') -> float:
    """Returns how much of a passage is here, at best over some places."""
    have = np.unique(rows.cell * _PITCHES + rows.pitch)
    best = 0.0
    for place, offset, up in zip(
      places.place, places.offset, places.semitones, strict=True
    ):
      piece = int(self.index.starts.searchsorted(place, 'right')) - 1
      cell, pitch = self._points[piece]
      # Whole, also where its end is near.
      last = min(place + BEATS * self.cells_per_beat, int(cell[-1]) + 1)
      first = last - BEATS * self.cells_per_beat
      low, high = cell.searchsorted([first, last])
      if high - low >= _FEWEST_NOTES:
        wanted = (cell[low:high] - offset) * _PITCHES + pitch[low:high] + up
        at = np.minimum(have.searchsorted(wanted), len(have) - 1)
        best = max(best, float((have[at] == wanted).mean()))
    return best

  @functools.cached_property
  def _lines(self) -> list[Lines]:
    """The lines of each piece."""
    return [ngrams.lines(x, self.cells_per_beat) for x in self.pieces.values()]

  @functools.cached_property
  def _points(self) -> list[tuple[np.ndarray, np.ndarray]]:
    """Of each piece cells, in a row with all others, and pitches, once each."""
    found = []
    starts = self.index.starts.tolist()
    for start, rows in zip(starts, self._lines, strict=True):
      both = np.unique(np.stack([rows.cell, rows.pitch]), axis=1)
      found.append((both[0] + start, both[1]))
    return found

  @functools.cached_property
  def _numbers(self) -> dict[str, int]:
    return {name: number for number, name in enumerate(self.pieces)}

  def _hashed(self, rows: Lines) -> tuple[np.ndarray, Bool[np.ndarray, ' k']]:
    """Returns a hash of the run that ends at each note, and if there is one."""
    pairs, whole = ngrams.grams(rows, self.notes)
    wide = pairs.astype(np.uint64)
    return (wide[:, 0] << np.uint64(32)) | wide[:, 1], whole

  @functools.cached_property
  def _known(self) -> '_Known':
    keys, owners = [np.zeros(0, np.uint64)], [np.zeros(0, np.int64)]
    for number, rows in enumerate(self._lines):
      hashed, whole = self._hashed(rows)
      own = np.unique(hashed[whole])
      keys.append(own)
      owners.append(np.full(len(own), number))
    key, owner = np.concatenate(keys), np.concatenate(owners)
    order = np.argsort(key, kind='stable')
    found, first, counts = np.unique(
      key[order], return_index=True, return_counts=True
    )
    return _Known(found, owner[order][first], counts > 1)


class _Known(NamedTuple):
  """Runs of a corpus: their hashes, the first piece, if there are others."""

  keys: np.ndarray
  owner: np.ndarray
  several: np.ndarray


class _Places(NamedTuple):
  """Where passages of a piece may be from: cells, offsets, semitones, [c]."""

  place: np.ndarray
  offset: np.ndarray
  semitones: np.ndarray
  agree: np.ndarray


def _runs(
  index: Index, found: Bool[np.ndarray, ' k'], whole: Bool[np.ndarray, ' k']
) -> tuple[float, int]:
  """Returns the share of runs that are found, and the notes of the longest."""
  longest = int(originality.counted(found).max(initial=0))
  share = float(found.sum() / max(whole.sum(), 1))
  return share, longest + index.notes - 1 if longest else 0


def _places(index: Index, matched: Matches, own: int = -1) -> _Places:
  """Returns the places that most groups agree on, but in one's own piece."""
  place = index.table.place[matched.entry].astype(np.int64)
  other = index.starts.searchsorted(place, 'right') - 1 != own
  told: Int[np.ndarray, '4 m'] = np.stack(
    [matched.offset, matched.semitones, place, matched.entry]
  )[:, other]
  # Each group counts once, however often it is met.
  told = np.unique(told, axis=1)
  if not told.shape[1]:
    return _Places(told[2], told[0], told[1], told[0])
  moves = (np.diff(told[:2], prepend=told[:2, :1]) != 0).any(axis=0)
  key = moves.cumsum() * _FAR + told[2]
  last = key.searchsorted(key + BEATS * index.cells_per_beat)
  agree = last - np.arange(len(key))
  best = np.argsort(-agree, kind='stable')[:_LOOKED_AT]
  return _Places(told[2][best], told[0][best], told[1][best], agree[best])


def _kept(index: Index, places: _Places) -> float:
  """Returns how many of the groups of a passage agree, at best."""
  every = index.places
  ends = places.place + BEATS * index.cells_per_beat
  there = every.searchsorted(ends) - every.searchsorted(places.place)
  known = there >= _FEWEST_GROUPS
  return float((places.agree[known] / there[known]).max(initial=0))
