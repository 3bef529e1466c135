"""`Structure`: sections, form, intensity and climax of a piece, as a study.

Axes: `m` bars, `s` sections, `k` bars or groups of bars.
"""

import dataclasses
from typing import Any, Protocol, runtime_checkable

import numpy as np
from matplotlib.axes import Axes

from aurl_jax.music import time
from aurl_jax.music.notes import Notes
from aurl_jax.studies.structure import (
  alike,
  boundaries,
  curve,
  drawing,
  forms,
  labels,
  lines,
  scores,
  views,
)
from aurl_jax.studies.structure.found import Finding
from aurl_jax.studies.structure.labels import Sections
from aurl_jax.studies.structure.views import Views

_SIDE = 256
"""Rows of the matrix that is kept, at most."""
_CURVE = 64
"""Places at which the curves of two pieces are compared."""
_NEAR, _WIDE = 0.5, 3.0
"""Seconds: the field's two tolerances."""
_NAN = float('nan')


@runtime_checkable
class Finder(Protocol):
  """A way to find where sections begin."""

  def find(self, views: Views) -> np.ndarray:
    """Returns the first bar of each section, [s] int64, from 0."""
    ...


@dataclasses.dataclass(frozen=True, kw_only=True)
class Structure:
  """Hears how a piece is built.

  Bars are those of the meters, or found if these cannot be meant
  (`structure.lines`). Sections are phrases as people label them in pop songs.

  Attributes:
    finder: Finds where sections begin; by default the fitted network of
      `structure.boundaries`. `lengths.Shortest` and `factors.Spectral` are
      others.
    same: See `labels.SAME`.
  """

  finder: Finder | None = None
  same: float = labels.SAME

  def analyse(self, notes: Notes) -> Finding:
    """Returns what is heard; a piece without notes has no bars.

    Example:
      >>> bar = [60, 62, 64, 65]
      >>> piece = Notes.build(4, {'onset': 4 * np.arange(16), 'duration': 4,
      ...                         'pitch': bar * 4}, meters=[(0, 4, 4)])
      >>> Structure().analyse(piece).told
      'A4'
    """
    return self.within(notes, lines.heard(notes))

  def within(self, notes: Notes, edges: np.ndarray) -> Finding:
    """Returns what is heard in bars between given ticks, [m + 1] ascending."""
    seen = views.see(notes, edges)
    if not len(seen):
      return written(np.zeros(1), [])
    find = boundaries.find if self.finder is None else self.finder.find
    sections = labels.label(seen, find(seen), self.same)
    values = curve.intensity(seen)
    return Finding(
      seconds(notes, edges),
      sections,
      forms.classify(sections),
      values,
      curve.climax(values),
      _small(seen),
    )

  def told(self, found: Finding) -> dict[str, Any]:
    """Returns sections, form, climax and intensity, times in seconds."""
    rows = zip(
      found.sections.letters,
      *(part.tolist() for part in found.spans),
      found.bars.tolist(),
      found.sections.like.tolist(),
      found.sections.turned.tolist(),
      strict=True,
    )
    names = ('label', 'start', 'end', 'bars', 'like_first', 'semitones')
    rounded = [
      (label, round(low, 3), round(high, 3), bars, round(like, 3), turned)
      for label, low, high, bars, like, turned in rows
    ]
    return {
      'sections': [dict(zip(names, row, strict=True)) for row in rounded],
      'form': {'class': found.form, 'string': found.told},
      'climax': _climax(found),
      'intensity': {
        'seconds': np.round(found.seconds[:-1], 3).tolist(),
        'values': np.round(found.intensity, 3).tolist(),
      },
    }

  def features(self, found: Finding) -> dict[str, float]:
    """Returns numbers of the form and the curve; NaN of an empty piece."""
    if not len(found):
      return dict.fromkeys(_FEATURES, _NAN)
    letters = found.sections.letters
    often = {letter: letters.count(letter) for letter in letters}
    again = np.array([often[letter] > 1 for letter in letters])
    later = np.array([x in letters[:k] for k, x in enumerate(letters)])
    like = found.sections.like[later]
    values = (
      len(letters),
      len(often),
      float(np.median(found.bars)),
      float(found.bars[again].sum() / len(found)),
      float(1 - like.mean()) if len(like) else _NAN,
      float(found.matrix.mean()),
      float(found.intensity.mean()),
      float(np.ptp(found.intensity)),
      (found.climax.bar + 0.5) / len(found),
      found.climax.fall,
    )
    return dict(zip(_FEATURES, map(float, values), strict=True))

  def compare(self, one: Finding, other: Finding) -> dict[str, float]:
    """Returns how alike two pieces are in form, lengths, curve and climax."""
    if not (len(one) and len(other)):
      same = float(len(one) == len(other))
      return dict.fromkeys(_RESPECTS, same)
    letters = one.sections.letters, other.sections.letters
    longer = max(map(len, letters))
    curves = [_sampled(found.intensity) for found in (one, other)]
    tops = [(found.climax.bar + 0.5) / len(found) for found in (one, other)]
    shares = [_shares(found.bars) for found in (one, other)]
    values = (
      1 - scores.edits(*letters) / longer,
      float(np.minimum(*shares).sum()),
      1 - float(np.abs(curves[0] - curves[1]).mean()),
      1 - abs(tops[0] - tops[1]),
    )
    return dict(zip(_RESPECTS, values, strict=True))

  def validate(self, found: Finding, truth: Finding) -> dict[str, float]:
    """Returns F1 of boundaries and of labels, against what people wrote.

    `boundary_bar`: within half a bar of the truth's; `boundary_near` and
    `boundary_wide`: within 0.5 and 3 seconds; `labels`: pairs of times.
    """
    one, other = found.spans[0][1:], truth.spans[0][1:]
    bar = float(np.median(np.diff(truth.seconds))) if len(truth) else 0.0
    within = {'bar': 0.49 * bar, 'near': _NEAR, 'wide': _WIDE}
    told = {
      f'boundary_{name}': scores.boundaries(one, other, most)[2]
      for name, most in within.items()
    }
    if not (len(found) and len(truth)):
      return {**told, 'labels': float(len(found) == len(truth))}
    parts = [(f.spans[0], f.sections.letters) for f in (found, truth)]
    end = float(max(found.seconds[-1], truth.seconds[-1]))
    return {**told, 'labels': scores.pairs(parts[0], parts[1], end)[2]}

  def draw(self, found: Finding, axes: Axes) -> None:
    """Draws sections and intensity, see `structure.drawing`."""
    drawing.sections(found, axes)


