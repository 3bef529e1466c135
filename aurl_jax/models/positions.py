"""Rotary positions: by the index of a step, or by its place in the music.

`rope` turns all of a head by the index (Su et al. 2021, RoFormer, section
3.4), `barwise` by the bar and the order in it. `musical` leaves every second
pair of a head to the index and turns the others by one coordinate of the
music, another one a head: bar, position in the bar, time, pitch, and again. A
coordinate a group of heads is the rule of Moonbeam's multidimensional relative
attention (Guo & Dixon 2025, arXiv:2505.15559); pairs dealt in turn, so that
each coordinate has slow and fast ones, and the index kept in all heads are
what "Revisiting multimodal positional encoding" (2025, arXiv:2510.23095) found
best. Heads fewer than the coordinates take several each, in turn over their
pairs. A score depends on differences of coordinates only, as it does on those
of indices.

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
STRIDE = 64
"""Steps from bar to bar; those of a longer bar share the last."""
DIGIT = 256
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
  cos, sin = index_tables(context, head_dim // 2, base)
  pick = lambda table: jnp.take(  # noqa: E731
    jnp.asarray(table), positions, axis=0, mode='clip'
  )[:, None]
  return pick(cos), pick(sin)


def musical(
  index: tuple[Float[Array, 'b 1 t half'], Float[Array, 'b 1 t half']],
  coordinates: Int[Array, 'b t 5'],
  heads: int,
) -> tuple[Float[Array, 'b {heads} t half'], Float[Array, 'b {heads} t half']]:
  """Returns the angles of heads that follow the music, float32.

  Args:
    index: What `angles` returns; stays in every second pair.
    coordinates: Of each step, 0 to 65,535; see `tokens.places`. The first
      four are read.
    heads: Heads of keys; query heads turn with the keys they look at.
  """
  half = index[0].shape[-1]
  places = coordinates.astype(jnp.float32)
  places = _product(places, np.eye(places.shape[-1], len(_BASES)))
  places = places.astype(jnp.int32)
  turned = [
    _turns(places[..., number], half, base)
    for number, base in enumerate(_BASES.values())
  ]
  b, t = coordinates.shape[:2]
  picked = []
  for kinds in zip((index[0][:, 0], index[1][:, 0]), *turned, strict=True):
    rows = _product(jnp.concatenate(kinds, axis=-1), _pick(heads, half))
    picked.append(jnp.swapaxes(rows.reshape(b, t, heads, half), 1, 2))
  return picked[0], picked[1]


def barwise(
  coordinates: Int[Array, 'b t 5'], head_dim: int, base: float
) -> tuple[Float[Array, 'b 1 t half'], Float[Array, 'b 1 t half']]:
  """Returns the angles of the index, counted on from a round number a bar.

  A step is as far from the same step of another bar whatever stands between,
  and what is filled in stands where it will be put back: right behind the bar
  before it, and before the bar behind it.

  Args:
    coordinates: Of each step; see `tokens.places`.
    head_dim: Even width `k` of a head; `half` is `k / 2`.
    base: Longest wavelength is about `2 pi base` steps.
  """
  bar, order = coordinates[..., 0], coordinates[..., 4]
  line = STRIDE * bar + jnp.minimum(order, STRIDE - 1)
  half = head_dim // 2
  # A product, so that it is computed once; see `_product`.
  cos, sin = (
    _product(turned, np.eye(half)) for turned in _turns(line, half, base)
  )
  return cos[:, None], sin[:, None]


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


def index_tables(
  context: int, half: int, base: float
) -> tuple[np.ndarray, np.ndarray]:
  """Returns cosine and sine of each index, float32 `[context, half]`."""
  turned = np.arange(context)[:, None] * _speeds(half, base)
  return np.cos(turned).astype(np.float32), np.sin(turned).astype(np.float32)


def _product(
  x: Float[Array, 'b t i'], matrix: Float[np.ndarray, 'i o']
) -> Float[Array, 'b t o']:
  """Picks columns by a product with zeros and ones, which is exact.

  XLA on CPUs computes all else again wherever a part of the queries or keys
  is read, barrier or not (a training step took 2.6 times as long). A product
  it keeps.
  """
  return jnp.einsum(
    'bti,io->bto',
    x,
    jnp.asarray(matrix, jnp.float32),
    precision=jax.lax.Precision.HIGHEST,
  )


def _pick(heads: int, half: int) -> Float[np.ndarray, 'i o']:
  """Zeros and ones that give each pair of each head its own angle's number."""
  choice = dealt(heads, half)
  found = np.zeros((1 + len(_BASES), half, heads, half))
  for head, pair in np.ndindex(heads, half):
    found[choice[head, pair], pair, head, pair] = 1
  return found.reshape(-1, heads * half)


def _turns(
  values: Int[Array, 'b t'], half: int, base: float
) -> tuple[Float[Array, 'b t half'], Float[Array, 'b t half']]:
  """Cosine and sine at the speeds of a base, of values up to 65,535.

  Far from 0 the product of value and speed has few digits left in float32;
  the sum of the angles of two digits, from exact tables, has them all.
  """
  values = jnp.clip(values, 0, DIGIT**2 - 1)
  high, low = values // DIGIT, values % DIGIT
  cos, sin = (
    jnp.take(x, high, axis=0) for x in digit_tables(half, base, DIGIT)
  )
  cos_low, sin_low = (
    jnp.take(x, low, axis=0) for x in digit_tables(half, base, 1)
  )
  return cos * cos_low - sin * sin_low, sin * cos_low + cos * sin_low


@functools.lru_cache(maxsize=32)
def digit_tables(
  half: int, base: float, unit: int
) -> tuple[np.ndarray, np.ndarray]:
  """Returns cosine and sine of a digit's values, float32 `[256, half]`.

  Args:
    half: Pairs of a head.
    base: Longest wavelength is about `2 pi base`.
    unit: What the digit counts, 1 or `DIGIT`.
  """
  turned = np.arange(DIGIT)[:, None] * unit * _speeds(half, base)
  return np.cos(turned).astype(np.float32), np.sin(turned).astype(np.float32)


def _speeds(half: int, base: float) -> np.ndarray:
  return base ** (-np.arange(half) / half)
