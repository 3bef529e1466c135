"""Weights of losses against arithmetic by hand, and in a step of training."""

import dataclasses
import math
import types

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from aurl_jax.core.errors import ConfigError
from aurl_jax.training import auxiliary, balance, steps
from aurl_jax.training import state as state_lib
from aurl_jax.training.balance import BalanceConfig
from aurl_jax.training.options import StepConfig
from tests.training import toy

SCHEDULE = lambda step: jnp.float32(0.5)  # noqa: E731


def test_fixed_weights_stay():
  config = BalanceConfig(names=('key', 'tempo'), weights=(0.25,))
  assert balance.init(config) == {}
  assert balance.weights(config, {}).tolist() == [1.0, 0.25, 1.0]
  values = {'tempo': 3.0, 'likelihood': 10.0, 'key': 8.0}
  terms = {name: jnp.float32(value) for name, value in values.items()}
  assert float(balance.total(terms, config, {})) == 15.0
  assert balance.update(config, {}, jnp.ones(3)) == {}


def test_the_likelihood_may_be_left_out():
  config = BalanceConfig(names=('frames',), weights=(0.5,), likelihood=0.0)
  assert balance.weights(config, {}).tolist() == [0.0, 0.5]
  with pytest.raises(ConfigError, match='there is no other loss'):
    BalanceConfig(likelihood=0.0)
  with pytest.raises(ConfigError, match='must be 0 or more'):
    BalanceConfig(names=('frames',), likelihood=-1.0)


def test_uncertainty_by_hand():
  config = BalanceConfig(
    mode='uncertainty', names=('key',), weights=(0.5,), rate=0.1
  )
  state = balance.init(config)
  np.testing.assert_allclose(state['log_variance'], [0, math.log(2)])
  np.testing.assert_allclose(balance.weights(config, state), [1, 0.5])
  after = balance.update(config, state, jnp.array([3.0, 0.4]))
  # s - 0.1 * (1/2 - exp(-s) * loss)
  expected = [0 - 0.1 * (0.5 - 3.0), math.log(2) - 0.1 * (0.5 - 0.2)]
  np.testing.assert_allclose(after['log_variance'], expected, rtol=1e-6)


def test_uncertainty_settles_where_its_slope_is_nought():
  config = BalanceConfig(mode='uncertainty', names=('key',), rate=0.1)
  state, losses = balance.init(config), jnp.array([4.0, 0.25])
  for _ in range(400):
    state = balance.update(config, state, losses)
  # exp(-s) * loss = 1/2
  weights = balance.weights(config, state)
  np.testing.assert_allclose(weights, [1 / 8, 2.0], rtol=1e-4)


def test_gradnorm_by_hand():
  config = BalanceConfig(mode='gradnorm', names=('key',), rate=0.1, alpha=1.0)
  state = balance.init(config)
  assert state['weights'].tolist() == [1.0, 1.0]
  one = balance.update(
    config, state, jnp.array([2.0, 4.0]), jnp.array([1.0, 3.0])
  )
  # All rates are 1 at first: targets are the mean norm, 2.
  moved = np.array([1 + 0.1 * 1, 1 - 0.1 * 3])
  np.testing.assert_allclose(one['weights'], moved * 2 / moved.sum(), rtol=1e-6)
  assert one['first'].tolist() == [2.0, 4.0]
  two = balance.update(
    config, one, jnp.array([1.0, 4.0]), jnp.array([1.0, 1.0])
  )
  # Losses over the first: 1/2 and 1; over their mean: 2/3 and 4/3.
  w = np.array(one['weights'], np.float64)
  targets = w.mean() * np.array([2 / 3, 4 / 3])
  moved = w - 0.1 * np.sign(w - targets)
  np.testing.assert_allclose(two['weights'], moved * 2 / moved.sum(), rtol=1e-6)
  assert int(two['seen']) == 2


def test_gradnorm_evens_norms_out():
  config = BalanceConfig(mode='gradnorm', names=('key',), rate=0.01)
  state, norms = balance.init(config), jnp.array([1.0, 4.0])
  for _ in range(300):
    state = balance.update(config, state, jnp.ones(2), norms)
  weighted = np.array(state['weights'] * norms)
  assert abs(weighted[0] / weighted[1] - 1) < 0.1
  assert float(state['weights'].sum()) == pytest.approx(2, rel=1e-5)


