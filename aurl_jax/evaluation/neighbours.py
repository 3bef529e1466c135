"""How well one set of vectors covers another: by nearest neighbours.

Precision and recall: Kynkäänniemi et al., "Improved precision and recall metric
for assessing generative models", NeurIPS 2019. Density and coverage: Naeem et
al., "Reliable fidelity and diversity metrics for generative models", ICML 2020.
Precision and density tell whether what is generated is like the reference,
recall and coverage whether all of that is generated. Axes: `n`, `m` pieces, `d`
parts of a vector.
"""

from typing import NamedTuple

import numpy as np
from scipy.spatial import distance

from aurl_jax.evaluation import frechet

NEIGHBOURS = 5
"""As in the papers."""


class Cover(NamedTuple):
  """How two sets cover each other.

  Attributes:
    precision: Share of the generated within reach of the reference, 0..1.
    recall: Share of the reference within reach of the generated, 0..1.
    density: How many pieces of the reference reach one that is generated, by
      how many would if both were one; about 1 then.
    coverage: Share of the reference that has a generated one within its own
      reach, 0..1.
  """

  precision: float
  recall: float
  density: float
  coverage: float


def cover(
  generated: np.ndarray,
  reference: np.ndarray,
  neighbours: int = NEIGHBOURS,
) -> Cover:
  """Returns how two sets cover each other.

  A piece reaches as far as its k-th nearest neighbour in its own set.

  Args:
    generated: Vectors, `[n, d]`.
    reference: Vectors, `[m, d]`.
    neighbours: k, at least 1.

  Raises:
    SetError: A set has no more pieces than `neighbours` (code `few`), or
      vectors are no numbers or of other lengths (code `vectors`).
    ValueError: `neighbours` is below 1.
  """
  if neighbours < 1:
    raise ValueError(f'neighbours must be at least 1, not {neighbours}')
  a, b = frechet.checked(generated, reference, neighbours + 1)
  own, theirs = (_reach(rows, neighbours) for rows in (a, b))
  across = distance.cdist(a, b)
  inside = across <= theirs
  return Cover(
    precision=float(inside.any(axis=1).mean()),
    recall=float((across <= own[:, None]).any(axis=0).mean()),
    density=float(inside.sum(axis=1).mean() / neighbours),
    coverage=float((across.min(axis=0) <= theirs).mean()),
  )


def _reach(rows: np.ndarray, neighbours: int) -> np.ndarray:
  """Returns the distance of each vector to its k-th neighbour."""
  table = distance.cdist(rows, rows)
  # The nearest is the vector itself.
  return np.partition(table, neighbours, axis=1)[:, neighbours]
