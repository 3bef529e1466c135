"""Pieces cut into excerpts of a few bars, each a piece of its own.

What models of short pieces learn from, such as those with latents. An excerpt
begins at a bar line, tells its meter, tempo, key and chord anew, and stays in
the split of the piece that it is from. Notes that sound on from before begin
with it, as a player who starts there would strike them; the last excerpt may
be shorter, and those without notes are left out. A piece that cannot be read
stays as it is, so that its fault is reported once.
"""

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence

import numpy as np

import aurl_jax
from aurl_jax.data import metadata as metadata_lib
from aurl_jax.data import splits
from aurl_jax.data import store as store_lib
from aurl_jax.data.preprocess import Preprocess
from aurl_jax.data.sources import Source
from aurl_jax.data.store import Store
from aurl_jax.music import cut, time
from aurl_jax.music.midi import Reading

_KEPT = 2_000_000
"""Notes of pieces that are kept, 80 MB."""
_VERSION = 1
"""Of what is kept of a whole piece."""
_SMALL = 100
"""Sets of so many pieces are split together, so that no split is empty."""


class Reader:
  """Reads whole pieces, and keeps the last ones for their excerpts.

  Tracking the beats of a piece takes longer than all else, and each piece is
  asked for twice: how many bars it has, and then for its bars. The former is
  kept in a store, so that a set that is prepared already is found as such
  without reading it.
  """

  def __init__(
    self,
    preprocess: Preprocess,
    kept: int = _KEPT,
    store: Store | None = None,
  ) -> None:
    """Takes what is done to whole pieces before they are cut.

    Args:
      preprocess: That.
      kept: Notes of the pieces that are kept, at most; the last piece always.
      store: Keeps what `outline` tells, or None.
    """
    self.preprocess, self._store = preprocess, store
    self._most, self._notes = kept, 0
    self._kept: dict[int, tuple[Source, Reading, list[int]]] = {}
    self._digests: dict[int, tuple[Source, str]] = {}

  def __call__(self, source: Source) -> tuple[Reading, list[int]]:
    """Returns a piece as it is cut, and the ticks at which bars start."""
    # By identity: the source is kept beside, so that no other has its number.
    if id(source) not in self._kept:
      found = source.read()
      notes = self.preprocess(found.notes)
      starts = [int(tick) for tick in time.bar_starts(notes)]
      whole = dataclasses.replace(found, notes=notes)
      self._kept[id(source)] = source, whole, starts
      self._notes += len(notes)
      self._forget()
    return self._kept[id(source)][1:]

  def digest(self, source: Source) -> str:
    """Returns the digest of a source, whose file is read for it once."""
    if id(source) not in self._digests:
      self._digests[id(source)] = source, source.digest()
    return self._digests[id(source)][1]

  def outline(self, source: Source) -> tuple[str, int]:
    """Returns the digest of a piece's music, and how many bars it has.

    Of a piece that cannot be read, or has no notes: '' or its digest, and 0.
    """
    try:
      if self._store is None:
        return self._outline(source)
      key = self._key(source)
      entry = self._store.get(key)
      if entry is None:
        digest, bars = self._outline(source)
        self._store.put(
          key, {'digest': np.array(digest), 'bars': np.array(bars)}
        )
        return digest, bars
    except (OSError, ValueError):
      return '', 0
    return str(entry['digest']), int(entry['bars'])

  def _outline(self, source: Source) -> tuple[str, int]:
    whole, starts = self(source)
    count = len(starts) if len(whole.notes) else 0
    return splits.digest(whole.notes), count

  def _key(self, source: Source) -> str:
    return store_lib.key_of(
      {
        'excerpts': _VERSION,
        'library': aurl_jax.__version__,
        'preprocess': repr(self.preprocess),
        'source': self.digest(source),
      }
    )

  def _forget(self) -> None:
    """Lets the pieces go that were read first."""
    while self._notes > self._most and len(self._kept) > 1:
      oldest = next(iter(self._kept))
      self._notes -= len(self._kept.pop(oldest)[1].notes)


@dataclasses.dataclass(frozen=True)
class Excerpt:
  """Some bars of a source.

  Attributes:
    whole: The source.
    first: Its first bar, from 0.
    bars: How many bars.
    split: Of the whole piece.
    reader: What reads it.
  """

  whole: Source
  first: int
  bars: int
  split: str | None
  reader: Reader

  @property
  def name(self) -> str:
    """That of the whole, and the number of the first bar, from 1."""
    return f'{self.whole.name}:{self.first + 1}'

  def digest(self) -> str:
    """Returns what changes whenever the music might."""
    change = repr(self.reader.preprocess)
    whole = self.reader.digest(self.whole)
    parts = (whole, self.first, self.bars, change)
    return hashlib.sha256(repr(parts).encode()).hexdigest()

  def metadata(self, title: str = '') -> metadata_lib.Told:
    """Returns what is known of the whole."""
    return metadata_lib.describe(self.whole, title)

  def read(self) -> Reading:
    """Returns the bars; what was mended is told with the first of them."""
    whole, starts = self.reader(self.whole)
    last = min(self.first + self.bars, len(starts))
    notes = cut.slice_bars(whole.notes, self.first, last, held=True)
    if self.first:
      return Reading(notes)
    return dataclasses.replace(whole, notes=notes)


def of(
  found: Sequence[Source],
  bars: int,
  *,
  preprocess: Preprocess | None = None,
  given: Mapping[str, str] | None = None,
  store: Store | None = None,
) -> list[Source]:
  """Returns the excerpts of all sources, in order; reads each once.

  Args:
    found: The sources.
    bars: Of an excerpt, 1 or more.
    preprocess: What is done to whole pieces; None leaves them as they are.
    given: Name or digest of a whole -> split; what is not in it goes by the
      source's own split, then by the digest of its music.
    store: Keeps how many bars each source has, or None.
  """
  reader = Reader(preprocess or Preprocess(), store=store)
  table = given or {}
  wholes = [reader.outline(source) for source in found]
  digests = [digest for digest, _ in wholes if digest]
  small = len(found) <= _SMALL and not table
  chosen = splits.assign(digests) if small else {}
  result: list[Source] = []
  for source, (digest, count) in zip(found, wholes, strict=True):
    told = table.get(digest) or table.get(source.name) or source.split
    split = told or chosen.get(digest) or splits.by_digest(digest)
    cuts = range(0, count, bars)
    result += [Excerpt(source, at, bars, split, reader) for at in cuts]
    result += [] if count else [source]
  return result
