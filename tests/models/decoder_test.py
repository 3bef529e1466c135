import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from aurl_jax.core.errors import ConfigError
from aurl_jax.models.config import ModelConfig
from aurl_jax.models.decoder import Decoder

CONFIG = ModelConfig(width=32, heads=2, layers=3, context=8, dropout=0.2)


def build(**changes):
  fields = {**CONFIG.__dict__, **changes}
  return Decoder(ModelConfig(**fields), jax.random.key(0))


def row(t=6):
  x = jax.random.normal(jax.random.key(1), (2, t, 32))
  return x, jnp.ones((2, t), jnp.int32), jnp.tile(jnp.arange(t), (2, 1))


def test_a_step_sees_no_later_step():
  x, segments, positions = row()
  run = jax.jit(build())
  plain = run(x, segments, positions)
  changed = run(x.at[:, 4].add(1), segments, positions)
  np.testing.assert_allclose(changed[:, :4], plain[:, :4], atol=1e-6)
  assert (jnp.abs(changed - plain)[:, 4:].max(-1) > 1e-4).all()


WAYS = (
  {'scan': True},
  {'remat': 'full'},
  {'remat': 'dots', 'scan': True},
  {'remat': 'attention'},
  {'attention': 'naive'},
)
OPTIONS = (
  {'kv_heads': 1, 'window': 4},
  {'positions': 'relative', 'relative': 3},
  {'positions': 'barwise'},
  {'positions': 'musical'},
  {'pattern': 'bars'},
)


@pytest.mark.parametrize(
  ('changes', 'options'),
  [
    *((way, {}) for way in WAYS),
    *(
      pytest.param(way, option, marks=pytest.mark.slow)
      for way in (
        {'remat': 'attention', 'scan': True},
        {'remat': 'full', 'attention': 'naive'},
      )
      for option in OPTIONS
    ),
  ],
)
def test_ways_of_running_give_equal_results(changes, options):
  x, segments, positions = row()
  places = jax.random.randint(jax.random.key(4), (2, 6, 5), 0, 60)
  key = jax.random.key(2)

  def run(decoder):
    graph, state = nnx.split(decoder)

    def value(x, state):
      hidden = nnx.merge(graph, state)(x, segments, positions, key, places)
      return jnp.sum(hidden**3)

    return jax.jit(jax.value_and_grad(value, argnums=(0, 1)))(x, state)

  ours, plain = run(build(**options | changes)), run(build(**options))
  for x, y in zip(jax.tree.leaves(ours), jax.tree.leaves(plain), strict=True):
    np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize('attention', ['naive', 'blocked'])
def test_a_step_sees_no_step_before_its_window(attention):
  x, segments, positions = row(8)
  # With one layer: others see by way of what the steps between have seen.
  run = jax.jit(build(window=3, layers=1, attention=attention))
  plain = run(x, segments, positions)
  changed = run(x.at[:, 2].add(1), segments, positions)
  moved = jnp.abs(changed - plain).max((0, 2)) > 1e-4
  assert moved.tolist() == [False] * 2 + [True] * 3 + [False] * 3


@pytest.mark.parametrize('name', ['barwise', 'musical'])
def test_positions_in_the_music_ask_for_places(name):
  x, segments, positions = row()
  with pytest.raises(ConfigError, match='Places of its tokenizer'):
    build(positions=name)(x, segments, positions)


def test_dropout_follows_its_key():
  x, segments, positions = row()
  decoder = jax.jit(build())
  one, again, other = (
    decoder(x, segments, positions, jax.random.key(seed)) for seed in (3, 3, 4)
  )
  np.testing.assert_array_equal(one, again)
  assert not np.allclose(one, other)
  assert not np.allclose(one, decoder(x, segments, positions))
