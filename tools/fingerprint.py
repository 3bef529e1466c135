"""Whether two pieces are one, whatever the key, the edition or the player.

A line is what is highest at each moment, what is lowest, or what is highest
in one track; equal pitches in a row count once. A phrase is 12 intervals of a
line, at least 4 of them different. Two pieces are alike by the share of
phrases of the shorter one that both have (containment; Broder, 1997, calls
the phrases shingles). Durations do not count, so a performance is like its
score; drums have no intervals and are left to their digests.
"""

import dataclasses

import numpy as np

from aurl_jax.music.notes import Notes
from aurl_jax.music.quantise import to_cells

INTERVALS = 12
DISTINCT = 4
CELLS = 12
TRACKS = 16
COMMON = 60
"""A phrase of more pieces than that is an idiom, and tells nothing."""
SHARED = 12
"""So many phrases at least two alike pieces share."""
ALIKE = 0.2
"""From this containment on two pieces are one. Of pairs above it between
sets whose titles are known, all were of one work; see docs/results.md."""


@dataclasses.dataclass(frozen=True)
class Pair:
  """Two pieces (indices) that are alike."""

  one: int
  other: int
  shared: int
  share: float


def phrases(notes: Notes) -> np.ndarray:
  """Returns the hashes of a piece's phrases, uint64, each once."""
  tuned = ~notes.is_drum
  cells = to_cells(notes.onset, notes.ticks_per_beat, CELLS)[tuned]
  pitch, track = notes.pitch[tuned], notes.track[tuned]
  lines = [_highest(cells, pitch), -_highest(cells, -pitch)]
  tracks = np.unique(track)[:TRACKS]
  if len(tracks) > 1:
    lines += [_highest(cells[track == t], pitch[track == t]) for t in tracks]
  return np.unique(np.concatenate([_hashes(line) for line in lines]))


def _highest(cells: np.ndarray, pitch: np.ndarray) -> np.ndarray:
  """Returns the highest pitch of each moment, in order of time."""
  order = np.lexsort([pitch, cells])
  last = np.append(cells[order][1:] != cells[order][:-1], True)
  return pitch[order][last[: len(order)]]


def _hashes(line: np.ndarray) -> np.ndarray:
  steps = np.diff(line)
  steps = steps[steps != 0]
  if len(steps) < INTERVALS:
    return np.zeros(0, np.uint64)
  runs = np.lib.stride_tricks.sliding_window_view(steps, INTERVALS)
  ordered = np.sort(runs, axis=1)
  distinct = 1 + (ordered[:, 1:] != ordered[:, :-1]).sum(axis=1)
  runs = runs[distinct >= DISTINCT]
  # A polynomial in an odd number, modulo 2^64, mixed at the end.
  powers = np.uint64(0x9E3779B97F4A7C15) ** np.arange(
    1, INTERVALS + 1, dtype=np.uint64
  )
  values = ((runs + 128).astype(np.uint64) * powers).sum(axis=1)
  values ^= values >> np.uint64(31)
  return values * np.uint64(0xBF58476D1CE4E5B9)


def alike(
  pieces: list[np.ndarray], least: float = ALIKE, shared: int = SHARED
) -> list[Pair]:
  """Returns all pairs of pieces that are alike, by index.

  Args:
    pieces: What `phrases` gave of each.
    least: Containment from which on two are alike.
    shared: So many phrases they must share.
  """
  sizes = np.array([len(piece) for piece in pieces], np.int64)
  owner = np.repeat(np.arange(len(pieces)), sizes)
  values = np.concatenate([*pieces, np.zeros(0, np.uint64)])
  order = np.argsort(values, kind='stable')
  values, owner = values[order], owner[order]
  bounds = np.flatnonzero(np.append(True, values[1:] != values[:-1]))
  lengths = np.diff(np.append(bounds, len(values)))
  codes = []
  for length in range(2, COMMON + 1):
    starts = bounds[lengths == length]
    if not len(starts):
      continue
    groups = owner[starts[:, None] + np.arange(length)]
    i, j = np.triu_indices(length, 1)
    codes.append((groups[:, i] * len(pieces) + groups[:, j]).ravel())
  found, counts = np.unique(
    np.concatenate([*codes, np.zeros(0, np.int64)]), return_counts=True
  )
  one, other = found // max(1, len(pieces)), found % max(1, len(pieces))
  share = counts / np.minimum(sizes[one], sizes[other])
  kept = np.flatnonzero((share >= least) & (counts >= shared))
  return [
    Pair(int(one[k]), int(other[k]), int(counts[k]), float(share[k]))
    for k in kept
  ]
