"""What is seen of each bar of a piece, as arrays.

A view is what bars are compared by: where pitch classes sound, where notes
begin, the melody alone, the bass, and a few sums (loudness, notes, height).
Axes: `m` bars, `n` notes, `l` notes of the melody.
"""

import dataclasses

import numpy as np

from aurl_jax.music.notes import Notes
from aurl_jax.studies import voices

PARTS, PLACES, CLASSES = 4, 16, 12
"""Parts of a bar in which pitch classes are counted; places of onsets."""
_LEADS = 0.6
"""Share of a track's notes that are the most salient of their onset, from
which the whole track may be the melody."""
_SINGS = 0.08
"""Share of a piece's notes that a melody track has at least."""
_NAMES = ('melody', 'vocal', 'lead')
_AT_ONCE = 0.02
"""Bars within which notes of a melody are one."""


@dataclasses.dataclass(frozen=True)
class Views:
  """Bars seen in several ways.

  Attributes:
    edges: [m + 1] int64 ticks, where bars begin and where the last one ends.
    chroma: [m, 48], the share of each quarter of a bar in which a pitch class
      sounds; notes of the same class add up.
    bass: [m, 48], 1 at the pitch class of the lowest note in each quarter.
    onsets: [m, 16], notes that begin in each 16th of a bar.
    melody: [m, 192], 1 at the melody's pitch class in each 16th.
    rhythm: [m, 16], notes of the melody that begin in each 16th.
    sums: [m, 5], notes, mean pitch (octaves from middle C), mean velocity
      (0..1), pitches that sound on average, share of the bar that is sung.
    sung: [l, 3], of the melody's notes onset and end in bars, and pitch;
      ascending, none overlapping.
  """

  edges: np.ndarray
  chroma: np.ndarray
  bass: np.ndarray
  onsets: np.ndarray
  melody: np.ndarray
  rhythm: np.ndarray
  sums: np.ndarray
  sung: np.ndarray

  def __len__(self) -> int:
    return len(self.edges) - 1

  def __getitem__(self, bars: slice) -> 'Views':
    """Returns some of the bars, without their melody as notes."""
    low, high, _ = bars.indices(len(self))
    names = ('chroma', 'bass', 'onsets', 'melody', 'rhythm', 'sums')
    rows = {name: getattr(self, name)[low:high] for name in names}
    none = np.zeros((0, 3))
    return Views(edges=self.edges[low : high + 1], sung=none, **rows)

  @property
  def tunes(self) -> np.ndarray:
    """The views that turn when transposed: melody, chroma, bass, [m, 288]."""
    return np.concatenate([self.melody, self.chroma, self.bass], axis=1)


def see(notes: Notes, edges: np.ndarray) -> Views:
  """Returns the views of bars between given ticks.

  Args:
    notes: The piece; what begins outside the edges is left out.
    edges: [m + 1] int64 ticks, ascending.
  """
  count = len(edges) - 1
  inside = (notes.onset >= edges[0]) & (notes.onset < edges[-1])
  bar = np.searchsorted(edges, notes.onset[inside], side='right') - 1
  chroma, onsets = sounding(notes, edges)
  sung = _line(notes, edges, np.flatnonzero(inside & lead(notes)))
  melody, rhythm = _melody(sung, count)
  spoken = melody.reshape(count, PLACES, CLASSES).any(axis=2).mean(axis=1)
  loud = _means(bar, notes.velocity[inside] / 127, count)
  tuned = inside & ~notes.is_drum
  place = np.searchsorted(edges, notes.onset[tuned], side='right') - 1
  high = _means(place, (notes.pitch[tuned] - 60) / 12, count)
  sums = [onsets.sum(axis=1), high, loud, chroma.sum(axis=1) / PARTS, spoken]
  return Views(
    edges, chroma, _bass(notes, edges), onsets, melody, rhythm,
    np.stack(sums, axis=1), sung,
  )  # fmt: skip


