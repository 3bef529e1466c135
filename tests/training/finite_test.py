"""The first tensor that is not finite, of losses that are poisoned."""

import functools
import logging

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from aurl_jax.models import Model, ModelConfig
from aurl_jax.training import diagnosis, finite, losses, state, steps
from aurl_jax.training.guard import GuardConfig
from aurl_jax.training.metrics import TrainingError
from aurl_jax.training.options import StepConfig
from aurl_jax.training.watch import Watch
from tests.training import faulty, toy


@functools.cache
def parts(**changes):
  values = {'dropout': 0.0, 'attention': 'blocked'} | changes
  config = ModelConfig(
    width=8, layers=2, heads=2, context=12, head_width=8, **values
  )
  model = Model.build(config, toy.SIZES)
  return model, model.init(jax.random.key(0))


def loss_of(model):
  batch = jax.tree.map(jnp.asarray, toy.batch(0))
  targets = losses.shift_targets(batch['ids'], batch['segments'])

  def loss(params):
    outputs = model.apply(
      params, batch['ids'], batch['segments'], batch['positions'], targets
    )
    return losses.sums(outputs.logits, targets)['objective']

  return loss


def poisoned(params, path, value, *, whole=False):
  """Returns a copy with one value of one leaf replaced, or with all."""
  *outer, last = path.split('/')
  copy = jax.tree.map(lambda x: x, params)
  inner = copy
  for name in outer:
    inner = inner[name]
  leaf = np.array(inner[last])
  leaf[... if whole else (0,) * leaf.ndim] = value
  inner[last] = jnp.asarray(leaf)
  return copy


def test_a_sound_model_has_none():
  model, params = parts()
  assert finite.first(loss_of(model), params) is None


