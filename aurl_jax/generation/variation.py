"""How much of a section that returns is written anew.

Set by what songs do: of 805 returns in 120 songs of POP909 (train split, first
annotator) the bars are alike by 0.92 in the median (`evaluation.structure`), a
quarter by 0.98 and more, a tenth by less than 0.74. The last bar differs most,
and a section that follows itself differs more than one that returns later.
Songs differ in this: some copy all, some next to nothing, so that a piece has a
looseness of its own.
"""

from typing import NamedTuple

import numpy as np

_SAME, _SAME_AGAIN = 0.8, 0.15
"""Share of returns that stay as they were in a piece that is not loose at all;
the same where a section follows itself."""
_BACKING, _BACKING_AGAIN = 0.3, 0.9
"""Share of returns whose accompaniment is written anew, the melody kept, in one
that is as loose as can be; likewise."""
_LEAST = 0.3
"""The same of sections that follow themselves in one that is not loose."""
_LOOSE = 0.7
"""Looseness from which a bar more is written anew."""
_MOST = 4


class Change(NamedTuple):
  """What is written anew.

  Attributes:
    last: Of so many last bars everything.
    backing: Whether of all bars everything but the melody.
  """

  last: int
  backing: bool


def draw(
  rng: np.random.Generator,
  *,
  bars: int,
  visit: int,
  again: bool,
  loose: float | int,
) -> Change:
  """Draws what is written anew: half at most.

  Of a section that follows itself more each time; of one that returns from
  further away as much as at first, or the piece would lose what it returns to.

  Args:
    rng: The chance.
    bars: Of the section.
    visit: How many times it has stood before, at least 1.
    again: Whether it follows itself.
    loose: How loose the piece is, 0..1.
  """
  first, second = rng.random(2)
  same = _SAME_AGAIN if again else _SAME
  if first < same * (1 - loose) / visit**0.5:
    return Change(0, False)
  share = loose * _BACKING
  if again:
    share = _LEAST + loose * (_BACKING_AGAIN - _LEAST)
  backing = second < share
  before = visit + 1 if again else 1
  last = before + int(rng.integers(2)) + int(loose > _LOOSE)
  return Change(min(last, _MOST, bars // 2), bool(backing))
