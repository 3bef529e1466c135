"""Distances of sets in any space: how they sound, or what an encoder says.

A piece is told by several vectors, one of each of its windows; distances are
those of `evaluation.frechet`, in which subsets and halves are of whole pieces.
Axes: `n` pieces, `k` windows of all of them, `d` parts of a vector.
"""

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from aurl_jax.evaluation import frechet
from aurl_jax.evaluation.embedding import Embedding
from aurl_jax.music import audio
from aurl_jax.music.notes import Notes

SECONDS = 30.0
"""Of each piece that are heard: ten windows of musicnn."""
_MOST = 2_000
"""Windows of a set for the kernel distance, whose cost grows squared."""


class Vectors(NamedTuple):
  """A set of pieces as vectors.

  Attributes:
    rows: Of each window, float64 `[k, d]`.
    owner: Of each, the number of its piece, ascending.
    without: Pieces that have no window.
  """

  rows: Float[np.ndarray, 'k d']
  owner: Int[np.ndarray, ' k']
  without: int = 0

  @property
  def pieces(self) -> int:
    """How many pieces have a window."""
    return len(np.unique(self.owner))


def gathered(parts: Iterable[np.ndarray]) -> Vectors:
  """Returns a set of the vectors of its pieces.

  Args:
    parts: Of each piece `[w, d]`; without a window, of any width.
  """
  kept: list[np.ndarray] = []
  owner: list[int] = []
  without = 0
  for number, part in enumerate(parts):
    if not len(part):
      without += 1
      continue
    kept.append(np.asarray(part, np.float64))
    owner += [number] * len(part)
  rows = np.concatenate(kept) if kept else np.zeros((0, 0))
  return Vectors(rows, np.array(owner, np.int64), without)


def heard(
  pieces: Sequence[Notes],
  embedding: Embedding,
  *,
  seconds: float | int = SECONDS,
  told: Callable[[int, int], object] | None = None,
) -> Vectors:
  """Returns how a set sounds.

  Pieces are played by the plain synthesiser of `music.audio`, the same
  everywhere: what a distance tells is of notes, not of instruments.

  Args:
    pieces: The set.
    embedding: What hears it.
    seconds: Of each piece, from its beginning.
    told: Is told how many are done, of how many.
  """

  def parts() -> Iterable[np.ndarray]:
    for number, notes in enumerate(pieces, 1):
      yield embedding(audio.render(notes, rate=embedding.rate, seconds=seconds))
      if told is not None:
        told(number, len(pieces))

  return gathered(parts())


def distances(
  made: Vectors, real: Vectors, *, seed: int = 0
) -> dict[str, dict[str, Any]]:
  """Returns distances of two sets, with their floors.

  Args:
    made: One set.
    real: The reference.
    seed: Of subsets and halves.

  Returns:
    `frechet`, as `frechet.Distance` with the `floor` of the reference; and
    `kernel`, the unbiased squared kernel `distance`, with its `floor`. Both
    with `windows` of both sets and pieces `without` one; or `why` there are
    none.
  """
  counts = {
    'windows': [len(made.rows), len(real.rows)],
    'without': [made.without, real.without],
  }
  try:
    return {
      'frechet': _frechet(made, real, seed) | counts,
      'kernel': _kernel(made, real, seed) | counts,
    }
  except frechet.SetError as error:
    why = {'why': str(error)} | counts
    return {'frechet': why, 'kernel': dict(why)}


def _frechet(made: Vectors, real: Vectors, seed: int) -> dict[str, Any]:
  _checked(made, real)
  far = frechet.extrapolated(
    made.rows,
    real.rows,
    seed=seed,
    shrink=True,
    owners=(made.owner, real.owner),
  )
  floor, _ = frechet.floor(real.rows, seed=seed, shrink=True, owner=real.owner)
  return {**dataclasses.asdict(far), 'floor': floor}


def _kernel(made: Vectors, real: Vectors, seed: int) -> dict[str, Any]:
  one, other = (_fewer(each, seed) for each in (made, real))
  _, floor = frechet.floor(other.rows, seed=seed, owner=other.owner)
  far = frechet.kernel_distance(one.rows, other.rows)
  return {'distance': far, 'floor': floor}


def _fewer(given: Vectors, seed: int) -> Vectors:
  """Returns as many pieces, drawn by chance, as have `_MOST` windows."""
  order = np.random.default_rng(seed).permutation(np.unique(given.owner))
  sizes = np.bincount(given.owner)[order]
  kept = order[: max(1, int((sizes.cumsum() <= _MOST).sum()))]
  inside = np.isin(given.owner, kept)
  return Vectors(given.rows[inside], given.owner[inside], given.without)


def _checked(made: Vectors, real: Vectors) -> None:
  """Raises SetError where a set has no vectors at all."""
  if not (len(made.rows) and len(real.rows)):
    raise frechet.SetError(
      f'sets of {made.pieces} and {real.pieces} pieces with a window have no '
      f'distance; give {frechet.FEWEST * 4} or more of each',
      code='few',
    )
