"""`Melody`: the study of a piece's melody."""

import collections
import dataclasses
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from aurl_jax.music import time
from aurl_jax.music.notes import Notes
from aurl_jax.studies.melody import (
  contour,
  grams,
  likeness,
  line,
  phrases,
  picture,
  scale,
  scores,
  tune,
)
from aurl_jax.studies.melody.line import Line
from aurl_jax.studies.melody.motifs import Finder, Motif
from aurl_jax.studies.melody.scale import Mode

_DIGITS = 4


@dataclasses.dataclass(frozen=True)
class Found:
  """What is heard of a melody.

  Attributes:
    line: Its notes.
    chance: [n] float64, how sure each note is the melody's, 0..1.
    share: Share of the piece's pitched notes that are the melody's.
    tracks: Name of each track -> share of the melody that it has.
    phrases: [p] int64, the first note of each phrase.
    mode: Its scale; None without notes.
    motifs: What comes back.
    seconds: Of each motif, [k, 2] when its occurrences begin and end.
  """

  line: Line
  chance: np.ndarray
  share: float
  tracks: dict[str, float]
  phrases: np.ndarray
  mode: Mode | None
  motifs: tuple[Motif, ...]
  seconds: tuple[np.ndarray, ...]

  def phrase(self, number: int) -> Line:
    """Returns the notes of a phrase."""
    bounds = [*self.phrases.tolist(), len(self.line)]
    return self.line.take(bounds[number], bounds[number + 1])


@dataclasses.dataclass(frozen=True, kw_only=True)
class Melody:
  """Hears who has the tune, and what it is made of.

  Attributes:
    given: Name of a track that is the melody, if a piece has it; '' to find
      the melody in all notes.
    finder: What finds motifs.
  """

  given: str = ''
  finder: Finder = dataclasses.field(default_factory=Finder)

  def analyse(self, notes: Notes) -> Found:
    """Returns the melody of a piece; of one without notes, an empty one."""
    index, chance = self._melody(notes)
    heard = line.of(notes, index)
    found = self.finder(heard)
    beat = notes.ticks_per_beat
    sure = dict(zip(notes.onset[index].tolist(), chance.tolist(), strict=True))
    ticks = np.round(heard.onset * beat).astype(np.int64).tolist()
    pitched = int((~notes.is_drum).sum())
    return Found(
      heard,
      np.array([sure[tick] for tick in ticks], np.float64),
      len(heard) / pitched if pitched else 0.0,
      _tracks(notes, index),
      phrases.starts(heard),
      scale.find(heard),
      found,
      tuple(
        time.ticks_to_seconds(
          notes, np.round(motif.spans * beat).astype(np.int64)
        )
        for motif in found
      ),
    )

  def heard(self, notes: Notes) -> np.ndarray:
    """Returns where the notes of the melody stand in a piece, ascending."""
    return np.sort(self._melody(notes)[0])

  def _melody(self, notes: Notes) -> tuple[np.ndarray, np.ndarray]:
    """Returns the notes of the melody and how sure they are."""
    named = [
      number
      for number, track in enumerate(notes.tracks)
      if self.given and track.name == self.given
    ]
    if named:
      mine = np.flatnonzero((notes.track == named[0]) & ~notes.is_drum)
      return mine, np.ones(len(mine))
    heard = tune.find(notes)
    mine = np.flatnonzero(heard.role == 0)
    mine = mine[np.argsort(heard.index[mine], kind='stable')]
    return heard.index[mine], heard.chance[mine, 0].astype(np.float64)

  def told(self, found: Found) -> dict[str, Any]:
    """Returns the melody as JSON: notes, tracks, contour, scale, motifs."""
    heard = found.line
    return {
      'melody': {
        'notes': [
          {
            'start': round(start, _DIGITS),
            'end': round(end, _DIGITS),
            'pitch': pitch,
            'chance': round(chance, 3),
          }
          for start, end, pitch, chance in zip(
            heard.start.tolist(),
            heard.end.tolist(),
            heard.pitch.tolist(),
            found.chance.tolist(),
            strict=True,
          )
        ],
        'tracks': {k: round(v, _DIGITS) for k, v in found.tracks.items()},
        'contour': _contour(found),
        'scale': _scale(found.mode),
        'motifs': [
          _motif(*pair)
          for pair in zip(found.motifs, found.seconds, strict=True)
        ],
      }
    }

  def features(self, found: Found) -> dict[str, float]:
    """Returns numbers of the melody; NaN where there is none."""
    heard = found.line
    steps = np.abs(grams.intervals(heard)).astype(np.float64)
    covered = sum(
      float(np.diff(motif.spans, axis=1).sum()) for motif in found.motifs
    )
    length = (
      float(heard.onset[-1] + heard.duration[-1] - heard.onset[0])
      if len(heard)
      else float('nan')
    )
    return {
      'melody_notes': float(len(heard)),
      'melody_share': found.share,
      'melody_range': _number(heard.pitch, np.ptp),
      'melody_pitch': _number(heard.pitch, np.mean),
      'melody_interval': _number(steps, np.mean),
      'melody_leaps': _number(steps > 4, np.mean),
      'melody_repeated': _number(steps == 0, np.mean),
      'melody_entropy': grams.entropy(heard, 1),
      'melody_phrases': float(len(found.phrases)),
      'melody_in_scale': found.mode.inside if found.mode else float('nan'),
      'melody_motifs': float(len(found.motifs)),
      'melody_in_motifs': min(covered / length, 1.0)
      if length
      else float('nan'),
    }

  def compare(self, one: Found, other: Found) -> dict[str, float]:
    """Returns how alike two melodies are, in any key, 0..1."""
    alike = likeness.compare(one.line, other.line)
    told = {f'melody_{name}': value for name, value in alike.items()}
    shares = [
      _counts(grams.words(found.line, 2, rhythm=False))
      for found in (one, other)
    ]
    common = sum((shares[0] & shares[1]).values())
    total = sum((shares[0] | shares[1]).values())
    told['melody_words'] = common / total if total else float('nan')
    classes = [
      _counts(contour.huron(f.phrase(p)) for p in range(len(f.phrases)))
      for f in (one, other)
    ]
    told['melody_contours'] = _overlap(*classes)
    return told

  def validate(self, found: Found, truth: Found) -> dict[str, float]:
    """Returns the scores of `scores` against a melody that people wrote."""
    return scores.notes(found.line, truth.line) | scores.frames(
      found.line, truth.line
    )

  def draw(self, found: Found, axes: Axes) -> None:
    """Draws the notes, the phrases, and each motif in its colour."""
    picture.draw(
      axes, found.line, found.line.start[found.phrases], found.seconds
    )


