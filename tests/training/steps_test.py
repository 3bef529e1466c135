"""One step: equal to arithmetic on the whole batch, however it is cut."""

import json
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from aurl_jax.core.errors import ConfigError
from aurl_jax.training import optimizer as optimizer_lib
from aurl_jax.training import state as state_lib
from aurl_jax.training import steps
from aurl_jax.training.options import StepConfig
from tests.training import toy

SCHEDULE = lambda step: jnp.float32(0.5)  # noqa: E731


def _run(model, batches, options=None, optimizer=None, **kwargs):
  options = options or StepConfig()
  optimizer = optimizer or optax.sgd(0.5)
  state = state_lib.create(model, optimizer, seed=1)
  step = steps.make_train_step(model, optimizer, SCHEDULE, options, **kwargs)
  metrics = None
  for batch in batches:
    state, metrics = step(state, batch)
  return state, metrics


def _slow_loss(params, batch):
  """Mean over all targets of the toy's surprise, written out once more."""
  ids, segments = batch['ids'], batch['segments']
  follows = (segments[:, 1:] == segments[:, :-1]) & (segments[:, 1:] > 0)
  rows, steps = np.nonzero(follows)
  here, there = ids[rows, steps], ids[rows, steps + 1]
  x = params['embed']['0'][here[:, 0]] + params['embed']['1'][here[:, 1]]
  total = 0.0
  for f in '01':
    used = np.flatnonzero(there[:, int(f)])
    scores = x[used] @ params['head'][f]['kernel'] + params['head'][f]['bias']
    chances = jnp.exp(scores) / jnp.exp(scores).sum(1, keepdims=True)
    total -= jnp.log(chances[np.arange(len(used)), there[used, int(f)]]).sum()
  return total / np.count_nonzero(there)


def test_a_step_follows_the_gradient_of_the_mean_loss():
  batch = toy.batch(5, rows=2, steps=6)
  before = state_lib.create(toy.Toy(), optax.sgd(0.5), seed=1)['params']
  loss, slope = jax.value_and_grad(_slow_loss)(before, batch)
  state, metrics = _run(toy.Toy(), [batch])
  expected = jax.tree.map(lambda p, g: p - 0.5 * g, before, slope)
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6),
    state['params'],
    expected,
  )
  assert float(metrics['loss']) == pytest.approx(float(loss), rel=1e-6)
  norm = float(optax.tree.norm(slope))
  assert float(metrics['grad_norm']) == pytest.approx(norm, rel=1e-5)
  assert int(state['step']) == 1
  assert float(metrics['learning_rate']) == 0.5
  assert int(metrics['skipped']) == int(metrics['streak']) == 0


@pytest.mark.parametrize(('parts', 'rows'), [(2, 8), (4, 32)])
def test_accumulation_equals_the_large_batch(parts, rows):
  batches = [toy.batch(seed, rows=rows) for seed in range(3)]
  whole, one = _run(toy.Toy(), batches)
  cut, two = _run(toy.Toy(), batches, StepConfig(accumulate=parts))
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6),
    whole['params'],
    cut['params'],
  )
  for name in ('loss', 'objective', 'nats', 'grad_norm'):
    np.testing.assert_allclose(one[name], two[name], rtol=1e-6)
  for name in ('counts', 'correct', 'tokens'):
    np.testing.assert_array_equal(one[name], two[name])


def test_parts_must_divide_the_rows():
  with pytest.raises(ConfigError, match='accumulate: 3 parts'):
    _run(toy.Toy(), [toy.batch(0, rows=4)], StepConfig(accumulate=3))


def test_dropout_differs_by_step_and_repeats_with_the_seed():
  model = toy.Toy(dropout=0.5)
  same = [toy.batch(0)] * 2
  still = optax.sgd(0.0)
  first = _run(model, same[:1], optimizer=still)[1]['loss']
  second = _run(model, same, optimizer=still)[1]['loss']
  again = _run(model, same, optimizer=still)[1]['loss']
  assert float(first) != float(second)
  assert float(second) == float(again)


