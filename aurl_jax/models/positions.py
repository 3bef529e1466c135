"""Rotary positions: by the index of a step, or by its place in the music.

`rope` turns all of a head by the index (Su et al. 2021, RoFormer, section
3.4). `musical` leaves every second pair of a head to the index and turns the
others by one coordinate of the music, another one a head: bar, position in
the bar, time, pitch, and again. A coordinate a group of heads is the rule of
Moonbeam's multidimensional relative attention (Guo & Dixon 2025,
arXiv:2505.15559); pairs dealt in turn, so that each coordinate has slow and
fast ones, and the index kept in all heads are what "Revisiting multimodal
positional encoding" (2025, arXiv:2510.23095) found best. Heads fewer than the
coordinates take several each, in turn over their pairs. A score depends on
differences of coordinates only, as it does on those of indices.

Axes: `b` batch, `t` time, `h` heads, `k` head width, `half` pairs of a head.
The halves of a head are the real and imaginary parts (the form of GPT-NeoX),
which needs no shuffling of neighbours.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

Rope = tuple[Float[Array, 'b _ t half'], Float[Array, 'b _ t half']]
"""Cosine and sine of the angles of each step."""

# Longest wavelengths, over 2 pi: pieces have tens of bars, bars tens of
# cells and pianos 88 keys, while time and index go into the thousands (a
# base an attribute: Guo et al. 2022, "Fundamental Music Embedding").
_BASES = {'bar': 100.0, 'position': 100.0, 'time': 10_000.0, 'pitch': 100.0}
_DIGIT = 256
"""A coordinate is two digits of this base: 65,535 at most."""


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


def musical(
  index: tuple[Float[Array, 'b 1 t half'], Float[Array, 'b 1 t half']],
  coordinates: Int[Array, 'b t 4'],
  heads: int,
) -> tuple[Float[Array, 'b {heads} t half'], Float[Array, 'b {heads} t half']]:
  """Returns the angles of heads that follow the music, float32.

  Args:
    index: What `angles` returns; stays in every second pair.
    coordinates: Bar, position, time and pitch of each step, 0 to 65,535;
      see `tokens.places`.
    heads: Heads of keys; query heads turn with the keys they look at.
  """
  half = index[0].shape[-1]
  choice = jnp.asarray(dealt(heads, half))[:, None]
  cos, sin = index
  for number, base in enumerate(_BASES.values()):
    own = _turns(coordinates[..., number], half, base)
    cos, sin = (
      jnp.where(choice == number + 1, new[:, None], old)
      for new, old in zip(own, (cos, sin), strict=True)
    )
  # Computed once, not in every loop that reads them.
  cos, sin = jax.lax.optimization_barrier((cos, sin))
  return cos, sin


def dealt(heads: int, half: int) -> Int[np.ndarray, 'h half']:
  """Returns what turns each pair of each head: 0 the index, 1.. the music.

  Example:
    >>> dealt(4, 4).tolist()
    [[0, 1, 0, 1], [0, 2, 0, 2], [0, 3, 0, 3], [0, 4, 0, 4]]
    >>> dealt(2, 4).tolist()
    [[0, 1, 0, 3], [0, 2, 0, 4]]
  """
  found = np.zeros((heads, half), np.int32)
  kinds = len(_BASES)
  for head in range(heads):
    own = 1 + np.arange(head % kinds, kinds, min(heads, kinds))
    found[head, 1::2] = own[np.arange(half // 2) % len(own)]
  return found


def rotate(
  x: Float[Array, 'b h t k'],
  cos: Float[Array, 'b #h t half'],
  sin: Float[Array, 'b #h t half'],
) -> Float[Array, 'b h t k']:
  """Turns queries or keys by their angles; keeps the dtype."""
  real, imaginary = jnp.split(x.astype(jnp.float32), 2, axis=-1)
  turned = (real * cos - imaginary * sin, imaginary * cos + real * sin)
  return jnp.concatenate(turned, axis=-1).astype(x.dtype)


def spread(rope: Rope, heads: int) -> Rope:
  """Returns the angles of query heads from those of the keys they share."""
  cos, sin = rope
  groups = heads // cos.shape[1]
  if cos.shape[1] == 1 or groups == 1:
    return rope
  return jnp.repeat(cos, groups, axis=1), jnp.repeat(sin, groups, axis=1)


def _turns(
  values: Int[Array, 'b t'], half: int, base: float
) -> tuple[Float[Array, 'b t half'], Float[Array, 'b t half']]:
  """Cosine and sine at the speeds of a base, of values up to 65,535.

  Far from 0 the product of value and speed has few digits left in float32;
  the sum of the angles of two digits, from exact tables, has them all.
  """
  values = jnp.clip(values, 0, _DIGIT**2 - 1)
  high, low = values // _DIGIT, values % _DIGIT
  cos, sin = (jnp.take(x, high, axis=0) for x in _tables(half, base, _DIGIT))
  cos_low, sin_low = (jnp.take(x, low, axis=0) for x in _tables(half, base, 1))
  return cos * cos_low - sin * sin_low, sin * cos_low + cos * sin_low


@functools.lru_cache(maxsize=32)
def _tables(half: int, base: float, unit: int) -> tuple[np.ndarray, np.ndarray]:
  turned = np.arange(_DIGIT)[:, None] * unit * _speeds(half, base)
  return np.cos(turned).astype(np.float32), np.sin(turned).astype(np.float32)


def _speeds(half: int, base: float) -> np.ndarray:
  return base ** (-np.arange(half) / half)
