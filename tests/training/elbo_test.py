"""The weight of the divergence, and what it does to a model."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aurl_jax.core.errors import ConfigError
from aurl_jax.models import Model, ModelConfig
from aurl_jax.models.config import LatentConfig
from aurl_jax.training import elbo, losses
from aurl_jax.training import optimizer as optimizer_lib
from aurl_jax.training import state as state_lib
from aurl_jax.training import steps as steps_lib
from aurl_jax.training.elbo import ElboConfig
from aurl_jax.training.options import StepConfig
from aurl_jax.training.terms import Beside, Terms
from tests.models.counting import Counting

SIZES = (9, 6)
CONFIG = ModelConfig(
  mode='vae',
  width=16,
  heads=2,
  layers=1,
  context=12,
  head_width=8,
  dropout=0.0,
  latent=LatentConfig(slot=3, piece=2, slots=6, layers=1, drop=0.3),
)
MODEL = Model.build(CONFIG, SIZES, Counting.of(SIZES))


def batch(rows=4):
  rng = np.random.default_rng(0)
  ids = np.stack([rng.integers(1, n, (rows, 12)) for n in SIZES], -1)
  segments = np.ones((rows, 12), np.int32)
  segments[0, 8:] = 0
  ids[0, 8:] = 0
  return {
    'ids': jnp.asarray(ids, jnp.int32),
    'segments': jnp.asarray(segments),
    'positions': jnp.broadcast_to(jnp.arange(12), (rows, 12)),
  }


def test_schedules_by_hand():
  linear = ElboConfig(beta=0.4, schedule='linear', ramp=10)
  assert [round(float(linear.weight(s)), 6) for s in (0, 5, 10, 99)] == [
    0.0,
    0.2,
    0.4,
    0.4,
  ]
  constant = ElboConfig(beta=0.4)
  assert (
    float(constant.weight(0)) == float(constant.weight(7)) == np.float32(0.4)
  )
  cycles = ElboConfig(beta=2.0, schedule='cyclical', ramp=4)
  assert [float(cycles.weight(s)) for s in range(9)] == [
    *(0.0, 1.0, 2.0, 2.0) * 2,
    0.0,
  ]


@pytest.mark.parametrize(
  ('changes', 'said'),
  [
    ({'schedule': 'sometimes'}, 'constant, linear, cyclical'),
    ({'beta': -1.0}, '0 or more'),
    ({'free_bits': float('nan')}, '0 or more'),
    ({'schedule': 'linear'}, '1 or more; ramp is 0'),
  ],
)
def test_bad_values_are_refused(changes, said):
  with pytest.raises(ConfigError) as info:
    ElboConfig(**changes)
  assert said in str(info.value)


def test_free_bits_and_sums_by_hand():
  aux = {
    'kl_slots': jnp.array([[[0.5, 0.05]], [[0.2, 0.0]]]),
    'kl_piece': jnp.array([[1.0], [0.08]]),
  }
  assert float(elbo.excess(aux, 0.1)) == pytest.approx(0.4 + 0.1 + 0.9)
  assert float(elbo.excess(aux, 0.0)) == pytest.approx(1.83)
  # The second row is padding and counts nothing.
  segments = jnp.array([[1, 1], [0, 0]])
  found = elbo.sums(aux, segments, jnp.array([3.0, 4.0]))
  np.testing.assert_allclose(found['ratio/kl'], [1.55, 1], rtol=1e-6)
  np.testing.assert_allclose(found['ratio/elbo'], [8.55, 1], rtol=1e-6)


def test_the_loss_is_nats_plus_beta_times_the_divergence():
  terms = Terms(MODEL, StepConfig(elbo=ElboConfig(free_bits=0.01)))
  params, rows = MODEL.init(jax.random.key(0)), batch()
  found, sums = jax.jit(terms)(params, rows, None)
  outputs, targets = terms.outputs(params, rows, None)
  nats = losses.sums(outputs.logits, targets)['nats'].sum()
  over = [np.maximum(np.asarray(x) - 0.01, 0) for x in outputs.aux.values()]
  excess = sum(part.sum() for part in over)
  total = terms.total(Beside(2.0, {}, 0.5), found)
  wanted = 2 * (float(nats) + 0.5 * float(excess))
  assert float(total) == pytest.approx(wanted, rel=1e-5)
  assert float(sums['ratio/kl'][1]) == 4


def test_the_gradient_is_the_numeric_one():
  terms = Terms(MODEL, StepConfig())
  params, rows = MODEL.init(jax.random.key(0)), batch(2)
  key = jax.random.key(5)

  @jax.jit
  def loss(params):
    return terms.total(Beside(1.0, {}, 0.7), terms(params, rows, key)[0])

  grads = jax.grad(loss)(params)
  rng = np.random.default_rng(1)
  for path in (('encoder', 'slot', 'kernel'), ('embed', 'tables', '0')):
    own, grad = params, grads
    for name in path:
      own, grad = own[name], grad[name]
    direction = jnp.asarray(rng.normal(size=own.shape), jnp.float32)

    def moved(size, path=path, direction=direction):
      return jax.tree_util.tree_map_with_path(
        lambda at, x: (
          x + size * direction if tuple(k.key for k in at) == path else x
        ),
        params,
      )

    numeric = (loss(moved(4e-3)) - loss(moved(-4e-3))) / 8e-3
    assert float(numeric) == pytest.approx(
      float((grad * direction).sum()), rel=2e-2, abs=2e-2
    )


@pytest.mark.parametrize(('beta', 'collapses'), [(50.0, True), (0.0, False)])
def test_a_large_beta_empties_the_latents(beta, collapses):
  config = optimizer_lib.OptimizerConfig(learning_rate=0.01, warmup_steps=5)
  optimizer, schedule = optimizer_lib.build(config, 80)
  options = StepConfig(elbo=ElboConfig(beta=beta))
  step = steps_lib.make_train_step(MODEL, optimizer, schedule, options)
  state = state_lib.create(MODEL, optimizer, seed=0, options=options)
  for _ in range(80):
    state, metrics = step(state, batch())
  kl = float(metrics['ratio/kl'][0]) / 4
  assert (kl < 0.05) == collapses
  assert collapses or kl > 1
