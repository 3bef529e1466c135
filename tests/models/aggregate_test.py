"""The mixture of posteriors, against sums by hand."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aurl_jax.core.errors import ConfigError
from aurl_jax.models.aggregate import AggregatePrior
from aurl_jax.models.latent import Latents, Posterior

NAMES, CLASSES = ('key', 'meter'), (24, 3)


def posterior(rows=5, slots=3, z=2, p=1, seed=0):
  rng = np.random.default_rng(seed)
  draw = lambda *shape: rng.normal(size=shape).astype(np.float32)  # noqa: E731
  mean, log = (
    Latents(slots=draw(rows, slots, z), piece=draw(rows, p)) for _ in range(2)
  )
  used = np.arange(slots) <= np.arange(rows)[:, None]
  return Posterior(mean=mean, log_variance=log, used=used)


def normal(x, mean, log):
  away = (x - mean) ** 2 / math.exp(log)
  return math.exp(-away / 2) / math.sqrt(2 * math.pi * math.exp(log))


def by_hand(prior, slots, piece, has):
  """The density of one piece, term by term."""
  found, rows = prior.posterior, len(prior.condition)
  total = 0.0
  for m in range(rows):
    part = 1.0
    for s in np.flatnonzero(has):
      for i, x in enumerate(slots[s]):
        known = found.used[m, s]
        mean = found.mean.slots[m, s, i] if known else 0.0
        log = found.log_variance.slots[m, s, i] if known else 0.0
        part *= normal(x, mean, log)
    for i, x in enumerate(piece):
      mean, log = found.mean.piece[m, i], found.log_variance.piece[m, i]
      part *= normal(x, mean, log)
    total += part / rows
  return math.log(total)


def test_the_density_is_the_mean_of_the_posteriors_densities():
  source = posterior()
  prior = AggregatePrior.of(source)
  rng = np.random.default_rng(1)
  slots, piece = rng.normal(size=(3, 3, 2)), rng.normal(size=(3, 1))
  used = np.arange(3) <= np.array([0, 1, 2])[:, None]
  told = Latents(
    slots=jnp.asarray(slots, jnp.float32), piece=jnp.asarray(piece, jnp.float32)
  )
  found = prior.log_prob(told, used)
  wanted = [
    by_hand(prior, *row) for row in zip(slots, piece, used, strict=True)
  ]
  np.testing.assert_allclose(found, wanted, rtol=1e-4)


def test_samples_have_the_moments_of_the_mixture():
  prior = AggregatePrior.of(posterior())
  drawn = prior.sample(jax.random.key(0), 40_000)
  means, logs = (
    np.asarray(x.slots)[:, 0]
    for x in (prior.posterior.mean, prior.posterior.log_variance)
  )
  first = np.asarray(drawn.slots)[:, 0]
  variance = (np.exp(logs) + means**2).mean(0) - means.mean(0) ** 2
  np.testing.assert_allclose(first.mean(0), means.mean(0), atol=0.05)
  np.testing.assert_allclose(first.var(0), variance, rtol=0.05)
  # In the last slot two of five pieces have none: these draw the standard.
  last = np.asarray(prior.posterior.mean.slots)[:, 2]
  assert (last[:2] == 0).all()
  np.testing.assert_allclose(
    np.asarray(drawn.slots)[:, 2].mean(0), last.mean(0), atol=0.05
  )


def test_some_pieces_are_chosen_by_the_seed():
  source = posterior(rows=40)
  one, same, other = (
    AggregatePrior.of(source, 10, seed=seed) for seed in (1, 1, 2)
  )
  assert one.posterior.used.shape == (10, 3)
  np.testing.assert_array_equal(
    one.posterior.mean.piece, same.posterior.mean.piece
  )
  assert (one.posterior.mean.piece != other.posterior.mean.piece).any()
  assert len(AggregatePrior.of(source, 99).condition) == 40


def test_a_condition_leaves_the_pieces_that_meet_it():
  source = posterior()
  condition = np.array([[1, 2], [1, 1], [0, 2], [7, 2], [7, 1]])
  prior = AggregatePrior.of(
    source, condition=condition, names=NAMES, classes=CLASSES
  )
  some = jax.tree.map(lambda x: x[[3]], source)
  alone = AggregatePrior.of(some)
  told = source.mean
  np.testing.assert_allclose(
    prior.log_prob(told, source.used, np.array([7, 2])),
    alone.log_prob(told, source.used),
    rtol=1e-5,
  )
  drawn = prior.sample(jax.random.key(0), 4000, np.array([7, 2]))
  np.testing.assert_allclose(
    drawn.piece.mean(0), source.mean.piece[3], atol=0.1
  )


def test_what_cannot_be_is_refused():
  source = posterior()
  with pytest.raises(ConfigError, match='no posteriors') as info:
    AggregatePrior.of(jax.tree.map(lambda x: x[:0], source))
  assert info.value.code == 'no_pieces'
  prior = AggregatePrior.of(
    source,
    condition=np.ones((5, 2), np.int32),
    names=NAMES,
    classes=CLASSES,
  )
  for condition, words in (
    (np.array([2, 0]), r"none of the 5 pieces .* meets \{'key': 2"),
    (np.array([25, 0]), 'key: ids from 25'),
    (np.array([[1, 1]]), 'one condition for all'),
    (np.array([1]), r'shape \(1,\)'),
  ):
    with pytest.raises(ConfigError, match=words) as info:
      prior.sample(jax.random.key(0), 3, condition)
    assert info.value.code == 'condition'
