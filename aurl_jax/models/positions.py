"""Rotary position embedding (Su et al. 2021, RoFormer, section 3.4).

Axes: `b` batch, `t` time, `h` heads, `k` head width. The halves of a head
are the real and imaginary parts (the form of GPT-NeoX), which needs no
shuffling of neighbours.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int


def angles(
  positions: Int[Array, 'b t'], head_dim: int, base: float, context: int
) -> tuple[Float[Array, 'b 1 t half'], Float[Array, 'b 1 t half']]:
  """Returns cosine and sine of each position's angles, float32.

  Args:
    positions: Index of each step inside its piece, 0 to `context - 1`.
    head_dim: Even width `k` of a head; `half` is `k / 2`.
    base: Longest wavelength is about `2 pi base` steps.
    context: Most steps of a piece.
  """
  # Tables, because XLA takes cosines for cheap and computes them again in
  # every loop that reads them: ten times the cost of the rotation.
  turned = np.arange(context)[:, None] * _speeds(head_dim // 2, base)
  pick = lambda table: jnp.take(  # noqa: E731
    jnp.asarray(table, jnp.float32), positions, axis=0, mode='clip'
  )[:, None]
  return pick(np.cos(turned)), pick(np.sin(turned))


def _speeds(half: int, base: float) -> np.ndarray:
  return base ** (-np.arange(half) / half)


def rotate(
  x: Float[Array, 'b h t k'],
  cos: Float[Array, 'b 1 t half'],
  sin: Float[Array, 'b 1 t half'],
) -> Float[Array, 'b h t k']:
  """Turns queries or keys by their angles; keeps the dtype."""
  real, imaginary = jnp.split(x.astype(jnp.float32), 2, axis=-1)
  turned = (real * cos - imaginary * sin, imaginary * cos + real * sin)
  return jnp.concatenate(turned, axis=-1).astype(x.dtype)
