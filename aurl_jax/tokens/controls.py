"""Controls: what a piece, and each of its bars, is to be like.

All are computed from the quantised notes alone, as below, so that they can be
asked of any music. Levels count the edges that a number reaches.

- key: 0..11 major by tonic, 12..23 minor: the key whose profile correlates
  best with the pitch classes, weighted by duration (Krumhansl and Kessler,
  "Tracing the dynamic changes in perceived tonal organization",
  Psychological Review 1982); it follows every transposition.
- density: notes that begin in a beat, drums among them (`DENSITY`).
- polyphony: how many notes sound, on average where any does (`POLYPHONY`).
- register: octave of the mean pitch, weighted by duration: 5 begins at C4.
- instruments: families of General MIDI, `program // 8`; 16 is the drums.
- style: a number whose meaning the data set gives.

Four more are what the studies hear, filled in where those run
(`data.studied`), and told by tokenizers with `studied=True`:

- section: 0..15, the letter of the section that a bar is in, in the order in
  which letters come; the last one stands for all further ones.
- harmony: chord that holds longest in a bar, by `music.chords.from_index`.
- contour: shape of the melody in a bar, an index into `CONTOURS`.
- form: of a piece, an index into `FORMS`.

Drums have neither key nor polyphony nor register. Axes: `b` bars, `c` cells.
"""

import dataclasses
from typing import NamedTuple

import numpy as np

from aurl_jax.music import theory, time, transform
from aurl_jax.music.grid import Grid
from aurl_jax.music.notes import Notes

DENSITY = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0)
"""Edges of its levels, in notes a beat."""
POLYPHONY = (1.05, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 12.0)
"""Edges of its levels, in notes."""
DRUM_FAMILY = theory.FAMILIES
STYLES = 64
"""How many styles a data set may have."""
SECTIONS = 16
"""How many letters of sections are told apart."""
CONTOURS = theory.CONTOURS
FORMS = theory.FORMS
_OCTAVE = 12
# fmt: off
_MAJOR = (
  6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88,
)
_MINOR = (
  6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17,
)
# fmt: on


class Levels(NamedTuple):
  """Controls of a piece or of a bar; None leaves one open.

  The last three are of bars, and heard by studies.

  Example:
    >>> Levels(key=3, contour=0)
    Levels(key=3, contour=0)
  """

  key: int | None = None
  density: int | None = None
  polyphony: int | None = None
  register: int | None = None
  section: int | None = None
  harmony: int | None = None
  contour: int | None = None

  def __repr__(self) -> str:
    """Returns what is told; what is open goes without saying."""
    told = [f'{k}={v}' for k, v in self._asdict().items() if v is not None]
    return f'Levels({", ".join(told)})'


STUDIED = ('section', 'harmony', 'contour', 'form')
"""Controls that studies hear."""
_OPEN = Levels()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Controls:
  """What is asked of a piece.

  Attributes:
    piece: Of the whole piece.
    instruments: Families that it has, ascending; empty leaves them open.
    style: Number of its style, below `STYLES`; None leaves it open.
    form: Index into `FORMS`; None leaves it open.
    bars: Of each bar, from the first on; what is beyond them is open.
  """

  piece: Levels = _OPEN
  instruments: tuple[int, ...] = ()
  style: int | None = None
  form: int | None = None
  bars: tuple[Levels, ...] = ()


def of(
  notes: Notes, grid: Grid, *, bars: bool = False, style: int | None = None
) -> Controls:
  """Returns the controls that a piece meets.

  Args:
    notes: Any piece.
    grid: To what it is quantised first.
    bars: Whether those of bars are computed; a bar's key is left open.
    style: What its style is, if it is known.

  Example:
    >>> chord = Notes.build(
    ...   4, {'onset': 0, 'duration': 16, 'pitch': [60, 64, 67]})
    >>> of(chord, Grid()).piece
    Levels(key=0, density=1, polyphony=5, register=5)
  """
  notes = transform.merge_equal(transform.quantise(notes, grid))[0]
  if not len(notes):
    return Controls(style=style)
  edges = np.array([notes.onset[0], notes.end])
  whole = _levels(notes, edges)[0]._replace(key=key(notes))
  starts = np.append(time.bar_starts(notes), notes.end)
  return Controls(
    piece=whole,
    instruments=families(notes),
    style=style,
    bars=tuple(_levels(notes, starts)) if bars else (),
  )


