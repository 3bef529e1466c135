"""Controls that studies hear: sections, chords, shapes of melody, the form.

The other controls are numbers of the notes (`tokens.controls`); these are what
a listener would say of them. All are heard in the quantised music, so that
they can be asked of any piece, generated ones included. Axes: `m` bars, `c`
chords, `n` notes.
"""

import dataclasses
import itertools

import numpy as np

from aurl_jax.music import time, transform
from aurl_jax.music.grid import Grid
from aurl_jax.music.notes import Notes
from aurl_jax.studies.chords.study import Chords
from aurl_jax.studies.melody import contour, line, tune
from aurl_jax.studies.structure.finding import Structure
from aurl_jax.tokens import controls
from aurl_jax.tokens.controls import Controls

VERSION = 1
"""Of what is heard; what was prepared with another version is made anew."""
_LEAST = 3
"""Notes of a melody in a bar from which it has a shape."""
_SHAPES = {name: i for i, name in enumerate(controls.CONTOURS)}


def of(notes: Notes, grid: Grid, *, style: int | None = None) -> Controls:
  """Returns the controls that a piece meets, with those that studies hear.

  Args:
    notes: Any piece.
    grid: To what it is quantised first.
    style: As of `controls.of`.

  Example:
    >>> scale = Notes.build(4, {
    ...   'onset': range(0, 32, 4), 'duration': 4,
    ...   'pitch': [60, 62, 64, 65, 67, 65, 64, 62]})
    >>> [level.contour for level in of(scale, Grid()).bars]
    [2, 3]
  """
  plain = controls.of(notes, grid, bars=True, style=style)
  notes = transform.merge_equal(transform.quantise(notes, grid))[0]
  if not plain.bars:
    return plain
  edges = np.append(time.bar_starts(notes), notes.end)
  sections, form = _sections(notes, edges)
  heard = zip(
    sections, _harmony(notes, edges), _contours(notes, edges), strict=True
  )
  bars = [
    level._replace(section=section, harmony=harmony, contour=shape)
    for level, (section, harmony, shape) in zip(plain.bars, heard, strict=True)
  ]
  return dataclasses.replace(plain, bars=tuple(bars), form=form)


def _sections(notes: Notes, edges: np.ndarray) -> tuple[list[int | None], int]:
  """Returns the section of each bar, and the form of the piece."""
  found = Structure().within(notes, edges)
  letters = list(dict.fromkeys(found.sections.letters))
  last = controls.SECTIONS - 1
  numbers = [min(letters.index(x), last) for x in found.sections.letters]
  of_bars = np.repeat(numbers, found.bars).tolist()
  return of_bars, controls.FORMS.index(found.form)


def _harmony(notes: Notes, edges: np.ndarray) -> list[int | None]:
  """Returns the chord that holds longest in each bar; None where none does."""
  found = Chords().analyse(notes)
  seconds = time.ticks_to_seconds(notes, edges)
  chosen: list[int | None] = []
  for start, end in itertools.pairwise(seconds.tolist()):
    held = np.minimum(found.ends, end) - np.maximum(found.starts, start)
    here = held > 0
    total = np.bincount(found.chord[here], held[here], minlength=1)
    chosen.append(int(total.argmax()) or None)
  return chosen


def _contours(notes: Notes, edges: np.ndarray) -> list[int | None]:
  """Returns the shape of the melody in each bar; None where it has none."""
  heard = tune.find(notes)
  melody = line.of(notes, heard.melody)
  cuts = np.searchsorted(melody.onset * notes.ticks_per_beat, edges - 0.5)
  shapes: list[int | None] = []
  for first, last in zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True):
    part = melody.take(first, last)
    told = len(part) >= _LEAST
    shapes.append(_SHAPES[contour.huron(part)] if told else None)
  return shapes
