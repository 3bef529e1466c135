"""Melody, bass and inner voices of a piece whose tracks do not tell.

The skyline (the highest note of each chord: Uitdenbogerd and Zobel, "Melodic
matching techniques for large music databases", ACM Multimedia 1999) is the
baseline. Here each note gets a salience instead, a logistic regression on a
few facts of its surroundings (height among what sounds, loudness, length),
fitted to the MELODY tracks of POP909's training songs
(`tools/fit_studies.py`). Axis: `n` notes.
"""

import dataclasses
import functools
import itertools

import numpy as np

from aurl_jax.music.notes import Notes
from aurl_jax.music.rebuild import rebuilt
from aurl_jax.studies import groups, weights
from aurl_jax.studies.groups import Played

_SETTLED = 0.06
"""Seconds by which legato notes overlap: less is no polyphony."""
_AROUND = 3
"""Seconds to either side to which a note is compared."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Voices:
  """Polyphony reduction: melody, bass and `inner` more voices.

  Of the notes that begin together the most salient one, the lowest one and
  the `inner` next salient ones stay. No more than `inner` + 2 of them sound
  at once: a note that needs a voice ends the one that has sounded longest.
  Drums stay as they are.

  Attributes:
    inner: Voices besides melody and bass, >= 0.
  """

  inner: int = 1

  def __post_init__(self) -> None:
    if self.inner < 0:
      raise ValueError(f'inner voices are 0 or more, not {self.inner}')

  def __call__(self, notes: Notes) -> Notes:
    """Returns the piece with fewer notes; tracks and all else stay.

    Example:
      >>> chord = Notes.build(4, {'onset': 0, 'duration': 4,
      ...                         'pitch': [48, 55, 60, 64, 72]})
      >>> Voices(inner=0)(chord).pitch.tolist()
      [48, 72]
    """
    heard = groups.played(notes)
    if not len(heard.index):
      return notes
    kept = self.chosen(heard)
    duration = notes.duration.copy()
    cut = _voiced(notes, heard.index[kept], self.inner + 2)
    duration[heard.index[kept]] = cut
    stays = notes.is_drum.copy()
    stays[heard.index[kept]] = True
    names = ('onset', 'pitch', 'velocity', 'track')
    columns = {name: getattr(notes, name)[stays] for name in names}
    return rebuilt(notes, columns | {'duration': duration[stays]})

  def chosen(self, heard: Played) -> np.ndarray:
    """Returns which notes stay, [n] bool."""
    group, score = heard.group, saliences(heard)
    rank = _rank(group, -score)
    lowest = _rank(group, heard.pitch) == 0
    # The bass takes no voice away if it is the melody already.
    before = np.zeros(len(heard.first), np.int64)
    before[group[lowest]] = rank[lowest]
    others = self.inner + 1
    return lowest | (rank < others + (before[group] < others))


def melody(notes: Notes) -> np.ndarray:
  """Returns which notes are the most salient of their onset, [n] bool."""
  heard = groups.played(notes)
  mask = np.zeros(len(notes), np.bool_)
  mask[heard.index] = _rank(heard.group, -saliences(heard)) == 0
  return mask


def skyline(notes: Notes) -> np.ndarray:
  """Returns which notes are the highest of their onset, [n] bool."""
  heard = groups.played(notes)
  mask = np.zeros(len(notes), np.bool_)
  mask[heard.index] = _rank(heard.group, -heard.pitch) == 0
  return mask


def saliences(heard: Played) -> np.ndarray:
  """Returns how likely each note is the melody's, [n] log odds."""
  return features(heard) @ _weights()


