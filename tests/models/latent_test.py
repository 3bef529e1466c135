"""Latents: divergence, samples, and what each step is told."""

import math
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aurl_jax.core.errors import ConfigError
from aurl_jax.models import latent
from aurl_jax.models.config import LatentConfig
from aurl_jax.models.latent import Latents, Posterior

CONFIG = LatentConfig(slot=2, piece=3, beats=2, slots=4, reach=2)


@pytest.mark.parametrize(
  ('mean', 'log_variance'), [(0.0, 0.0), (1.5, 0.0), (-0.3, 1.2), (0.7, -3.0)]
)
def test_kl_is_the_integral(mean, log_variance):
  deviation = math.exp(0.5 * log_variance)
  x = np.linspace(-40, 40, 400_001)
  own = -0.5 * ((x - mean) / deviation) ** 2 - math.log(deviation)
  density = np.exp(own) / math.sqrt(2 * math.pi)
  integral = (density * (own + 0.5 * x * x)).sum() * (x[1] - x[0])
  found = latent.normal_kl(jnp.float32(mean), jnp.float32(log_variance))
  assert float(found) == pytest.approx(integral, abs=1e-5)


def posterior(rows=3):
  rng = np.random.default_rng(0)
  draw = lambda *shape: jnp.asarray(rng.normal(size=shape), jnp.float32)  # noqa: E731
  mean, log = (
    Latents(slots=draw(rows, 4, 2), piece=draw(rows, 3)) for _ in range(2)
  )
  used = jnp.arange(4) <= jnp.array([3, 0, 1])[:rows, None]
  return Posterior(mean=mean, log_variance=log, used=used)


def test_without_a_key_a_sample_is_the_mean():
  found = posterior()
  assert found.sample(None) is found.mean


def test_samples_have_the_mean_and_the_deviation():
  found = posterior()
  draws = jax.vmap(found.sample)(jax.random.split(jax.random.key(0), 4000))
  for drawn, mean, log in zip(
    *map(jax.tree.leaves, (draws, found.mean, found.log_variance)), strict=True
  ):
    deviation = np.exp(0.5 * np.asarray(log))
    np.testing.assert_allclose(drawn.mean(0), mean, atol=0.1 * deviation.max())
    np.testing.assert_allclose(drawn.std(0), deviation, rtol=0.1)


def test_a_row_s_sample_does_not_depend_on_the_rows_beside_it():
  keys = jax.random.split(jax.random.key(1), 3)
  whole, part = posterior().sample(keys), posterior(1).sample(keys[:1])
  del part  # Of other numbers: only the noise is compared.
  found = posterior()
  noise = (whole.slots - found.mean.slots) / jnp.exp(
    0.5 * found.log_variance.slots
  )
  one = Posterior(
    mean=Latents(slots=jnp.zeros((1, 4, 2)), piece=jnp.zeros((1, 3))),
    log_variance=Latents(slots=jnp.zeros((1, 4, 2)), piece=jnp.zeros((1, 3))),
    used=found.used[:1],
  )
  alone = one.sample(keys[1:2])
  np.testing.assert_allclose(noise[1:2], alone.slots, atol=1e-5)


def test_slots_that_a_piece_has_not_cost_nothing():
  found = posterior().kl()
  assert (np.asarray(found.slots)[1, 1:] == 0).all()
  assert (np.asarray(found.slots)[0] > 0).all()
  assert found.piece.shape == (3, 3)


