import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aurl_jax.generation.errors import RequestError
from aurl_jax.generation.sampling import Sampler


def reference(
  logits, *, temperature=1.0, top_k=0, top_p=1.0, typical_p=1.0, min_p=0.0
):
  """The filters one after the other, by sorting; probabilities of one row."""
  logits = np.asarray(logits, np.float64) / temperature
  p = np.exp(logits - logits.max())
  p /= p.sum()
  order = np.argsort(-p)
  if top_k:
    p[order[top_k:]] = 0
    p /= p.sum()
  if top_p < 1:
    order = np.argsort(-p)
    before = np.cumsum(p[order]) - p[order]
    p[order[before >= top_p]] = 0
    p /= p.sum()
  if typical_p < 1:
    real = p > 0
    surprise = np.where(real, -np.log(np.where(real, p, 1)), np.inf)
    far = np.abs(surprise - (p[real] * surprise[real]).sum())
    order = np.argsort(far, kind='stable')
    before = np.cumsum(p[order]) - p[order]
    p[order[before >= typical_p]] = 0
    p /= p.sum()
  p[p < min_p * p.max()] = 0
  return p / p.sum()


def probabilities(sampler, logits, mask=None):
  weights = np.asarray(sampler.weights(jnp.asarray(logits), mask), np.float64)
  return weights / weights.sum(-1, keepdims=True)


@given(
  seed=st.integers(0, 2**32 - 1),
  temperature=st.sampled_from([0.3, 0.7, 1.0, 2.5]),
  top_k=st.sampled_from([0, 1, 2, 5, 40]),
  top_p=st.sampled_from([0.05, 0.5, 0.9, 0.99, 1.0]),
  typical_p=st.sampled_from([0.1, 0.5, 0.9, 1.0]),
  min_p=st.sampled_from([0.0, 0.02, 0.3, 1.0]),
)
def test_filters_match_sorting(seed, **settings):
  logits = np.random.default_rng(seed).normal(0, 2, (3, 40)).astype('f')
  found = probabilities(Sampler(**settings), logits)
  wanted = [reference(row, **settings) for row in logits]
  np.testing.assert_allclose(found, wanted, atol=2e-6)
  np.testing.assert_array_equal(found > 0, np.array(wanted) > 0)


def test_equal_logits_stay_together():
  logits = jnp.array([[3.0, 3.0, 1.0, 0.0]])
  assert probabilities(Sampler(top_k=1), logits)[0].tolist() == [0.5, 0.5, 0, 0]
  assert (probabilities(Sampler(top_p=0.1), logits)[0] > 0).sum() == 2


def test_the_mask_comes_before_the_filters():
  logits = jnp.array([[9.0, 2.0, 1.0, 0.0]])
  mask = jnp.array([[False, True, True, True]])
  found = probabilities(Sampler(top_k=2), logits, mask)
  assert (found[0] > 0).tolist() == [False, True, True, False]
  np.testing.assert_allclose(found[0, 1] / found[0, 2], np.e, rtol=1e-5)


@pytest.mark.parametrize('size', [1, 2, 5, 17, 100, 512])
def test_the_draw_inverts_the_distribution(size):
  rng = np.random.default_rng(size)
  logits = jnp.asarray(rng.normal(0, 1.5, (1, size)), jnp.float32)
  # Evenly spaced numbers must fall on each id in proportion to its weight.
  count = 20_000
  uniform = jnp.asarray((np.arange(count) + 0.5) / count, jnp.float32)
  draw = jax.jit(Sampler().sample)
  ids = np.asarray(draw(uniform, jnp.repeat(logits, count, 0)))
  share = np.bincount(ids, minlength=size) / count
  np.testing.assert_allclose(share, reference(logits[0]), atol=2 / count)
  assert (np.diff(ids) >= 0).all()


def test_random_draws_pass_a_chi_square_test():
  rng = np.random.default_rng(0)
  logits = rng.normal(0, 1, 30).astype('f')
  settings = {'temperature': 0.8, 'top_p': 0.9}
  count = 40_000
  ids = Sampler(**settings).sample(
    jnp.asarray(rng.random(count), jnp.float32),
    jnp.asarray(np.tile(logits, (count, 1))),
  )
  wanted = reference(logits, **settings) * count
  found = np.bincount(ids, minlength=30)
  assert (found[wanted == 0] == 0).all()
  kept = wanted > 0
  statistic = ((found - wanted)[kept] ** 2 / wanted[kept]).sum()
  freedom = kept.sum() - 1
  # Four standard deviations of a chi-square variable.
  assert statistic < freedom + 4 * np.sqrt(2 * freedom)


@pytest.mark.parametrize('uniform', [0.0, 1 - 2.0**-24])
def test_the_ends_of_the_unit_interval_draw_allowed_ids(uniform):
  logits = jnp.asarray(np.random.default_rng(1).normal(0, 3, (64, 50)), 'f')
  mask = jnp.asarray(np.random.default_rng(2).random((64, 50)) < 0.3)
  mask = mask.at[:, 7].set(True)
  ids = Sampler().sample(jnp.full(64, uniform, 'f'), logits, mask)
  assert mask[jnp.arange(64), ids].all()
  edge = np.asarray(mask).argmax(1) if uniform == 0 else None
  if edge is not None:
    np.testing.assert_array_equal(ids, edge)


def test_temperature_zero_is_greedy_and_takes_the_first_of_equals():
  logits = jnp.array([[1.0, 5.0, 5.0], [9.0, 0.0, 1.0]])
  mask = jnp.array([[True, True, True], [False, True, True]])
  ids = Sampler(temperature=0).sample(jnp.array([0.9, 0.9]), logits, mask)
  assert ids.tolist() == [1, 2]


def test_settings_may_differ_by_row():
  logits = jnp.tile(jnp.array([[2.0, 1.0, 0.0, -1.0]]), (3, 1))
  sampler = Sampler(
    temperature=jnp.array([1.0, 0.5, 0.0]), top_k=jnp.array([0, 2, 0])
  )
  found = probabilities(sampler, logits)
  np.testing.assert_allclose(found[0], reference(logits[0]), atol=1e-6)
  wanted = reference(logits[0], temperature=0.5, top_k=2)
  np.testing.assert_allclose(found[1], wanted, atol=1e-6)
  assert sampler.sample(jnp.full(3, 0.999), logits)[2] == 0


def test_only_which_filters_are_off_makes_a_new_program():
  traced = []

  @jax.jit
  def weights(sampler, logits):
    traced.append(sampler)
    return sampler.weights(logits)

  logits = jnp.ones((1, 4))
  for sampler in (
    Sampler(temperature=0.5),
    Sampler(temperature=0.9),
    Sampler(temperature=0.9, top_p=0.5),
    Sampler(temperature=0.1, top_p=0.7),
  ):
    weights(sampler, logits)
  assert len(traced) == 2


@pytest.mark.parametrize(
  'settings',
  [
    {'temperature': -1},
    {'temperature': float('nan')},
    {'top_k': -1},
    {'top_k': 2.5},
    {'top_p': 0.0},
    {'top_p': 1.5},
    {'min_p': -0.1},
  ],
)
def test_values_out_of_range_are_refused_by_name(settings):
  with pytest.raises(RequestError, match=next(iter(settings))):
    Sampler(**settings)
