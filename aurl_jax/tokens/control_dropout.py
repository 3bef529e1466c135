"""Control steps left out: some of them in training, all for guidance.

A model that is to be guided must know music with controls, with some of them
and without any. Plain numpy, free of JAX, so that data workers start fast.
Axes: `t` steps, `f` fields, `k` kinds of control, `b` bars.
"""

import numpy as np

from aurl_jax.tokens.codec import Codec
from aurl_jax.tokens.controls import Levels

KINDS = (*Levels._fields, 'family', 'style', 'form')
"""In the order in which `control_steps` tells them; those of bars first."""


def has_controls(codec: Codec) -> bool:
  """Returns whether a vocabulary tells controls."""
  return any(field.tells(KINDS[0]) for field in codec.fields)


def kinds(codec: Codec, ids: np.ndarray) -> np.ndarray:
  """Returns the index of each step's kind of control, -1 for other steps.

  Args:
    codec: The vocabulary.
    ids: int [t, f].
  """
  return _numbers(codec, ids, KINDS)


def told(codec: Codec) -> tuple[str, ...]:
  """Returns the kinds that a vocabulary tells, in the order of `KINDS`."""
  return tuple(
    name for name in KINDS if any(field.tells(name) for field in codec.fields)
  )


def _numbers(
  codec: Codec, ids: np.ndarray, names: tuple[str, ...]
) -> np.ndarray:
  """Returns the index of each step's kind in `names`, -1 for other steps."""
  found = np.full(len(ids), -1)
  for column, field in enumerate(codec.fields):
    if field.tells(KINDS[0]):
      for number, name in enumerate(names):
        found[field.holds(name, ids[:, column])] = number
  return found


def unconditional(
  codec: Codec, ids: np.ndarray, only: tuple[str, ...] = KINDS
) -> np.ndarray:
  """Returns a prompt without its controls: its twin for guidance.

  Args:
    codec: The vocabulary.
    ids: int [t, f].
    only: Kinds to leave out; the others stay, so that guidance moves these.
  """
  leave = [KINDS.index(name) for name in only]
  return ids[~np.isin(kinds(codec, ids), leave)]


def kept(
  codec: Codec, ids: np.ndarray, chance: float, rng: np.random.Generator
) -> np.ndarray:
  """Returns bool [t]: the steps that stay when controls are dropped.

  With the given chance all controls are dropped, so that music without any is
  known; else each kind of the piece's, each kind of all bars', and each
  single one of a bar, with the same chance each. Draws the same numbers
  whatever the ids hold.

  Args:
    codec: The vocabulary.
    ids: int [t, f], a piece or a stretch of one.
    chance: In [0, 1).
    rng: Where chance comes from.
  """
  names = told(codec)
  whole = rng.random() < chance
  of_piece = rng.random(len(names)) < chance
  of_bars = rng.random(len(names)) < chance
  number = _numbers(codec, ids, names)
  bar = np.cumsum(codec.holds('bar', ids[:, 0]))
  single = rng.random((int(bar[-1]) + 1 if len(bar) else 1, len(names)))
  drop = np.where(bar == 0, of_piece[number], of_bars[number])
  drop |= (bar > 0) & (single[bar, number] < chance)
  stays: np.ndarray = (number < 0) | ~(drop | whole)
  return stays
