import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aurl_jax.models.config import ModelConfig
from aurl_jax.models.decoder import Decoder

CONFIG = ModelConfig(width=16, heads=2, layers=3, context=8, dropout=0.2)


def build(**changes):
  fields = {**CONFIG.__dict__, **changes}
  return Decoder(ModelConfig(**fields), jax.random.key(0))


def row(t=6):
  x = jax.random.normal(jax.random.key(1), (2, t, 16))
  return x, jnp.ones((2, t), jnp.int32), jnp.tile(jnp.arange(t), (2, 1))


def test_a_step_sees_no_later_step():
  x, segments, positions = row()
  run = jax.jit(build())
  plain = run(x, segments, positions)
  changed = run(x.at[:, 4].add(1), segments, positions)
  np.testing.assert_allclose(changed[:, :4], plain[:, :4], atol=1e-6)
  assert (jnp.abs(changed - plain)[:, 4:].max(-1) > 1e-4).all()


@pytest.mark.parametrize(
  'changes',
  [
    {'scan': True},
    {'remat': 'full'},
    {'remat': 'dots', 'scan': True},
    {'attention': 'naive'},
  ],
)
def test_ways_of_running_give_equal_results(changes):
  x, segments, positions = row()
  key = jax.random.key(2)

  def run(decoder):
    value = lambda x: (  # noqa: E731
      jnp.sum(decoder(x, segments, positions, key) ** 3)
    )
    return jax.jit(jax.value_and_grad(value))(x)

  for ours, plain in zip(run(build(**changes)), run(build()), strict=True):
    np.testing.assert_allclose(ours, plain, rtol=1e-4, atol=1e-4)


def test_dropout_follows_its_key():
  x, segments, positions = row()
  decoder = jax.jit(build())
  one, again, other = (
    decoder(x, segments, positions, jax.random.key(seed)) for seed in (3, 3, 4)
  )
  np.testing.assert_array_equal(one, again)
  assert not np.allclose(one, other)
  assert not np.allclose(one, decoder(x, segments, positions))
