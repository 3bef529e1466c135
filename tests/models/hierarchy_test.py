import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from aurl_jax.core.errors import ConfigError
from aurl_jax.models.config import ModelConfig
from aurl_jax.models.hierarchy import Hierarchy

CONFIG = ModelConfig(
  width=16,
  heads=2,
  layers=1,
  context=256,
  dropout=0.2,
  pattern='hierarchy',
  bar_layers=1,
  piece_layers=2,
  piece_bars=64,
)
T = 90


def build(**changes):
  module = Hierarchy(dataclasses.replace(CONFIG, **changes), jax.random.key(0))
  # Initial weights are small, and what they hide is hard to see.
  grow = lambda x: x * 5 if x.ndim > 1 else x  # noqa: E731
  state = jax.tree.map(grow, nnx.state(module))
  return nnx.merge(nnx.graphdef(module), state)


def run(module, x, bars, segments, key=None):
  return jax.jit(functools.partial(apply, module))(x, bars, segments, key)


def apply(module, x, bars, segments, key=None):
  others = jnp.zeros_like(bars)
  coordinates = jnp.stack([bars] + 4 * [others], axis=-1)
  return module(x, segments, key=key, coordinates=coordinates)


@pytest.fixture(scope='module')
def music():
  """Bars of one to six steps, two segments in the second row."""
  rng = np.random.default_rng(0)
  new = rng.random((2, T)) < 0.3
  bars = np.cumsum(new * rng.integers(1, 4, new.shape), axis=1)
  segments = np.ones((2, T), np.int32)
  segments[1, 50:] = 2
  bars[1, 50:] -= bars[1, 50]
  x = rng.normal(size=(2, T, 16)).astype(np.float32)
  return jnp.asarray(x), jnp.asarray(bars, jnp.int32), jnp.asarray(segments)


@pytest.mark.parametrize('room', [64, 5])
def test_a_step_sees_no_later_step(music, room):
  x, bars, segments = music
  module = build(piece_bars=room)
  plain = run(module, x, bars, segments)
  for cut in (1, 30, 64, 77):
    moved = run(module, x.at[:, cut:].add(1), bars, segments)
    np.testing.assert_allclose(moved[:, :cut], plain[:, :cut], atol=1e-6)
    assert (jnp.abs(moved - plain)[:, cut:].max(-1) > 1e-4).all()


def test_a_step_sees_its_bar_and_every_bar_before_it(music):
  x, bars, segments = music
  module = build()

  def reach(x, at):
    return apply(module, x, bars[:1], segments[:1])[0, at]

  at = T - 1
  grads = jax.jit(jax.jacrev(reach), static_argnums=1)(x[:1], at)
  assert (jnp.abs(grads).max((0, 1, 3)) > 1e-9).all()


@pytest.mark.slow
def test_bars_past_the_room_see_those_in_it_and_themselves(music):
  x, bars, segments = music
  module = build(piece_bars=5)
  slots = np.cumsum(np.diff(bars[0], prepend=bars[0, 0]) > 0)

  def reach(x):
    return apply(module, x, bars[:1], segments[:1])[0, T - 1]

  grads = np.abs(jax.jit(jax.jacrev(reach))(x[:1])).max((0, 1, 3))
  seen = (slots < 5) | (slots == slots[-1])
  np.testing.assert_array_equal(grads > 1e-9, seen)


def test_segments_do_not_see_each_other(music):
  x, bars, segments = music
  module = build()
  whole = run(module, x, bars, segments)
  alone = run(module, x[1:, 50:], bars[1:, 50:], segments[1:, 50:])
  np.testing.assert_allclose(whole[1:, 50:], alone, atol=1e-5)


def test_bars_of_any_number_keep_their_distance(music):
  x, bars, segments = music
  module = build()
  plain = run(module, x, bars, segments)
  # Rotary positions are relative; a wider rest is another piece of music.
  np.testing.assert_allclose(
    run(module, x, bars + 7, segments), plain, atol=2e-5
  )
  wider = bars + 20 * (bars > 12)
  assert not np.allclose(run(module, x, wider, segments), plain, atol=1e-3)


@pytest.mark.slow
def test_remat_and_dropout(music):
  x, bars, segments = music
  key = jax.random.key(1)

  def loss(module):
    def value(x):
      return (apply(module, x, bars, segments, key) ** 3).sum()

    return jax.jit(jax.value_and_grad(value))(x)

  plain = loss(build())
  for ours, other in zip(plain, loss(build(remat='full')), strict=True):
    np.testing.assert_allclose(ours, other, rtol=1e-4, atol=1e-4)
  without = run(build(), x, bars, segments)
  assert not np.allclose(plain[0], (without**3).sum(), rtol=1e-2)


def test_gradient_reaches_every_parameter(music):
  x, bars, segments = music
  module = build()
  graph = nnx.graphdef(module)

  def value(state):
    out = apply(nnx.merge(graph, state), x, bars, segments)
    return (out**3).sum()

  grads = jax.jit(jax.grad(value))(nnx.state(module))
  for leaf in jax.tree.leaves(grads):
    assert np.isfinite(leaf).all()
    assert np.abs(leaf).max() > 0


def test_places_are_needed(music):
  x, _, segments = music
  with pytest.raises(ConfigError, match="'hierarchy' needs the place"):
    build()(x, segments)
