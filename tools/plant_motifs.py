"""Motifs planted in real melodies, so that what a finder finds can be judged.

A motif is a stretch of another real tune. It is planted several times into a
melody, in place of what stood there: as it is, transposed, inverted and
ornamented, and then disturbed at one of three levels. Written before the
finder, and shares nothing with it. `judged` counts what a finder tells:

- recall: of the planted occurrences, those that one found motif holds;
- precision: of all that is told of all motifs, planted ones among those and
  false ones. What is no planted motif but a repeat of the tune's own is left
  out: two stretches whose notes agree, by a plain count made here.

Times are quarter notes. Axis: `n` notes of a tune, `k` occurrences.
"""

import dataclasses
import pathlib
from collections.abc import Sequence

import numpy as np

from aurl_jax.music import midi
from aurl_jax.music.notes import Notes

KINDS = ('same', 'transposed', 'inverted', 'ornamented')
TICKS = 480


@dataclasses.dataclass(frozen=True)
class Level:
  """How much a planted motif is disturbed: chances of each note.

  Attributes:
    pitch: To be moved by one or two semitones.
    time: To begin a half or a third of its length late.
    drop: To be missing, but for the first and the last.
    add: To be struck twice.
  """

  pitch: float = 0.0
  time: float = 0.0
  drop: float = 0.0
  add: float = 0.0


LEVELS = {
  'none': Level(),
  'light': Level(pitch=0.05, time=0.05, drop=0.02, add=0.02),
  'heavy': Level(pitch=0.1, time=0.1, drop=0.05, add=0.05),
}


@dataclasses.dataclass(frozen=True)
class Planted:
  """A tune with a motif in it.

  Attributes:
    tune: [n, 3] float64: onset, duration, pitch, ascending by onset.
    spans: [k, 2] float64, where occurrences begin and end, ascending.
    kinds: [k] of `KINDS`.
    motif: [m, 3] float64, as it was drawn, from onset 0.
  """

  tune: np.ndarray
  spans: np.ndarray
  kinds: tuple[str, ...]
  motif: np.ndarray

  @property
  def notes(self) -> Notes:
    """The tune as a piece."""
    onset, duration, pitch = self.tune.T
    begin, end = (np.round(v * TICKS) for v in (onset, onset + duration))
    columns = {
      'onset': begin.astype(np.int64),
      'duration': (end - begin).astype(np.int64),
      'pitch': pitch.astype(np.int64),
    }
    return Notes.build(TICKS, columns)


def read(path: pathlib.Path) -> np.ndarray:
  """Returns the tune of a file's first track with notes, [n, 3].

  Of notes that begin together the highest counts; each ends with the next.
  """
  notes = midi.read(path).notes
  if not len(notes):
    return np.zeros((0, 3))
  mine = notes.track == notes.track.min()
  rows: dict[int, tuple[int, int]] = {}
  for onset, duration, pitch in zip(
    notes.onset[mine].tolist(),
    notes.duration[mine].tolist(),
    notes.pitch[mine].tolist(),
    strict=True,
  ):
    rows[onset] = max(rows.get(onset, (0, 0)), (pitch, duration))
  onset = np.array(sorted(rows), np.float64)
  pitch = np.array([rows[o][0] for o in onset], np.float64)
  length = np.array([rows[o][1] for o in onset], np.float64)
  length = np.minimum(length, np.append(np.diff(onset), np.inf))
  beat = notes.ticks_per_beat
  return np.stack([onset / beat, length / beat, pitch], axis=1)


def draw_motif(tune: np.ndarray, rng: np.random.Generator) -> np.ndarray | None:
  """Returns 7..10 notes of a tune, [m, 3] from onset 0; None if none serves.

  They last three to eight quarters without a rest, and are no mere scale or
  chord that is heard everywhere: four pitches and four intervals or more.
  """
  for _ in range(60):
    size = int(rng.integers(7, 11))
    if len(tune) < size + 2:
      return None
    first = int(rng.integers(0, len(tune) - size))
    motif = tune[first : first + size].copy()
    motif[:, 0] -= motif[0, 0]
    steps = np.diff(motif[:, 2])
    gaps = np.diff(motif[:, 0]) - motif[:-1, 1]
    length = motif[-1, 0] + motif[-1, 1]
    varied = len(set(motif[:, 2])) >= 4 and len(set(steps)) >= 4
    if varied and 3 <= length <= 8 and gaps.max() < 0.5 and motif[-1, 1] > 0.1:
      return motif
  return None


