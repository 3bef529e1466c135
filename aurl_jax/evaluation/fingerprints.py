"""Where music has been heard before, also with notes put in or left out.

Geometric hashes of symbolic music, after Arzt, Böck and Widmer, "Fast
Identification of Piece and Score Position via Symbolic Fingerprinting", ISMIR
2012, and, for reports of originality, Yin et al., SN Computer Science 3, 2022:
what four notes of a line are to each other in pitch and time, the last three
any of the five that follow the first. So a note that is put in, or left out,
costs some of the hashes and no more. Of each note the rarest of its ten is
looked at, and of each eight notes in a row the rarest stays, as winnowing does
(Schleimer, Wilkerson and Aiken, SIGMOD 2003): a passage of thirteen notes has
one at least. A match tells an offset in time and in pitch; matches of one
passage agree on both, those of chance do not.

Axes: `k` notes of lines; `e` entries of the table; `m` matches.
"""

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Int, UInt8, UInt32

from aurl_jax.evaluation import ngrams
from aurl_jax.evaluation.ngrams import Lines

REACH = 5
"""Notes behind the first one that the others are chosen from."""
WINDOW = 8
"""Notes in a row of which the rarest hash stays."""
_SHAPES = tuple(itertools.combinations(range(1, REACH + 1), 3))
_COUNTED = 22
"""Bits of a hash by which its frequency is counted."""
_NONE = np.uint64(0xFFFFFFFFFFFFFFFF)


class Table(NamedTuple):
  """What stays of a set of pieces, by hash.

  Attributes:
    hash: uint32 `[e]`, ascending.
    place: uint32 `[e]`, cell of the first note, of all pieces in a row.
    pitch: uint8 `[e]`, its pitch.
  """

  hash: UInt32[np.ndarray, ' e']
  place: UInt32[np.ndarray, ' e']
  pitch: UInt8[np.ndarray, ' e']


class Matches(NamedTuple):
  """Notes of a piece that are as notes of the table.

  Attributes:
    note: int64 `[m]`, the first of the four in the lines of the piece.
    last: int64 `[m]`, the last of them.
    entry: int64 `[m]`, in the table.
    offset: int64 `[m]`, cells from the piece to the place in the table.
    semitones: int64 `[m]`, from the table up to the piece.
  """

  note: Int[np.ndarray, ' m']
  last: Int[np.ndarray, ' m']
  entry: Int[np.ndarray, ' m']
  offset: Int[np.ndarray, ' m']
  semitones: Int[np.ndarray, ' m']


def build(rows: Lines) -> Table:
  """Returns the table of lines, whose cells go on from piece to piece."""
  count = len(rows.line)
  seen = np.zeros(1 << _COUNTED, np.int64)
  for _, hashed, _ in _hashes(rows):
    seen += np.bincount(hashed >> (32 - _COUNTED), minlength=len(seen))
  best = np.full(count, _NONE)
  for first, hashed, _ in _hashes(rows):
    often = np.minimum(seen[hashed >> (32 - _COUNTED)], (1 << 31) - 1)
    key = (often.astype(np.uint64) << np.uint64(32)) | hashed
    best[first] = np.minimum(best[first], key)
  chosen = _winnowed(best)
  hashed = (best[chosen] & np.uint64(0xFFFFFFFF)).astype(np.uint32)
  order = np.lexsort((rows.cell[chosen], hashed))
  at = chosen[order]
  return Table(
    hashed[order],
    rows.cell[at].astype(np.uint32),
    rows.pitch[at].astype(np.uint8),
  )


def _winnowed(key: np.ndarray) -> np.ndarray:
  """Returns the notes that have the least key of some window, ascending."""
  if len(key) <= WINDOW:
    least = np.array([key.argmin()] if len(key) else [], np.int64)
  else:
    windows = np.lib.stride_tricks.sliding_window_view(key, WINDOW)
    least = np.unique(windows.argmin(axis=1) + np.arange(len(windows)))
  return least[key[least] != _NONE]


def _hashes(
  rows: Lines,
) -> Iterator[tuple[np.ndarray, np.ndarray, int]]:
  """Yields, of each shape, first notes, their hashes, and the last note.

  The last one is told by how far it is behind the first.
  """
  for shape in _SHAPES:
    far = shape[-1]
    first = np.flatnonzero(rows.line[far:] == rows.line[: -far or None])
    at = [first, *(first + step for step in shape)]
    told = [
      ngrams.steps(
        rows.pitch[b] - rows.pitch[a], (rows.cell[b] - rows.cell[a]).clip(0)
      )
      for a, b in itertools.pairwise(at)
    ]
    yield first, ngrams.key(told), far


def matches(table: Table, rows: Lines, most: int = 0) -> Matches:
  """Returns all matches of the lines of a piece.

  Args:
    table: Of the other music.
    rows: The lines.
    most: Entries of a hash beyond which it is a commonplace that tells no
      place, and is left out; 0 leaves none out.
  """
  found = [np.zeros((5, 0), np.int64)]
  for first, hashed, far in _hashes(rows):
    low = table.hash.searchsorted(hashed)
    many = np.zeros(len(low), np.int64)
    if len(table.hash):
      there = table.hash[np.minimum(low, len(table.hash) - 1)] == hashed
      last = table.hash.searchsorted(hashed[there], 'right')
      many[there] = last - low[there]
    if most:
      many = np.where(many > most, 0, many)
    note = first.repeat(many)
    behind = np.arange(len(note)) - (many.cumsum() - many).repeat(many)
    entry = low.repeat(many) + behind
    offset = table.place[entry].astype(np.int64) - rows.cell[note]
    higher = rows.pitch[note] - table.pitch[entry].astype(np.int64)
    found.append(np.stack([note, note + far, entry, offset, higher]))
  return Matches(*np.concatenate(found, axis=1))