def _tracks(notes: Notes, index: np.ndarray) -> dict[str, float]:
  """Returns which share of the melody each track has, most first."""
  if not len(index):
    return {}
  counts = np.bincount(notes.track[index], minlength=len(notes.tracks))
  order = np.argsort(-counts, kind='stable')
  shares: dict[str, float] = {}
  for number in order[counts[order] > 0].tolist():
    name = notes.tracks[number].name or f'track {number + 1}'
    shares[name] = shares.get(name, 0.0) + float(counts[number]) / len(index)
  return shares


def _contour(found: Found) -> dict[str, Any]:
  """Returns the shape of the melody and of its phrases."""
  parts = [found.phrase(number) for number in range(len(found.phrases))]
  return {
    'class': contour.huron(found.line),
    'cosine': np.round(contour.cosine(found.line), 3).tolist(),
    'phrases': [
      {
        'start': round(float(part.start[0]), _DIGITS),
        'end': round(float(part.end[-1]), _DIGITS),
        'class': contour.huron(part),
        'cosine': np.round(contour.cosine(part), 3).tolist(),
      }
      for part in parts
    ],
  }


def _scale(mode: Mode | None) -> dict[str, Any] | None:
  if mode is None:
    return None
  return {
    'name': str(mode.scale),
    'tonic': mode.scale.tonic,
    'kind': mode.scale.kind,
    'chance': round(mode.chance, 3),
    'inside': round(mode.inside, 3),
  }


def _motif(motif: Motif, seconds: np.ndarray) -> dict[str, Any]:
  """Returns a motif as JSON."""
  return {
    'intervals': np.diff(motif.pitch).tolist(),
    'beats': np.round(motif.beats, _DIGITS).tolist(),
    'length': round(motif.length, _DIGITS),
    'saved': round(motif.saved, 2),
    'occurrences': [
      {
        'start': round(start, _DIGITS),
        'end': round(end, _DIGITS),
        'pitch': rise,
        'kind': kind,
        'score': round(score, 3),
      }
      for (start, end), rise, kind, score in zip(
        seconds.tolist(),
        motif.rise.tolist(),
        motif.kinds,
        motif.score.tolist(),
        strict=True,
      )
    ],
  }


def _number(values: np.ndarray, of: Any) -> float:
  return float(of(values)) if len(values) else float('nan')


def _counts(values: Any) -> collections.Counter[Any]:
  listed = values.tolist() if isinstance(values, np.ndarray) else values
  return collections.Counter(listed)


def _overlap(
  one: collections.Counter[Any], other: collections.Counter[Any]
) -> float:
  """Returns what two distributions have in common, 0..1; NaN if one is none."""
  if not one or not other:
    return float('nan')
  sizes = one.total(), other.total()
  return sum(
    min(one[key] / sizes[0], other[key] / sizes[1])
    for key in one.keys() | other
  )