def plant(
  tune: np.ndarray,
  motif: np.ndarray,
  rng: np.random.Generator,
  level: Level,
  kinds: Sequence[str] = (*KINDS, 'transposed'),
) -> Planted | None:
  """Returns a tune with a motif in it once for each of `kinds`.

  Occurrences begin on whole quarters and do not touch. None if the tune has
  no room: they may take half of it at most.
  """
  room = float(np.ceil(motif[-1, 0] + motif[-1, 1])) + 1
  last = int(tune[-1, 0] + tune[-1, 1])
  if room * len(kinds) * 2 > last:
    return None
  slots = rng.permutation(int(last // room))[: len(kinds)] * room
  order = rng.permutation(len(kinds))
  spans, made, rows = [], [], tune
  for start, which in zip(np.sort(slots), order, strict=True):
    shift = float(start)
    said = disturbed(changed(motif, kinds[which], rng), level, rng)
    end = shift + motif[-1, 0] + motif[-1, 1]
    said = said + np.array([shift, 0, 0])
    near = _fitted(said, rows, shift, end)
    rows = np.concatenate([_cleared(rows, shift, end), near])
    rows = rows[np.argsort(rows[:, 0], kind='stable')]
    spans.append((shift, end))
    made.append(kinds[which])
  return Planted(rows, np.array(spans), tuple(made), motif)


def changed(
  motif: np.ndarray, kind: str, rng: np.random.Generator
) -> np.ndarray:
  """Returns a motif transposed, inverted or ornamented, [m, 3]."""
  said = motif.copy()
  if kind == 'same':
    return said
  said[:, 2] += rng.choice([-7, -5, -4, -3, -2, 2, 3, 4, 5, 7])
  if kind == 'inverted':
    said[:, 2] = 2 * said[0, 2] - said[:, 2]
  return _ornamented(said, rng) if kind == 'ornamented' else said


def _ornamented(motif: np.ndarray, rng: np.random.Generator) -> np.ndarray:
  """Gives a third of the notes a neighbour, or a way to the next one."""
  rows: list[tuple[float, float, float]] = []
  chosen = rng.random(len(motif)) < 1 / 3
  chosen[rng.integers(0, len(motif))] = True
  for place, (onset, length, pitch) in enumerate(motif.tolist()):
    if not chosen[place] or length < 0.2:
      rows.append((onset, length, pitch))
      continue
    beyond = motif[min(place + 1, len(motif) - 1), 2] - pitch
    side = float(np.sign(beyond) or rng.choice([-1, 1]))
    if rng.random() < 0.5:  # A mordent: the note, its neighbour, the note.
      part = length / 4
      rows += [(onset, part, pitch), (onset + part, part, pitch + 2 * side)]
      rows.append((onset + 2 * part, 2 * part, pitch))
    else:  # A passing or a neighbour note on the second half.
      part = length / 2
      rows += [(onset, part, pitch), (onset + part, part, pitch + 2 * side)]
  return np.array(rows)


def disturbed(
  motif: np.ndarray, level: Level, rng: np.random.Generator
) -> np.ndarray:
  """Returns a motif with the accidents of a level, [m, 3]."""
  rows: list[tuple[float, float, float]] = []
  for place, (onset, length, pitch) in enumerate(motif.tolist()):
    inner = 0 < place < len(motif) - 1
    if rng.random() < level.drop and inner:
      continue
    if rng.random() < level.pitch:
      pitch += float(rng.choice([-2, -1, 1, 2]))
    if rng.random() < level.time and inner:
      late = length * float(rng.choice([1 / 2, 1 / 3]))
      onset, length = onset + late, length - late
    if rng.random() < level.add:
      rows.append((onset, length / 2, pitch))
      onset, length = onset + length / 2, length / 2
    rows.append((onset, length, pitch))
  return np.array(rows)


def _fitted(
  said: np.ndarray, tune: np.ndarray, start: float, end: float
) -> np.ndarray:
  """Returns a motif moved to the register of what it takes the place of.

  By octaves, so that it stays what it was transposed to.
  """
  about = tune[(tune[:, 0] >= start - 8) & (tune[:, 0] < end + 8), 2]
  middle = np.median(about if len(about) else tune[:, 2])
  octaves = np.round((middle - np.median(said[:, 2])) / 12)
  pitch = np.clip(said[:, 2] + 12 * octaves, 24, 110)
  return np.stack([said[:, 0], said[:, 1], pitch], axis=1)


def _cleared(tune: np.ndarray, start: float, end: float) -> np.ndarray:
  """Returns a tune without notes of a stretch; what sounds into it is cut."""
  left = tune[(tune[:, 0] < start) | (tune[:, 0] >= end)].copy()
  before = left[:, 0] < start
  left[before, 1] = np.minimum(left[before, 1], start - left[before, 0])
  return left


def judged(
  planted: Planted, found: Sequence[np.ndarray]
) -> dict[str, float | dict[str, tuple[int, int]]]:
  """Counts what a finder tells of a tune.

  Args:
    planted: The tune and what is in it.
    found: Of each motif found, [j, 2] where its occurrences begin and end.

  Returns:
    `planted` and `recalled` occurrences, `true`, `false` and `native` ones
    told; `kinds`: of each kind how many were recalled, and how many there are.
  """
  hits = [_hits(planted.spans, spans) for spans in found]
  best = max(hits, key=len, default=set())
  true = false = native = 0
  for spans in found:
    for place, span in enumerate(spans):
      if max((_shared(span, s) for s in planted.spans), default=0) >= 0.5:
        true += 1
      elif _repeats(planted.tune, span, np.delete(spans, place, axis=0)):
        native += 1
      else:
        false += 1
  kinds: dict[str, tuple[int, int]] = {}
  for place, kind in enumerate(planted.kinds):
    had, of = kinds.get(kind, (0, 0))
    kinds[kind] = (had + (place in best), of + 1)
  return {
    'planted': len(planted.spans), 'recalled': len(best),
    'true': true, 'false': false, 'native': native, 'kinds': kinds,
  }  # fmt: skip


def _hits(truth: np.ndarray, spans: np.ndarray) -> set[int]:
  """Returns which planted occurrences are among those of one motif."""
  return {
    place
    for place, wanted in enumerate(truth)
    if any(_shared(wanted, span) >= 0.5 for span in spans)
  }


def _shared(one: np.ndarray, other: np.ndarray) -> float:
  """Returns how much of two stretches is common to both, of their union."""
  common = min(one[1], other[1]) - max(one[0], other[0])
  union = max(one[1], other[1]) - min(one[0], other[0])
  return max(common, 0.0) / max(union, 1e-9)


def _repeats(tune: np.ndarray, span: np.ndarray, others: np.ndarray) -> bool:
  """Whether a stretch is heard again in one of the others.

  Of the shorter one's notes seven in ten are found in the other at the same
  place in time (as long as the two last, or both from their beginning) and at
  one transposition, as they are or inverted.
  """
  mine = _within(tune, span)
  for other in others:
    theirs = _within(tune, other)
    if min(len(mine), len(theirs)) < 3:
      continue
    lengths = span[1] - span[0], other[1] - other[0]
    for scale in {1.0, lengths[0] / max(lengths[1], 1e-9)}:
      places = theirs * np.array([scale, 1.0])
      if _agree(mine, places) >= 0.7 * min(len(mine), len(theirs)):
        return True
  return False


def _within(tune: np.ndarray, span: np.ndarray) -> np.ndarray:
  """Returns onset from the beginning and pitch of the notes of a stretch."""
  inside = (tune[:, 0] >= span[0] - 1e-6) & (tune[:, 0] < span[1] - 1e-6)
  return tune[inside][:, [0, 2]] - np.array([span[0], 0])


def _agree(one: np.ndarray, other: np.ndarray) -> int:
  """Returns how many notes of two stretches agree at the best transposition."""
  together = np.abs(one[:, None, 0] - other[None, :, 0]) < 0.13
  best = 0
  for sign in (1, -1):
    steps = one[:, None, 1] - sign * other[None, :, 1]
    for step in np.unique(steps[together]):
      best = max(best, int((together & (steps == step)).any(axis=1).sum()))
  return best