def test_impossible_balances_are_refused():
  with pytest.raises(ConfigError, match='fixed, uncertainty, gradnorm'):
    BalanceConfig(mode='even')
  with pytest.raises(ConfigError, match='but the likelihood'):
    BalanceConfig(mode='gradnorm')
  with pytest.raises(ConfigError, match='more weights'):
    BalanceConfig(weights=(1.0,))
  with pytest.raises(ConfigError, match='0 or more'):
    BalanceConfig(names=('key',), weights=(-1.0,))
  both = BalanceConfig(mode='gradnorm', names=('key',))
  with pytest.raises(ConfigError, match='gradnorm one for each'):
    StepConfig(adversarial=0.1, balance=both)


def test_classes_by_hand():
  loss = auxiliary.classes('key')
  logits = jnp.log(jnp.array([[0.25, 0.75], [0.5, 0.5], [0.1, 0.9]]))
  outputs = types.SimpleNamespace(aux={'key': logits})
  batch = {'aux': {'key': np.array([0, 1, -1])}}
  expected = (math.log(4) + math.log(2)) / 2
  assert float(loss(outputs, batch)) == pytest.approx(expected, rel=1e-6)


def test_scalars_by_hand():
  loss = auxiliary.scalars('density')
  outputs = types.SimpleNamespace(aux={'density': jnp.array([[1.0, 2.0, 5.0]])})
  batch = {'aux': {'density': np.array([[3.0, np.nan, 4.0]])}}
  assert float(loss(outputs, batch)) == pytest.approx((4 + 1) / 2)
  slope = jax.grad(
    lambda x: loss(types.SimpleNamespace(aux={'density': x}), batch)
  )(jnp.array([[1.0, 2.0, 5.0]]))
  assert slope.tolist() == [[-2.0, 0.0, 1.0]]


def test_what_is_missing_is_named():
  batch = {'aux': {'key': np.zeros(2)}}
  with pytest.raises(ConfigError, match='the model gives no'):
    auxiliary.classes('key')(types.SimpleNamespace(), batch)
  outputs = types.SimpleNamespace(aux={'key': jnp.zeros((2, 3))})
  with pytest.raises(ConfigError, match='batches have no'):
    auxiliary.classes('key')(outputs, {})


@dataclasses.dataclass(frozen=True)
class Two(toy.Toy):
  """The toy with a head that tells a class of each step."""

  def init(self, key):
    head = jax.random.normal(jax.random.fold_in(key, 9), (self.width, 3)) / 2
    return super().init(key) | {'class': head}

  def apply(self, params, ids, segments, positions, targets, key=None):
    out = super().apply(params, ids, segments, positions, targets, key)
    fields = range(len(self.sizes))
    x = sum(params['embed'][str(f)][ids[..., f]] for f in fields)
    out.aux = {'class': x @ params['class']}
    return out


def batch(seed, rows=4):
  found = toy.batch(seed, rows=rows)
  target = np.where(found['segments'] > 0, found['ids'][..., 0] % 3, -1)
  return found | {'aux': {'class': target.astype(np.int32)}}


def train(mode, batches, **options):
  config = BalanceConfig(
    mode=mode, names=('class',), weights=(0.5,), rate=0.1, shared='^embed/'
  )
  chosen = StepConfig(balance=config, **options)
  state = state_lib.create(Two(), optax.sgd(0.5), seed=1, options=chosen)
  step = steps.make_train_step(
    Two(),
    optax.sgd(0.5),
    SCHEDULE,
    chosen,
    auxiliary={'class': auxiliary.classes('class')},
  )
  metrics = None
  for one in batches:
    state, metrics = step(state, one)
  return state, metrics


def slow_losses(params, one):
  """Returns the mean likelihood and the mean auxiliary loss."""
  ids, segments = one['ids'], one['segments']
  x = params['embed']['0'][ids[..., 0]] + params['embed']['1'][ids[..., 1]]
  follows = (segments[:, 1:] == segments[:, :-1]) & (segments[:, 1:] > 0)
  total, count = 0.0, 0
  for f in '01':
    there = np.where(follows, ids[:, 1:, int(f)], 0)
    scores = x[:, :-1] @ params['head'][f]['kernel']
    scores += params['head'][f]['bias']
    chances = jax.nn.log_softmax(scores)
    picked = np.nonzero(there)
    total -= chances[(*picked, there[picked])].sum()
    count += len(picked[0])
  told = np.nonzero(segments)
  chances = jax.nn.log_softmax(x @ params['class'])
  classes = ids[(*told, np.zeros(len(told[0]), int))] % 3
  return total / count, -chances[(*told, classes)].mean()