@pytest.mark.parametrize('value', [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(
  'path',
  [
    'embed/tables/1',
    'decoder/layers/0/attention_norm/scale',
    'decoder/layers/1/attention/qkv_kernel',
    'decoder/layers/1/mlp/narrow/kernel',
    'decoder/norm/scale',
    'head/fields/1/out/kernel',
  ],
)
def test_a_bad_parameter_is_named(path, value):
  model, params = parts()
  found = finite.first(loss_of(model), poisoned(params, path, value))
  assert (found.kind, found.name, found.where) == ('parameter', path, '')
  assert found.values.startswith('1 NaN' if np.isnan(value) else '1 infinite')


def test_of_several_the_first_of_the_forward_pass_is_named():
  model, params = parts()
  order = [
    'embed/tables/0',
    'decoder/layers/0/mlp/wide/kernel',
    'decoder/layers/1/attention/qkv_kernel',
    'head/fields/1/hidden/kernel',
  ]
  for path in reversed(order):
    params = poisoned(params, path, np.nan)
    found = finite.first(loss_of(model), params)
    assert (found.kind, found.name) == ('parameter', path)


@pytest.mark.parametrize(
  ('path', 'code', 'changes'),
  [
    ('decoder/layers/1/mlp/wide/kernel', 'models/products.py', {}),
    ('decoder/layers/1/attention/qkv_kernel', 'models/products.py', {}),
    ('decoder/norm/scale', 'models/layers.py', {}),
    (
      'decoder/layers/0/mlp/wide/kernel',
      'models/products.py',
      {'remat': 'full', 'attention': 'naive'},
    ),
  ],
)
def test_an_activation_is_named_by_what_made_it(path, code, changes):
  # Parameters that are finite, but too large for their products.
  model, params = parts(**changes)
  params = poisoned(params, path, 3e38, whole=True)
  found = finite.first(loss_of(model), params)
  assert found.kind == 'activation'
  assert found.name == path
  assert f'aurl_jax/{code}' in found.where
  assert f'activation behind {found.name}' in str(found)


def test_a_scan_tells_the_turn():
  model, params = parts(scan=True)
  path = 'decoder/layers/1/mlp/wide/kernel'
  params = poisoned(params, path, 3e38, whole=True)
  found = finite.first(loss_of(model), params)
  assert found.kind == 'activation'
  assert 'turn 1 of a scan' in found.where


def test_a_mask_of_minus_infinity_is_no_fault():
  def loss(params):
    scores = jnp.where(jnp.arange(4) < 2, params['w'], -jnp.inf)
    return jax.nn.softmax(scores)[0] / params['d']

  params = {'w': jnp.ones(4), 'd': jnp.ones(())}
  assert finite.first(loss, params) is None
  found = finite.first(loss, params | {'d': jnp.zeros(())})
  assert found.kind == 'activation'
  assert found.name == 'd'
  assert found.where.startswith('div at')


def test_a_constant_counts_where_it_is_chosen():
  def loss(params):
    return jnp.where(params['w'] > params['limit'], params['w'], jnp.nan).sum()

  params = {'w': jnp.ones(4), 'limit': jnp.zeros(())}
  assert finite.first(loss, params) is None
  found = finite.first(loss, params | {'limit': jnp.ones(())})
  assert found.kind == 'activation'
  assert found.where.startswith('select_n at')
  assert 'finite_test.py' in found.where
  assert found.values == '4 NaN of 4 values'


def test_a_gradient_is_named_where_it_breaks():
  def loss(params):
    x = jnp.square(params['a']['x']).sum()
    # Finite, but of a gradient that is not: that of the root of nothing.
    return x + jnp.sqrt(0.0 * params['b'].sum()) + params['c'].sum()

  params = {'a': {'x': jnp.ones(3)}, 'b': jnp.ones(2), 'c': jnp.ones(2)}
  found = finite.first(loss, params)
  assert (found.kind, found.name) == ('gradient', 'b')
  assert 'finite_test.py' in found.where
  assert found.values == '2 NaN of 2 values'


def test_a_gradient_by_hand_is_named():
  model = faulty.Faulty()
  params = model.init(jax.random.key(0))
  batch = jax.tree.map(jnp.asarray, faulty.batch(0, kind='gradient'))

  def loss(params):
    targets = losses.shift_targets(batch['ids'], batch['segments'])
    outputs = model.apply(
      params, batch['ids'], batch['segments'], batch['positions'], targets
    )
    return losses.sums(outputs.logits, targets)['objective']

  found = finite.first(loss, params)
  assert found.kind == 'gradient'
  assert found.name.startswith('head/')


def test_a_norm_that_overflows_names_the_largest():
  def loss(params):
    return 1e25 * params['a'].sum() + params['b'].sum()

  found = finite.first(loss, {'a': jnp.zeros(2), 'b': jnp.zeros(2)})
  assert (found.kind, found.name) == ('gradient', 'a')
  assert 'norm overflows' in found.values


OPTIONS = StepConfig(
  accumulate=2, guard=GuardConfig(rollback_after=3, rollbacks=1)
)


def trained(numbers, back, bad=()):
  """Trains on given batches under a watch; returns the state."""
  model, optimizer = faulty.Faulty(), optax.sgd(0.1)
  step = steps.make_train_step(model, optimizer, lambda _: 0.1, OPTIONS)
  why = diagnosis.make_diagnosis(model, OPTIONS)
  calls = []

  def counted(*arguments):
    calls.append(arguments[2])
    return why(*arguments)

  watch = Watch(step, OPTIONS.guard, back, counted)
  now = state.create(model, optimizer, seed=1, options=OPTIONS)
  watch.begin(now)
  for number in numbers:
    batch = faulty.batch(number, kind='nan' if number in bad else None)
    now, metrics = watch.step(now, jax.device_put(batch))
    now = watch.after(number, now, metrics)
  return now, calls


def test_a_run_that_ends_says_which_tensor():
  with pytest.raises(TrainingError, match='steps 4 to 6 were skipped') as told:
    trained(range(1, 12), None, bad=range(4, 12))
  said = str(told.value)
  assert 'first tensor of step 6 that is not finite: activation behind' in said
  assert 'tests/training/faulty.py' in said


def test_a_rollback_says_which_tensor_and_is_the_only_one_asked(caplog):
  model, optimizer = faulty.Faulty(), optax.sgd(0.1)
  fresh = lambda _: state.create(model, optimizer, seed=1, options=OPTIONS)  # noqa: E731
  with caplog.at_level(logging.WARNING):
    _, calls = trained(range(1, 14), fresh, bad=(2, 5, 6, 7))
  assert calls == [7]
  assert 'first tensor of step 7' in caplog.text