_FEATURES = (
  'sections',
  'letters',
  'section_bars',
  'recurring',
  'varied',
  'self_similarity',
  'intensity',
  'intensity_range',
  'climax',
  'resolution',
)
_RESPECTS = ('form', 'section_lengths', 'intensity', 'climax')


def written(seconds: np.ndarray, phrases: list[tuple[str, int]]) -> Finding:
  """Returns what people wrote, as a finding, for `Structure.validate`.

  Args:
    seconds: [m + 1], where bars begin; what is told beyond is left out.
    phrases: Letter and bars of each, from the first bar on.
  """
  starts = np.cumsum([0, *(bars for _, bars in phrases)])[:-1]
  inside = starts < len(seconds) - 1
  starts = starts[inside]
  letters = tuple(
    letter for (letter, _), kept in zip(phrases, inside, strict=True) if kept
  )
  none = np.zeros(len(starts), np.int64)
  sections = Sections(starts.astype(np.int64), letters, none + 1.0, none)
  flat = np.zeros(len(seconds) - 1)
  form = forms.classify(sections)
  return Finding(
    seconds, sections, form, flat, curve.climax(flat), np.zeros((0, 0))
  )


def seconds(notes: Notes, edges: np.ndarray) -> np.ndarray:
  """Returns the time of edges, [m + 1]; an upbeat's bar begins at 0."""
  return time.ticks_to_seconds(notes, np.maximum(edges, 0))


def _small(seen: Views) -> np.ndarray:
  """Returns the matrix of bars, or of groups of them."""
  step = -(-len(seen) // _SIDE)
  if step == 1:
    return alike.matrices(seen)['all'].astype(np.float32)
  first = np.arange(0, len(seen), step)
  joined = [
    np.add.reduceat(part, first, axis=0) for part in (seen.chroma, seen.onsets)
  ]
  chroma, onsets = map(alike.cosines, joined)
  return np.asarray((chroma + onsets) / 2, np.float32)


def _climax(found: Finding) -> dict[str, Any]:
  """Returns the climax as JSON's own types; nulls of an empty piece."""
  top = found.climax
  at = round(float(found.seconds[top.bar]), 3) if len(found) else None
  calm = None
  if top.resolved >= 0:
    calm = round(float(found.seconds[top.resolved]), 3)
  return {
    'seconds': at,
    'bar': top.bar if len(found) else None,
    'intensity': round(top.intensity, 3),
    'rise': round(top.rise, 3),
    'fall': round(top.fall, 3),
    'resolved': calm,
  }


def _sampled(values: np.ndarray) -> np.ndarray:
  """Returns a curve at places that are the same shares of each piece."""
  places = np.linspace(0, len(values) - 1, _CURVE)
  return np.interp(places, np.arange(len(values)), values)


def _shares(bars: np.ndarray) -> np.ndarray:
  """Returns the share of sections of each length, 32 bars or more as one."""
  return np.bincount(np.minimum(bars, 32), minlength=33) / len(bars)
