"""Loss scaling: the scale's walk, and that it changes no gradient."""

import dataclasses
import types

import jax.numpy as jnp
import numpy as np
import optax
import pytest

from aurl_jax.core.errors import ConfigError
from aurl_jax.training import guard, scaling, steps
from aurl_jax.training import state as state_lib
from aurl_jax.training.guard import GuardConfig
from aurl_jax.training.options import StepConfig
from aurl_jax.training.scaling import ScalingConfig
from tests.training import faulty, toy


def _walk(config, finite):
  scale, values = scaling.init(config), []
  for one in finite:
    scale = scaling.update(config, scale, jnp.bool_(one))
    values.append(float(scale['value']))
  return values


def test_halves_at_an_overflow_and_doubles_after_many_good_steps():
  config = ScalingConfig(loss_scale=8.0, loss_scale_steps=3)
  walk = _walk(config, [0, 1, 1, 0, 1, 1, 1, 1, 1, 1])
  assert walk == [4, 4, 4, 2, 2, 2, 4, 4, 4, 8]


def test_stays_between_its_bounds():
  config = ScalingConfig(loss_scale=2.0, loss_scale_steps=1)
  assert _walk(config, [0, 0, 0]) == [1, 1, 1]
  assert max(_walk(config, [1] * 40)) == 2.0**24


@dataclasses.dataclass(frozen=True)
class Faint(toy.Toy):
  """The toy in a dtype, its products times so little that gradients fade."""

  dtype: str = 'float32'

  def apply(self, params, ids, segments, positions, targets, key=None):
    low = lambda x: x.astype(self.dtype)  # noqa: E731
    x = low(sum(params['embed'][str(f)][ids[..., f]] for f in range(2)))
    logits = tuple(
      1e-6 * (x @ low(head['kernel'])).astype(jnp.float32) + head['bias']
      for head in (params['head']['0'], params['head']['1'])
    )
    return types.SimpleNamespace(logits=logits)


def _run(model, count, options, rate=0.5, make=toy.batch):
  optimizer = optax.sgd(rate)
  state = state_lib.create(model, optimizer, seed=1, options=options)
  step = steps.make_train_step(model, optimizer, lambda _: rate, options)
  found = []
  for seed in range(count):
    state, metrics = step(state, make(seed))
    found.append(faulty.arrays(metrics))
  return state, found


def _options(loss_scale, **guards):
  return StepConfig(
    scaling=ScalingConfig(loss_scale=loss_scale),
    guard=GuardConfig(**guards),
  )


@pytest.mark.parametrize('loss_scale', [1.0, 2.0**15])
def test_the_scale_changes_no_gradient(loss_scale):
  plain, _ = _run(toy.Toy(), 4, StepConfig())
  scaled, found = _run(toy.Toy(), 4, _options(loss_scale))
  faulty.same(faulty.arrays(plain['params']), faulty.arrays(scaled['params']))
  assert [float(m['loss_scale']) for m in found] == [loss_scale] * 4


def test_small_gradients_survive_float16_only_when_scaled():
  def moved(dtype, loss_scale):
    model, optimizer = Faint(dtype=dtype), optax.sgd(1e6)
    before = state_lib.create(model, optimizer, seed=1)['params']
    after, _ = _run(model, 1, _options(loss_scale), rate=1e6)
    return np.asarray(after['params']['embed']['0'] - before['embed']['0'])

  expected = moved('float32', 1.0)
  assert np.abs(expected).max() > 1e-3
  lost, kept = moved('float16', 1.0), moved('float16', 2.0**15)
  assert np.abs(lost - expected).max() > 0.2 * np.abs(expected).max()
  np.testing.assert_allclose(kept, expected, atol=0.01 * np.abs(expected).max())


def test_an_overflow_skips_and_shrinks_and_is_no_streak():
  def make(seed):
    return faulty.batch(seed, kind='gradient' if 2 <= seed < 5 else None)

  model = faulty.Faulty()
  state, found = _run(model, 8, _options(2.0**10, rollback_after=2), make=make)
  scales = [float(m['loss_scale']) for m in found]
  assert scales == [1024, 1024, 512, 256, 128, 128, 128, 128]
  assert [int(m['skipped']) for m in found] == [0, 0, 1, 1, 1, 0, 0, 0]
  assert all(int(m['streak']) == 0 for m in found)
  assert int(found[2]['cause']) == guard.OVERFLOW
  assert int(state['guard']['skipped']) == 3


def test_at_the_floor_an_overflow_is_one_of_a_streak():
  def make(seed):
    return faulty.batch(seed, kind='nan')

  _, found = _run(faulty.Faulty(), 4, _options(2.0), make=make)
  assert [int(m['streak']) for m in found] == [0, 1, 2, 3]


@pytest.mark.parametrize(
  'wrong', [{'loss_scale': 0.5}, {'loss_scale': 1e9}, {'loss_scale_steps': 0}]
)
def test_a_wrong_value_names_its_key(wrong):
  with pytest.raises(ConfigError, match=next(iter(wrong))):
    ScalingConfig(**wrong)
