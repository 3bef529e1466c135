"""Beats of a performance that has no usable tempo map, and a map from them.

The beats are the best path of a bar pointer over the onsets
(`studies.beat_paths`), whose numbers are fitted to the training songs of
POP909. It expects bars of four beats of 0.26 to 1.5 seconds; the beats of a
waltz are found as well, its bars are not. Axis: `b` beats.
"""

import dataclasses
import functools
import itertools
from typing import Any

import numpy as np

from aurl_jax.music import notes as notes_lib
from aurl_jax.music import time
from aurl_jax.music.notes import Notes
from aurl_jax.studies import beat_paths, onsets
from aurl_jax.studies.onsets import Onsets

_SILENCE = 8.0
"""Seconds: of a longer silence only so much is tracked through."""
_SNAP = 0.03
"""Seconds from which a beat goes to an onset."""
_EARLY = 0.01
"""Beats: what falls so short behind the start is the start."""
_LONGEST = (1 << 24) - 1
_BLOCK = 1200.0
"""Seconds that are tracked at once; bounds the memory (60 MB)."""
_NEAR = 0.13
"""Seconds: where blocks meet, no two beats are as near."""


@dataclasses.dataclass(frozen=True)
class Beats:
  """Tracked beats.

  Attributes:
    seconds: [b] float64, ascending; the first is not before 0.
    index: [b] int64, which beat of the piece each is, from 0; a step is over
      1 only inside long silences, whose beats are not listed.
    place: [b] int64, 0..3, the place in the bar; 0 is the downbeat.
  """

  seconds: np.ndarray
  index: np.ndarray
  place: np.ndarray

  def __len__(self) -> int:
    return len(self.seconds)

  def all(self) -> np.ndarray:
    """Returns the seconds of every beat, those in silences among them."""
    if not len(self):
      return self.seconds
    every = np.arange(self.index[0], self.index[-1] + 1)
    return np.interp(every, self.index, self.seconds)


_NONE = Beats(np.zeros(0), np.zeros(0, np.int64), np.zeros(0, np.int64))


def track(notes: Notes) -> Beats:
  """Returns the beats of a piece, from its seconds alone.

  They reach from the start of the piece to behind its last onset; before
  the first onset they go on at the first tempo. Some 5 ms of work a second of
  music; memory is bounded.

  Args:
    notes: Any piece. Its tempo map only tells when notes sound. One onset
      or none has no beats.

  Example:
    >>> pulse = Notes.build(480, {'onset': 480 * np.arange(32),
    ...                           'duration': 240, 'pitch': 60})
    >>> beats = track(pulse)
    >>> float(np.median(np.diff(beats.seconds)).round(2))
    0.5
  """
  found = onsets.find(notes)
  if len(found) < 2:
    return _NONE
  short = _without_silence(found.seconds)
  seconds, place = _best(Onsets(short, found.marks))
  seconds, place = _ordered(_snapped(seconds, short), place)
  seconds, index = _with_silence(seconds, short, found.seconds)
  return _from_start(seconds, index, place)


def follow(
  notes: Notes, beats: Beats | None = None, ticks_per_beat: int = 480
) -> Notes:
  """Returns the piece with a tempo map that follows its beats.

  Every event keeps its time in seconds to within half a tick, but now beats
  lie on the grid of ticks. Tempo and meter are those of the beats: 4/4, with
  a short bar before the first downbeat and where the bars shift.

  Args:
    notes: The piece. Without beats it stays as it is.
    beats: What to follow; tracked if not given.
    ticks_per_beat: Of the result.
  """
  beats = track(notes) if beats is None else beats
  if len(beats) < 2:
    return notes
  grid = _Map(beats, ticks_per_beat)
  moved: dict[str, Any] = {}
  for name in ('keys', 'controls', 'bends'):
    table = getattr(notes, name).copy()
    table['tick'] = grid.ticks(time.ticks_to_seconds(notes, table['tick']))
    moved[name] = table
  places = np.array([text.tick for text in notes.texts], np.int64)
  ticks = grid.ticks(time.ticks_to_seconds(notes, places)).tolist()
  onset = grid.ticks(time.ticks_to_seconds(notes, notes.onset))
  end = notes.onset + notes.duration
  length = grid.ticks(time.ticks_to_seconds(notes, end)) - onset
  return Notes.build(
    ticks_per_beat,
    {
      'onset': onset,
      'duration': np.maximum(length, notes.duration > 0),
      'pitch': notes.pitch,
      'velocity': notes.velocity,
      'track': notes.track,
    },
    tracks=notes.tracks,
    texts=[
      text._replace(tick=tick)
      for text, tick in zip(notes.texts, ticks, strict=True)
    ],
    title=notes.title,
    tempos=grid.tempos(),
    meters=_meters(beats, ticks_per_beat),
    **moved,
  )


