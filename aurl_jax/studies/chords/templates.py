"""What sounds, held against the tones of each chord; nothing is learned.

Each share of a pitch class is as likely as the chord makes it: its tones share
almost all of the likelihood evenly, the other classes share the rest. So a
seventh that does not sound costs a seventh chord (the missing tones of Pardo
and Birmingham, "Algorithms for chordal analysis", Computer Music Journal 2002).
The bass has a likelihood of its own, highest for the root. Axes: `a` atoms, `c`
chords of `music.chords`.
"""

import functools

import numpy as np

from aurl_jax.music import chords as chords_lib
from aurl_jax.studies.chords.atoms import Atoms

_FOREIGN = 0.03
"""Likelihood of all that is no tone of the chord."""
_BASS = (0.62, 0.2, 0.12, 0.1)
"""Likelihood of root, third, fifth and seventh in the bass."""
_OTHER_BASS = 0.01
_BASS_WEIGHT = 0.2
_NONE = -4.0
"""What sound says for no chord."""
SILENT, SILENT_NONE = -3.0, -1.5
"""What silence says for a chord and for none."""


def turned() -> np.ndarray:
  """Returns the pitch class of each step above each root, [12, 12]."""
  steps = np.arange(12)
  return (steps[:, None] + steps) % 12


def scores(atoms: Atoms) -> np.ndarray:
  """Returns the log likelihood of what sounds, a quarter note, [a, c].

  Example:
    >>> from aurl_jax.music.notes import Notes
    >>> from aurl_jax.studies.chords import atoms
    >>> triad = Notes.build(1, {'onset': 0, 'duration': 4,
    ...                         'pitch': [50, 65, 69]})
    >>> best = scores(atoms.cut(triad))[0].argmax()
    >>> chords_lib.from_index(int(best)).label()
    'D:min'
  """
  tones, low = _tables()
  turn = turned()
  likely = atoms.share()[:, turn] @ tones.T
  likely += _BASS_WEIGHT * (atoms.bass[:, turn] @ low.T)
  result = np.full((len(atoms), chords_lib.SIZE), _NONE)
  result[:, 1:] = likely.reshape(len(atoms), chords_lib.SIZE - 1)
  return result


def hush(scores: np.ndarray, atoms: Atoms) -> np.ndarray:
  """Returns scores that say little where nothing sounds, [a, c]."""
  silent = ~atoms.heard()
  result = scores.copy()
  result[silent] = SILENT
  result[silent, 0] = SILENT_NONE
  return result


@functools.cache
def _tables() -> tuple[np.ndarray, np.ndarray]:
  """Returns log likelihoods of steps above the root, [q, 12] each."""
  count = len(chords_lib.QUALITIES)
  tones, low = np.zeros((count, 12)), np.full((count, 12), _OTHER_BASS)
  for row, steps in enumerate(chords_lib.QUALITIES.values()):
    tones[row] = _FOREIGN / (12 - len(steps))
    tones[row, list(steps)] = (1 - _FOREIGN) / len(steps)
    low[row, list(steps)] = _BASS[: len(steps)]
  return np.log(tones), np.log(low)
