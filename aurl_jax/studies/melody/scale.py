"""The scale and mode of a melody.

Each note is a draw from a scale: of its pitch classes the tonic is likeliest,
then fifth and third, and what lies outside is rare. The scale under which a
line is likeliest is told. A scale of fewer notes wins where only those are
heard, as its notes are likelier; a tune that ends, begins or rests on the tonic
says so. Weights are durations; scales are those of `music.scales`.
"""

import dataclasses
import functools

import numpy as np

from aurl_jax.music.scales import STEPS, Scale
from aurl_jax.studies.melody.line import Line

KINDS = (
  'major',
  'minor',
  'dorian',
  'phrygian',
  'lydian',
  'mixolydian',
  'major pentatonic',
  'minor pentatonic',
  'blues',
  'whole tone',
)
_USUAL = {'major': 0.0, 'minor': 0.0, 'dorian': -2.0, 'mixolydian': -2.0}
_ODD = -4.0
"""Log odds of scales against major, before a note is heard."""
_TONIC, _FIFTH, _THIRD, _OUTSIDE = 2.2, 1.7, 1.3, 0.08
_LAST, _FIRST = 3.0, 0.7
"""Log odds of a scale whose tonic is the last note, or the first one."""
_SURE = 40.0
"""Notes as which a long line counts: they repeat each other."""


@dataclasses.dataclass(frozen=True)
class Mode:
  """The scale of a line.

  Attributes:
    scale: The likeliest one.
    chance: How likely it is among all, 0..1.
    inside: Share of the sounding time that is of the scale, 0..1.
  """

  scale: Scale
  chance: float
  inside: float


def find(line: Line) -> Mode | None:
  """Returns the scale of a line; None without notes.

  Example:
    >>> from aurl_jax.music.notes import Notes
    >>> from aurl_jax.studies.melody import line
    >>> tune = Notes.build(1, {'onset': range(9), 'duration': 1,
    ...                        'pitch': [62, 64, 65, 69, 71, 72, 69, 65, 62]})
    >>> str(find(line.of(tune)).scale)
    'D dorian'
  """
  if not len(line):
    return None
  heard = (
    np.bincount(line.pitch % 12, line.duration + 1e-3, minlength=12)
    / (line.duration + 1e-3).sum()
  )
  # Half by time, half by notes: a drone is no scale.
  count = np.bincount(line.pitch % 12, minlength=12) / len(line)
  weight = (heard + count) / 2 * min(float(len(line)), _SURE)
  odds = _logs() @ weight + _before()
  rows = np.arange(12)
  odds[rows == line.pitch[-1] % 12] += _LAST
  odds[rows == line.pitch[0] % 12] += _FIRST
  tonic, kind = np.unravel_index(int(odds.argmax()), odds.shape)
  chance = np.exp(odds - odds.max())
  scale = Scale(int(tonic), KINDS[int(kind)])
  inside = float(heard[sorted(scale.pitch_classes)].sum())
  return Mode(scale, float(1 / chance.sum()), inside)


@functools.cache
def _logs() -> np.ndarray:
  """Returns the log of how likely each pitch class is, [tonic, kind, 12]."""
  table = np.full((12, len(KINDS), 12), _OUTSIDE)
  for number, kind in enumerate(KINDS):
    for step in STEPS[kind]:
      worth = {0: _TONIC, 7: _FIFTH, 3: _THIRD, 4: _THIRD}.get(step, 1.0)
      for tonic in range(12):
        table[tonic, number, (tonic + step) % 12] = worth
  return np.log(table / table.sum(axis=2, keepdims=True))


@functools.cache
def _before() -> np.ndarray:
  return np.array([_USUAL.get(kind, _ODD) for kind in KINDS])
