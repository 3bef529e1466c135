"""The critic of latents: what it reads, what it leaves out, what it learns."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from aurl_jax.models.config import LatentConfig
from aurl_jax.models.latent import Latents
from aurl_jax.models.latent_critic import LatentCritic

CONFIG = LatentConfig(slot=4, piece=2, slots=3, dials='density')
CRITIC = LatentCritic(CONFIG)


@pytest.fixture(scope='module')
def variables():
  return CRITIC.init(jax.random.key(0))


def drawn(seed, rows=5):
  rng = np.random.default_rng(seed)
  return Latents(
    slots=jnp.asarray(rng.normal(size=(rows, 3, 4)), jnp.float32),
    piece=jnp.asarray(rng.normal(size=(rows, 2)), jnp.float32),
  )


def test_a_score_a_row_that_hears_all_but_the_dials(variables):
  latents = drawn(0)
  score = CRITIC.score(variables, latents)
  assert score.shape == (5,)
  turned = Latents(slots=latents.slots.at[..., 0].add(3.0), piece=latents.piece)
  np.testing.assert_array_equal(CRITIC.score(variables, turned), score)
  for moved in (
    Latents(slots=latents.slots.at[:, 2, 3].add(3.0), piece=latents.piece),
    Latents(slots=latents.slots, piece=latents.piece.at[:, 1].add(3.0)),
  ):
    assert (np.asarray(CRITIC.score(variables, moved) != score)).all()


def test_scores_rise_no_faster_than_latents_move(variables):
  one, other = drawn(1, 64), drawn(2, 64)
  apart = np.sqrt(
    np.square(np.asarray(one.slots - other.slots)[..., 1:]).sum((1, 2))
    + np.square(np.asarray(one.piece - other.piece)).sum(1)
  )
  rise = CRITIC.score(variables, one) - CRITIC.score(variables, other)
  assert (np.abs(rise) <= apart * 1.05).all()


def test_draws_are_standard_normal_and_of_their_keys_alone():
  keys = jax.random.split(jax.random.key(3), 4000)
  found = CRITIC.prior(keys)
  for part in (found.slots, found.piece):
    assert abs(float(part.mean())) < 0.02
    assert abs(float(part.std()) - 1) < 0.02
  again = CRITIC.prior(keys[7:9])
  np.testing.assert_array_equal(again.slots, found.slots[7:9])


def test_slots_that_a_piece_has_not_are_draws():
  latents = drawn(4, 2)
  used = jnp.array([[True, True, False], [True, False, False]])
  keys = jax.random.split(jax.random.key(5), 2)
  found = CRITIC.filled(latents, used, keys)
  np.testing.assert_array_equal(found.piece, latents.piece)
  np.testing.assert_array_equal(found.slots[used], latents.slots[used])
  prior = CRITIC.prior(keys).slots
  np.testing.assert_array_equal(found.slots[~used], prior[~used])


def test_it_learns_to_tell_other_latents_from_draws(variables):
  optimizer = optax.adam(3e-3)
  now, state = variables, optimizer.init(variables['params'])
  used = jnp.ones((64, 3), bool)

  @jax.jit
  def step(now, state, key):
    real, fake = jax.random.split(key)
    keys = jax.random.split(real, 64)
    others = CRITIC.prior(jax.random.split(fake, 64))
    moved = jax.tree.map(lambda x: 0.3 * x + 1, others)

    def loss(params):
      given = now | {'params': params}
      one = CRITIC.score(given, CRITIC.prior(keys))
      other = CRITIC.score(given, CRITIC.filled(moved, used, keys))
      return jnp.maximum(0, 1 - one).mean() + jnp.maximum(0, 1 + other).mean()

    value, grads = jax.value_and_grad(loss)(now['params'])
    updates, state = optimizer.update(grads, state)
    params = optax.apply_updates(now['params'], updates)
    return CRITIC.iterated(now | {'params': params}), state, value

  values = []
  for number in range(150):
    now, state, value = step(now, state, jax.random.key(number))
    values.append(float(value))
  assert values[0] > 1.8
  assert np.mean(values[-10:]) < 1