def off_grid(notes: Notes) -> float:
  """Returns how little the onsets heed the grid of ticks, 0..1.

  One less the strength of the best pulse of 1, 2, 3, 4, 6 or 12 to a beat:
  the mean cosine of the onsets' phases (as the vector strength of circular
  statistics, but against the ticks' own phase). Near 0 for a score, 0.5 for
  drums played to a click, 0.98 for performances whose ticks mean nothing
  (medians of sets); 0 for fewer than two onsets.
  """
  onset = np.unique(notes.onset)
  if len(onset) < 2:
    return 0.0
  beat = (onset % notes.ticks_per_beat) / notes.ticks_per_beat
  pulses = np.array([1, 2, 3, 4, 6, 12])
  strength = np.cos(2 * np.pi * pulses[:, None] * beat).mean(axis=1)
  return float(1 - max(strength.max(), 0))


@functools.cache
def _model() -> beat_paths.Model:
  return beat_paths.Model.load()


def _best(onsets: Onsets) -> tuple[np.ndarray, np.ndarray]:
  """Returns the best path; of a long piece, one path a block, joined."""
  block = (onsets.seconds // _BLOCK).astype(np.int64)
  edges = np.flatnonzero(np.diff(block, prepend=-1, append=-1)).tolist()
  seconds, place = np.zeros(0), np.zeros(0, np.int64)
  for low, high in itertools.pairwise(edges):
    part = Onsets(onsets.seconds[low:high], onsets.marks[low:high])
    more, places = beat_paths.best(part, _model())
    if low:
      stays = seconds < part.seconds[0] - _NEAR
      seconds, place = seconds[stays], place[stays]
      new = more > seconds.max(initial=-_BLOCK) + _NEAR
      more, places = more[new], places[new]
    seconds, place = np.append(seconds, more), np.append(place, places)
  return seconds, place


def _without_silence(seconds: np.ndarray) -> np.ndarray:
  """Returns times in which no gap is longer than `_SILENCE`."""
  return np.cumsum(np.minimum(np.diff(seconds, prepend=0), _SILENCE))


def _snapped(seconds: np.ndarray, onset: np.ndarray) -> np.ndarray:
  """Moves beats to the onsets near them, the others between those."""
  place = np.searchsorted(onset, seconds).clip(1, len(onset) - 1)
  before, behind = onset[place - 1], onset[place]
  near = np.where(seconds - before < behind - seconds, before, behind)
  fixed = np.flatnonzero(np.abs(near - seconds) <= _SNAP)
  if not len(fixed):
    return seconds
  shift = np.interp(np.arange(len(seconds)), fixed, (near - seconds)[fixed])
  return seconds + shift


def _ordered(
  seconds: np.ndarray, place: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
  """Leaves out beats that two beats' snapping to one onset made equal."""
  rises = np.append(True, np.diff(np.maximum.accumulate(seconds)) > 1e-6)
  return seconds[rises], place[rises]


def _with_silence(
  seconds: np.ndarray, short: np.ndarray, onset: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
  """Puts the silences back, as whole beats.

  A silence is lengthened between two beats inside it, by beats of about the
  same length.

  Returns:
    Seconds and indices of the beats, [b].
  """
  long = np.maximum(np.diff(onset, prepend=0) - _SILENCE, 0)
  gaps = np.flatnonzero(long > 0)
  # All is later from the last beat before the onset behind the silence on,
  # so that this onset keeps its distance to its beat.
  at = np.searchsorted(seconds, short[gaps] - _EARLY, side='right') - 1
  at = at.clip(0, len(seconds) - 1)
  length = np.diff(seconds)[np.maximum(at - 1, 0)]
  later = np.zeros(len(seconds))
  np.add.at(later, at, long[gaps])
  more = np.zeros(len(seconds), np.int64)
  beats = np.maximum(np.rint(long[gaps] / length), 1).astype(np.int64)
  np.add.at(more, at, np.where(at > 0, beats, 0))
  return seconds + np.cumsum(later), np.arange(len(more)) + np.cumsum(more)


def _from_start(
  seconds: np.ndarray, index: np.ndarray, place: np.ndarray
) -> Beats:
  """Lets the beats begin at the start of the piece, at the first tempo."""
  length = float(np.median(np.diff(seconds[:5]) / np.diff(index[:5])))
  inside = seconds >= -_EARLY * length
  if not inside.any():
    return _NONE
  seconds, index = np.maximum(seconds[inside], 0), index[inside]
  place = place[inside]
  more = int(seconds[0] / length + _EARLY)
  listed = min(more, round(_SILENCE / length) + 1)
  front = seconds[0] - length * np.arange(listed, 0, -1)
  steps = index[0] - np.arange(listed, 0, -1)
  places = (place[0] - np.arange(listed, 0, -1)) % beat_paths.BAR
  if more > listed:
    front = np.append(seconds[0] - length * more, front)
    steps = np.append(index[0] - more, steps)
    places = np.append((place[0] - more) % beat_paths.BAR, places)
  index = np.append(steps, index)
  return Beats(
    np.append(np.maximum(front, 0), seconds),
    index - index[0],
    np.append(places, place),
  )


class _Map:
  """Ticks of seconds, where beats are whole numbers of ticks."""

  def __init__(self, beats: Beats, ticks_per_beat: int) -> None:
    self._size = ticks_per_beat
    seconds, index = beats.seconds, beats.index
    length = float(seconds[1] - seconds[0]) / float(index[1] - index[0])
    if seconds[0] > _EARLY * length:
      # What comes before the first beat is a beat, a short one.
      seconds, index = np.append(0, seconds), np.append(0, index + 1)
    self._index = index
    self._micros = _rounded(seconds, index)
    spent = np.diff(index) * self._micros
    self._starts = np.append(0, np.cumsum(spent)) / 1e6

  def tempos(self) -> np.ndarray:
    """Returns the tempo table: a row where the tempo changes."""
    rows = np.flatnonzero(np.diff(self._micros, prepend=-1))
    table = np.zeros(len(rows), notes_lib.TEMPO)
    table['tick'] = self._index[rows] * self._size
    table['microseconds'] = self._micros[rows]
    return table

  def ticks(self, seconds: np.ndarray) -> np.ndarray:
    """Returns the nearest tick of each time; the last tempo goes on."""
    part = np.searchsorted(self._starts, seconds, side='right') - 1
    part = part.clip(0, len(self._micros) - 1)
    beat = (seconds - self._starts[part]) * 1e6 / self._micros[part]
    inside = np.rint(beat * self._size).astype(np.int64)
    return self._index[part] * self._size + inside


def _rounded(seconds: np.ndarray, index: np.ndarray) -> np.ndarray:
  """Returns whole microseconds a beat whose errors do not add up."""
  micros, now = [], 0
  goals = np.rint((seconds[1:] - seconds[0]) * 1e6).astype(np.int64).tolist()
  for goal, count in zip(goals, np.diff(index).tolist(), strict=True):
    length = min(max(1, round((goal - now) / count)), _LONGEST)
    now += length * count
    micros.append(length)
  return np.array(micros, np.int64)


def _meters(beats: Beats, ticks_per_beat: int) -> np.ndarray:
  """Returns 4/4, and bars of another length where the downbeats say so."""
  shift = 1 if beats.seconds[0] > _EARLY * np.diff(beats.seconds[:2])[0] else 0
  downbeats = (beats.index + shift)[beats.place == 0].tolist()
  rows = []
  now, meter = 0, 0
  for beat in downbeats:
    # Whole bars of four, then what is left before the downbeat.
    whole, rest = divmod(beat - now, beat_paths.BAR)
    for size, count in ((beat_paths.BAR, whole), (rest, rest > 0)):
      if count and size != meter:
        rows.append((now * ticks_per_beat, size, 4))
        meter = size
      now += size * count
  if meter != beat_paths.BAR:
    rows.append((now * ticks_per_beat, beat_paths.BAR, 4))
  return np.array(rows, notes_lib.METER)
