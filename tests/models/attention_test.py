"""Every backend against plain loops in float64."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aurl_jax.core.errors import ConfigError
from aurl_jax.models import attention, fused, windowed
from tests.models.slow_attention import OPTIONS, by_loops, inputs

BACKENDS = ('naive', 'blocked', 'fused')


@functools.partial(jax.jit, static_argnames=('backend', 'window'))
def attend(q, k, v, segments, backend='auto', table=None, window=0):
  return attention.attend(
    q, k, v, segments=segments, backend=backend, window=window, relative=table
  )


def made(option, t, **shape):
  """Inputs of an option, and its window."""
  values = {**OPTIONS[option]}
  window = values.pop('window', 0)
  return inputs(t, seed=t, **values, **shape), window


def able(backend, option):
  return backend != 'fused' or 'relative' not in OPTIONS[option]


CASES = [
  (backend, option)
  for backend in BACKENDS
  for option in OPTIONS
  if able(backend, option)
]


@pytest.mark.parametrize(('backend', 'option'), CASES)
@pytest.mark.parametrize('t', [1, 37])
def test_values_are_those_of_plain_loops(backend, option, t):
  (q, k, v, table, _, segments), window = made(option, t)
  mixed = attend(q, k, v, segments, backend, table, window)
  expected = by_loops(q, k, v, table, segments, window)
  np.testing.assert_allclose(mixed, expected, atol=1e-5)


def gradients(option, t, backend, **shape):
  """Value of a random functional, and its gradients to q, k, v and table."""
  (q, k, v, table, weight, segments), window = made(option, t, **shape)

  @jax.jit
  def value(q, k, v, table):
    return jnp.sum(attend(q, k, v, segments, backend, table, window) * weight)

  argnums = (0, 1, 2) if table is None else (0, 1, 2, 3)
  return jax.tree.leaves(
    jax.value_and_grad(value, argnums=argnums)(q, k, v, table)
  )


@pytest.mark.parametrize(
  ('backend', 'option', 't'),
  [
    *(('blocked', option, 53) for option in OPTIONS),
    ('blocked', 'all', 5),
    ('fused', 'window', 9),
    ('fused', 'grouped', 9),
  ],
)
def test_gradients_are_those_of_naive_attention(backend, option, t):
  ours, plain = (gradients(option, t, name) for name in (backend, 'naive'))
  for x, y in zip(ours, plain, strict=True):
    np.testing.assert_allclose(x, y, atol=1e-5 * max(1, np.abs(y).max()))


@pytest.mark.parametrize('option', ['wide window', 'all'])
def test_many_blocks_of_a_window_are_scanned(option, monkeypatch):
  monkeypatch.setattr(windowed, '_FEWEST', 16)
  laid_out = gradients(option, 71, 'blocked')
  monkeypatch.setattr(windowed, '_UNROLLED', 1)
  jax.clear_caches()
  scanned = gradients(option, 71, 'blocked')
  jax.clear_caches()
  plain = gradients(option, 71, 'naive')
  for x, y, z in zip(laid_out, scanned, plain, strict=True):
    np.testing.assert_allclose(x, y, atol=1e-5 * max(1, np.abs(y).max()))
    np.testing.assert_allclose(y, z, atol=1e-5 * max(1, np.abs(z).max()))


def lowered(t, **options):
  """The program of a gradient over `t` steps, not compiled."""
  q, k, v, table, _, segments = inputs(t, b=1, k=8, **options)
  value = lambda q, k, v, table: jnp.sum(  # noqa: E731
    attend(q, k, v, segments, 'blocked', table, 64)
  )
  return jax.jit(jax.grad(value, argnums=(0, 1, 2))).lower(q, k, v, table)


def test_the_cost_of_a_window_is_linear_in_the_length():
  short, long = (lowered(t).cost_analysis()['flops'] for t in (512, 1024))
  assert long == pytest.approx(2 * short, rel=0.05)


def sizes(jaxpr):
  """Elements of every array that a program makes."""
  for equation in jaxpr.eqns:
    yield from (out.aval.size for out in equation.outvars)
    for value in equation.params.values():
      inner = getattr(value, 'jaxpr', value)
      if hasattr(inner, 'eqns'):
        yield from sizes(inner)


def test_relative_positions_take_no_embedding_for_each_pair_of_steps():
  t, width = 128, 32
  q, k, v, table, _, segments = inputs(t, b=1, h=1, k=width, relative=t)
  run = functools.partial(attend, segments=segments, backend='blocked')
  value = lambda q, k, v, table: jnp.sum(run(q, k, v, table=table))  # noqa: E731
  program = jax.make_jaxpr(jax.grad(value, argnums=3))(q, k, v, table)
  assert max(sizes(program.jaxpr)) <= t * max(t, width)


def test_naive_gradients_are_finite_differences():
  q, k, v, table, weight, segments = inputs(5, relative=3)

  @jax.jit
  def value(k, table):
    mask = attention.visible(segments, 4)
    return jnp.sum(attention.naive(q, k, v, mask, table) * weight)

  rng, step = np.random.default_rng(1), 1e-2
  for number, x in enumerate((k, table)):
    direction = rng.normal(size=x.shape).astype(np.float32)
    ours = np.vdot(jax.grad(value, argnums=number)(k, table), direction)
    moved = [[k, table], [k, table]]
    moved[0][number] = x + step * direction
    moved[1][number] = x - step * direction
    theirs = (value(*moved[0]) - value(*moved[1])) / (2 * step)
    assert ours == pytest.approx(float(theirs), rel=1e-2)


@pytest.mark.parametrize('backend', ['naive', 'blocked'])
@pytest.mark.parametrize('option', ['plain', 'all'])
def test_large_scores_stay_finite(backend, option):
  (q, k, v, table, _, segments), window = made(option, 37)
  total = lambda q: attend(  # noqa: E731
    q, k, v, segments, backend, table, window
  ).sum()
  value, grad = jax.jit(jax.value_and_grad(total))(1e4 * q)
  assert np.isfinite(value)
  assert np.isfinite(grad).all()


@pytest.mark.parametrize(
  ('backend', 'option'),
  [(name, 'grouped') for name in BACKENDS]
  + [('naive', 'all'), ('blocked', 'all')],
)
def test_bfloat16_stays_near_float32(backend, option):
  (q, k, v, table, _, segments), window = made(option, 33)
  narrow = [
    x if x is None else x.astype(jnp.bfloat16) for x in (q, k, v, table)
  ]
  run = lambda q, k, v, table: attend(  # noqa: E731
    q, k, v, segments, backend, table, window
  )
  mixed = run(*narrow)
  assert mixed.dtype == jnp.bfloat16
  expected = by_loops(q, k, v, table, segments, window)
  np.testing.assert_allclose(mixed.astype(np.float32), expected, atol=0.1)
  grad = jax.grad(lambda q: run(q, *narrow[1:]).sum().astype(jnp.float32))
  assert jax.eval_shape(grad, narrow[0]).dtype == jnp.bfloat16


def test_auto_is_blocked_on_a_cpu():
  q, k, v, _, _, segments = inputs(20)
  auto = attend(q, k, v, segments)
  blocked = attend(q, k, v, segments, 'blocked')
  np.testing.assert_array_equal(auto, blocked)


@pytest.mark.parametrize(
  ('platform', 'plain'),
  [('cpu', 'blocked'), ('gpu', 'fused'), ('tpu', 'splash'), ('axon', 'fused')],
)
def test_auto_goes_by_platform_and_by_what_is_asked(
  platform, plain, monkeypatch
):
  monkeypatch.setattr(jax, 'default_backend', lambda: platform)
  assert attention.chosen('auto') == plain
  assert attention.chosen('auto', relative=True) == 'blocked'
  assert attention.chosen('naive') == 'naive'


@pytest.mark.parametrize('backend', ['fused', 'splash'])
def test_kernels_refuse_relative_positions(backend):
  q, k, v, table, _, segments = inputs(5, relative=5)
  with pytest.raises(ConfigError, match="'auto'"):
    attend(q, k, v, segments, backend, table)


@pytest.mark.parametrize('t', [6, 7])
def test_cudnn_is_asked_for_what_it_can_do(t, monkeypatch):
  """On a CPU the call is looked at, and computed by XLA instead."""
  calls, attend_xla = [], jax.nn.dot_product_attention

  def spy(*args, implementation, **options):
    calls.append((implementation, args[0].shape[1], options['is_causal']))
    return attend_xla(*args, **options)

  monkeypatch.setattr(jax.nn, 'dot_product_attention', spy)
  monkeypatch.setattr(fused, 'has_cudnn', lambda: True)
  q, k, v, _, _, segments = inputs(t, k=8, groups=2)
  narrow = [x.astype(jnp.bfloat16) for x in (q, k, v)]
  mask = attention.visible(segments, 3)
  mixed = jax.jit(fused.attend_fused)(*narrow, mask)
  assert calls == [('cudnn', t + t % 2, True)]
  np.testing.assert_allclose(
    mixed.astype(np.float32), by_loops(q, k, v, None, segments, 3), atol=0.05
  )


@pytest.mark.parametrize(
  ('dtype', 'width', 'fits'),
  [
    ('bfloat16', 64, True),
    ('float16', 128, True),
    ('float32', 64, False),
    ('bfloat16', 12, False),
    ('bfloat16', 136, False),
  ],
)
def test_cudnn_takes_narrow_types_and_widths_of_eight(dtype, width, fits):
  assert fused.fits_cudnn(jnp.zeros((1, 2, 1, width), dtype)) == fits