def families(notes: Notes) -> tuple[int, ...]:
  """Returns the families of instruments that play, ascending.

  Example:
    >>> families(Notes.build(4, {'onset': 0, 'duration': 4, 'pitch': [60]}))
    (0,)
  """
  used = [notes.tracks[i] for i in np.unique(notes.track).tolist()]
  found = {
    DRUM_FAMILY if track.is_drum else track.program // theory.FAMILY
    for track in used
  }
  return tuple(sorted(found))


def beside(notes: Notes, grid: Grid, first: int, last: int) -> Controls:
  """Returns the controls of a piece whose bars are to be infilled.

  They are those of what is given; the bars between are told to be like the
  nearest one that is, of two the one before. Models that were trained with
  controls of bars infill worse where none are told.

  Args:
    notes: Any piece.
    grid: As of `of`.
    first: The first bar of the gap, from 0.
    last: One past its last one.
  """
  notes = transform.merge_equal(transform.quantise(notes, grid))[0]
  starts = time.bar_starts(notes)
  bar = np.searchsorted(starts, notes.onset, side='right') - 1
  outside = (bar < first) | (bar >= last)
  names = ('onset', 'duration', 'pitch', 'velocity', 'track')
  given = Notes.build(
    notes.ticks_per_beat,
    {name: getattr(notes, name)[outside] for name in names},
    tracks=notes.tracks,
    meters=notes.meters,
  )
  found = of(given, grid, bars=True)
  count = len(found.bars)
  near = [
    first - 1 if first and (2 * b < first + last or last >= count) else last
    for b in range(first, last)
  ]
  told = [found.bars[b] if b < count else _OPEN for b in near]
  bars = (*found.bars[:first], *told, *found.bars[last:])
  return dataclasses.replace(found, bars=bars)


def key(notes: Notes) -> int | None:
  """Returns the key of a piece, 0..23; None without pitches."""
  pitched = ~notes.is_drum
  chroma = np.bincount(
    notes.pitch[pitched] % _OCTAVE, notes.duration[pitched], _OCTAVE
  )
  if not chroma.any():
    return None
  # Sums, not means: the profiles' lengths do not depend on the tonic.
  scores = []
  for profile in (_MAJOR, _MINOR):
    centred = np.array(profile) - np.mean(profile)
    centred /= np.linalg.norm(centred)
    scores += [chroma @ np.roll(centred, tonic) for tonic in range(_OCTAVE)]
  return int(np.argmax(np.round(np.array(scores) / chroma.sum(), 9)))


def _levels(notes: Notes, edges: np.ndarray) -> list[Levels]:
  """Returns density, polyphony and register between edges, cells `[b + 1]`."""
  begins = np.searchsorted(notes.onset, edges)
  beats = np.diff(edges) / notes.ticks_per_beat
  density = np.diff(begins) / np.maximum(beats, 1e-9)
  sounding, weighted = _sounding(notes)
  # Sums over the cells between edges.
  counts, pitches, covered = (
    np.diff(np.append(0, values.cumsum())[edges])
    for values in (sounding, weighted, (sounding > 0).astype(np.int64))
  )
  levels = []
  for b in range(len(beats)):
    level = Levels(density=_level(density[b], DENSITY))
    if counts[b]:
      level = level._replace(
        polyphony=_level(counts[b] / covered[b], POLYPHONY),
        register=int(pitches[b] / counts[b]) // _OCTAVE,
      )
    levels.append(level)
  return levels


def _level(value: float, edges: tuple[float, ...]) -> int:
  return int(np.searchsorted(edges, value, side='right'))


def _sounding(notes: Notes) -> tuple[np.ndarray, np.ndarray]:
  """Returns how many pitched notes sound, and the sum of their pitches, [c]."""
  pitched = ~notes.is_drum
  onset, pitch = notes.onset[pitched], notes.pitch[pitched]
  end = onset + notes.duration[pitched]
  found = []
  for weight in (np.ones_like(pitch), pitch):
    change = np.bincount(onset, weight, notes.end + 1)
    change -= np.bincount(end, weight, notes.end + 1)
    found.append(np.rint(change.cumsum()[:-1]).astype(np.int64))
  return found[0], found[1]
