"""From steps to the posterior: what it reads and what it does not."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aurl_jax.core.errors import ConfigError
from aurl_jax.models import Model, ModelConfig
from aurl_jax.models.config import LatentConfig
from tests.models.counting import Counting

SIZES, STEPS = (9, 6), 12
CONFIG = ModelConfig(
  mode='vae',
  width=16,
  heads=2,
  layers=1,
  context=32,
  head_width=8,
  dropout=0.0,
  latent=LatentConfig(slot=3, piece=2, slots=6, layers=2),
)


@pytest.fixture(scope='module')
def encode():
  # A step lasts 40 cells, a slot 120: three steps a slot.
  model = Model.build(CONFIG, SIZES, Counting.of(SIZES))
  params = jax.tree.map(lambda x: 4 * x, model.init(jax.random.key(0)))
  run = jax.jit(model.posterior)
  return lambda ids, real: run(params, jnp.asarray(ids), jnp.asarray(real))


def rows(*lengths, room=STEPS):
  rng = np.random.default_rng(0)
  ids = np.zeros((len(lengths), room, 2), np.int32)
  for row, length in enumerate(lengths):
    for field, size in enumerate(SIZES):
      ids[row, :length, field] = rng.integers(1, size, length)
  real = (np.arange(room) < np.array(lengths)[:, None]).astype(np.int32)
  return ids, real


def assert_close(left, right, rows=slice(None)):
  jax.tree.map(
    lambda x, y: np.testing.assert_allclose(x[rows], y, atol=2e-5), left, right
  )


def test_padding_and_other_rows_do_not_matter(encode):
  whole = encode(*rows(12, 5, 8))
  ids, real = rows(12, 5, 8)
  for row in range(3):
    one = slice(row, row + 1)
    assert_close(whole, encode(ids[one], real[one]), one)
  more = encode(
    np.pad(ids, ((0, 0), (0, 4), (0, 0))), np.pad(real, ((0, 0), (0, 4)))
  )
  assert_close(whole, more)
  other = ids + (9 - ids) % 5 * (real == 0)[..., None]
  assert_close(whole, encode(other.astype(np.int32), real))


def test_used_slots_are_those_up_to_the_last_step(encode):
  found = encode(*rows(12, 5, 8))
  assert np.asarray(found.used).sum(1).tolist() == [5, 2, 3]
  kl = np.asarray(found.kl().slots)
  for row, count in enumerate((5, 2, 3)):
    assert (kl[row, :count] > 0).all()
    assert (kl[row, count:] == 0).all()


def test_every_slot_and_the_piece_read_both_ways(encode):
  ids, real = rows(12)
  base = encode(ids, real)
  for step in (0, 11):
    other = ids.copy()
    other[0, step, 1] = other[0, step, 1] % 5 + 1
    changed = encode(other, real)
    for name in ('slots', 'piece'):
      before, after = getattr(base.mean, name), getattr(changed.mean, name)
      differs = np.abs(after - before)[0].reshape(-1, before.shape[-1]).max(-1)
      assert (differs[:5] > 1e-4).all()


def test_log_variances_stay_in_their_bounds(encode):
  ids, real = rows(12, 9)
  model = Model.build(CONFIG, SIZES, Counting.of(SIZES))
  wild = jax.tree.map(lambda x: 1e3 * x, model.init(jax.random.key(1)))
  found = jax.jit(model.posterior)(wild, jnp.asarray(ids), jnp.asarray(real))
  for log in jax.tree.leaves(found.log_variance):
    assert np.abs(log).max() <= 5
  for kl in jax.tree.leaves(found.kl()):
    assert np.isfinite(kl).all()


def test_a_transformer_has_no_posterior():
  config = dataclasses.replace(
    CONFIG, mode='transformer', latent=LatentConfig()
  )
  model = Model.build(config, SIZES)
  params = model.init(jax.random.key(0))
  with pytest.raises(ConfigError, match=r"'transformer' has no latents; train"):
    model.posterior(params, *map(jnp.asarray, rows(3)))


def test_the_decoder_heeds_what_it_is_told():
  model = Model.build(CONFIG, SIZES, Counting.of(SIZES))
  params = model.init(jax.random.key(0))
  ids, real = map(jnp.asarray, rows(12, 12))
  at = jnp.broadcast_to(jnp.arange(12), (2, 12))
  score = jax.jit(model.log_probs)
  targets = jnp.roll(ids, -1, axis=1)
  same = score(params, ids[:1], real[:1], at[:1], targets[:1])
  none = model.init_cache(1, 16)
  zeros = model.prior_mean(1)
  jax.tree.map(np.testing.assert_array_equal, none.latents, zeros)
  assert np.isfinite(same).all()
  noisy = score(params, ids, real, at, targets, jax.random.key(3))
  again = score(params, ids, real, at, targets, jax.random.key(4))
  assert np.abs(noisy - again).max() > 1e-4


@pytest.mark.parametrize(
  'parts', [{'slot': 4, 'piece': 0}, {'slot': 0, 'piece': 4}]
)
def test_one_kind_of_latent_is_enough(parts):
  latent = dataclasses.replace(CONFIG.latent, **parts)
  config = dataclasses.replace(CONFIG, latent=latent)
  model = Model.build(config, SIZES, Counting.of(SIZES))
  params = model.init(jax.random.key(0))
  # An array without numbers cannot be kept in a checkpoint.
  assert all(x.size for x in jax.tree.leaves(params))
  ids, real = map(jnp.asarray, rows(12))
  found = jax.jit(model.posterior)(params, ids, real).kl()
  assert found.slots.shape == (1, 6, parts['slot'])
  assert found.piece.shape == (1, parts['piece'])
