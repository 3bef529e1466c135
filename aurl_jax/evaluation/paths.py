"""How smooth a way from one piece to another is.

Aim: whether what lies between two points of a latent space goes from one piece
to the other little by little. Conventions: a path is a sequence of pieces; the
distance of neighbours is Levenshtein's (1966) over rows, which are the steps of
tokens, or notes as (onset, pitch, duration) in ticks; a jump is the largest
distance over the median one. A path that mixes the notes of its ends is even
by construction, and is what another one is compared with. Axes: `n` and `m`
rows, `f` fields.
"""

import itertools
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Integer

from aurl_jax.music.notes import Notes

_LEAST = 0.1
"""Rows that a step counts at least, where a way is made even."""


def distance(
  one: Integer[np.ndarray, 'n f'], other: Integer[np.ndarray, 'm f']
) -> int:
  """Returns the fewest rows to insert, leave out or replace.

  Example:
    >>> rows = np.array([[1, 2], [3, 4], [5, 6]])
    >>> distance(rows, rows[[0, 2]]), distance(rows, rows[::-1])
    (1, 2)
  """
  count = np.arange(len(other) + 1)
  found = count
  for at, row in enumerate(one):
    kept = found[:-1] + (other != row).any(1)
    best = np.minimum(found + 1, np.append(at + 1, kept))
    # What is inserted costs 1 each, from wherever that is cheapest.
    found = np.minimum.accumulate(best - count) + count
  return int(found[-1])


def rows_of(notes: Notes) -> Integer[np.ndarray, 'n 3']:
  """Returns the notes of a piece as rows, in their order."""
  return np.stack([notes.onset, notes.pitch, notes.duration], axis=1)


def steps(path: Sequence[Integer[np.ndarray, '_ f']]) -> list[int]:
  """Returns the distances of neighbours on a path."""
  return [distance(one, other) for one, other in itertools.pairwise(path)]


def jump(distances: Sequence[int]) -> float:
  """Returns the largest step over the median one, which counts 1 at least.

  Example:
    >>> jump([2, 3, 9]), jump([0, 0, 2])
    (3.0, 2.0)
  """
  return float(max(distances) / max(np.median(distances), 1))


def mixed(
  one: Integer[np.ndarray, 'n f'],
  other: Integer[np.ndarray, 'm f'],
  share: float,
  seed: int = 0,
) -> Integer[np.ndarray, '_ f']:
  """Returns some rows of one piece and some of another, in order.

  Rows leave, and come, one by one as the share grows; a row of both stays.

  Args:
    one: All of it at share 0.
    other: All of it at share 1.
    share: How far to go, 0..1.
    seed: Of the order in which rows leave and come.
  """
  rng = np.random.default_rng(seed)
  leave, come = rng.random(len(one)), rng.random(len(other))
  kept = [one[leave >= share], other[come < share]]
  return np.unique(np.concatenate(kept), axis=0)


def evened(
  shares: Float[np.ndarray, ' k'], distances: Sequence[int]
) -> Float[np.ndarray, ' k']:
  """Returns points of a way between which the music goes evenly.

  Where music changes fast, points move together: as many of them, at even
  parts of the sum of the steps, the ends where they are.

  Args:
    shares: Where points lie on the way, rising.
    distances: Between neighbours.

  Example:
    >>> evened(np.array([0.0, 0.5, 1.0]), [1, 3]).round(3).tolist()
    [0.0, 0.667, 1.0]
  """
  # A step of nothing takes some of the way, too: points never meet.
  gone = np.cumsum([0.0, *np.maximum(distances, _LEAST)])
  wanted = np.linspace(0, gone[-1], len(shares))
  return np.interp(wanted, gone, shares)