def test_augmentation_comes_before_the_targets():
  def shift(batch, key, step):
    assert key.shape == step.shape == ()
    ids = jnp.where(batch['ids'] > 0, batch['ids'] % 4 + 1, 0)
    return batch | {'ids': ids}

  batch = toy.batch(2)
  moved = batch | {'ids': np.where(batch['ids'] > 0, batch['ids'] % 4 + 1, 0)}
  _, augmented = _run(toy.Toy(), [batch], augment=shift)
  _, plain = _run(toy.Toy(), [moved])
  assert float(augmented['loss']) == pytest.approx(float(plain['loss']))


def test_a_step_that_is_not_finite_is_skipped():
  optimizer = optax.sgd(1e30)
  batches = [toy.batch(seed) for seed in range(3)]
  before, _ = _run(toy.Toy(), batches[:1], optimizer=optimizer)
  after, metrics = _run(toy.Toy(), batches, optimizer=optimizer)
  jax.tree.map(np.testing.assert_array_equal, before['params'], after['params'])
  assert int(after['step']) == 3
  assert int(after['guard']['streak']) == int(metrics['streak']) == 2
  assert int(metrics['skipped']) == 1
  assert float(metrics['objective']) == 0


def test_the_state_is_donated_and_nothing_is_compiled_twice():
  config = optimizer_lib.OptimizerConfig()
  optimizer, schedule = optimizer_lib.build(config, 10)
  state = state_lib.create(toy.Toy(), optimizer, seed=0)
  step = steps.make_train_step(toy.Toy(), optimizer, schedule)
  given = state['params']['head']['0']['kernel']
  for seed in range(3):
    state, _ = step(state, toy.batch(seed))
  assert given.is_deleted()
  assert step._cache_size() == 1


def test_evaluation_counts_as_training_does_without_dropout():
  model, batch = toy.Toy(dropout=0.5), toy.batch(4)
  state = state_lib.create(model, optax.sgd(0.5), seed=1)
  sums = steps.make_eval_step(model)(state['params'], batch)
  expected = float(_slow_loss(state['params'], batch))
  loss = float(sums['nats'].sum() / sums['counts'].sum())
  assert loss == pytest.approx(expected, rel=1e-6)


@pytest.fixture(scope='module')
def devices(repository):
  """Returns what `two_devices` found on one device, and on two."""
  done = subprocess.run(
    [sys.executable, '-m', 'tests.training.two_devices'],
    cwd=repository,
    capture_output=True,
    text=True,
    timeout=500,
  )
  assert done.returncode == 0, done.stderr
  found = json.loads(done.stdout)
  assert found.pop('devices') == 2
  return found


@pytest.mark.parametrize('name', ['data', 'fsdp'])
@pytest.mark.parametrize('figure', ['losses', 'norms', 'loss', 'perplexity'])
def test_two_devices_equal_one(devices, name, figure):
  expected = pytest.approx(devices['one'][figure], rel=1e-5)
  assert devices[name][figure] == expected


def test_counts_are_those_of_the_whole_batch(devices):
  tokens = {found['tokens'] for found in devices.values()}
  assert len(tokens) == 1
  accuracies = [found['accuracy'] for found in devices.values()]
  assert max(accuracies) - min(accuracies) < 0.02


def test_fsdp_holds_a_part_of_each_moment_on_a_device(devices):
  whole, part = devices['data']['shard'], devices['fsdp']['shard']
  assert part == [whole[0] // 2, whole[1]]


def test_nothing_is_compiled_twice(devices):
  assert {found['compiled'] for found in devices.values()} == {1}


def test_fewer_than_one_part_is_refused():
  with pytest.raises(ConfigError, match='accumulate: 0'):
    StepConfig(accumulate=0)
