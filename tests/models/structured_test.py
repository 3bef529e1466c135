"""Bar-structured attention against plain loops in float64."""

import functools
import json
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aurl_jax.models import bar_plan, structured

NEAR = (0, 1, 2, 4, 8, 12, 16, 24, 32)
TILE = 8


def layout(t, b=2, seed=0, most=7):
  """Odd bars, one-step bars, empty bars, packed segments, padding."""
  rng = np.random.default_rng(seed)
  bars, segments = np.zeros((2, b, t), np.int32)
  for row in range(b):
    at, bar, segment = 0, 0, 1
    while at < t:
      steps = min(int(rng.integers(1, most)), t - at)
      bars[row, at : at + steps] = bar
      segments[row, at : at + steps] = segment
      bar += 1 + (rng.random() < 0.2) * int(rng.integers(1, 40))
      at += steps
      if rng.random() < 0.03:
        bar, segment = 0, segment + 1
    if row == b - 1:
      bars[row, t - t // 9 :] = segments[row, t - t // 9 :] = 0
  return bars, segments


def inputs(t, b=2, h=2, k=4, seed=0, most=7):
  rng = np.random.default_rng(seed)
  arrays = rng.normal(size=(4, b, h, t, k)).astype(np.float32)
  query = rng.normal(size=(h, k)).astype(np.float32)
  bars, segments = layout(t, b, seed, most)
  return tuple(map(jnp.asarray, (*arrays, query, bars, segments)))


def by_loops(q, k, v, query, bars, segments, horizon=0):
  q, k, v, query = (np.asarray(x, float) for x in (q, k, v, query))
  bars, segments = np.asarray(bars), np.asarray(segments)
  b, h, t, width = q.shape
  out = np.zeros(q.shape)
  for row, head in np.ndindex(b, h):
    # Of each bar of each segment: its steps, its summary.
    steps, summary = {}, {}
    for at in range(t):
      place = (segments[row, at], bars[row, at])
      steps.setdefault(place, []).append(at)
    for place, members in steps.items():
      values = v[row, head, members]
      raw = values @ query[head] / np.sqrt(width)
      weight = np.exp(10 * np.tanh(raw / 10))[:, None]
      summary[place] = [
        (weight * x[row, head, members]).sum(0) / weight.sum() for x in (k, v)
      ]
    for at in range(t):
      segment, bar = segments[row, at], bars[row, at]
      keys, values = [], []
      with_steps = list(steps)
      here = with_steps.index((segment, bar))
      for number, ((its, other), members) in enumerate(steps.items()):
        if its != segment or other > bar:
          continue
        if bar - other in NEAR:
          seen = [s for s in members if s <= at]
          keys.extend(k[row, head, seen])
          values.extend(v[row, head, seen])
        elif not horizon or here - number <= horizon:
          keys.append(summary[its, other][0])
          values.append(summary[its, other][1])
      raw = np.array(keys) @ q[row, head, at] / np.sqrt(width)
      weight = np.exp(raw - raw.max())
      out[row, head, at] = weight @ np.array(values) / weight.sum()
  return out


@functools.partial(
  jax.jit, static_argnames=('backend', 'chunk', 'tile', 'horizon')
)
def attend(
  q,
  k,
  v,
  query,
  bars,
  segments,
  backend='blocked',
  chunk=3,
  tile=TILE,
  horizon=0,
):
  given = {'bars': bars, 'segments': segments}
  if backend == 'blocked' or horizon:
    given['plan'] = bar_plan.plan(
      bars, segments, chunk=chunk, tile=tile, horizon=horizon
    )
  return structured.attend_bars(q, k, v, query, backend=backend, **given)


@pytest.mark.parametrize('backend', ['naive', 'blocked'])
@pytest.mark.parametrize(('t', 'most'), [(1, 2), (7, 3), (203, 7), (150, 60)])
def test_values_are_those_of_plain_loops(backend, t, most):
  q, k, v, _, *rest = inputs(t, most=most)
  mixed = attend(q, k, v, *rest, backend=backend)
  np.testing.assert_allclose(mixed, by_loops(q, k, v, *rest), atol=1e-5)


@pytest.mark.parametrize('backend', ['naive', 'blocked'])
@pytest.mark.parametrize(('horizon', 'most'), [(5, 7), (3, 2), (20, 2)])
def test_bars_behind_the_horizon_are_not_seen(backend, horizon, most):
  q, k, v, _, *rest = inputs(203, most=most)
  mixed = attend(q, k, v, *rest, backend=backend, horizon=horizon)
  wanted = by_loops(q, k, v, *rest, horizon=horizon)
  np.testing.assert_allclose(mixed, wanted, atol=1e-5)
  assert abs(wanted - by_loops(q, k, v, *rest)).max() > 1e-3


def test_a_horizon_bounds_the_tiles_of_summaries():
  bars = jnp.arange(4096)[None] // 2
  segments = jnp.ones_like(bars)
  most = [
    int(bar_plan.plan(bars, segments, horizon=horizon).numbers.max())
    for horizon in (0, 128)
  ]
  # 2,048 bars are 32 tiles; 128 and those of a tile of queries are 3 or 4.
  assert most[0] - most[1] >= 27


def test_bars_of_one_step_are_seen_and_summarised():
  q, k, v, _, *rest = inputs(120, most=2)
  mixed = attend(q, k, v, *rest)
  np.testing.assert_allclose(mixed, by_loops(q, k, v, *rest), atol=1e-5)


def test_tiles_of_the_usual_size_are_as_exact():
  q, k, v, _, *rest = inputs(300, b=1, most=20)
  mixed = jax.jit(structured.attend_bars)(
    q, k, v, rest[0], bars=rest[1], segments=rest[2]
  )
  np.testing.assert_allclose(mixed, by_loops(q, k, v, *rest), atol=1e-5)


def test_other_layouts_run_through_the_same_program():
  attend(*inputs(203)[:3], *inputs(203)[4:])
  compiled = attend._cache_size()
  for seed, most in ((1, 2), (2, 100), (3, 20)):
    q, k, v, _, *rest = inputs(203, seed=seed, most=most)
    mixed = attend(q, k, v, *rest)
    np.testing.assert_allclose(mixed, by_loops(q, k, v, *rest), atol=1e-5)
  assert attend._cache_size() == compiled


def gradients(run, q, k, v, weight, query, bars, segments):
  def value(q, k, v, query):
    return jnp.sum(run(q, k, v, query, bars, segments) * weight)

  of = jax.value_and_grad(value, argnums=(0, 1, 2, 3))
  return jax.tree.leaves(jax.jit(of)(q, k, v, query))


@pytest.mark.parametrize(('t', 'most'), [(1, 2), (139, 6), (90, 50)])
def test_gradients_are_those_of_naive_attention(t, most):
  given = inputs(t, seed=t, most=most)
  naive = functools.partial(attend, backend='naive')
  for ours, plain in zip(
    gradients(attend, *given), gradients(naive, *given), strict=True
  ):
    np.testing.assert_allclose(ours, plain, atol=1e-5, rtol=1e-4)


def test_gradients_are_finite_differences():
  q, k, v, weight, query, bars, segments = inputs(60)
  found = gradients(attend, q, k, v, weight, query, bars, segments)[1:]
  rng = np.random.default_rng(1)
  given = [q, k, v, query]
  for at, grad in enumerate(found):
    way = rng.normal(size=grad.shape)
    values = []
    for sign in (1, -1):
      moved = [np.asarray(x, float) for x in given]
      moved[at] += sign * 1e-5 * way
      mixed = by_loops(*moved, bars, segments)
      values.append(np.vdot(mixed, weight))
    theirs = (values[0] - values[1]) / 2e-5
    assert np.vdot(grad, way) == pytest.approx(theirs, rel=1e-4, abs=1e-4)


def test_remat_and_scan_change_nothing():
  q, k, v, weight, *rest = inputs(70)
  plain = gradients(attend, q, k, v, weight, *rest)
  again = gradients(jax.checkpoint(attend), q, k, v, weight, *rest)

  def scanned(q, k, v, query, bars, segments):
    def body(total, scale):
      return total + attend(q * scale, k, v, query, bars, segments), None

    zeros = jnp.zeros(q.shape)
    return jax.lax.scan(body, zeros, jnp.ones(3))[0] / 3

  scan = gradients(scanned, q, k, v, weight, *rest)
  for ours, others in zip(plain, zip(again, scan, strict=True), strict=True):
    for other in others:
      np.testing.assert_allclose(ours, other, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize('backend', ['naive', 'blocked'])
def test_a_step_sees_no_later_step(backend):
  q, k, v, _, query, bars, segments = inputs(110, b=1)
  plain = attend(q, k, v, query, bars, segments, backend)
  for cut in (1, 8, 50, 83):
    k_moved, v_moved = (x.at[:, :, cut:].add(1) for x in (k, v))
    moved = attend(q, k_moved, v_moved, query, bars, segments, backend)
    np.testing.assert_array_equal(moved[:, :, :cut], plain[:, :, :cut])
    assert (jnp.abs(moved - plain)[:, :, cut:].max((1, 3)) > 1e-3).all()


def test_segments_do_not_see_each_other():
  q, k, v, _, query, bars, segments = inputs(110, b=1)
  other = segments == segments[0, 55]
  plain = attend(q, k, v, query, bars, segments)
  change = jnp.where(other, 0, 1)[:, None, :, None]
  moved = attend(q, k + change, v + change, query, bars, segments)
  same = np.flatnonzero(other[0])
  np.testing.assert_array_equal(moved[:, :, same], plain[:, :, same])


def test_weights_are_what_each_query_takes_of_each_step():
  q, k, v, _, query, bars, segments = inputs(90)
  found = structured.weights(q, k, v, query, bars=bars, segments=segments)
  np.testing.assert_allclose(found.sum(-1), 1, atol=1e-5)
  mixed = np.einsum('bhqt,bhtk->bhqk', found, v)
  np.testing.assert_allclose(
    mixed, by_loops(q, k, v, query, bars, segments), atol=1e-5
  )
  assert not np.triu(found, 1).any()


def test_large_scores_stay_finite():
  q, k, v, weight, *rest = inputs(60)
  for leaf in gradients(attend, 1e4 * q, k, 1e4 * v, weight, *rest):
    assert np.isfinite(leaf).all()


def test_bfloat16_stays_near_float32():
  q, k, v, _, *rest = inputs(80)
  narrow = [jnp.asarray(x, jnp.bfloat16) for x in (q, k, v)]
  mixed = attend(*narrow, *rest)
  assert mixed.dtype == jnp.bfloat16
  np.testing.assert_allclose(
    mixed.astype(np.float32), by_loops(q, k, v, *rest), atol=0.06
  )


@pytest.mark.slow
def test_rows_split_over_eight_devices_give_the_same():
  done = subprocess.run(
    [sys.executable, '-m', 'tests.models.eight_devices'],
    stdout=subprocess.PIPE,
    check=True,
    text=True,
  )
  found = json.loads(done.stdout)
  assert found['devices'] == 8
  assert found['apart'] < 1e-5
  assert found['gathered'] == 0
