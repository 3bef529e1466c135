"""Ways from pieces to others, point by point, as even as the music allows.

Even steps of latents are no even steps of music: on most of a way little may
happen, and then much at once. So points are moved to where the music changes.
Axes: `n` ways, `k` points.
"""

from collections.abc import Sequence

import jax
import numpy as np
from jaxtyping import Float

from aurl_jax.deploy.latents import LatentSpace
from aurl_jax.deploy.mixing import slerp
from aurl_jax.evaluation import paths
from aurl_jax.generation.piece import Piece
from aurl_jax.models.latent import Latents


def written(
  space: LatentSpace,
  one: Latents,
  other: Latents,
  shares: Float[np.ndarray, ' k'],
  *,
  even: int = 0,
) -> list[list[Piece]]:
  """Returns what a model writes on the ways between latents, the likeliest ids.

  Args:
    space: The model.
    one: Where each way begins.
    other: Where it ends, as many rows.
    shares: Where on a way to write, rising from 0 to 1.
    even: How often the points of each way are moved so that the steps of its
      ids become more even; of all these ways the one is kept whose largest
      step is the smallest beside its median one (`paths.jump`).
  """
  ways = np.tile(shares, (len(one.slots), 1))
  found = best = _on(space, one, other, ways)
  for _ in range(even):
    told = [paths.steps([piece.ids for piece in way]) for way in found]
    ways = np.array(list(map(paths.evened, ways, told)))
    found = _on(space, one, other, ways)
    best = [min(pair, key=_jump) for pair in zip(best, found, strict=True)]
  return best


def _jump(way: Sequence[Piece]) -> float:
  return paths.jump(paths.steps([piece.ids for piece in way]))


def _on(
  space: LatentSpace,
  one: Latents,
  other: Latents,
  ways: Float[np.ndarray, 'n k'],
) -> list[list[Piece]]:
  """Returns what the model writes at points of ways."""
  points = [
    jax.tree.map(
      lambda x, y, row=row, share=share: slerp(x[row], y[row], share),
      one,
      other,
    )
    for row, way in enumerate(ways)
    for share in way.tolist()
  ]
  pieces = space.decode(jax.tree.map(lambda *x: np.stack(x), *points))
  width = ways.shape[1]
  return [pieces[at : at + width] for at in range(0, len(pieces), width)]
