"""Duplicates among pieces, found while they stream by.

Exact ones by the digest of `data.splits`, near ones by MinHash (Broder, "On
the resemblance and containment of documents", 1997) with banded
locality-sensitive hashing (Leskovec et al., "Mining of Massive Datasets",
chapter 3). The shingles are the steps in pitch of runs of notes, along the
highest and the lowest notes, so that neither key nor tempo nor timing counts;
of drums alone they are the instruments and how gaps in time compare.

Memory grows by about 3 KB a piece, the time of a piece by the logarithm of
their number. Axes: `m` shingles, `k` hashes.
"""

import dataclasses

import numpy as np

from aurl_jax.data import splits
from aurl_jax.music.notes import Notes

_CHORD = 12
"""Onsets within this part of a beat are one chord."""
_BUCKET = 32
"""Pieces of one bucket that are compared; a tune that all share fills it."""
_MIX = np.uint64(0x9E3779B97F4A7C15)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
  """How near is near.

  Attributes:
    alike: Share of the shingles of both pieces that they have in common
      (Jaccard) from which the later one is a duplicate; above 1, only exact
      ones are.
    run: Notes of a shingle.
    hashes: Of a signature; a multiple of `rows`.
    rows: Hashes of a band: two pieces are compared if one band is equal.
    least: Shingles below which a piece is not compared, only its digest.
    seed: Of the hash functions.
  """

  alike: float | int = 0.17
  run: int = 6
  hashes: int = 256
  rows: int = 2
  least: int = 16
  seed: int = 0

  def __post_init__(self) -> None:
    if self.alike <= 0 or self.run < 3 or self.hashes % self.rows:
      raise ValueError(
        f'alike {self.alike} must be above 0, run {self.run} at least 3 and '
        f'hashes {self.hashes} a multiple of rows {self.rows}'
      )


class Duplicates:
  """Remembers pieces and names the earlier one that a piece duplicates.

  Attributes:
    exact: How many pieces were exact duplicates.
    near: How many were near ones.
  """

  def __init__(self, options: Options | None = None) -> None:
    self._options = options = options or Options()
    random = np.random.default_rng(options.seed)
    size = (2, options.hashes, 1)
    factors = random.integers(0, 2**64, size, np.uint64)
    self._factor, self._shift = factors[0] | np.uint64(1), factors[1]
    self.exact, self.near = 0, 0
    self._digests: dict[str, str] = {}
    self._names: list[str] = []
    self._signatures: list[np.ndarray] = []
    self._bands = _Bands()

  def __len__(self) -> int:
    """Pieces that duplicate none before them."""
    return len(self._digests)

  def add(self, name: str, notes: Notes) -> str | None:
    """Returns the name of the earlier piece that this one duplicates.

    A piece that duplicates none is remembered under its name; one that does
    is not, so that likeness is not passed on from copy to copy.

    Args:
      name: What to call the piece in later answers.
      notes: The piece. Empty ones duplicate each other.
    """
    digest = splits.digest(notes)
    if digest in self._digests:
      self.exact += 1
      return self._digests[digest]
    found = shingles(notes, self._options.run)
    signature = None
    if len(found) >= self._options.least and self._options.alike <= 1:
      signature = self.signature(found)
      near = self._nearest(signature)
      if near is not None:
        self.near += 1
        return near
    self._digests[digest] = name
    if signature is not None:
      self._remember(name, signature)
    return None

  def signature(self, found: np.ndarray) -> np.ndarray:
    """Returns the MinHash of one or more shingles, [k] uint32.

    The share of equal places of two signatures estimates the share of the
    shingles that are common.
    """
    hashed = found[None] * self._factor + self._shift
    return (hashed >> np.uint64(32)).min(axis=1).astype(np.uint32)

  def _nearest(self, signature: np.ndarray) -> str | None:
    candidates = self._bands.find(self._keys(signature))
    best, alike = None, float(self._options.alike)
    for candidate in candidates:
      share = float(np.mean(self._signatures[candidate] == signature))
      if share >= alike and (best is None or share > alike):
        best, alike = candidate, share
    return None if best is None else self._names[best]

  def _remember(self, name: str, signature: np.ndarray) -> None:
    self._names.append(name)
    self._signatures.append(signature)
    self._bands.add(self._keys(signature), len(self._names) - 1)

  def _keys(self, signature: np.ndarray) -> np.ndarray:
    """Returns a hash of each band, [k / rows] uint64."""
    rows = signature.reshape(-1, self._options.rows).astype(np.int64)
    return _hashed([np.arange(len(rows)), *rows.T])


