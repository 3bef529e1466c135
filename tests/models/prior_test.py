"""A learned prior: causal, normalised, conditional."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aurl_jax.core.errors import ConfigError
from aurl_jax.models.config import LatentConfig
from aurl_jax.models.latent import Latents
from aurl_jax.models.prior import KINDS, Prior, PriorConfig

LATENT = LatentConfig(slot=3, slots=4, piece=2)


def made(kind, latent=LATENT, noise=0.3, **changes):
  """A prior far from its start, so that everything in it matters."""
  config = PriorConfig(
    latent=latent,
    kind=kind,
    width=16,
    heads=2,
    layers=1,
    components=3,
    couplings=2,
    hidden=8,
    **changes,
  )
  prior = Prior(config)
  params = prior.init(jax.random.key(0))
  leaves, tree = jax.tree.flatten(params)
  keys = jax.random.split(jax.random.key(1), len(leaves))
  moved = [
    x + noise * jax.random.normal(key, x.shape)
    for x, key in zip(leaves, keys, strict=True)
  ]
  return prior, jax.tree.unflatten(tree, moved)


def latents(rows=3, latent=LATENT, seed=0):
  rng = np.random.default_rng(seed)
  return Latents(
    slots=jnp.asarray(
      rng.normal(size=(rows, latent.slots, latent.slot)), jnp.float32
    ),
    piece=jnp.asarray(rng.normal(size=(rows, latent.piece)), jnp.float32),
  )


@pytest.mark.parametrize('kind', KINDS)
def test_a_slot_is_predicted_by_those_before_it_and_the_piece(kind):
  prior, params = made(kind)
  found = latents()
  slots, piece = prior.log_probs(params, found)
  for at in range(4):
    changed = Latents(slots=found.slots.at[:, at].add(1.0), piece=found.piece)
    other, whole = prior.log_probs(params, changed)
    moved = np.abs(np.asarray(other - slots)).max(0) > 1e-6
    assert moved.tolist() == [i >= at for i in range(4)]
    np.testing.assert_array_equal(whole, piece)
  told = Latents(slots=found.slots, piece=found.piece + 1)
  other, whole = prior.log_probs(params, told)
  assert (np.abs(np.asarray(other - slots)) > 1e-6).all()
  assert (np.abs(np.asarray(whole - piece)) > 1e-6).all()


@pytest.mark.parametrize('kind', KINDS)
def test_slots_that_a_piece_has_not_do_not_count(kind):
  prior, params = made(kind)
  used = jnp.arange(4) <= jnp.array([3, 0, 1])[:, None]
  found = latents()
  whole = prior.log_prob(params, found, used)
  slots, piece = prior.log_probs(params, found)
  wanted = [
    float(slots[row, :count].sum() + piece[row])
    for row, count in enumerate((4, 1, 2))
  ]
  np.testing.assert_allclose(whole, wanted, rtol=1e-5)
  noise = jnp.where(used[..., None], found.slots, 99.0)
  again = prior.log_prob(params, Latents(slots=noise, piece=found.piece), used)
  np.testing.assert_allclose(again, whole, rtol=1e-6)


@pytest.mark.parametrize('kind', KINDS)
def test_two_slots_integrate_to_one_and_samples_have_their_moments(kind):
  latent = LatentConfig(slot=1, slots=2)
  # Not so far that the tails leave the window.
  prior, params = made(kind, latent, noise=0.1)
  axis = np.linspace(-10, 10, 161)
  points = np.stack(np.meshgrid(axis, axis, indexing='ij'), -1).reshape(-1, 2)
  told = Latents(
    slots=jnp.asarray(points[..., None], jnp.float32),
    piece=jnp.zeros((len(points), 0)),
  )
  used = jnp.ones((len(points), 2), bool)
  log = np.asarray(jax.jit(prior.log_prob)(params, told, used), np.float64)
  shares = np.exp(log) * (axis[1] - axis[0]) ** 2
  assert shares.sum() == pytest.approx(1, abs=1e-3)
  drawn = prior.sample(params, jax.random.key(2), 10_000)
  mean = shares @ points
  cover = (points - mean).T @ ((points - mean) * shares[:, None])
  rows = np.asarray(drawn.slots)[..., 0]
  spread = np.sqrt(np.diag(cover))
  np.testing.assert_allclose(rows.mean(0), mean, atol=0.05 * spread.max())
  np.testing.assert_allclose(np.cov(rows.T), cover, atol=0.08 * cover.max())


@pytest.mark.parametrize('kind', KINDS)
def test_a_condition_moves_densities_and_samples(kind):
  prior, params = made(kind, names=('key', 'meter'), classes=(24, 3))
  params['told_embed']['0'] = params['told_embed']['0'].at[5].add(2.0)
  key = jax.random.key(3)
  open_ = prior.sample(params, key, 200)
  told = prior.sample(params, key, 200, np.array([5, 0]))
  again = prior.sample(params, key, 200, np.zeros((200, 2), np.int32))
  np.testing.assert_array_equal(open_.slots, again.slots)
  shift = np.abs(
    np.asarray(told.slots).mean(0) - np.asarray(open_.slots).mean(0)
  )
  assert shift.max() > 0.2
  assert np.abs(told.piece.mean(0) - open_.piece.mean(0)).max() > 0.05
  used = jnp.ones((3, 4), bool)
  condition = np.array([[5, 1], [0, 0], [0, 3]])
  found = prior.log_prob(params, latents(), used, condition)
  plain = prior.log_prob(params, latents(), used)
  same = np.isclose(found, plain, atol=1e-5).tolist()
  assert same == [False, True, False]


@pytest.mark.parametrize(
  'latent', [LatentConfig(slot=3), LatentConfig(piece=2)]
)
def test_a_prior_is_of_slots_or_of_the_piece_alone(latent):
  prior, params = made('flow', latent)
  drawn = prior.sample(params, jax.random.key(0), 5)
  assert drawn.slots.shape == (5, 8, latent.slot)
  assert drawn.piece.shape == (5, latent.piece)
  found = prior.log_prob(params, drawn, jnp.ones((5, 8), bool))
  assert np.isfinite(found).all()
  assert not any(x.size == 0 for x in jax.tree.leaves(params))


def test_dropout_needs_a_key():
  prior, params = made('autoregressive', dropout=0.5)
  one, other = (prior.log_probs(params, latents())[0] for _ in range(2))
  np.testing.assert_array_equal(one, other)
  dropped = prior.log_probs(params, latents(), key=jax.random.key(0))[0]
  assert np.abs(np.asarray(dropped - one)).max() > 1e-3


@pytest.mark.parametrize(
  ('changes', 'words'),
  [
    ({'kind': 'diffusion'}, 'autoregressive, flow'),
    ({'width': 30}, 'does not divide prior.width 30'),
    ({'layers': 0}, 'prior.layers: must be at least 1'),
    ({'dropout': 1.0}, r'prior.dropout: must lie in \[0, 1\)'),
    ({'couplings': -1}, 'prior.couplings'),
    ({'names': ('key',)}, 'must be as many'),
    ({'names': ('key',), 'classes': (0,)}, 'one class or more'),
    ({'latent': LatentConfig()}, 'has no dims'),
  ],
)
def test_configs_that_cannot_be_are_refused(changes, words):
  with pytest.raises(ConfigError, match=words) as info:
    PriorConfig(**{'latent': LATENT} | changes)
  assert info.value.code == 'prior_config'


def test_latents_and_conditions_that_do_not_fit_are_refused():
  prior, params = made('flow', names=('key',), classes=(24,))
  wrong = latents(latent=LatentConfig(slot=2, slots=4, piece=2))
  with pytest.raises(ConfigError, match=r'latents of slots \(3, 4, 2\)'):
    prior.log_probs(params, wrong)
  for condition, words in (
    (np.array([25]), r'key: ids from 25 to 25 are not all among 1\.\.24'),
    (np.array([[0], [3], [-1]]), 'key: ids from -1 to 3'),
    (np.array([1, 2]), r'shape \(2,\) does not fit 3 pieces and 1 kinds'),
  ):
    with pytest.raises(ConfigError, match=words) as info:
      prior.log_probs(params, latents(), condition)
    assert info.value.code == 'condition'
