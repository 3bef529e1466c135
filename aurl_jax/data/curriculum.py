"""Curriculum: from easy pieces to all of them.

Pieces are ranked by how hard they are, and an epoch holds the easiest share
of them, its competence, which grows to 1. What is eligible is decided where
an epoch begins, so that the plan of an epoch stays a pure function.

Sources: Bengio et al. 2009, "Curriculum learning"; Platanios et al. 2019,
"Competence-based curriculum learning for neural machine translation", whose
ranks (the share of pieces that are easier) and whose competence, with a root
of any order, these are.
"""

import dataclasses
import math

import numpy as np
from jaxtyping import Float64, Int64

from aurl_jax.core.errors import ConfigError
from aurl_jax.data.cache import TokenSplit

MEASURES = ('none', 'length', 'density', 'both')
UNITS = ('epochs', 'steps')


@dataclasses.dataclass(frozen=True, kw_only=True)
class Curriculum:
  """Which pieces are eligible as training goes on; by default all.

  Attributes:
    by: What is hard: `length`, steps of a piece; `density`, notes a bar;
      `both`, the mean of the two ranks; `none` turns the curriculum off.
    first: Share of the pieces that the first epoch has, the easiest, 0..1.
    ramp: Epochs, or steps, until all are eligible.
    unit: `epochs` or `steps`. Steps count from the run's first; an epoch
      goes by the step that it begins with.
    power: Order of the root: 1 adds pieces evenly, 2 (the paper's) many at
      first and fewer later.
  """

  by: str = 'none'
  first: float = 0.1
  ramp: int = 0
  unit: str = 'epochs'
  power: float = 2.0

  def __post_init__(self) -> None:
    if self.by not in MEASURES:
      raise ConfigError(
        f'curriculum.by is {self.by!r}; choose {", ".join(MEASURES)}'
      )
    if self.unit not in UNITS:
      raise ConfigError(
        f'curriculum.unit is {self.unit!r}; choose epochs or steps'
      )
    if not 0 < self.first <= 1:
      raise ConfigError(f'curriculum.first {self.first} is not in (0, 1]')
    if self.ramp < 0 or self.power <= 0:
      raise ConfigError(
        'curriculum.ramp must be 0 or more and curriculum.power above 0'
      )
    if self.by != 'none' and not self.ramp:
      raise ConfigError(
        'curriculum.ramp is 0, so nothing would grow: say in how many '
        f'{self.unit} all pieces become eligible, or set curriculum.by=none'
      )

  def competence(self, epoch: int, step: int) -> float:
    """Returns the share of the pieces that is eligible, 0..1.

    Args:
      epoch: Number of the epoch, from 0.
      step: How many steps were done before it.
    """
    done = epoch if self.unit == 'epochs' else step
    if self.by == 'none' or done >= self.ramp:
      return 1.0
    start = self.first**self.power
    return float((start + (1 - start) * done / self.ramp) ** (1 / self.power))

  def count(self, pieces: int, epoch: int, step: int) -> int:
    """Returns how many of the easiest pieces are eligible, at least one."""
    return max(1, math.ceil(pieces * self.competence(epoch, step)))

  def order(self, split: TokenSplit) -> Int64[np.ndarray, ' p']:
    """Returns the pieces that have steps, the easiest first."""
    pieces = np.flatnonzero(np.diff(split.offsets))
    hard = np.zeros(len(pieces))
    if self.by in ('length', 'both'):
      hard += _ranks(np.diff(split.offsets)[pieces])
    if self.by in ('density', 'both'):
      hard += _ranks(density(split)[pieces])
    return pieces[np.argsort(hard, kind='stable')]


def density(split: TokenSplit) -> Float64[np.ndarray, ' p']:
  """Returns the notes a bar of each piece of a split."""
  notes = np.array([piece['notes'] for piece in split.pieces], np.float64)
  bars = np.diff(np.searchsorted(split.bars, split.offsets))
  return notes / np.maximum(bars, 1)


def _ranks(values: np.ndarray) -> Float64[np.ndarray, ' p']:
  """Returns the share of values that each is not below."""
  ordered = np.sort(values)
  return np.searchsorted(ordered, values, side='right') / len(values)