@pytest.mark.parametrize('mode', balance.MODES)
def test_a_step_follows_the_weighted_gradient(mode):
  one = batch(5)
  before = train(mode, [])[0]
  state, metrics = train(mode, [one])
  weights = [4 / 3, 2 / 3] if mode == 'gradnorm' else [1.0, 0.5]

  def weighed(params):
    likelihood, classes = slow_losses(params, one)
    return weights[0] * likelihood + weights[1] * classes

  slope = jax.grad(weighed)(before['params'])
  jax.tree.map(
    lambda p, g, q: np.testing.assert_allclose(p - 0.5 * g, q, atol=2e-6),
    before['params'],
    slope,
    state['params'],
  )
  likelihood, classes = slow_losses(before['params'], one)
  count = float(metrics['counts'].sum())
  assert float(metrics['loss']) == pytest.approx(float(likelihood), rel=1e-5)
  found = float(metrics['aux/class']) / count
  assert found == pytest.approx(float(classes), rel=1e-5)
  if mode == 'uncertainty':
    s = np.array([0, math.log(2)])
    means = np.array([float(likelihood), float(classes)])
    expected = s - 0.1 * (0.5 - np.exp(-s) * means)
    np.testing.assert_allclose(
      state['balance']['log_variance'], expected, rtol=1e-5
    )
  if mode == 'gradnorm':
    norms = []
    for which in range(2):
      part = jax.grad(lambda p, w=which: slow_losses(p, one)[w])
      norms.append(float(optax.tree.norm(part(before['params'])['embed'])))
    w = np.array(weights)
    g = w * norms
    moved = w - 0.1 * np.sign(g - g.mean()) * np.array(norms)
    expected = moved * 2 / moved.sum()
    np.testing.assert_allclose(state['balance']['weights'], expected, rtol=1e-5)


@pytest.mark.parametrize('mode', ['uncertainty', 'gradnorm'])
def test_accumulation_gives_the_same_gradient_of_equal_parts(mode):
  # Parts with as many targets each: then means of parts are means of all.
  one = batch(3, rows=1)
  four = jax.tree.map(lambda x: np.repeat(x, 4, axis=0), one)
  whole, _ = train(mode, [four])
  parts, _ = train(mode, [four], accumulate=2)
  for name in ('params', 'balance'):
    jax.tree.map(
      lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6),
      whole[name],
      parts[name],
    )


def test_a_bad_step_teaches_no_weights():
  good, bad = batch(1), batch(2)
  state, _ = train('uncertainty', [good])
  bad['aux']['class'] = np.full_like(bad['aux']['class'], 0)

  def poisoned(outputs, rows):
    return auxiliary.classes('class')(outputs, rows) * jnp.where(
      (rows['aux']['class'] == 0).all(), jnp.nan, 1.0
    )

  config = BalanceConfig(
    mode='uncertainty', names=('class',), weights=(0.5,), rate=0.1
  )
  options = StepConfig(balance=config)
  fresh = state_lib.create(Two(), optax.sgd(0.5), seed=1, options=options)
  step = steps.make_train_step(
    Two(), optax.sgd(0.5), SCHEDULE, options, auxiliary={'class': poisoned}
  )
  first, _ = step(fresh, good)
  kept = jax.tree.map(np.asarray, first['balance'])
  second, metrics = step(first, bad)
  assert int(metrics['skipped']) == 1
  jax.tree.map(np.testing.assert_array_equal, kept, second['balance'])
  jax.tree.map(np.testing.assert_array_equal, kept, state['balance'])


def test_names_and_losses_must_agree():
  config = StepConfig(balance=BalanceConfig(names=('class',)))
  with pytest.raises(ConfigError, match='are not the auxiliary losses'):
    steps.make_train_step(Two(), optax.sgd(0.5), SCHEDULE, config)
