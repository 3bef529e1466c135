"""Every backend against plain loops in float64."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aurl_jax.models import attention

BACKENDS = ('naive', 'blocked', 'fused')


@functools.partial(jax.jit, static_argnames='backend')
def attend(q, k, v, segments, backend='auto'):
  return attention.attend(q, k, v, segments=segments, backend=backend)


def inputs(t, b=2, h=2, k=4, seed=0):
  rng = np.random.default_rng(seed)
  q, k, v, weight = rng.normal(size=(4, b, h, t, k)).astype(np.float32)
  lengths = rng.integers(1, t, size=b)
  segments = np.ones((b, t), np.int32)
  for row, length in enumerate(lengths):
    segments[row, length:] = 2
    segments[row, length + (t - length) // 2 :] = 0
  return tuple(map(jnp.asarray, (q, k, v, weight, segments)))


def by_loops(*arrays):
  q, k, v, segments = map(np.asarray, arrays)
  b, h, t, width = q.shape
  out = np.zeros(q.shape)
  for row, head, at in np.ndindex(b, h, t):
    seen = [s for s in range(at + 1) if segments[row, s] == segments[row, at]]
    scores = k[row, head, seen].astype(float) @ q[row, head, at]
    weights = np.exp(scores / np.sqrt(width))
    out[row, head, at] = weights / weights.sum() @ v[row, head, seen]
  return out


@pytest.mark.parametrize('backend', BACKENDS)
@pytest.mark.parametrize('t', [1, 7, 37])
def test_values_are_those_of_plain_loops(backend, t):
  q, k, v, _, segments = inputs(t) if t > 1 else inputs(2)
  q, k, v, segments = q[:, :, :t], k[:, :, :t], v[:, :, :t], segments[:, :t]
  mixed = attend(q, k, v, segments, backend)
  np.testing.assert_allclose(mixed, by_loops(q, k, v, segments), atol=1e-5)


@pytest.mark.parametrize('backend', ['blocked', 'fused'])
@pytest.mark.parametrize('t', [5, 150])
def test_gradients_are_those_of_naive_attention(backend, t):
  q, k, v, weight, segments = inputs(t, seed=t)

  def loss(backend):
    def value(q, k, v):
      mixed = attend(q, k, v, segments, backend)
      return jnp.sum(mixed * weight)

    return jax.jit(jax.value_and_grad(value, argnums=(0, 1, 2)))(q, k, v)

  for ours, plain in zip(
    jax.tree.leaves(loss(backend)), jax.tree.leaves(loss('naive')), strict=True
  ):
    np.testing.assert_allclose(ours, plain, atol=2e-5, rtol=1e-4)


def test_naive_gradients_are_finite_differences():
  q, k, v, weight, segments = inputs(5)

  @jax.jit
  def value(k):
    mask = attention.visible(segments)
    return jnp.sum(attention.naive(q, k, v, mask) * weight)

  direction = np.random.default_rng(1).normal(size=k.shape).astype(np.float32)
  ours = np.vdot(jax.grad(value)(k), direction)
  step = 1e-2
  theirs = (value(k + step * direction) - value(k - step * direction)) / (
    2 * step
  )
  assert ours == pytest.approx(float(theirs), rel=1e-2)


@pytest.mark.parametrize('backend', ['naive', 'blocked'])
def test_large_scores_stay_finite(backend):
  q, k, v, _, segments = inputs(16)
  total = lambda q: attend(q, k, v, segments, backend).sum()  # noqa: E731
  value, grad = jax.value_and_grad(total)(1e4 * q)
  assert np.isfinite(value)
  assert np.isfinite(grad).all()


@pytest.mark.parametrize('backend', BACKENDS)
def test_bfloat16_stays_near_float32(backend):
  q, k, v, _, segments = inputs(33)
  narrow = [jnp.asarray(x, jnp.bfloat16) for x in (q, k, v)]
  mixed = attend(*narrow, segments, backend)
  assert mixed.dtype == jnp.bfloat16
  np.testing.assert_allclose(
    mixed.astype(np.float32), by_loops(q, k, v, segments), atol=0.05
  )


def test_auto_is_blocked_on_a_cpu():
  q, k, v, _, segments = inputs(20)
  auto = attend(q, k, v, segments)
  blocked = attend(q, k, v, segments, 'blocked')
  np.testing.assert_array_equal(auto, blocked)
