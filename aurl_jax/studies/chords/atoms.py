"""The shortest stretches between two onsets, and what sounds in them.

A chord may change where a note begins, not only on beats: atoms lie between
onsets (those that fall together are one), and a chord is a run of atoms.
Lengths are quarter notes. Axes: `a` atoms, `n` notes, `p` pairs of a note and
an atom in which it sounds.
"""

import dataclasses

import numpy as np

from aurl_jax.music.notes import Notes

_LONGEST = 32
"""Quarter notes of a note that are listened to; a note may last for hours."""
_TOGETHER = 0.17
"""Quarter notes in which onsets fall together."""
_THIN = 0.9
_LEAST = 0.3
"""Weight of a track that is never more than a tune beside chords."""
_AROUND = 1.0
"""Quarter notes to both sides in which the bass is the lowest note."""


@dataclasses.dataclass(frozen=True)
class Atoms:
  """What sounds from onset to onset.

  Attributes:
    starts: [a] int64, ticks, ascending from 0.
    ends: [a] int64, ticks; each atom starts where one ends.
    length: [a] float64, quarter notes.
    sounding: [a, 12] float64, note-lengths of each pitch class, in quarter
      notes.
    struck: [a, 12] float64, notes of each pitch class that begin.
    bass: [a, 12] float64, share of the low notes, 0 in silence.
  """

  starts: np.ndarray
  ends: np.ndarray
  length: np.ndarray
  sounding: np.ndarray
  struck: np.ndarray
  bass: np.ndarray

  def __len__(self) -> int:
    return len(self.starts)

  def share(self) -> np.ndarray:
    """Returns the share of each pitch class, [a, 12]; 0 in silence."""
    total = self.sounding.sum(axis=1, keepdims=True)
    return self.sounding / np.maximum(total, 1e-12)

  def heard(self) -> np.ndarray:
    """Returns whether anything sounds, [a] bool."""
    return self.sounding.sum(axis=1) > 1e-9


def cut(notes: Notes) -> Atoms:
  """Returns the atoms of a piece, up to the end of its last note.

  Args:
    notes: Any piece; drums are not listened to.

  Example:
    >>> notes = Notes.build(4, {'onset': [0, 4, 4], 'duration': [8, 4, 4],
    ...                         'pitch': [48, 64, 67]})
    >>> cut(notes).sounding[:, [0, 4, 7]].tolist()
    [[1.0, 0.0, 0.0], [1.0, 1.0, 1.0]]
  """
  tuned = ~notes.is_drum & (notes.duration > 0)
  onset, pitch = notes.onset[tuned], notes.pitch[tuned]
  most = _LONGEST * notes.ticks_per_beat
  end = onset + np.minimum(notes.duration[tuned], most)
  edges = _edges(onset, end, notes.ticks_per_beat)
  starts, ends = edges[:-1], edges[1:]
  # A note that begins a little before its atom's successor belongs to that.
  first = np.searchsorted(ends, onset, side='right')
  last = np.maximum(np.searchsorted(starts, end), first + 1)
  last = np.minimum(last, len(starts))
  atom, note = _pairs(first, last)
  over = np.minimum(ends[atom], end[note]) - np.maximum(
    starts[atom], onset[note]
  )
  over = over / notes.ticks_per_beat
  track = notes.track[tuned]
  weight = _thickness(atom, track[note], pitch[note] % 12, over)[track]
  shape = (len(starts), 12)
  sounding, struck = np.zeros(shape), np.zeros(shape)
  np.add.at(sounding, (atom, pitch[note] % 12), over * weight[note])
  np.add.at(struck, (first, pitch % 12), 1)
  length = (ends - starts) / notes.ticks_per_beat
  bass = _bass(atom, pitch[note], over, starts / notes.ticks_per_beat, length)
  return Atoms(starts, ends, length, sounding, struck, bass)


def _thickness(
  atom: np.ndarray, track: np.ndarray, pitch: np.ndarray, time: np.ndarray
) -> np.ndarray:
  """Returns how much each track tells of harmony, [tracks], at most 1.

  A tune alone says less than the chords under it: the weight of a track grows
  with how many pitch classes sound in it at once.
  """
  many = int(track.max()) + 1 if len(track) else 1
  rows = int(atom.max()) + 1 if len(atom) else 1
  key = (track * rows + atom) * 12 + pitch
  longest = np.zeros(many * rows * 12)
  np.maximum.at(longest, key, time)
  parts = longest.reshape(many, rows, 12)
  total = parts.max(axis=2).sum(axis=1)
  thick = parts.sum(axis=(1, 2)) / np.maximum(total, 1e-9)
  weight = 1 - np.exp(-np.maximum(thick - _THIN, 0))
  weight = weight / max(float(weight.max()), 1e-9)
  return _LEAST + (1 - _LEAST) * weight


def _edges(onset: np.ndarray, end: np.ndarray, beat: int) -> np.ndarray:
  """Returns where atoms begin, and where the last one ends, [a + 1] ticks."""
  if not len(onset):
    return np.zeros(1, np.int64)
  times = np.unique(onset)
  after = np.searchsorted(times, times + _TOGETHER * beat, side='right')
  kept, place = [], 0
  for follower in _chain(after.tolist()):
    kept.append(place)
    place = follower
  edges = times[kept]
  # Silence of a beat or more is an atom of its own.
  reach = np.maximum.accumulate(end)
  rows = np.searchsorted(onset, edges[1:], side='left') - 1
  quiet = reach[rows][reach[rows] + beat <= edges[1:]]
  return np.unique(np.concatenate([[0], edges, quiet, [end.max()]]))


def _chain(after: list[int]) -> list[int]:
  """Returns the places that are reached from the first on."""
  found, place = [], 0
  while place < len(after):
    place = after[place]
    found.append(place)
  return found


def _pairs(
  first: np.ndarray, last: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
  """Returns atom and note of all pairs, [p] each."""
  sizes = last - first
  total = np.cumsum(sizes)
  shift = np.repeat(first - (total - sizes), sizes)
  atom = np.arange(int(total[-1]) if len(total) else 0) + shift
  return atom, np.repeat(np.arange(len(first)), sizes)


def _bass(
  atom: np.ndarray,
  pitch: np.ndarray,
  weight: np.ndarray,
  start: np.ndarray,
  length: np.ndarray,
) -> np.ndarray:
  """Returns the share of each pitch class in the bass, [a, 12].

  An octave above the lowest note around counts an eighth.
  """
  lowest = np.full(len(start), 127)
  np.minimum.at(lowest, atom, pitch)
  low = np.searchsorted(start + length, start - _AROUND, side='right')
  high = np.searchsorted(start, start + length + _AROUND)
  around = np.array(
    [
      lowest[a:b].min()
      for a, b in zip(low.tolist(), high.tolist(), strict=True)
    ]
  )
  bass = np.zeros((len(start), 12))
  height = np.maximum(pitch - around[atom], 0)
  np.add.at(bass, (atom, pitch % 12), weight * 0.125 ** (height / 12))
  return bass / np.maximum(bass.sum(axis=1, keepdims=True), 1e-12)
