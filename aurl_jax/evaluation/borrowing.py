"""How much pieces share with a corpus, beside what its own pieces share.

Music of one style shares runs and figures without anybody copying. So nothing
is told alone: beside it stands what each piece of the corpus shares with all
the others (leave-one-out), and a piece is flagged only where it shares more
than nearly all of these do. Three figures of a piece: the share of its runs of
so many notes that others have (n-grams), the longest run that it shares
(`evaluation.ngrams`), and how many groups of notes agree on one place of one
piece (geometric hashes, `evaluation.fingerprints`), which notes put in or left
out do not undo. After Yin et al., "Deep learning's shallow gains: a comparative
evaluation of algorithms for automatic music generation", Machine Learning 2023,
and SN Computer Science 3, 2022, whose baseline is of a corpus in halves.

Axes: `p` pieces, `k` notes of lines, `m` matches.
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

LEVEL = 0.05
"""Share of the corpus' own pieces that may be flagged."""
FEWEST = 40
"""Pieces of which a limit is told: of fewer, each is more than 2.5 %."""


class Borrowed(NamedTuple):
  """What a piece shares with a corpus.

  Attributes:
    share: 0..1 of its runs of `Index.notes` notes that the corpus has.
    run: Notes of the longest shared run; 0 where it has less than such a run.
    points: Groups of notes that agree on one place of one piece.
  """

  share: float
  run: int
  points: int


class Limits(NamedTuple):
  """From where on a piece shares more than the corpus' own do.

  Attributes:
    run: Notes of the longest run of a piece that is not flagged.
    points: Groups of notes likewise.
    pieces: How many pieces that is told by.
  """

  run: int
  points: int
  pieces: int

  def flags(self, found: Borrowed) -> bool:
    """Returns whether a piece shares more."""
    return found.run > self.run or found.points > self.points


def of(index: Index, notes: Notes) -> Borrowed:
  """Returns what a piece shares with the music of an index."""
  rows = ngrams.lines(notes, index.cells_per_beat)
  found, whole = index.found(rows)
  matched = fingerprints.matches(index.table, rows)
  return _told(index, found, whole, matched)


def limits(
  own: Sequence[Borrowed], level: float | int = LEVEL
) -> Limits | None:
  """Returns limits that at most a share of pieces is beyond.

  Half of the share for runs, half for groups of notes.

  Args:
    own: What pieces share that are no copies, such as the corpus' own.
    level: The share, 0..1.

  Returns:
    None where there are fewer than `FEWEST` pieces.

  Raises:
    ValueError: The level is no share.
  """
  if not 0 <= level <= 1:
    raise ValueError(f'a level is a share in 0..1, not {level}')
  if len(own) < FEWEST:
    return None
  at = 1 - level / 2
  run, points = (
    int(np.quantile([getattr(x, name) for x in own], at, method='higher'))
    for name in ('run', 'points')
  )
  return Limits(run, points, len(own))


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
    rows = ngrams.lines(self.pieces[name], self.cells_per_beat)
    own = self._numbers[name]
    hashed, whole = self._hashed(rows)
    known = self._known
    at = known.keys.searchsorted(hashed).clip(max=max(len(known.keys) - 1, 0))
    found = np.zeros(len(hashed), np.bool_)
    if len(known.keys):
      there = known.keys[at] == hashed
      found = whole & there & (known.several[at] | (known.owner[at] != own))
    matched = fingerprints.matches(self.index.table, rows)
    return _told(self.index, found, whole, matched, own)

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
    for number, notes in enumerate(self.pieces.values()):
      hashed, whole = self._hashed(ngrams.lines(notes, self.cells_per_beat))
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


def _told(
  index: Index,
  found: Bool[np.ndarray, ' k'],
  whole: Bool[np.ndarray, ' k'],
  matched: Matches,
  own: int = -1,
) -> Borrowed:
  """Returns figures of what is found, but in one's own piece."""
  longest = int(originality.counted(found).max(initial=0))
  return Borrowed(
    share=float(found.sum() / max(whole.sum(), 1)),
    run=longest + index.notes - 1 if longest else 0,
    points=_points(index, matched, own),
  )


def _points(index: Index, matched: Matches, own: int) -> int:
  """Returns the most matches that agree on a piece, an offset and a pitch."""
  place = index.table.place[matched.entry].astype(np.int64)
  piece = index.starts.searchsorted(place, 'right') - 1
  other = piece != own
  told: Int[np.ndarray, '3 m'] = np.stack(
    [piece[other], matched.offset[other], matched.semitones[other]]
  )
  if not told.shape[1]:
    return 0
  # Each group counts once, however often it is met.
  told = np.unique(np.vstack([told, matched.entry[other]]), axis=1)[:3]
  _, counts = np.unique(told, axis=1, return_counts=True)
  return int(counts.max())
