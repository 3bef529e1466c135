"""A count table: what can be predicted without a network.

For music in voices on a grid, the chance of each voice's next event given
the pitch the voice last sounded, the voice, and the place in the beat. It
counts exactly the targets that the model's loss counts, so the two numbers
compare. Axes: `n` steps of all rows in a line, `f` fields (voices), `m`
counted targets, `e` events of a field.
"""

import dataclasses
from collections.abc import Iterable, Sequence

import numpy as np

from aurl_jax.core.errors import DataError
from aurl_jax.core.typing import Batch

REST, HOLD, OTHER = -1, -2, -3
"""What an id may mean beside a pitch: silence, no change, no sound at all."""

_STATES = 130
"""Pitches 0..127, then silence, then nothing heard yet."""
_SILENT, _UNHEARD = 128, 129

# Weights of the coarser table that are tried, in counts.
_STRENGTHS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Lookup:
  """What the ids of a tokenization mean to the table.

  Attributes:
    pitch: For each field, id -> MIDI pitch, or REST, HOLD, OTHER.
    event: For each field, id -> the event it is counted as, 1, 2 ... without
      a gap, 0 for id 0. Ids of one event must never be possible at the same
      place, as the holds of different pitches are not.
    bos: Id in field 0 of the step that begins a piece.
    pickup: Id in `pickup_field` of that step -> cells before the first
      full bar.
    pickup_field: Field that holds it.
    beat: Cells in a beat.
  """

  pitch: Sequence[np.ndarray]
  event: Sequence[np.ndarray]
  bos: int
  pickup: np.ndarray
  pickup_field: int = 3
  beat: int = 4


@dataclasses.dataclass(frozen=True, kw_only=True)
class CountTable:
  """Chances of every event in every context.

  Attributes:
    lookup: What the ids mean.
    chances: [f, beat + 1, 130, e] float64: voice, place in the beat (the
      last for unknown), last pitch (then silent, then unheard), event.
    strengths: Weight, in counts, of each coarser table, coarsest first.
  """

  lookup: Lookup
  chances: np.ndarray
  strengths: tuple[float, ...]

  @classmethod
  def fit(cls, batches: Iterable[Batch], lookup: Lookup) -> 'CountTable':
    """Returns the table of what was counted, smoothed.

    Each table is mixed with a coarser one, as if that had been seen
    `strength` times more (MacKay & Peto 1995): all four contexts, without
    the beat, the voice alone, all events alike. The strengths are those under
    which the training events, each left out in turn, are likeliest.

    Args:
      batches: `ids` and `segments` of training batches, or of whole pieces
        through `piece`; once through the data.
      lookup: What the ids mean.

    Raises:
      DataError: There is nothing to count.
    """
    sizes = [int(table.max()) + 1 for table in lookup.event]
    shape = (len(sizes), lookup.beat + 1, _STATES, max(sizes))
    counts = np.zeros(np.prod(shape))
    for batch in batches:
      index = np.ravel_multi_index(_events(batch, lookup), shape)
      counts += np.bincount(index, minlength=len(counts))
    if not counts.any():
      raise DataError('no events to count: the split is empty')
    even = np.zeros(shape)
    for field, size in enumerate(sizes):
      even[field, ..., 1:size] = 1 / (size - 1)
    chances, strengths = _smooth(counts.reshape(shape), even)
    return cls(lookup=lookup, chances=chances, strengths=strengths)

  def evaluate(self, batches: Iterable[Batch]) -> dict[str, float]:
    """Returns `loss` (nats a target id), `tokens`, and `nats/F` by field.

    Args:
      batches: As for `fit`.

    Raises:
      DataError: There is nothing to predict.
    """
    nats, counts = np.zeros((2, len(self.lookup.pitch)))
    tokens = 0
    for batch in batches:
      events = _events(batch, self.lookup)
      surprise = -np.log(self.chances[events])
      nats += np.bincount(events[0], surprise, len(nats))
      counts += np.bincount(events[0], minlength=len(nats))
      tokens += _tokens(batch)
    if not counts.any():
      raise DataError('nothing to evaluate on: the split is empty')
    by_field = {
      f'nats/{f}': float(nats[f] / counts[f])
      for f in np.flatnonzero(counts).tolist()
    }
    loss = float(nats.sum() / counts.sum())
    return {'loss': loss, 'tokens': float(tokens)} | by_field


