import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aurl_jax.models import cache as cache_lib
from aurl_jax.models.config import LatentConfig, ModelConfig
from aurl_jax.models.functional import Model
from tests.models.counting import Counting

STARTS = (0, 3, 7)
STEPS, PROMPT = 12, 8
LATENT = LatentConfig(slot=5, piece=3, slots=4, reach=2, layers=1)


def build(**changes):
  values = {'width': 32, 'layers': 2, 'heads': 2, 'context': 32} | changes
  config = ModelConfig(head_width=16, **values)
  model = Model.build(config, (23, 11), Counting.of((23, 11)))
  ids = jax.random.randint(jax.random.key(1), (3, STEPS, 2), 1, 11)
  return model, model.init(jax.random.key(0)), ids


def moved(ids):
  """Rows moved to begin at 0, and their segments."""
  rows = np.stack([np.roll(ids[r], -s, 0) for r, s in enumerate(STARTS)])
  left = STEPS - np.array(STARTS)[:, None]
  return rows, (np.arange(STEPS) < left).astype(np.int32)


def full_forward(model, params, ids):
  """Logits [b, t, v] of each field, rows moved to begin at 0."""
  rows, segments = moved(ids)
  positions = np.arange(STEPS, dtype=np.int32)[None].repeat(3, 0)
  targets = np.roll(rows, -1, 1)
  return jax.jit(model.apply)(params, rows, segments, positions, targets).logits


@pytest.mark.parametrize(
  'changes',
  [
    {},
    {'mlp': 'swiglu', 'heads': 4},
    {'kv_heads': 1},
    {'window': 4, 'pattern': 'window'},
    {'positions': 'relative', 'relative': 5},
    {'positions': 'musical'},
    {'positions': 'barwise', 'kv_heads': 1},
    {'pattern': 'bars'},
    {'metrical': 4, 'shared_pitch': True},
    {'pattern': 'hierarchy', 'bar_layers': 1},
    {'pattern': 'hierarchy', 'piece_bars': 2, 'metrical': 4},
    {'lead': 1},
    {'lead': 1, 'pattern': 'bars', 'metrical': 4},
    {'mode': 'vae', 'latent': LATENT},
    {'mode': 'vae', 'latent': LATENT, 'lead': 1, 'window': 5},
    *(
      pytest.param(changes, marks=pytest.mark.slow)
      for changes in (
        {'positions': 'none'},
        {
          'positions': 'musical',
          'heads': 4,
          'kv_heads': 2,
          'window': 6,
          'attention': 'naive',
          'width': 64,
        },
        {'positions': 'relative', 'kv_heads': 1, 'window': 5},
        {'pattern': 'bars', 'positions': 'musical', 'attention': 'naive'},
      )
    ),
  ],
)
def test_cached_steps_equal_the_full_forward_of_each_row(changes):
  model, params, ids = build(**changes)
  start, latents = jnp.array(STARTS), None
  if model.config.has_latents:
    latents = jax.jit(model.posterior)(params, *moved(ids)).mean
  # Room grows on the way, as the decoder lets it.
  cache = model.init_cache(3, PROMPT, start, latents)
  last = PROMPT - 1
  prompts = ids[:, :last], ids[:, 1:PROMPT]
  _, cache = jax.jit(model.prefill)(params, cache, *prompts)
  cache = cache_lib.grow(cache, 16)
  write = jax.jit(functools.partial(written, model))
  wanted = full_forward(model, params, ids)
  for index in range(PROMPT, STEPS):
    steps = ids[:, index - 1], ids[:, index]
    logits, cache = write(params, cache, *steps, jnp.int32(index - 1))
    for field, found in enumerate(logits):
      at = index - 1 - np.array(STARTS)
      right = np.asarray(wanted[field])[np.arange(3), at]
      np.testing.assert_allclose(found, right, atol=1e-5)


def written(model, params, cache, last, step, index):
  """Logits of each field of a step, as it is written, and the cache."""
  lead = model.config.lead
  logits = [
    model.lead_logits(params, cache, (last, index), step, field)
    for field in range(lead)
  ]
  hidden, cache = model.step(params, cache, last, index, step)
  for field in range(lead, step.shape[1]):
    logits.append(model.field_logits(params, hidden, step, field))
  return logits, cache


def test_prefill_equals_its_steps():
  model, params, ids = build()
  start = jnp.array(STARTS)
  empty = model.init_cache(3, PROMPT, start)
  wanted, _ = jax.jit(model.prefill)(params, empty, ids[:, :PROMPT])
  cache, step = empty, jax.jit(model.step)
  for index in range(PROMPT):
    hidden, cache = step(params, cache, ids[:, index], jnp.int32(index))
  np.testing.assert_allclose(hidden, wanted, atol=1e-5)


def test_a_cache_holds_the_heads_of_keys_only():
  model, _, _ = build(heads=8, kv_heads=2)
  cache = model.init_cache(3, PROMPT)
  assert {x.shape for x in cache.keys + cache.values} == {(3 * 2, PROMPT, 4)}


def test_a_cache_keeps_what_it_holds_when_it_grows():
  model, params, ids = build()
  cache = model.init_cache(3, PROMPT)
  _, cache = jax.jit(model.prefill)(params, cache, ids[:, :PROMPT])
  grown = cache_lib.grow(cache, PROMPT + 5)
  assert (cache.length, grown.length) == (PROMPT, PROMPT + 5)
  for before, after in zip(cache.keys, grown.keys, strict=True):
    np.testing.assert_array_equal(after[:, :PROMPT], before)
    assert not after[:, PROMPT:].any()


def test_the_cache_has_the_dtype_of_the_activations():
  model, params, ids = build(dtype='bfloat16')
  cache = model.init_cache(3, 4)
  step = jax.jit(model.step)
  hidden, cache = step(params, cache, ids[:, 0], jnp.int32(0))
  assert {str(k.dtype) for k in (*cache.keys, *cache.values)} == {'bfloat16'}
  assert hidden.shape == (3, 32)
