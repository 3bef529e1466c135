"""The packing plan: which stretch of which piece stands where, as integers.

Axes: `p` pieces, `c` chunks (stretches of a piece), `r` rows, `k` chunks in a
row; `b` rows of a batch, `t` the context, `f` fields.

A plan is a table int64 `[r, k, 3]` of (piece, start, length); a length of 0
is an empty place. It follows from (seed, epoch) alone and takes
milliseconds, so nothing of it is ever stored: a batch is a number of rows of
it, and to gather a batch is one indexing of the memory-mapped ids.
"""

import bisect
import dataclasses
import functools
from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Int, Int64

MODES = ('pack', 'pad', 'crop')
MAX_CHUNKS = 64
"""Chunks a row at most: bounds the plan's size when pieces are tiny."""
_SLACK = 200
"""One row in so many stays free: cuts at other bars need a few rows more."""
_RESERVED_SLACK = 50
"""Likewise, where other pieces have steps reserved in each epoch."""
_TRIALS = 4
"""Epochs that are filled to see how many rows they need."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Lengths:
  """Where pieces and bars begin in a split's ids, all in steps.

  Attributes:
    offsets: [p + 1] int64, first step of each piece, and the end of all.
    bars: [bars] int64, ascending: steps at which a piece may be cut.
    chosen: [p] which pieces are planned; None for all.
  """

  offsets: Int64[np.ndarray, ' starts']
  bars: Int64[np.ndarray, ' bars']
  chosen: Bool[np.ndarray, ' p'] | None = None

  @property
  def pieces(self) -> Int64[np.ndarray, ' p']:
    """Indices of the chosen pieces that have steps, [p]."""
    planned = np.diff(self.offsets) > 0
    if self.chosen is not None:
      planned &= self.chosen
    return np.flatnonzero(planned)


def cut(
  lengths: Lengths,
  first: Int64[np.ndarray, ' p'],
  context: int | Int64[np.ndarray, ' p'],
) -> Int64[np.ndarray, 'c 3']:
  """Cuts every piece at bar starts into chunks of at most `context` steps.

  Each chunk ends at the last bar start that it can reach; a bar longer than
  the context is cut where the context ends.

  Args:
    lengths: The pieces.
    first: [p] the most steps of each piece's first chunk, 1..context.
    context: The most steps of a chunk; or [p] those of each piece.

  Returns:
    int64 [c, 3] of (piece, start in the piece, length). Every step of every
    piece is in exactly one chunk.
  """
  most = np.broadcast_to(context, len(first))
  piece, reach = lengths.pieces, first[lengths.pieces]
  start = lengths.offsets[piece]
  chunks = [np.zeros((0, 3), np.int64)]
  while len(piece):
    stop = np.minimum(start + reach, lengths.offsets[piece + 1])
    last = np.searchsorted(lengths.bars, stop, side='right') - 1
    bar = np.append(lengths.bars, -1)[last]
    inside = stop < lengths.offsets[piece + 1]
    stop = np.where(inside & (bar > start), bar, stop)
    begin = start - lengths.offsets[piece]
    chunks.append(np.stack([piece, begin, stop - start], axis=1))
    piece, start = piece[inside], stop[inside]
    reach = most[piece]
  return np.concatenate(chunks)


def crop(
  lengths: Lengths,
  context: int,
  rng: np.random.Generator,
  kept: Int64[np.ndarray, ' p'] | None = None,
) -> Int64[np.ndarray, 'c 3']:
  """Returns random crops at bar starts, one for each `context` of a piece.

  A piece of n steps gives `max(1, round(n / context))` crops, so that long
  pieces weigh what they hold. Starts are drawn from the piece's start and
  its bars, up to the first bar from which the rest of the piece fits.

  Args:
    lengths: The pieces.
    context: Steps of a row.
    rng: Where chance comes from.
    kept: [p] steps that a crop of each piece leaves free; None for none.

  Returns:
    int64 [c, 3] of (piece, start in the piece, length).
  """
  size = np.diff(lengths.offsets)
  piece = lengths.pieces
  count = np.maximum(1, np.rint(size[piece] / context)).astype(np.int64)
  piece = np.repeat(piece, count)
  most = context - (0 if kept is None else kept[piece])
  begin, end = lengths.offsets[piece], lengths.offsets[piece + 1]
  low = np.searchsorted(lengths.bars, begin, side='right')
  high = np.searchsorted(lengths.bars, end - most) + 1
  high = np.minimum(high, np.searchsorted(lengths.bars, end))
  high = np.where(size[piece] > most, high, low)
  bar = rng.integers(low - 1, np.maximum(high, low))
  start = np.where(bar < low, begin, np.append(lengths.bars, 0)[bar]) - begin
  length = np.minimum(size[piece] - start, most)
  return np.stack([piece, start, length], axis=1)


def pack(
  sizes: Int64[np.ndarray, ' c'], context: int, rng: np.random.Generator
) -> Int64[np.ndarray, 'r k']:
  """Fills rows with chunks: longest first, each where it fits best.

  Works on the histogram of sizes, so that its time hardly grows with the
  number of chunks; which chunk of a size goes where is random. Source:
  Krell et al. 2021, "Efficient Sequence Packing without
  Cross-contamination", longest-pack-first (LPFHP).

  Args:
    sizes: [c] steps of each chunk, 1..context.
    context: Steps of a row.
    rng: Shuffles chunks of equal size.

  Returns:
    int64 [r, k] indices into `sizes`, -1 for an empty place.
  """
  groups = _fill(np.bincount(sizes, minlength=context + 1), context)
  order = rng.permutation(len(sizes))
  order = order[np.argsort(sizes[order], kind='stable')]
  taken = np.searchsorted(sizes[order], np.arange(context + 1))
  width = max((len(parts) for _, parts in groups), default=1)
  rows = []
  for count, parts in groups:
    block = np.full((count, width), -1, np.int64)
    for place, size in enumerate(parts):
      block[:, place] = order[taken[size] : taken[size] + count]
      taken[size] += count
    rows.append(block)
  return np.concatenate(rows or [np.zeros((0, width), np.int64)])


def _fill(
  histogram: Int[np.ndarray, ' sizes'], context: int
) -> list[tuple[int, tuple[int, ...]]]:
  """Returns (rows, sizes of the chunks in each of these rows) by LPFHP."""
  # (free steps, rows, sizes), sorted: bisection finds the tightest fit.
  groups: list[tuple[int, int, tuple[int, ...]]] = []
  for size in range(context, 0, -1):
    left = int(histogram[size])
    while left:
      at = bisect.bisect_left(groups, (size,))
      new = (context, left, ())
      free, rows, parts = groups.pop(at) if at < len(groups) else new
      fit = min(free // size, MAX_CHUNKS - len(parts))
      full, rest = divmod(min(left, rows * fit), fit)
      left -= full * fit + rest
      tail = int(rest > 0)
      shares = ((full, fit), (tail, rest), (rows - full - tail, 0))
      for count, more in shares:
        sizes = parts + (size,) * more
        space = free - size * more if len(sizes) < MAX_CHUNKS else 0
        if count and sizes:
          bisect.insort(groups, (space, count, sizes))
  return [(rows, sizes) for _, rows, sizes in groups]


Reserve = Callable[[int], Int64[np.ndarray, ' p']]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Planner:
  """Makes the plan of any epoch; the number of rows is always the same.

  Modes: `pack` puts several chunks into a row, and an epoch holds every
  step exactly once; `pad` gives each chunk a row of its own, likewise; `crop`
  gives each row one random crop (see `crop`).

  Attributes:
    lengths: The pieces.
    context: Steps of a row.
    mode: One of `MODES`.
    seed: Together with the epoch, the only source of chance.
    multiple: The number of rows is a multiple of this (the batch size);
      rows beyond the chunks are empty.
    reserve: Epoch -> int64 [p], steps that stay free beside each chunk of
      each piece; None for none. Where an epoch would need more rows for them
      than others, it has none.
  """

  lengths: Lengths
  context: int
  mode: str = 'pack'
  seed: int = 0
  multiple: int = 1
  reserve: Reserve | None = None

  def __post_init__(self) -> None:
    if self.mode not in MODES:
      raise ValueError(f'mode {self.mode!r} is none of {MODES}')
    if self.context < 2 or self.multiple < 1:
      raise ValueError('context must be at least 2 and multiple at least 1')

  @functools.cached_property
  def rows(self) -> int:
    """Rows of every epoch, the empty ones included."""
    plain = self._fill(np.random.default_rng(self.seed), self._none)
    trials = [
      self._fill(self._rng(epoch), self._kept(epoch), shift=True)
      for epoch in range(_TRIALS)
    ]
    rows = max(len(table) for table in [plain, *trials])
    rows += rows // (_RESERVED_SLACK if self.reserve else _SLACK)
    return -(-rows // self.multiple) * self.multiple

  def plan(self, epoch: int) -> Int64[np.ndarray, 'r k 3']:
    """Returns the epoch's plan, int64 [rows, k, 3]."""
    rng = self._rng(epoch)
    table = self._fill(rng, self._kept(epoch), shift=True)
    if len(table) > self.rows:
      # Other cuts can need more rows than the trials; the plain cut fits.
      table = self._fill(rng, self._none)
    plan = np.zeros((self.rows, *table.shape[1:]), np.int64)
    plan[rng.permutation(self.rows)[: len(table)]] = table
    return plan

  def _rng(self, epoch: int) -> np.random.Generator:
    return np.random.default_rng([self.seed, epoch])

  @property
  def _none(self) -> Int64[np.ndarray, ' p']:
    return np.zeros(len(self.lengths.offsets) - 1, np.int64)

  def _kept(self, epoch: int) -> Int64[np.ndarray, ' p']:
    """Returns the steps that stay free in an epoch, by piece."""
    return self.reserve(epoch) if self.reserve else self._none

  def _fill(
    self,
    rng: np.random.Generator,
    kept: Int64[np.ndarray, ' p'],
    shift: bool = False,
  ) -> Int64[np.ndarray, 'r k 3']:
    """Returns the filled rows, [r, k, 3]; `shift` moves the cuts."""
    if self.mode == 'crop':
      return crop(self.lengths, self.context, rng, kept)[:, None]
    most = self.context - kept
    if self.mode == 'pad':
      return cut(self.lengths, most, most)[:, None]
    first = most
    if shift:
      size = np.diff(self.lengths.offsets)
      # Arrays of bounds would draw other numbers than one for all.
      bound = most if self.reserve else self.context
      drawn = rng.integers(1, bound, size=len(first), endpoint=True)
      first = np.where(size > most, drawn, first)
    chunks = cut(self.lengths, first, most)
    rows = pack(chunks[:, 2] + kept[chunks[:, 0]], self.context, rng)
    empty = np.zeros((1, 3), np.int64)
    return np.concatenate([chunks, empty])[rows]