@pytest.mark.parametrize('frames', [False, True])
def test_each_step_is_told_its_slot_those_behind_it_and_the_piece(frames):
  rng = np.random.default_rng(1)
  places = types.SimpleNamespace(beat=3, frames=frames)
  times = np.array([[0, 0, 2, 3, 5, 6, 17, 18, 23, 24, 90]])
  coordinates = np.zeros((1, times.shape[1], 5), np.int32)
  coordinates[..., 2] = times
  slots, piece = rng.normal(size=(1, 4, 2)), rng.normal(size=(1, 3))
  told = latent.told(
    CONFIG,
    places,
    Latents(slots=jnp.asarray(slots), piece=jnp.asarray(piece)),
    jnp.asarray(coordinates),
  )
  assert told.shape == (1, times.shape[1], CONFIG.width)
  for step, time in enumerate(times[0]):
    # A slot is two beats of three cells.
    slot = min((time + frames) // 6, 3)
    nothing = np.zeros(2)
    second = slots[0, slot + 1] if slot < 3 else nothing
    expected = np.concatenate([slots[0, slot], second, piece[0]])
    np.testing.assert_allclose(told[0, step], expected, atol=1e-6)


def test_latents_of_other_shapes_are_refused():
  good = Latents(slots=jnp.zeros((2, 4, 2)), piece=jnp.zeros((2, 3)))
  latent.check(CONFIG, good, 2)
  with pytest.raises(ConfigError, match=r'\(3, 4, 2\) and \(3, 3\)') as info:
    latent.check(CONFIG, good, 3)
  assert info.value.code == 'latents'


def test_dials_stand_first_and_cost_nothing():
  found = posterior()
  told = jnp.arange(12, dtype=jnp.float32).reshape(3, 4)
  dialled = latent.with_dials(found, [told])
  known = np.where(found.used, told, 0)
  np.testing.assert_array_equal(dialled.mean.slots[..., 0], known)
  np.testing.assert_array_equal(
    dialled.mean.slots[..., 1], found.mean.slots[..., 1]
  )
  before, after = found.kl(), dialled.kl()
  assert not after.slots[..., 0].any()
  np.testing.assert_array_equal(after.slots[..., 1], before.slots[..., 1])
  np.testing.assert_array_equal(after.piece, before.piece)
  drawn = dialled.sample(jax.random.key(0))
  away = np.asarray(drawn.slots[..., 0]) - known
  assert 0.02 < away.std() < 0.2
  assert latent.with_dials(found, []) is found


def test_blur_moves_some_rows_but_no_dials():
  rng = np.random.default_rng(0)
  draw = lambda *shape: jnp.asarray(rng.normal(size=shape), jnp.float32)  # noqa: E731
  told = Latents(slots=draw(4000, 2, 3), piece=draw(4000, 1))
  keys = jax.random.split(jax.random.key(0), 4000)
  found = jax.jit(lambda k: latent.blurred(told, 1, 0.4, k))(keys)
  np.testing.assert_array_equal(found.slots[..., 0], told.slots[..., 0])
  moved = np.asarray(found.slots != told.slots)[..., 1:]
  rows = moved.any((1, 2))
  assert 0.37 < rows.mean() < 0.43
  assert moved[rows].mean() > 0.99
  np.testing.assert_array_equal((found.piece != told.piece)[:, 0], rows)
  # As wide as before; half as like it as could be: the mean of 1 - u^2 is 2/3,
  # that of its root pi / 4.
  own, new = (np.asarray(x.slots)[rows, :, 1] for x in (told, found))
  assert new.std() == pytest.approx(own.std(), rel=0.04)
  assert (own * new).mean() / (own**2).mean() == pytest.approx(
    np.pi / 4, abs=0.04
  )
  one = latent.blurred(jax.tree.map(lambda x: x[:2], told), 1, 0.4, keys[:2])
  np.testing.assert_allclose(one.slots, found.slots[:2], atol=1e-6)
  none = latent.blurred(told, 1, 0.0, jax.random.key(1))
  np.testing.assert_array_equal(none.slots, told.slots)


def test_draws_of_the_prior_take_the_place_of_chosen_rows_but_for_dials():
  told = Latents(
    slots=jnp.full((3000, 2, 3), 7.0), piece=jnp.full((3000, 1), 7.0)
  )
  chosen = jnp.arange(3000) % 3 == 0
  keys = jax.random.split(jax.random.key(0), 3000)
  found = latent.redrawn(told, 1, chosen, keys)
  slots, piece = np.asarray(found.slots), np.asarray(found.piece)
  assert (slots[..., 0] == 7).all()
  assert (slots[~chosen] == 7).all()
  assert (piece[~chosen] == 7).all()
  drawn = np.concatenate(
    [slots[chosen][..., 1:].reshape(1000, 4), piece[chosen]], 1
  )
  assert np.abs(np.cov(drawn.T) - np.eye(5)).max() < 0.15
  assert np.abs(drawn.mean(axis=0)).max() < 0.12
  one = latent.redrawn(
    jax.tree.map(lambda x: x[:4], told), 1, chosen[:4], keys[:4]
  )
  np.testing.assert_allclose(one.slots, slots[:4], atol=1e-6)
