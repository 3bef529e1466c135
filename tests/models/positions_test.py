import cmath

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aurl_jax.models import positions

BASES = (None, 100.0, 100.0, 10_000.0, 100.0)
LAST = 65_535


@jax.jit
def turned(x, index):
  cos, sin = positions.angles(index, x.shape[-1], 100.0, 128)
  return positions.rotate(x, cos, sin)


@jax.jit
def turned_by_music(x, index, coordinates):
  plain = positions.angles(index, x.shape[-1], 100.0, 128)
  rope = positions.musical(plain, coordinates, x.shape[1])
  return positions.rotate(x, *rope)


def test_rotation_is_complex_multiplication():
  x = np.random.default_rng(0).normal(size=(1, 1, 3, 6)).astype(np.float32)
  index = np.array([[0, 5, 11]], np.int32)
  ours = np.asarray(turned(jnp.asarray(x), jnp.asarray(index)))
  for t, j in np.ndindex(3, 3):
    number = complex(x[0, 0, t, j], x[0, 0, t, j + 3])
    number *= cmath.exp(1j * index[0, t] * 100.0 ** (-j / 3))
    np.testing.assert_allclose(ours[0, 0, t, j], number.real, atol=1e-5)
    np.testing.assert_allclose(ours[0, 0, t, j + 3], number.imag, atol=1e-5)


@pytest.mark.parametrize('heads', [1, 2, 3, 4, 6])
def test_heads_turn_by_index_and_by_their_coordinate_of_the_music(heads):
  half, rng = 8, np.random.default_rng(heads)
  x = rng.normal(size=(2, heads, 5, 2 * half)).astype(np.float32)
  index = np.arange(5, dtype=np.int32)[None].repeat(2, 0)
  # Far from 0 too, where float32 alone would turn by wrong angles.
  places = rng.integers(0, LAST, (2, 5, 5)).astype(np.int32)
  ours = np.asarray(turned_by_music(*map(jnp.asarray, (x, index, places))))
  values = np.concatenate([index[..., None], places[..., :4]], axis=-1)
  bases = (100.0, *BASES[1:])
  for b, h, t, j in np.ndindex(2, heads, 5, half):
    own = 0
    if j % 2:
      kinds = range(1 + h % 4, 5, min(heads, 4))
      own = kinds[j // 2 % len(kinds)]
    number = complex(x[b, h, t, j], x[b, h, t, j + half])
    number *= cmath.exp(1j * values[b, t, own] * bases[own] ** (-j / half))
    found = complex(ours[b, h, t, j], ours[b, h, t, j + half])
    assert abs(found - number) < 2e-5


@pytest.mark.parametrize('heads', range(1, 9))
def test_every_coordinate_turns_something(heads):
  assert set(positions.dealt(heads, 8).ravel()) == set(range(5))


def test_scores_depend_on_the_distance_only():
  q, k = np.random.default_rng(1).normal(size=(2, 1, 1, 1, 8))
  q, k = jnp.asarray(q, 'f'), jnp.asarray(k, 'f')
  score = lambda i, j: float(  # noqa: E731
    jnp.vdot(turned(q, jnp.array([[i]])), turned(k, jnp.array([[j]])))
  )
  assert abs(score(9, 4) - score(105, 100)) < 1e-4
  assert abs(score(9, 4) - score(9, 5)) > 1e-3


@pytest.mark.parametrize('moved', range(5))
def test_scores_depend_on_each_coordinate_s_distance_only(moved):
  rng = np.random.default_rng(2)
  q, k = jnp.asarray(rng.normal(size=(2, 1, 4, 1, 16)), 'f')
  first, second = rng.integers(0, 60, (2, 5))

  def score(at, to):
    return float(
      jnp.vdot(
        turned_by_music(q, jnp.array([[at[0]]]), jnp.array([[[*at[1:], 0]]])),
        turned_by_music(k, jnp.array([[to[0]]]), jnp.array([[[*to[1:], 9]]])),
      )
    )

  # Moving both by much changes nothing, moving one of them does.
  shift = np.eye(5, dtype=int)[moved] * (60 if moved == 0 else 3000)
  same = score(first + shift, second + shift)
  assert same == pytest.approx(score(first, second), abs=1e-4)
  other = score(first + np.eye(5, dtype=int)[moved], second)
  assert abs(other - score(first, second)) > 1e-3


def test_barwise_turns_by_bars_of_a_fixed_length_and_the_order_in_them():
  rng = np.random.default_rng(3)
  places = rng.integers(0, 900, (2, 6, 5)).astype(np.int32)
  # Bars of up to 64 steps are told apart, farther steps count as the last.
  places[..., 4] = [[0, 1, 63, 64, 65, 200], [5, 4, 3, 2, 1, 0]]
  cos, sin = positions.barwise(jnp.asarray(places), 8, 1000.0)
  for b, t, j in np.ndindex(2, 6, 4):
    line = 64 * int(places[b, t, 0]) + min(int(places[b, t, 4]), 63)
    angle = line * 1000.0 ** (-j / 4)
    found = complex(cos[b, 0, t, j], sin[b, 0, t, j])
    assert abs(found - cmath.exp(1j * angle)) < 2e-5


def test_query_heads_turn_with_the_keys_they_share():
  rope = tuple(
    jnp.arange(2.0)[None, :, None, None] + jnp.zeros((1, 2, 3, 4))
    for _ in range(2)
  )
  cos, sin = positions.spread(rope, 6)
  assert cos[0, :, 0, 0].tolist() == sin[0, :, 0, 0].tolist()
  assert cos[0, :, 0, 0].tolist() == [0, 0, 0, 1, 1, 1]
  index = positions.angles(jnp.arange(3)[None], 8, 100.0, 8)
  assert positions.spread(index, 6) is index


def test_dtype_is_kept():
  x = jnp.ones((1, 2, 3, 4), jnp.bfloat16)
  assert turned(x, jnp.arange(3)[None]).dtype == jnp.bfloat16