def sounding(notes: Notes, edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """Returns `chroma`, [m, 48], and `onsets`, [m, 16], of `Views`.

  Drums have onsets and no pitch.
  """
  count = len(edges) - 1
  rows = np.flatnonzero((notes.onset >= edges[0]) & (notes.onset < edges[-1]))
  bar = np.searchsorted(edges, notes.onset[rows], side='right') - 1
  inside = (notes.onset[rows] - edges[bar]) / np.diff(edges)[bar]
  onsets = np.zeros((count, PLACES))
  place = np.minimum((inside * PLACES).astype(int), PLACES - 1)
  np.add.at(onsets, (bar, place), 1)
  chroma = np.zeros((count * PARTS, CLASSES))
  part, note, share = _shares(notes, edges, rows[~notes.is_drum[rows]])
  np.add.at(chroma, (part, notes.pitch[note] % CLASSES), share)
  return chroma.reshape(count, PARTS * CLASSES), onsets


def _shares(
  notes: Notes, edges: np.ndarray, rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """Returns which quarter of a bar which note sounds in, and its share."""
  count = len(edges) - 1
  cuts = np.interp(
    np.arange(count * PARTS + 1) / PARTS, range(count + 1), edges
  )
  start = notes.onset[rows]
  end = np.minimum(start + notes.duration[rows], edges[-1])
  first = np.searchsorted(cuts, start, side='right') - 1
  last = np.searchsorted(cuts, end, side='left')
  note, part = ranges(first, last)
  sounds = np.minimum(end[note], cuts[part + 1])
  sounds = (sounds - np.maximum(start[note], cuts[part])) / np.diff(cuts)[part]
  return part, rows[note], sounds


def ranges(
  first: np.ndarray, last: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
  """Returns all places from `first` to `last` - 1, and whose each is."""
  length = np.maximum(last - first, 0)
  owner = np.repeat(np.arange(len(first)), length)
  place = np.arange(len(owner)) - np.repeat(length.cumsum() - length, length)
  return owner, place + first[owner]


def lead(notes: Notes) -> np.ndarray:
  """Returns which notes are the melody's, [n] bool.

  A track that is named after it; else the track most of whose notes stand out
  (`studies.voices`), as a whole, so that a piece may be without a melody for a
  while; else, and of a single track, the notes that stand out.
  """
  marked = voices.melody(notes)
  size = len(notes.tracks)
  tuned = ~notes.is_drum
  count = np.bincount(notes.track[tuned], minlength=size)
  leads = np.bincount(notes.track, marked, minlength=size)
  if (count > 0).sum() < 2:
    return marked
  able = (leads >= _LEADS * count) & (count >= _SINGS * max(len(notes), 1))
  named = np.array(
    [any(word in t.name.lower() for word in _NAMES) for t in notes.tracks]
  )
  able = named & (count > 0) if (named & (count > 0)).any() else able
  if not able.any():
    return marked
  best = np.flatnonzero(able)[leads[able].argmax()]
  return (notes.track == best) & tuned


def _line(notes: Notes, edges: np.ndarray, rows: np.ndarray) -> np.ndarray:
  """Returns notes as one line, [l, 3]: each ends where the next begins."""
  places = np.arange(len(edges), dtype=np.float64)
  start = np.interp(notes.onset[rows], edges, places)
  end = np.interp(notes.onset[rows] + notes.duration[rows], edges, places)
  pitch = notes.pitch[rows]
  order = np.lexsort([-pitch, start])
  start, end, pitch = start[order], end[order], pitch[order]
  first = np.diff(start, prepend=-1) > _AT_ONCE
  start, end, pitch = start[first], end[first], pitch[first]
  end = np.minimum(end, np.append(start[1:], np.inf))
  return np.stack([start, end, pitch], axis=1)


def _melody(sung: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
  """Returns pitch class in, and onsets at, each 16th."""
  total = count * PLACES
  first = np.rint(sung[:, 0] * PLACES).astype(np.int64)
  last = np.maximum(np.rint(sung[:, 1] * PLACES).astype(np.int64), first + 1)
  note, place = ranges(first, np.minimum(last, total))
  roll = np.zeros((total, CLASSES))
  roll[place, sung[note, 2].astype(np.int64) % CLASSES] = 1
  rhythm = np.zeros(total)
  np.add.at(rhythm, np.minimum(first, max(total - 1, 0)), 1)
  return roll.reshape(count, PLACES * CLASSES), rhythm.reshape(count, PLACES)


def _bass(notes: Notes, edges: np.ndarray) -> np.ndarray:
  """Returns the pitch class of the lowest note that sounds long enough."""
  count = len(edges) - 1
  inside = (notes.onset >= edges[0]) & (notes.onset < edges[-1])
  rows = np.flatnonzero(inside & ~notes.is_drum)
  part, note, share = _shares(notes, edges, rows)
  long = share > 1 / 4
  lowest = np.full(count * PARTS, 128)
  np.minimum.at(lowest, part[long], notes.pitch[note[long]])
  some = np.flatnonzero(lowest < 128)
  found = np.zeros((count * PARTS, CLASSES))
  found[some, lowest[some] % CLASSES] = 1
  return found.reshape(count, PARTS * CLASSES)


def _means(bar: np.ndarray, values: np.ndarray, count: int) -> np.ndarray:
  """Returns the mean of what falls into each bar, [m]; 0 without any."""
  total = np.bincount(bar, values, minlength=count)
  return total / np.maximum(np.bincount(bar, minlength=count), 1)
