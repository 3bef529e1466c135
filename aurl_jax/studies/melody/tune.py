"""The melody of a piece: which notes are the tune's, and the line they make.

`network.roles` says how likely each note is the tune's. Where a piece has
several tracks, a note is taken with those of its own track around it: tracks
seldom change their part within a phrase. Where no second voice sounds beside
the melody there is but one voice, and both are it. The line is the likeliest
way through the notes, one at a time or none (Viterbi), which goes on by small
steps rather than large ones. Axes: `n` notes of the piece, `p` pitched ones.
"""

import dataclasses

import numpy as np

from aurl_jax.music.midi_scan import compiled
from aurl_jax.music.notes import Notes
from aurl_jax.studies.melody import facts, network
from aurl_jax.studies.melody.facts import Facts

_AROUND = 8.0
"""Seconds to either side in which a track is one part."""
_TRACK = 0.6
"""How much of a note's odds its track's are, if there are several."""
_LEAP, _OCTAVE, _OVERLAP = 0.05, 0.15, 0.5
"""Log odds that an interval costs: a semitone, each one above an octave; a
note that begins while the one before it sounds on for half of its length."""
_MOST = 4
"""Notes of a chord that the tune may go through."""
_BESIDE = 0.02
"""Share of the second voice's notes that sound beside the melody, below which
there is no second voice. Of 62 held-out training songs of POP909 one is below
it, and the next one has twice as much."""
_ALONE = 0.02
"""Share of notes that sound into the next one, up to which a piece is one line:
a played legato."""
_TOUCH = 0.03
"""Seconds by which notes one after the other may overlap."""


@dataclasses.dataclass(frozen=True)
class Tune:
  """What each note of a piece is.

  Attributes:
    index: [p] int64, where the pitched notes stand in the piece.
    chance: [p, 3] float32, how likely each is melody, second voice (`bridge`)
      and accompaniment (`piano`).
    role: [p] int64, index in `network.ROLES`: as the line decides.
  """

  index: np.ndarray
  chance: np.ndarray
  role: np.ndarray

  @property
  def melody(self) -> np.ndarray:
    """Where the notes of the tune stand in the piece, ascending."""
    return np.sort(self.index[self.role == 0])


def find(notes: Notes) -> Tune:
  """Returns the roles of a piece's notes.

  A piece of one line is its tune, whatever it sounds like: the network knows
  melodies beside accompaniments.
  """
  found = facts.find(notes)
  chance = settled(found, network.roles(found))
  if _alone(found):
    chance[:] = (1, 0, 0)
  sure = odds(chance)
  if len(found.heard.index):
    sure = _shared(found, notes.track[found.heard.index], sure)
  path = line(found, sure)
  role = np.where(chance[:, 1] > chance[:, 2], 1, 2)
  role[path] = 0
  return Tune(found.heard.index, chance, role)


def settled(found: Facts, chance: np.ndarray) -> np.ndarray:
  """Returns the chances, [p, 3]; of one voice if there is but one.

  Args:
    found: The facts of p notes.
    chance: [p, 3] how likely each role is.
  """
  role = chance.argmax(axis=1)
  tune, second = np.flatnonzero(role == 0), np.flatnonzero(role == 1)
  if not len(second) or _beside(found, tune, second) >= _BESIDE:
    return chance
  both = chance[:, 0] + chance[:, 1]
  return np.stack([both, np.zeros_like(both), chance[:, 2]], axis=1)


def _alone(found: Facts) -> bool:
  """Returns whether no two notes sound together, but for touches."""
  onset, end = found.heard.onset, found.heard.end
  over = end[:-1] > onset[1:] + _TOUCH
  return len(onset) > 0 and int(over.sum()) <= _ALONE * len(onset)


def _beside(found: Facts, tune: np.ndarray, second: np.ndarray) -> float:
  """Returns the share of the second voice that sounds beside the tune."""
  if not len(tune):
    return 0.0
  onset, end = found.heard.onset, found.heard.end
  latest = np.maximum.accumulate(end[tune])
  before = np.searchsorted(onset[tune], end[second] - _TOUCH)
  over = latest[np.maximum(before - 1, 0)] > onset[second] + _TOUCH
  return float((over & (before > 0)).mean())


