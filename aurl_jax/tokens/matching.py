"""Which event of a decoded piece is which of the piece that was encoded.

Judged by the music alone: by instrument, pitch and time, so that a ledger
does not believe what it is told. Axes: `n` events given, `m` events told.
"""

import dataclasses
import functools
from typing import NamedTuple

import numpy as np

from aurl_jax.music import time
from aurl_jax.music.notes import Notes

_NOBODY = -1


@dataclasses.dataclass(frozen=True)
class Clock:
  """Compares times of a piece with those of its decoded twin.

  Attributes:
    given: The piece.
    told: What came back.
    seconds: Whether the twin keeps seconds; else it keeps beats.
    cell: Ticks of the twin in which events count as the same.
  """

  given: Notes
  told: Notes
  seconds: bool
  cell: int

  def place(self, ticks: np.ndarray) -> np.ndarray:
    """Returns ticks of the piece as ticks of the twin, float64 `[n]`."""
    if self.seconds:
      per_second = 1 / time.ticks_to_seconds(self.told, 1)
      return time.ticks_to_seconds(self.given, ticks) * per_second
    return ticks * self.told.ticks_per_beat / self.given.ticks_per_beat

  def milliseconds(self, ticks: np.ndarray, error: np.ndarray) -> np.ndarray:
    """Returns how long differences are, in the twin's ticks, at `ticks`.

    Of a twin that keeps beats: at the tempo that the piece has there.
    """
    if self.seconds:
      return error * (1000 * time.ticks_to_seconds(self.told, 1))
    pair = time.ticks_to_seconds(self.given, np.stack([ticks, ticks + 1]))
    ratio = self.given.ticks_per_beat / self.told.ticks_per_beat
    return error * ratio * (pair[1] - pair[0]) * 1000

  def lengths(self, notes: np.ndarray) -> np.ndarray:
    """Returns the durations of notes of the piece in the twin's ticks."""
    start = self.given.onset[notes]
    return self.place(start + self.given.duration[notes]) - self.place(start)


class Match(NamedTuple):
  """What became of the events of a piece.

  Attributes:
    kept: [k] indices of events that are told.
    told: [k] indices of their twins, each once.
    merged: How many events share the twin of another.
    dropped: How many have none.
  """

  kept: np.ndarray
  told: np.ndarray
  merged: int
  dropped: int


def tracks(given: Notes, told: Notes, *, one_instrument: bool) -> np.ndarray:
  """Returns the twin of each track, -1 for none, int64.

  Tracks with notes, in order, are the tracks of equal instrument, in order;
  those too many are the last one.

  Args:
    given: The piece.
    told: What came back.
    one_instrument: Whether programs are not told, only what is a drum.
  """

  def instrument(track: tuple) -> tuple:
    return track[2], _NOBODY if one_instrument else track[1] * (not track[2])

  twins: dict[tuple, list[int]] = {}
  for index, track in enumerate(told.tracks):
    twins.setdefault(instrument(track), []).append(index)
  found = np.full(len(given.tracks), _NOBODY)
  seen: dict[tuple, int] = {}
  for index in np.flatnonzero(np.bincount(given.track, minlength=1)).tolist():
    key = instrument(given.tracks[index])
    if key in twins:
      rank = seen.get(key, 0)
      found[index] = twins[key][min(rank, len(twins[key]) - 1)]
      seen[key] = rank + 1
  return found


def notes(clock: Clock, twins: np.ndarray) -> Match:
  """Returns what became of the notes; `twins` are those of their tracks."""
  given, told = clock.given, clock.told
  track = twins[given.track]
  return _match(
    clock,
    given.onset,
    np.where(track < 0, _NOBODY, track * 128 + given.pitch),
    told.onset,
    told.track * 128 + told.pitch,
    functools.partial(_stretch, clock),
  )


def _stretch(clock: Clock, note: np.ndarray, twin: np.ndarray) -> np.ndarray:
  return np.abs(clock.lengths(note) - clock.told.duration[twin])


def changes(
  clock: Clock,
  ticks: np.ndarray,
  kinds: np.ndarray,
  told: np.ndarray,
  told_kinds: np.ndarray,
) -> Match:
  """Returns what became of any events, such as changes of tempo.

  Args:
    clock: Of the pieces.
    ticks: [n] where they stand.
    kinds: [n] what they are; events of one kind are alike. -1 is dropped.
    told: [m] ticks of the twin.
    told_kinds: [m] what those are.
  """
  return _match(clock, ticks, kinds, told, told_kinds, None)


def _match(
  clock: Clock,
  ticks: np.ndarray,
  kinds: np.ndarray,
  told: np.ndarray,
  told_kinds: np.ndarray,
  other: functools.partial | None,
) -> Match:
  """Gives each event the nearest of its kind, each of these to one event.

  `other` tells how else two of them differ, in ticks.
  """
  if not len(ticks) or not len(told):
    none = np.zeros(0, np.int64)
    return Match(none, none, 0, len(ticks))
  place = clock.place(ticks)
  order = np.lexsort([told, told_kinds])
  width = float(max(place.max(), told.max()) + 2)
  keys = told_kinds[order] * width + told[order]
  after = np.searchsorted(keys, kinds * width + place)
  sides = np.stack([after, after - 1])
  twin = order.take(sides, mode='clip')
  apart = np.abs(told[twin] - place)
  strange = (told_kinds[twin] != kinds) | (sides < 0) | (sides >= len(told))
  apart[strange] = np.inf
  # Of two as near the later one: halves are rounded up.
  side = apart.argmin(axis=0)
  every = np.arange(len(ticks))
  twin, apart = twin[side, every], apart[side, every]
  near = np.flatnonzero(apart <= clock.cell)
  twin, apart = twin[near], apart[near]
  total = apart if other is None else apart + other(near, twin)
  rank = np.lexsort([total, twin])
  best = rank[np.append(True, np.diff(twin[rank]) > 0)[: len(rank)]]
  return Match(
    near[best], twin[best], len(near) - len(best), len(ticks) - len(near)
  )
