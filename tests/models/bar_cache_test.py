"""A step at a time against the parallel pass."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aurl_jax.models import bar_cache, bar_plan, structured

B, H, T, K = 3, 2, 150, 4


@pytest.fixture(scope='module')
def music():
  """Queries, keys and values, their bars, and rows that start late."""
  rng = np.random.default_rng(0)
  qkv = rng.normal(size=(3, B, H, T, K)).astype(np.float32)
  qkv = jnp.asarray(qkv)
  query = jnp.asarray(rng.normal(size=(H, K)), jnp.float32)
  start = np.array([0, 5, 17])
  new = rng.random((B, T)) < 0.4
  skipped = rng.random((B, T)) < 0.05
  bars = np.cumsum(new * (1 + 9 * skipped), axis=1)
  late = np.arange(T) < start[:, None]
  bars = np.where(late, 0, bars - bars[np.arange(B), start][:, None])
  bars = jnp.asarray(bars, jnp.int32)
  segments = jnp.asarray(1 - late, jnp.int32)
  whole = structured.attend_bars(
    *qkv, query, bars=bars, segments=segments, backend='naive'
  )
  return qkv, query, bars, segments, start, whole


def prefilled(music, cut, length):
  qkv, query, bars, segments, *_ = music
  prompt = tuple(x[:, :, :cut] for x in qkv)
  return prefill(prompt, query, bars[:, :cut], segments[:, :cut], length)


@functools.partial(jax.jit, static_argnames='length')
def prefill(prompt, query, bars, segments, length):
  plan = bar_plan.plan(bars, segments, tile=8)
  mixed, layer = bar_cache.prefill(prompt, query, plan, length)
  places = bar_cache.prefill_places(bars, segments, plan, length)
  return mixed, layer, places


@functools.partial(jax.jit, static_argnames=('length', 'horizon'))
def decode(layer, places, qkv, query, bars, first, length, horizon=0):
  def body(state, index):
    layer, places = state
    places = bar_cache.advance(places, bars[:, index], index)
    now = tuple(
      jax.lax.dynamic_slice_in_dim(x, index, 1, 2).reshape(B * H, 1, K)
      for x in qkv
    )
    mixed, layer = bar_cache.step(layer, places, now, query, index, horizon)
    return (layer, places), mixed.reshape(B, H, K)

  numbers = first + jnp.arange(length)
  return jax.lax.scan(body, (layer, places), numbers)[1].transpose(1, 2, 0, 3)


def same(found, whole, start, first):
  for row in range(B):
    low = max(first, start[row])
    np.testing.assert_allclose(
      found[row, :, low - first :], whole[row, :, low:], atol=1e-5
    )


@pytest.mark.parametrize('cut', [18, 64, 101])
def test_steps_after_a_prompt_are_those_of_the_parallel_pass(music, cut):
  qkv, query, bars, _, start, whole = music
  mixed, layer, places = prefilled(music, cut, T)
  same(mixed, whole[:, :, :cut], start, 0)
  found = decode(layer, places, qkv, query, bars, cut, T - cut)
  same(found, whole, start, cut)


def test_steps_from_nothing_are_those_of_the_parallel_pass(music):
  qkv, query, bars, _, _, whole = music
  layer = bar_cache.init_layer(B * H, T, K, 'float32')
  places = bar_cache.init_places(B, T)
  found = decode(layer, places, qkv, query, bars, 0, T)
  # The other rows are padded in front, which nothing says here.
  np.testing.assert_allclose(found[0], whole[0], atol=1e-5)


def test_a_step_sees_as_far_as_the_parallel_pass(music):
  qkv, query, bars, segments, start, whole = music
  near = structured.attend_bars(
    *qkv,
    query,
    bars=bars,
    segments=segments,
    plan=bar_plan.plan(bars, segments, tile=8, horizon=6),
  )
  assert abs(near - whole)[0].max() > 1e-3
  _, layer, places = prefilled(music, 18, T)
  found = decode(layer, places, qkv, query, bars, 18, T - 18, horizon=6)
  same(found, near, start, 18)


def test_room_can_grow(music):
  qkv, query, bars, _, start, whole = music
  _, layer, places = prefilled(music, 30, 40)
  decode_to_40 = functools.partial(decode, qkv=qkv, query=query, bars=bars)
  assert layer.keys.shape == (B * H, 40, K)
  layer = bar_cache.grow_layer(layer, T)
  places = bar_cache.grow_places(places, T)
  found = decode_to_40(layer, places, first=30, length=T - 30)
  same(found, whole, start, 30)


def test_a_step_writes_its_own_places_only(music):
  qkv, query, _, _, _, _ = music
  _, layer, places = prefilled(music, 30, 64)
  bar = places.slot_bars[jnp.arange(B), places.slot] + 1
  places = bar_cache.advance(places, bar, jnp.int32(30))
  now = tuple(x[:, :, 30].reshape(B * H, 1, K) for x in qkv)
  _, after = bar_cache.step(layer, places, now, query, jnp.int32(30))
  moved = (after.keys != layer.keys).any((0, 2))
  assert np.flatnonzero(moved).tolist() == [30]
  moved = (after.mass != layer.mass).any(0)
  assert set(np.flatnonzero(moved)) == set(np.asarray(places.slot))
