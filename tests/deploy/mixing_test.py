"""Ways between latents, and styles of others."""

import dataclasses

import jax
import numpy as np
import pytest

from aurl_jax.core.errors import ConfigError
from aurl_jax.deploy import mixing as lib
from aurl_jax.models.latent import Latents


def test_slerp_turns_and_stretches_evenly():
  one, other = np.array([[2.0, 0.0]]), np.array([[0.0, 4.0]])
  np.testing.assert_allclose(lib.slerp(one, other, 0.0), one, atol=1e-12)
  np.testing.assert_allclose(lib.slerp(one, other, 1.0), other, atol=1e-12)
  half = lib.slerp(one, other, 0.5)
  np.testing.assert_allclose(half, 3 * np.sqrt(0.5) * np.ones((1, 2)))
  third = lib.slerp(one, other, 1 / 3)[0]
  assert np.arctan2(third[1], third[0]) == pytest.approx(np.pi / 6)


def test_slerp_of_one_direction_and_of_nothing_is_straight():
  one, zero = np.array([[1.0, 1.0]]), np.zeros((1, 2))
  np.testing.assert_allclose(lib.slerp(one, 3 * one, 0.25), 1.5 * one)
  np.testing.assert_allclose(lib.slerp(zero, zero, 0.5), zero)
  assert np.isfinite(lib.slerp(one, -one, 0.5)).all()


def drawn(rows, seed):
  rng = np.random.default_rng(seed)
  return Latents(
    slots=rng.normal(size=(rows, 8, 4)).astype(np.float32),
    piece=rng.normal(size=(rows, 2)).astype(np.float32),
  )


def test_between_takes_every_row():
  told = drawn(3, 0)
  middle = lib.between(told, told, 0.3)
  jax.tree.map(
    lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-6),
    middle,
    told,
  )


def test_a_style_is_that_of_another_piece():
  one, other = drawn(3, 1), drawn(3, 2)
  found = lib.restyled(one, other)
  np.testing.assert_array_equal(found.slots, one.slots)
  np.testing.assert_array_equal(found.piece, other.piece)
  whole = lib.restyled(one, drawn(1, 5))
  np.testing.assert_array_equal(whole.piece, np.repeat(whole.piece[:1], 3, 0))
  with pytest.raises(ConfigError, match='no style for 3 pieces of 2'):
    lib.restyled(one, drawn(2, 0))
  bare = dataclasses.replace(one, piece=one.piece[:, :0])
  with pytest.raises(ConfigError, match=r'model\.latent\.piece'):
    lib.restyled(bare, other)
