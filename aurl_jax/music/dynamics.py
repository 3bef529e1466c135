"""Velocities brought to a common distribution, a piece's style kept.

Axis: `n` notes.
"""

import dataclasses
import statistics

import numpy as np

from aurl_jax.music.notes import Notes
from aurl_jax.music.rebuild import rebuilt


@dataclasses.dataclass(frozen=True, kw_only=True)
class Dynamics:
  """Per-piece quantile map of velocities to a normal distribution.

  A velocity that lies at the share q of a piece (half of the notes that are
  as loud count as softer) goes to the q-quantile of the target; `strength`
  mixes that with where it was. One map serves the whole piece, so it never
  swaps two notes: what was louder stays so, or becomes as loud where
  velocities meet after rounding. What was equal stays equal: a piece of one
  velocity goes to `mean` and stays flat.

  Attributes:
    strength: 0 changes nothing, 1 gives every piece the target's quantiles.
    mean: The target's mean velocity, 1..127.
    spread: The target's standard deviation.

  Raises:
    ValueError: A value out of range.
  """

  strength: float | int = 1.0
  mean: float | int = 76
  spread: float | int = 18

  def __post_init__(self) -> None:
    if not 0 <= self.strength <= 1:
      raise ValueError(f'strength {self.strength} must lie in 0..1')
    if not (1 <= self.mean <= 127 and self.spread > 0):
      raise ValueError(
        f'mean {self.mean} must lie in 1..127 and spread {self.spread} above 0'
      )

  def __call__(self, notes: Notes) -> Notes:
    """Returns the piece with new velocities.

    Example:
      >>> soft = Notes.build(4, {'onset': [0, 4, 8], 'duration': 4,
      ...                        'pitch': 60, 'velocity': [10, 12, 11]})
      >>> Dynamics()(soft).velocity.tolist()
      [59, 93, 76]
    """
    if not len(notes) or not self.strength:
      return notes
    return rebuilt(notes, {'velocity': self.table(notes)[notes.velocity]})

  def table(self, notes: Notes) -> np.ndarray:
    """Returns the new velocity of each old one, [128] int64, ascending.

    Velocities that the piece has not lie between those that it has.
    """
    counts = np.bincount(notes.velocity, minlength=128)
    used = np.flatnonzero(counts)
    if not len(used):
      return np.arange(128)
    shares = (np.cumsum(counts) - counts / 2)[used] / len(notes)
    target = statistics.NormalDist(self.mean, self.spread)
    goals = np.array([target.inv_cdf(share) for share in shares.tolist()])
    mixed = self.strength * goals + (1 - self.strength) * used
    full = np.interp(np.arange(128), used, mixed)
    return np.rint(full).clip(1, 127).astype(np.int64)
