"""Fused attention where each row is one piece; on a GPU, cuDNN itself."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aurl_jax.models import Model, ModelConfig, attention, fused
from tests.models.slow_attention import by_loops, inputs

SHAPES = {
  'plain': {},
  'window': {'window': 5},
  'grouped': {'groups': 2},
  'all': {'window': 9, 'groups': 2},
}


def made(option, t, **shape):
  """Inputs of an option, its window, and what attention should be."""
  values = {**SHAPES[option]}
  window = values.pop('window', 0)
  q, k, v, _, weight, segments = inputs(t, seed=t, **values, **shape)
  return (q, k, v), weight, segments, window


@functools.partial(jax.jit, static_argnames=('backend', 'window'))
def gradients(qkv, weight, segments, backend, window):
  """The mixture, and the gradients of a random functional of it."""

  def value(q, k, v):
    mixed = attention.attend(
      q, k, v, segments=segments, backend=backend, window=window
    )
    return jnp.sum(mixed.astype(jnp.float32) * weight), mixed

  grads, mixed = jax.grad(value, argnums=(0, 1, 2), has_aux=True)(*qkv)
  return mixed, *grads


@pytest.mark.parametrize('backend', ['naive', 'blocked', 'fused'])
@pytest.mark.parametrize('option', SHAPES)
def test_without_segments_a_row_is_one_piece(backend, option):
  qkv, weight, segments, window = made(option, 37)
  mixed = gradients(qkv, weight, None, backend, window)[0]
  expected = by_loops(*qkv, None, np.ones_like(segments), window)
  np.testing.assert_allclose(mixed, expected, atol=1e-5)


@pytest.mark.parametrize('option', SHAPES)
def test_its_gradients_are_those_of_one_segment(option):
  qkv, weight, segments, window = made(option, 21)
  ours = gradients(qkv, weight, None, 'fused', window)
  plain = gradients(qkv, weight, jnp.ones_like(segments), 'naive', window)
  for x, y in zip(ours, plain, strict=True):
    np.testing.assert_allclose(x, y, atol=1e-5 * max(1, np.abs(y).max()))


@pytest.mark.parametrize('window', [0, 3])
def test_cudnn_is_given_no_mask_where_it_needs_none(window, monkeypatch):
  calls, attend_xla = [], jax.nn.dot_product_attention

  def spy(*args, implementation, **options):
    calls.append((implementation, args[0].shape[1], options))
    return attend_xla(*args, **options)

  monkeypatch.setattr(jax.nn, 'dot_product_attention', spy)
  monkeypatch.setattr(fused, 'has_cudnn', lambda: True)
  qkv, *_ = made('grouped', 7, k=8)
  narrow = [x.astype(jnp.bfloat16) for x in qkv]
  mixed = fused.attend_fused(*narrow, None, window)
  # The kernel refuses 7 steps ("Unsupported sequence length"): one is added,
  # behind all others, and taken away.
  assert mixed.shape[2] == 7
  reach = (window - 1, 0) if window else None
  options = {'is_causal': True, 'local_window_size': reach}
  assert calls == [('cudnn', 8, options)]


@pytest.mark.parametrize(
  'options',
  [
    {},
    {'scan': True, 'remat': 'full'},
    {'remat': 'attention', 'window': 6},
    {'attention': 'blocked'},
  ],
)
def test_what_pieces_in_rows_of_their_own_give_is_the_same(options):
  shape = {'width': 16, 'layers': 2, 'heads': 2, 'context': 16, 'dropout': 0.0}
  shape |= {'attention': 'fused', **options}
  packed = Model.build(ModelConfig(**shape), (9,))
  alone = Model.build(ModelConfig(packed=False, **shape), (9,))
  params = packed.init(jax.random.key(0))
  ids = jax.random.randint(jax.random.key(1), (2, 16, 1), 1, 9)
  # The second row has padding behind it.
  segments = jnp.ones((2, 16), jnp.int32).at[1, 11:].set(0)
  positions = jnp.broadcast_to(jnp.arange(16), (2, 16))
  targets = jnp.where(segments[..., None] > 0, ids, 0)

  def value(params, model):
    rows = (ids, segments, positions, targets)
    return model.log_probs(params, *rows).sum()

  found = [
    jax.jit(jax.value_and_grad(functools.partial(value, model=model)))(params)
    for model in (packed, alone)
  ]
  for x, y in zip(*map(jax.tree.leaves, found), strict=True):
    np.testing.assert_allclose(x, y, atol=1e-5 * max(1, np.abs(y).max()))


def test_prompts_padded_on_the_left_keep_their_mask():
  shape = {'width': 16, 'layers': 1, 'heads': 2, 'context': 16}
  models = [
    Model.build(ModelConfig(packed=packed, attention='fused', **shape), (9,))
    for packed in (True, False)
  ]
  params = models[0].init(jax.random.key(0))
  ids = jax.random.randint(jax.random.key(1), (2, 6, 1), 1, 9)
  found = [
    model.prefill(params, model.init_cache(2, 8, jnp.array([0, 3])), ids)[0]
    for model in models
  ]
  np.testing.assert_array_equal(*found)


@pytest.mark.skipif(not fused.has_cudnn(), reason='no GPU with cuDNN')
@pytest.mark.parametrize('alone', [True, False])
@pytest.mark.parametrize('option', SHAPES)
@pytest.mark.parametrize('t', [63, 128])
def test_cudnn_computes_what_naive_attention_does(option, t, alone):
  qkv, weight, segments, window = made(option, t, k=64)
  narrow = [x.astype(jnp.bfloat16) for x in qkv]
  wide = [x.astype(jnp.float32) for x in narrow]
  ours = gradients(narrow, weight, None if alone else segments, 'fused', window)
  whole = jnp.ones_like(segments) if alone else segments
  with jax.default_matmul_precision('highest'):
    plain = gradients(wide, weight, whole, 'naive', window)
  for x, y in zip(ours, plain, strict=True):
    gap = np.abs(np.asarray(x, np.float32) - y).max()
    assert gap < 2e-2 * max(1, np.abs(y).max())