def features(heard: Played) -> np.ndarray:
  """Returns what salience is made of, [n, f] float64, the last one 1."""
  if not len(heard.onset):
    return np.zeros((0, len(_weights())))
  above = _above(heard)
  height, below, louder = _beside(heard)
  pitch = _scaled(heard.onset, heard.pitch, 1)
  velocity = _scaled(heard.onset, heard.velocity, 2)
  octaves = (heard.pitch - 72) / 12
  length = np.log(np.clip(heard.end - heard.onset, 0.03, 4))
  size = heard.sizes[heard.group]
  top = (above == 0).astype(np.float64)
  columns = [
    below, louder, pitch, velocity, octaves, octaves**2, length,
    (heard.velocity - 90) / 20,
    top, above == 1, above == 2, height == 0, height == 1,
    size == 1, size == 2,
    top * below, top * louder, top * pitch, top * velocity, top * length,
    pitch**2, pitch * velocity,
    np.ones(len(top)),
  ]  # fmt: skip
  return np.stack([np.asarray(c, np.float64) for c in columns], axis=1)


@functools.cache
def _weights() -> np.ndarray:
  return weights.load('melody')


def _scaled(
  onset: np.ndarray, values: np.ndarray, least: float | int
) -> np.ndarray:
  """Returns values against their surroundings, in standard deviations."""
  mean, spread = groups.local(onset, values, _AROUND)
  return (values - mean) / np.maximum(spread, least)


def _above(heard: Played) -> np.ndarray:
  """Returns how many higher notes sound as each begins, at most 3."""
  count = np.zeros(len(heard.onset), np.int64)
  bounds = np.append(heard.first, len(heard.onset))
  sounding = np.zeros(0, np.int64)
  for start, stop in itertools.pairwise(bounds.tolist()):
    sounding = sounding[heard.end[sounding] > heard.onset[start] + _SETTLED]
    sounding = np.append(sounding, np.arange(start, stop))
    pitches = np.sort(heard.pitch[sounding])
    place = np.searchsorted(pitches, heard.pitch[start:stop], side='right')
    count[start:stop] = np.minimum(len(pitches) - place, 3)
    if len(sounding) > _MOST:
      sounding = sounding[-_MOST:]
  return count


_MOST = 64
"""Older notes that still sound are forgotten: a stuck file stays linear."""


def _beside(heard: Played) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """Compares each note with those that begin with it.

  Returns:
    Rank from the top, [n]; octaves down to the next lower note, at most 2,
    [n]; how much louder than the loudest of the others, in 20ths, [n].
  """
  group = heard.group
  rank = _rank(group, -heard.pitch)
  order = np.lexsort([-heard.pitch, group])
  fall = np.full(len(group), 24)
  same = group[order][1:] == group[order][:-1]
  steps = heard.pitch[order][:-1] - heard.pitch[order][1:]
  fall[order[:-1][same]] = np.minimum(steps[same], 24)
  loud = np.lexsort([-heard.velocity, group])
  first = heard.first
  best = heard.velocity[loud[first]]
  more = heard.sizes > 1
  second = np.zeros(len(first), np.int64)
  second[more] = heard.velocity[loud[first[more] + 1]]
  is_best = np.zeros(len(group), np.bool_)
  is_best[loud[first]] = True
  others = np.where(is_best, second[group], best[group])
  alone = heard.sizes[group] == 1
  louder = np.where(alone, 0, heard.velocity - others) / 20
  return rank, fall / 12, louder


def _rank(group: np.ndarray, keys: np.ndarray) -> np.ndarray:
  """Returns each note's place in its group, by ascending key."""
  order = np.lexsort([keys, group])
  first = np.searchsorted(group, group)
  rank = np.empty(len(group), np.int64)
  rank[order] = np.arange(len(group)) - first[order]
  return rank


def _voiced(notes: Notes, index: np.ndarray, most: int) -> np.ndarray:
  """Returns durations such that at most `most` of the notes sound at once."""
  onset = notes.onset[index].tolist()
  end = (notes.onset + notes.duration)[index].tolist()
  sounding: list[int] = []
  for place, now in enumerate(onset):
    sounding = [other for other in sounding if end[other] > now]
    if len(sounding) >= most:
      end[sounding.pop(0)] = now
    if end[place] > now:
      sounding.append(place)
  return np.array(end, np.int64) - notes.onset[index]