class _Bands:
  """Which pieces have a band: sorted arrays, each twice the one behind it.

  A dictionary would take ten times the memory.
  """

  def __init__(self) -> None:
    self._levels: list[tuple[np.ndarray, np.ndarray]] = []

  def add(self, keys: np.ndarray, owner: int) -> None:
    """Adds the bands of a piece; arrays of like size are merged."""
    owners = np.full(len(keys), owner, np.uint32)
    order = np.argsort(keys)
    keys = keys[order]
    while self._levels and len(self._levels[-1][0]) <= len(keys):
      older, of = self._levels.pop()
      # Equal keys keep their order, the oldest piece first.
      order = np.argsort(np.append(older, keys), kind='stable')
      keys = np.append(older, keys)[order]
      owners = np.append(of, owners)[order]
    self._levels.append((keys, owners))

  def find(self, keys: np.ndarray) -> list[int]:
    """Returns the pieces that share a band, ascending."""
    found = set[int]()
    for level, owners in self._levels:
      low = np.searchsorted(level, keys)
      high = np.searchsorted(level, keys, side='right')
      for at in np.flatnonzero(high > low).tolist():
        stop = min(high[at], low[at] + _BUCKET)
        found.update(owners[low[at] : stop].tolist())
    return sorted(found)


def shingles(notes: Notes, run: int = 6) -> np.ndarray:
  """Returns hashes of runs of notes, [m] uint64, ascending, distinct.

  Of pieces with pitched notes the drums are left out; of drums alone the
  instruments themselves are taken for steps, and the gaps between them.

  Args:
    notes: The piece.
    run: Notes of a run.
  """
  tuned = ~notes.is_drum
  drums = not tuned.any()
  use = slice(None) if drums else tuned
  onset, pitch = notes.onset[use], notes.pitch[use]
  first = _chords(onset, notes.ticks_per_beat // _CHORD)
  if len(first) < run:
    return np.zeros(0, np.uint64)
  gaps = _gaps(np.diff(onset[first]))
  lines = (
    np.maximum.reduceat(pitch, first),
    np.minimum.reduceat(pitch, first),
  )
  found = []
  for line, values in enumerate(lines):
    steps = values[1:] if drums else np.diff(values)
    columns = [steps[i : len(steps) - run + 2 + i] for i in range(run - 1)]
    if drums:
      columns += [gaps[i : len(gaps) - run + 3 + i] for i in range(run - 2)]
    found.append(_hashed([np.full(len(columns[0]), line), *columns]))
  return np.unique(np.concatenate(found))


def _chords(onset: np.ndarray, together: int) -> np.ndarray:
  """Returns where chords begin: over `together` ticks after the last note."""
  return np.flatnonzero(np.diff(onset, prepend=-together - 2) > together)


def _gaps(gap: np.ndarray) -> np.ndarray:
  """Returns 0, 1 or 2: shorter than, like, longer than the gap before."""
  before, after = gap[:-1], gap[1:]
  shorter, longer = 10 * after < 7 * before, 7 * after > 10 * before
  return 1 - shorter.astype(np.int64) + longer


def _hashed(columns: list[np.ndarray]) -> np.ndarray:
  """Mixes integer columns into one hash a row, [m] uint64 (splitmix64)."""
  value = np.zeros(len(columns[0]), np.uint64)
  for column in columns:
    value = (value ^ column.astype(np.int64).view(np.uint64)) + _MIX
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    value ^= value >> np.uint64(31)
  return value
