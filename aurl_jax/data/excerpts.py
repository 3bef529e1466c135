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

from aurl_jax.data import metadata as metadata_lib
from aurl_jax.data import splits
from aurl_jax.data.preprocess import Preprocess
from aurl_jax.data.sources import Source
from aurl_jax.music import cut, time
from aurl_jax.music.midi import Reading

_KEPT = 2_000_000
"""Notes of pieces that are kept, 80 MB."""
_SMALL = 100
"""Sets of so many pieces are split together, so that no split is empty."""


class Reader:
  """Reads whole pieces, and keeps the last ones for their excerpts.

  Tracking the beats of a piece takes longer than all else, and each piece is
  asked for twice: how many bars it has, and then for its bars.
  """

  def __init__(self, preprocess: Preprocess, kept: int = _KEPT) -> None:
    """Takes what is done to whole pieces before they are cut.

    Args:
      preprocess: That.
      kept: Notes of the pieces that are kept, at most; the last piece always.
    """
    self.preprocess = preprocess
    self._most, self._notes = kept, 0
    self._kept: dict[int, tuple[Source, Reading, list[int]]] = {}

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
    parts = (self.whole.digest(), self.first, self.bars, change)
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
) -> list[Source]:
  """Returns the excerpts of all sources, in order; reads each once.

  Args:
    found: The sources.
    bars: Of an excerpt, 1 or more.
    preprocess: What is done to whole pieces; None leaves them as they are.
    given: Name or digest of a whole -> split; what is not in it goes by the
      source's own split, then by the digest of its music.
  """
  reader, table = Reader(preprocess or Preprocess()), given or {}
  wholes = [_known(source, reader) for source in found]
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


def _known(source: Source, reader: Reader) -> tuple[str, int]:
  """Returns the digest of a piece and its bars; '' and 0 if it has no use."""
  try:
    whole, starts = reader(source)
  except (OSError, ValueError):
    return '', 0
  return splits.digest(whole.notes), len(starts) if len(whole.notes) else 0
