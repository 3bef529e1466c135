"""What is told of each note to whoever decides which notes are the melody.

Nothing depends on tracks, nor on the order in which equal notes stand: notes
are taken by onset, those that begin together from the highest down. Axes: `n`
pitched notes in that order, `f` facts, `e` neighbours.
"""

import dataclasses

import numpy as np

from aurl_jax.music.notes import Notes
from aurl_jax.studies import groups, voices
from aurl_jax.studies.groups import Played
from aurl_jax.studies.melody import manner

NEIGHBOURS = 2
"""Of each note in its own line: the one before and the one after."""
_REACH = 24
"""How many notes away a neighbour may stand."""
_OCTAVE = 12


@dataclasses.dataclass(frozen=True)
class Facts:
  """The notes of a piece as the network hears them.

  Attributes:
    heard: The notes, from the highest down where they begin together.
    rows: [n, f] float32, about -3..3.
    near: [n, e] int64, the notes that most likely come before and after each
      one in its line; the note itself where there is none.
  """

  heard: Played
  rows: np.ndarray
  near: np.ndarray


def find(notes: Notes) -> Facts:
  """Returns the facts of a piece; drums have none."""
  return of(groups.played(notes))


def of(played: Played) -> Facts:
  """Returns the facts of notes in seconds."""
  heard, began = _ordered(played)
  if not len(heard.onset):
    width = WIDTH
    return Facts(
      heard,
      np.zeros((0, width), np.float32),
      np.zeros((0, NEIGHBOURS), np.int64),
    )
  near = np.stack([_near(heard, -1), _near(heard, 1)], axis=1)
  columns = [
    voices.features(heard)[:, :-1],
    _register(heard),
    _rhythm(heard),
    _chord(heard),
    _bonds(heard, near),
    manner.rows(heard, began),
  ]
  rows = np.concatenate(columns, axis=1)
  return Facts(heard, np.clip(rows, -4, 4).astype(np.float32), near)


def _ordered(played: Played) -> tuple[Played, np.ndarray]:
  """Returns the notes by group, then from the highest, longest, loudest.

  With them, when each one begins indeed, [n] seconds.
  """
  length = played.end - played.onset
  order = np.lexsort([-played.velocity, -length, -played.pitch, played.group])
  names = ('index', 'onset', 'end', 'pitch', 'velocity')
  columns = {name: getattr(played, name)[order] for name in names}
  began = columns['onset']
  # A group's notes differ by some milliseconds; all get the first one's.
  columns['onset'] = played.onset[played.first][played.group]
  columns['end'] = np.maximum(columns['end'], columns['onset'])
  return Played(**columns, first=played.first), began


def _register(heard: Played) -> np.ndarray:
  """Pitch and velocity against the whole piece, and as they are."""
  pitch, velocity = heard.pitch, heard.velocity
  return np.stack(
    [
      (pitch - np.median(pitch)) / _OCTAVE,
      _quantile(pitch) * 2 - 1,
      (velocity - np.median(velocity)) / 20,
      _quantile(velocity) * 2 - 1,
      np.full(len(pitch), float(np.ptp(velocity) == 0)),
      manner.share(heard.onset, velocity),
      manner.share(heard.onset, pitch),
    ],
    axis=1,
  )


def _rhythm(heard: Played) -> np.ndarray:
  """Time to the groups before and after, and how full the air is."""
  starts = heard.onset[heard.first]
  step = np.diff(starts)
  before = np.append(4.0, step)[heard.group]
  after = np.append(step, 4.0)[heard.group]
  length = heard.end - heard.onset
  busy = np.searchsorted(heard.onset, heard.onset + 1.0) - np.searchsorted(
    heard.onset, heard.onset - 1.0
  )
  return np.stack(
    [
      np.log(np.clip(before, 0.03, 4)),
      np.log(np.clip(after, 0.03, 4)),
      np.log(np.clip(length / np.maximum(after, 0.03), 0.1, 10)),
      np.log(np.clip(length, 0.03, 4)),
      np.log(np.maximum(busy, 1)) - 2.5,
    ],
    axis=1,
  )


def _chord(heard: Played) -> np.ndarray:
  """Steps to the next notes of the chord, doublings, and its size."""
  group, pitch = heard.group, heard.pitch
  same = group[1:] == group[:-1]
  step = np.where(same, pitch[:-1] - pitch[1:], 24)
  up, down = np.append(24, step), np.append(step, 24)
  where = group * 256 + pitch
  return np.stack(
    [
      np.minimum(up, 24) / _OCTAVE,
      np.minimum(down, 24) / _OCTAVE,
      (np.minimum(up, down) == 0).astype(np.float64),
      np.isin(where + _OCTAVE, where).astype(np.float64),
      np.isin(where - _OCTAVE, where).astype(np.float64),
      np.minimum(heard.sizes[group], 8) / 4,
    ],
    axis=1,
  )


def _bonds(heard: Played, near: np.ndarray) -> np.ndarray:
  """How close the neighbours in the line are, in time, pitch and loudness."""
  columns = []
  for side, other in zip((-1, 1), near.T, strict=True):
    early, late = (other, None) if side < 0 else (None, other)
    first = np.arange(len(other)) if early is None else early
    second = np.arange(len(other)) if late is None else late
    gap = heard.onset[second] - heard.end[first]
    columns += [
      np.clip(heard.pitch[second] - heard.pitch[first], -24, 24) / _OCTAVE,
      np.clip(gap, -2, 2),
      np.log(np.clip(heard.onset[second] - heard.onset[first], 0.03, 4)),
      np.abs(heard.velocity[second] - heard.velocity[first]) / 20,
      (first == second).astype(np.float64),
    ]
  return np.stack(columns, axis=1)


def _near(heard: Played, side: int) -> np.ndarray:
  """Returns the likeliest neighbour of each note to one side, [n] int64.

  It is near in pitch and loudness, and one begins where the other ends.
  """
  size = len(heard.onset)
  best = np.full(size, _FAR)
  found = np.arange(size)
  for away in range(1, min(_REACH, size - 1) + 1):
    early, late = np.arange(size - away), np.arange(away, size)
    since = heard.onset[late] - heard.onset[early]
    cost = (
      np.abs(heard.pitch[late] - heard.pitch[early])
      + 6 * np.abs(heard.onset[late] - heard.end[early])
      + 2 * since
      + np.abs(heard.velocity[late] - heard.velocity[early]) / 8
    )
    cost = np.where(since > 0, cost, np.inf)
    here, there = (late, early) if side < 0 else (early, late)
    better = cost < best[here]
    best[here[better]] = cost[better]
    found[here[better]] = there[better]
  return found


_FAR = 40.0


def _quantile(values: np.ndarray) -> np.ndarray:
  """Returns how many of the values are lower, equal ones half, 0..1."""
  ordered = np.sort(values)
  low = np.searchsorted(ordered, values)
  high = np.searchsorted(ordered, values, side='right')
  return (low + high) / (2 * len(values))


WIDTH = 22 + 7 + 5 + 6 + 5 * NEIGHBOURS + manner.FACTS
"""Facts of a note."""
