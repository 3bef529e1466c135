"""Chords and local keys of a piece, heard together.

Atoms between onsets, the level of each in its bar, what templates and the
learned listener say for each chord, and the semi-Markov path that decides.
"""

import dataclasses

import numpy as np

from aurl_jax.music import chords as chords_lib
from aurl_jax.music import time
from aurl_jax.music.notes import Notes
from aurl_jax.studies.chords import (
  atoms,
  keys,
  learned,
  pulse,
  semi_markov,
  templates,
)
from aurl_jax.studies.chords.atoms import Atoms
from aurl_jax.studies.chords.finding import Harmony

_LONGEST = 8
"""Quarter notes of a run; a longer chord is several, joined."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Listener:
  """Hears chords; without weights if `learned` is 0.

  The numbers were chosen on the training splits of When in Rome and POP909
  (`tools/tune_chords.py`).

  Attributes:
    learned: Weight of what the learned listener says.
    template: Weight of the templates.
    key: Weight of how likely a chord is in its key.
    change: Price of a change of key, to the relative one; far ones cost more.
    opening: What each further chord is worth, above the level's odds.
    levels: What it is worth that a chord begins at each level of `pulse`:
      about the log odds.
    power: Of the length of an atom: below 1 long ones say less than as many
      short ones.
    fit: Weight of tones that are foreign to the key, a quarter note.
  """

  learned: float | int = 2.0
  template: float | int = 3.0
  key: float | int = 0.9
  change: float | int = 4.0
  opening: float | int = 0.7
  levels: tuple[float | int, ...] = (1.3, -0.1, -1.3, -3.0, -4.5, -6.0)
  power: float | int = 0.8
  fit: float | int = 0.3

  def __post_init__(self) -> None:
    for name in ('learned', 'template', 'key', 'change', 'power', 'fit'):
      if not getattr(self, name) >= 0:
        raise ValueError(f'{name} is 0 or more, not {getattr(self, name)}')
    if len(self.levels) != pulse.LEVELS:
      raise ValueError(f'levels are {pulse.LEVELS}, not {len(self.levels)}')
    if not self.learned and not self.template:
      raise ValueError('neither learned nor template: nothing would be heard')

  @classmethod
  def plain(cls) -> 'Listener':
    """Returns the listener by templates alone."""
    return cls(
      learned=0,
      template=3.8,
      key=1.1,
      change=4.0,
      opening=1.9,
      levels=(1.3, 1.4, -1.8, -2.5, -4.0, -6.0),
      power=1.12,
      fit=0.0,
    )

  def hear(self, notes: Notes) -> Harmony:
    """Returns the chords and keys of a piece; of one without notes, none."""
    heard = atoms.cut(notes)
    beat = pulse.find(notes, heard)
    first, chord, key = self.path(heard, beat.levels)
    bass = _basses(heard, first, chord)
    new = np.append(True, np.any(np.diff([chord, key, bass]), axis=0))
    new = new[: len(first)]
    starts = heard.starts[first[new]]
    stop = heard.ends[-1:]
    return Harmony(
      starts=time.ticks_to_seconds(notes, starts),
      ends=time.ticks_to_seconds(notes, np.append(starts[1:], stop)),
      chord=chord[new],
      bass=bass[new],
      key=key[new],
      bars=time.ticks_to_seconds(notes, beat.bars),
    )

  def path(
    self, heard: Atoms, levels: np.ndarray
  ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns first atoms, chords and keys of the best runs, [r] each.

    Args:
      heard: The atoms of a piece.
      levels: [a], of `pulse.Pulse`.
    """
    score = np.zeros((len(heard), chords_lib.SIZE))
    if self.learned:
      score += self.learned * learned.scores(heard, levels)
    if self.template:
      score += self.template * templates.scores(heard)
    score = templates.hush(score, heard)
    lattice = semi_markov.Lattice(
      score=score * heard.length[:, None] ** self.power,
      length=heard.length,
      opening=np.array(self.levels)[levels] + self.opening,
      fit=self.fit * heard.length[:, None] * (heard.share() @ keys.tones().T),
      given=self.key * keys.chords(),
      move=self.change * keys.moves(),
      span=np.zeros(2 * _LONGEST + 1),
    )
    return semi_markov.best(lattice)


def _basses(heard: Atoms, first: np.ndarray, chord: np.ndarray) -> np.ndarray:
  """Returns the lowest tone of each chord's own, [r]; -1 for the root."""
  if not len(first):
    return np.zeros(0, np.int64)
  low = np.add.reduceat(heard.bass * heard.length[:, None], first, axis=0)
  basses = []
  for row, index in enumerate(chord.tolist()):
    found = chords_lib.from_index(index)
    own = sorted(found.pitch_classes())
    bass = max(own, key=lambda tone: float(low[row, tone]), default=-1)
    basses.append(-1 if bass == found.root else bass)
  return np.array(basses, np.int64)
