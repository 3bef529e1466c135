"""Chords heard beat by beat, and written into a piece.

Each beat gets a score for every chord of `music.chords`: linear in what
sounds there and in its neighbours, seen from the chord's root, so that one
set of numbers serves all twelve roots. They are fitted to the training songs
of POP909 (`tools/fit_studies.py`). A Viterbi path with one price for every
change then decides (as Sheh and Ellis, "Chord segmentation and recognition
using EM-trained hidden Markov models", ISMIR 2003, but with the price given).

Axes: `s` segments of time, `n` notes.
"""

import dataclasses
import functools

import numpy as np

from aurl_jax.music import chords as chords_lib
from aurl_jax.music.notes import Notes, Text
from aurl_jax.studies import weights

_QUALITIES = len(chords_lib.QUALITIES)
_LONGEST = 64
"""Beats of a note that are listened to; a note may last for hours."""
_SILENT = 1.0
"""What a silent beat says for no chord."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recogniser:
  """Writes chord symbols into pieces.

  Attributes:
    change: The price of a change of chord, in nats.
    replace: Whether symbols that are there already are replaced; else a
      piece with chord symbols stays as it is.
  """

  change: float | int = 1.5
  replace: bool = False

  def __post_init__(self) -> None:
    if self.change < 0:
      raise ValueError(f'change costs 0 or more, not {self.change}')

  def __call__(self, notes: Notes, bounds: np.ndarray | None = None) -> Notes:
    """Returns the piece with one chord text at each change of chord.

    Args:
      notes: Any piece; drums are not listened to.
      bounds: See `segments`.

    Example:
      >>> triad = Notes.build(4, {'onset': [0, 0, 0], 'duration': 16,
      ...                         'pitch': [48, 64, 67]})
      >>> [text.text for text in Recogniser()(triad).chords]
      ['C:maj']
    """
    if notes.chords and not self.replace:
      return notes
    starts, index = self.recognise(notes, bounds)
    changes = np.flatnonzero(np.diff(index, prepend=-1))
    texts = [text for text in notes.texts if text.kind != 'chord']
    texts += [
      Text(int(starts[at]), -1, 'chord', chords_lib.from_index(i).label())
      for at, i in zip(changes, index[changes].tolist(), strict=True)
    ]
    texts.sort(key=lambda text: (text.tick, text.track))
    return notes.replace(texts=tuple(texts))

  def recognise(
    self, notes: Notes, bounds: np.ndarray | None = None
  ) -> tuple[np.ndarray, np.ndarray]:
    """Returns the chord of each segment.

    Returns:
      [s] int64, the ticks at which segments start; and [s] int64, their
      chords by `music.chords.from_index`.
    """
    starts, ends = segments(notes, bounds)
    scores = emissions(features(notes, starts, ends))
    return starts, _viterbi(scores, self.change)


def segments(
  notes: Notes, bounds: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
  """Returns where something may sound: starts and ends, [s] int64 ticks.

  Args:
    notes: The piece.
    bounds: Ticks that part it, ascending, such as tracked beats; by default
      quarter notes. Silence between notes is one segment, of any length.
  """
  tuned = ~notes.is_drum & (notes.duration > 0)
  onset = notes.onset[tuned]
  if not len(onset):
    return np.zeros(0, np.int64), np.zeros(0, np.int64)
  end = onset + np.minimum(
    notes.duration[tuned], _LONGEST * notes.ticks_per_beat
  )
  if bounds is None:
    size = notes.ticks_per_beat
    first, last = onset // size, -(-end // size)
    starts = np.unique(_ranges(first, last)) * size
    starts = np.union1d(starts, starts + size)
  else:
    starts = np.unique(np.append(np.maximum(bounds, 0), onset[0]))
    starts = starts[: np.searchsorted(starts, end.max()) + 1]
  starts = np.append(0, starts) if starts[0] > 0 else starts
  stop = max(int(end.max()), int(starts[-1]))
  ends = np.append(starts[1:], stop)
  some = ends > starts
  return starts[some], ends[some]


def features(notes: Notes, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
  """Returns what sounds in each segment, [s, f, 12] by pitch class.

  The rows: share of the sounding time, whether it is a twentieth or more,
  share of the bass (the lowest fifth of the notes' weight falls off by
  octaves), and the shares of the segments before and behind.
  """
  chroma = np.zeros((len(starts), 12))
  bass = np.zeros((len(starts), 12))
  tuned = np.flatnonzero(~notes.is_drum & (notes.duration > 0))
  if len(starts) and len(tuned):
    _listen(notes, tuned, starts, ends, chroma, bass)
  total = chroma.sum(axis=1, keepdims=True)
  share = chroma / np.maximum(total, 1e-12)
  low = bass / np.maximum(bass.sum(axis=1, keepdims=True), 1e-12)
  before = np.roll(share, 1, axis=0)
  behind = np.roll(share, -1, axis=0)
  if len(starts):
    before[0], behind[-1] = 0, 0
  rows = [share, share >= 0.05, low, before, behind]
  return np.stack([np.asarray(row, np.float64) for row in rows], axis=1)


def _listen(
  notes: Notes,
  tuned: np.ndarray,
  starts: np.ndarray,
  ends: np.ndarray,
  chroma: np.ndarray,
  bass: np.ndarray,
) -> None:
  """Adds how long each note sounds in each segment."""
  onset = notes.onset[tuned]
  end = onset + np.minimum(
    notes.duration[tuned], _LONGEST * notes.ticks_per_beat
  )
  first = np.searchsorted(ends, onset, side='right')
  last = np.maximum(np.searchsorted(starts, end), first)
  segment = _ranges(first, last)
  note = np.repeat(np.arange(len(tuned)), last - first)
  time = np.minimum(ends[segment], end[note])
  time = time - np.maximum(starts[segment], onset[note])
  time = time / (ends - starts)[segment]
  pitch = notes.pitch[tuned][note]
  np.add.at(chroma, (segment, pitch % 12), time)
  lowest = np.full(len(starts), 127)
  np.minimum.at(lowest, segment, pitch)
  # An octave above the lowest note counts an eighth.
  weight = time * 0.125 ** ((pitch - lowest[segment]) / 12)
  np.add.at(bass, (segment, pitch % 12), weight)


def emissions(facts: np.ndarray) -> np.ndarray:
  """Returns the log score of each chord, [s, SIZE]; silence says 'none'."""
  table, bias = _table()
  scores = np.zeros((len(facts), chords_lib.SIZE))
  sounds = facts[:, 0].sum(axis=1) > 0
  turned = facts[:, :, _rotations()]  # [s, f, root, 12]
  linear = np.einsum('sfri,qfi->srq', turned, table) + bias
  scores[:, 1:] = linear.reshape(len(facts), 12 * _QUALITIES)
  high = scores.max(axis=1, keepdims=True)
  scores -= high + np.log(np.exp(scores - high).sum(axis=1, keepdims=True))
  scores[~sounds] = 0
  scores[~sounds, 0] = _SILENT
  return scores


def _rotations() -> np.ndarray:
  """Returns the pitch class of each step above each root, [12, 12]."""
  steps = np.arange(12)
  return (steps[:, None] + steps[None]) % 12


@functools.cache
def _table() -> tuple[np.ndarray, np.ndarray]:
  """Returns weights [quality, f, 12] by steps above the root, and bias."""
  flat = weights.load('chords').reshape(_QUALITIES, -1)
  return flat[:, :-1].reshape(_QUALITIES, -1, 12), flat[:, -1]


def _viterbi(scores: np.ndarray, change: float | int) -> np.ndarray:
  """Returns the best path, [s] int64, if every change costs as much."""
  count, size = scores.shape
  if not count:
    return np.zeros(0, np.int64)
  origin = np.empty((count, size), np.int16)
  total = scores[0].copy()
  stay = np.arange(size)
  for place in range(1, count):
    best = int(total.argmax())
    moves = total < total[best] - change
    origin[place] = np.where(moves, best, stay)
    total = np.where(moves, total[best] - change, total) + scores[place]
  path = np.empty(count, np.int64)
  path[-1] = total.argmax()
  for place in range(count - 1, 0, -1):
    path[place - 1] = origin[place, path[place]]
  return path


def _ranges(first: np.ndarray, last: np.ndarray) -> np.ndarray:
  """Returns first..last - 1 of each pair, one behind the other."""
  sizes = last - first
  total = np.cumsum(sizes)
  shift = np.repeat(first - (total - sizes), sizes)
  return np.arange(int(total[-1]) if len(total) else 0) + shift
