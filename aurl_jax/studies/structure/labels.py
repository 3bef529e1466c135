"""Letters of sections: which of them are the same music.

A section gets the letter of the one before that it is most like, if it is like
enough, at the best of twelve transpositions. Axes: `m` bars, `s` sections.
"""

import dataclasses
import string

import numpy as np

from aurl_jax.studies.structure import alike
from aurl_jax.studies.structure.views import CLASSES, Views

SAME = 0.72
"""Mean similarity of bars from which two sections have one letter. Set by eye;
it tells pairs of bars of POP909's valid songs alike as people do by F1 0.83."""
_FIT = 0.5
"""Share of the longer section's bars that the shorter one has at least."""
_SUNG = 0.25
"""Share of its bars' time from which a section has a melody."""
_RECENT = 64
"""Letters that a section is compared with."""
_TURNED = 0.03
"""By how much a transposed repetition must fit better than a plain one."""


@dataclasses.dataclass(frozen=True)
class Sections:
  """The sections of a piece.

  Attributes:
    starts: [s] int64, their first bars; the first one is 0.
    letters: [s] of them. Upper case has a melody, lower case has none; `i`
      begins the piece and `o` ends it without a melody, `x` comes once. The
      same letter is the same music. Behind `Z` come `A1`, `B1` and so on.
    like: [s] float64, 0..1, how like the first of its letter; that one has 1.
    turned: [s] int64, -5..6, semitones from the first of its letter.
  """

  starts: np.ndarray
  letters: tuple[str, ...]
  like: np.ndarray
  turned: np.ndarray


def label(views: Views, starts: np.ndarray, same: float = SAME) -> Sections:
  """Returns the sections that begin at given bars.

  Args:
    views: Of the piece.
    starts: [s] int64, ascending from 0.
    same: See `SAME`.
  """
  ends = np.append(starts[1:], len(views))
  spans = [views[int(a) : int(b)] for a, b in zip(starts, ends, strict=True)]
  sung = np.array([part.sums[:, 4].mean() >= _SUNG for part in spans])
  group, like, turned = _grouped(spans, sung, same)
  letters = _named(group, sung)
  return Sections(starts, letters, like, turned)


def _grouped(
  spans: list[Views], sung: np.ndarray, same: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """Returns group, likeness and transposition of each section."""
  models: list[tuple[int, Views]] = []
  group = np.zeros(len(spans), np.int64)
  like, turned = np.ones(len(spans)), np.zeros(len(spans), np.int64)
  for number, part in enumerate(spans):
    found = [
      (*likeness(model, part), key)
      for key, model in models[-_RECENT:]
      if sung[key] == sung[number]
    ]
    best, step, key = max(found, default=(0.0, 0, -1))
    if best >= same:
      group[number], like[number], turned[number] = key, best, step
    else:
      group[number] = number
      models.append((number, part))
  return group, like, turned


def likeness(one: Views, other: Views) -> tuple[float, int]:
  """Returns how alike two sections are, 0..1, and how much higher the second.

  Bars are compared one by one, from the first or up to the last, whichever is
  better; sections of too different lengths are not alike at all.

  Returns:
    The mean similarity of tune, harmony, rhythm and texture, and the
    transposition, -5..6 semitones.
  """
  short, long = sorted((len(one), len(other)))
  if short < _FIT * long:
    return 0.0, 0
  found = [_matched(one[:short], other[:short])]
  if short < long:
    found.append(_matched(one[len(one) - short :], other[len(other) - short :]))
  return max(found)


def _matched(one: Views, other: Views) -> tuple[float, int]:
  """Returns likeness and transposition of sections of the same length."""
  best, found = -1.0, (0.0, 0)
  plain = _pairs(one.rhythm, other.rhythm) + _pairs(one.onsets, other.onsets)
  for step in sorted({0, _transposed(one, other)}):
    tune = _pairs(alike.turn(one.melody, step), other.melody)
    chords = _pairs(alike.turn(one.chroma, step), other.chroma)
    bass = _pairs(alike.turn(one.bass, step), other.bass)
    mean = float((plain + tune + (chords + bass) / 2).mean() / 4)
    if mean - _TURNED * (step > 0) > best:
      best = mean - _TURNED * (step > 0)
      found = (mean, step - CLASSES * (step > CLASSES // 2))
  return found


def _transposed(one: Views, other: Views) -> int:
  """Returns by how many semitones up, 0..11, pitch classes fit best."""
  spectra = [
    np.fft.rfft(part.reshape(len(part), -1, CLASSES), axis=2)
    for part in (one.tunes, other.tunes)
  ]
  together = (np.conj(spectra[0]) * spectra[1]).sum(axis=(0, 1))
  return int(np.fft.irfft(together, CLASSES).round(6).argmax())


def _pairs(one: np.ndarray, other: np.ndarray) -> np.ndarray:
  """Returns the cosine of each row with that of the same number, [m]."""
  size = np.linalg.norm(one, axis=1), np.linalg.norm(other, axis=1)
  both = size[0] * size[1]
  found = (one * other).sum(axis=1) / np.where(both > 0, both, 1)
  return np.asarray(np.where((size[0] == 0) & (size[1] == 0), 1.0, found))


def _named(group: np.ndarray, sung: np.ndarray) -> tuple[str, ...]:
  """Returns letters by order of appearance."""
  names: dict[int, str] = {}
  with_melody = without = 0
  often = np.bincount(group, minlength=len(group))
  found = []
  for number, key in enumerate(group.tolist()):
    last = number == len(group) - 1
    if number in (0, len(group) - 1) and not sung[number] and often[key] == 1:
      found.append('o' if last and number else 'i')
      continue
    if key not in names and sung[number]:
      names[key] = _letter(with_melody)
      with_melody += 1
    elif key not in names and often[key] == 1:
      names[key] = 'x'
    elif key not in names:
      names[key] = _letter(without, skip='IOX').lower()
      without += 1
    found.append(names[key])
  return tuple(found)


def _letter(number: int, skip: str = 'X') -> str:
  """Returns `A`, `B` and so on; behind the alphabet with a number."""
  able = [letter for letter in string.ascii_uppercase if letter not in skip]
  again, place = divmod(number, len(able))
  return able[place] + (str(again) if again else '')