def piece(ids: np.ndarray) -> Batch:
  """Returns a whole piece, ids [t, f], as a batch of one row."""
  return {'ids': ids[None], 'segments': np.ones((1, len(ids)), np.int32)}


def _flat(batch: Batch) -> tuple[np.ndarray, np.ndarray]:
  """Returns ids [n, f] and segments [n], those of each row distinct."""
  ids, segments = np.asarray(batch['ids']), np.asarray(batch['segments'])
  rows = np.arange(len(segments))[:, None] * (segments.max(initial=0) + 1)
  distinct = np.where(segments > 0, rows + segments, 0)
  return ids.reshape(-1, ids.shape[-1]), distinct.reshape(-1)


def _follows(segments: np.ndarray) -> np.ndarray:
  """Returns the steps [m] whose next step belongs to the same piece."""
  same = (segments[1:] == segments[:-1]) & (segments[1:] > 0)
  return np.flatnonzero(same)


def _tokens(batch: Batch) -> int:
  ids, segments = _flat(batch)
  return int((ids[_follows(segments) + 1] != 0).any(-1).sum())


def _events(batch: Batch, lookup: Lookup) -> tuple[np.ndarray, ...]:
  """Returns voice, place, state and event [m] of every counted target."""
  ids, segments = _flat(batch)
  before = _follows(segments)
  target = ids[before + 1]
  begins = np.flatnonzero(np.diff(segments, prepend=-1))
  start = begins[np.searchsorted(begins, before, 'right') - 1]
  place = _place(ids, before, start, lookup)
  columns = []
  for field, table in enumerate(lookup.pitch):
    state = _state(table[ids[:, field]], before, start)
    used = target[:, field] != 0
    voice = np.full(used.sum(), field)
    event = lookup.event[field][target[used, field]]
    columns.append((voice, place[used], state[used], event))
  return tuple(np.concatenate(parts) for parts in zip(*columns, strict=True))


def _place(
  ids: np.ndarray, before: np.ndarray, start: np.ndarray, lookup: Lookup
) -> np.ndarray:
  """Returns the place in the beat [m] of the target after each step.

  Known where the piece begins in view: its first step says how long the
  pickup is, and the second is the first cell.
  """
  pickup = lookup.pickup[ids[start, lookup.pickup_field]]
  known = ids[start, 0] == lookup.bos
  return np.where(known, (before - start - pickup) % lookup.beat, lookup.beat)


def _state(
  meaning: np.ndarray, before: np.ndarray, start: np.ndarray
) -> np.ndarray:
  """Returns the state [m] of a voice after each step of `before`."""
  changes = np.where(meaning == HOLD, -1, np.arange(len(meaning)))
  last = np.maximum.accumulate(changes)[before]
  value = meaning[np.maximum(last, 0)]
  state = np.where(value >= 0, value, _UNHEARD)
  state = np.where(value == REST, _SILENT, state)
  return np.where(last < start, _UNHEARD, state)


def _smooth(
  counts: np.ndarray, even: np.ndarray
) -> tuple[np.ndarray, tuple[float, ...]]:
  """Returns chances, and the strengths that suit left-out events best."""
  levels = (
    counts.sum((1, 2), keepdims=True),
    counts.sum(1, keepdims=True),
    counts,
  )
  chances, left_out = even, even
  strengths = []
  for level in levels:
    # An event that is left out is missing from every table it was in.
    tried = [_mix(level, left_out, s, out=1) for s in _STRENGTHS]
    scores = [_score(counts, chance) for chance in tried]
    best = int(np.argmax(scores))
    strengths.append(_STRENGTHS[best])
    left_out = tried[best]
    chances = _mix(level, chances, _STRENGTHS[best], out=0)
  return chances, tuple(strengths)


def _mix(
  counts: np.ndarray, coarser: np.ndarray, strength: float, out: int
) -> np.ndarray:
  seen = np.maximum(counts - out, 0) + strength * coarser
  total = np.maximum(counts.sum(-1, keepdims=True) - out, 0)
  return seen / (total + strength)


def _score(counts: np.ndarray, chances: np.ndarray) -> float:
  """Returns the log-likelihood of all events."""
  used = counts > 0
  return float(
    (counts[used] * np.log(np.broadcast_to(chances, counts.shape)[used])).sum()
  )