def odds(chance: np.ndarray) -> np.ndarray:
  """Returns the log odds of the melody, [p] float64, from chances [p, 3]."""
  one = np.clip(chance[:, 0].astype(np.float64), 1e-6, 1 - 1e-6)
  return np.log(one) - np.log1p(-one)


def _shared(found: Facts, track: np.ndarray, sure: np.ndarray) -> np.ndarray:
  """Returns odds that notes of a track share within some seconds."""
  if len(np.unique(track)) < 2:
    return sure
  shared = np.empty(len(sure))
  for one in np.unique(track):
    mine = np.flatnonzero(track == one)
    onset = found.heard.onset[mine]
    total = np.append(0.0, np.cumsum(np.clip(sure[mine], -6, 6)))
    low = np.searchsorted(onset, onset - _AROUND)
    high = np.searchsorted(onset, onset + _AROUND, side='right')
    mean = (total[high] - total[low]) / (high - low)
    shared[mine] = (1 - _TRACK) * sure[mine] + _TRACK * mean
  return shared


def line(found: Facts, sure: np.ndarray) -> np.ndarray:
  """Returns the notes of the likeliest line, ascending.

  Args:
    found: The facts of p notes.
    sure: [p] log odds that a note is the tune's.

  Returns:
    [k] int64, places in `found`, one a group at most.
  """
  heard = found.heard
  if not len(heard.onset):
    return np.zeros(0, np.int64)
  # The likeliest notes of each group first.
  order = np.lexsort([-sure, heard.group])
  path = _walk(
    heard.onset[order],
    heard.end[order],
    heard.pitch[order],
    sure[order],
    heard.first,
    np.minimum(heard.sizes, _MOST),
  )
  return np.sort(order[path[path >= 0]])


@compiled
def _back(score: np.ndarray, back: np.ndarray, first: np.ndarray) -> np.ndarray:
  """Returns the way that ends best, [groups]: a note of each, or -1."""
  groups, most = len(first), len(score) - 1
  path = np.full(groups, -1)
  state = 0
  for s in range(most + 1):
    if score[s] > score[state]:
      state = s
  for g in range(groups - 1, -1, -1):
    if state < most:
      path[g] = first[g] + state
    state = back[g, state]
    if state < 0:
      break
  return path


@compiled
def _walk(
  onset: np.ndarray,
  end: np.ndarray,
  pitch: np.ndarray,
  odds: np.ndarray,
  first: np.ndarray,
  sizes: np.ndarray,
) -> np.ndarray:
  """Returns the note of each group that is on the best way, or -1.

  A state is the last note of the way; a group without a note of it keeps the
  states, so the line is not broken by what accompanies it.
  """
  groups, most = len(first), sizes.max()
  # States: the notes of this group, and the best ones of those before.
  score = np.full((groups, most + 1), -np.inf)
  last = np.full((groups, most + 1), -1)
  back = np.full((groups, most + 1), -1)
  for g in range(groups):
    if g == 0:
      score[g, most] = 0.0
    else:
      best = 0
      for s in range(most + 1):
        if score[g - 1, s] > score[g - 1, best]:
          best = s
      score[g, most] = score[g - 1, best]
      last[g, most] = last[g - 1, best]
      back[g, most] = best
    for k in range(sizes[g]):
      note = first[g] + k
      if g == 0:
        score[g, k], last[g, k] = odds[note], note
        continue
      for s in range(most + 1):
        cost, before = 0.0, last[g - 1, s]
        if before >= 0:
          if onset[note] - onset[before] < 2.0:
            leap = abs(pitch[note] - pitch[before])
            cost = _LEAP * leap + _OCTAVE * max(leap - 12, 0)
          half = (onset[before] + end[before]) / 2
          if onset[note] < half:
            cost += _OVERLAP
        value = score[g - 1, s] + odds[note] - cost
        if value > score[g, k]:
          score[g, k], last[g, k], back[g, k] = value, note, s
  return _back(score[groups - 1], back, first)
