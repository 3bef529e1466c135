"""Fitting a prior, against processes whose entropy is known."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aurl_jax.core.errors import ConfigError
from aurl_jax.models.config import LatentConfig
from aurl_jax.models.latent import Latents, Posterior
from aurl_jax.models.prior import KINDS, Prior, PriorConfig
from aurl_jax.training import prior as lib
from aurl_jax.training.prior import Encoded, FitConfig

RHO, SLOTS, LOG = 0.95, 6, -9.0
LATENT = LatentConfig(slot=2, slots=SLOTS)
CONFIG = FitConfig(steps=300, evaluate_every=100, batch_size=32, draws=1)


def encoded(rows, seed):
  """Posteriors whose means follow an AR(1) process of unit variance."""
  rng = np.random.default_rng(seed)
  means = np.zeros((rows, SLOTS, 2))
  means[:, 0] = rng.normal(size=(rows, 2))
  for at in range(1, SLOTS):
    noise = rng.normal(size=(rows, 2)) * math.sqrt(1 - RHO**2)
    means[:, at] = RHO * means[:, at - 1] + noise
  blank = np.zeros((rows, 0), np.float32)
  posterior = Posterior(
    mean=Latents(slots=means.astype(np.float32), piece=blank),
    log_variance=Latents(
      slots=np.full_like(means, LOG, np.float32), piece=blank
    ),
    used=np.ones((rows, SLOTS), bool),
  )
  return Encoded(posterior, np.zeros((rows, 0), np.int32))


def prior_of(kind, **changes):
  config = PriorConfig(
    latent=LATENT,
    kind=kind,
    width=16,
    heads=2,
    layers=1,
    components=2,
    couplings=2,
    hidden=16,
    dropout=0.0,
    **changes,
  )
  return Prior(config)


def best_possible():
  """Nats a slot of the process itself: two dims, the first slot is free."""
  free = 0.5 * math.log(2 * math.pi * math.e)
  bound = free + 0.5 * math.log(1 - RHO**2 + math.exp(LOG) * (1 + RHO**2))
  return 2 * (free + (SLOTS - 1) * bound) / SLOTS


@pytest.mark.parametrize('kind', KINDS)
def test_a_fit_comes_near_the_entropy_of_the_process(kind):
  found = lib.fit(prior_of(kind), encoded(2000, 0), encoded(300, 1), CONFIG)
  standard = math.log(2 * math.pi * math.e)
  best = best_possible()
  assert best < standard - 1.9
  assert best - 0.15 < found.nats < best + 0.35
  assert found.told == found.nats
  assert found.step == min(found.history, key=lambda row: row[1])[0]


def test_the_same_seed_gives_the_same_prior_and_a_bad_fit_stops():
  config = FitConfig(
    steps=400, evaluate_every=20, batch_size=4, patience=1, draws=1, ema=0.0
  )
  train, valid = encoded(6, 0), encoded(20, 1)
  prior = prior_of('autoregressive')
  one, again = (lib.fit(prior, train, valid, config) for _ in range(2))
  jax.tree.map(np.testing.assert_array_equal, one.params, again.params)
  assert one.history == again.history
  # Six pieces are soon known by heart.
  assert one.history[-1][0] < 400
  values = [value for _, value in one.history]
  assert int(np.argmin(values)) == len(values) - 2


def test_nats_and_entropy_are_those_of_normals():
  posterior = encoded(50, 2).posterior

  def standard(latents, used):
    each = -0.5 * (latents.slots**2 + math.log(2 * math.pi))
    return jnp.where(used, each.sum(-1), 0).sum(-1)

  second = (posterior.mean.slots.astype(np.float64) ** 2).sum(-1).mean()
  wanted = 0.5 * second + math.exp(LOG) + math.log(2 * math.pi)
  found = lib.nats(standard, posterior)
  assert found == pytest.approx(wanted, abs=2e-3)
  entropy = math.log(2 * math.pi * math.e) + LOG
  assert lib.entropy(posterior) == pytest.approx(entropy, abs=1e-5)


def test_conditions_are_left_open_by_chance():
  told = jnp.ones((20_000, 2), jnp.int32)
  found = np.asarray(lib.left_open(told, 0.2, jax.random.key(0)))
  none = (found.sum(1) == 0).mean()
  assert none == pytest.approx(0.2 + 0.8 * 0.04, abs=0.015)
  assert found.mean() == pytest.approx(0.64, abs=0.015)
  np.testing.assert_array_equal(
    lib.left_open(told, 0.0, jax.random.key(0)), told
  )


def test_what_cannot_be_fitted_is_refused():
  some = encoded(4, 0)
  none = jax.tree.map(lambda x: x[:0], some)
  prior = prior_of('autoregressive')
  for train, valid, name in ((none, some, 'train'), (some, none, 'valid')):
    with pytest.raises(ConfigError, match=f'no posteriors of {name}'):
      lib.fit(prior, train, valid)
  wrong = some._replace(condition=np.full((4, 1), 30, np.int32))
  told = prior_of('flow', names=('key',), classes=(24,))
  with pytest.raises(ConfigError, match=r'key: ids from 30'):
    lib.fit(told, wrong, wrong)
  for changes in ({'steps': 0}, {'ema': 1.0}, {'open': 1.5}):
    with pytest.raises(ConfigError, match=f'fit.{next(iter(changes))}'):
      FitConfig(**changes)
