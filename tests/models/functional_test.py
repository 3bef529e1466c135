import dataclasses
import functools
import subprocess
import sys
import textwrap

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from aurl_jax.core.errors import ConfigError
from aurl_jax.models import Model, ModelConfig
from tests.models.counting import Counting

SIZES = (9, 6, 4)
CONFIG = ModelConfig(
  width=16, heads=2, layers=2, context=24, head_width=8, dropout=0.1
)


def build(**changes):
  config = dataclasses.replace(CONFIG, **changes)
  model = Model.build(config, SIZES, Counting.of(SIZES))
  return model, model.init(jax.random.key(0))


@functools.partial(jax.jit, static_argnums=0)
def apply(model, params, *batch):
  return model.apply(params, *batch)


@functools.partial(jax.jit, static_argnums=0)
def log_probs(model, params, *batch):
  return model.log_probs(params, *batch)


def piece(length, seed):
  rng = np.random.default_rng(seed)
  columns = [rng.integers(1, size, length) for size in SIZES]
  return np.stack(columns, axis=-1).astype(np.int32)


def rows(*pieces, context=24):
  """One row: the pieces one after the other, then padding."""
  ids = np.zeros((1, context, len(SIZES)), np.int32)
  segments = np.zeros((1, context), np.int32)
  positions = np.zeros((1, context), np.int32)
  at = 0
  for number, steps in enumerate(pieces, start=1):
    ids[0, at : at + len(steps)] = steps
    segments[0, at : at + len(steps)] = number
    positions[0, at : at + len(steps)] = np.arange(len(steps))
    at += len(steps)
  arrays = ids, segments, positions, np.roll(ids, -1, axis=1)
  return tuple(map(jnp.asarray, arrays))


@pytest.mark.parametrize('attention', ['naive', 'blocked'])
@pytest.mark.parametrize(
  'options',
  [
    {},
    {'positions': 'barwise'},
    {'positions': 'musical', 'width': 32},
    {'positions': 'relative', 'window': 7, 'kv_heads': 1},
    {'pattern': 'bars'},
    {'metrical': 3, 'shared_pitch': True},
    {'pattern': 'hierarchy'},
    {'lead': 2, 'metrical': 3},
  ],
)
def test_packed_logits_are_each_piece_s_alone(attention, options):
  model, params = build(attention=attention, **options)
  pieces = [piece(9, 1), piece(1, 2), piece(9, 3)]
  batch = rows(*pieces)
  packed = apply(model, params, *batch)
  at = 0
  for steps in pieces:
    span = slice(at, at + len(steps))
    ids, segments, positions, _ = rows(steps, context=len(steps))
    alone = apply(model, params, ids, segments, positions, batch[3][:, span])
    for ours, plain in zip(packed.logits, alone.logits, strict=True):
      np.testing.assert_allclose(ours[:, span], plain, atol=1e-5)
    at += len(steps)


def test_log_probs_are_those_of_the_logits():
  model, params = build()
  batch = rows(piece(9, 1), piece(8, 2))
  ours = np.asarray(log_probs(model, params, *batch))
  targets = batch[-1]
  for field, logits in enumerate(apply(model, params, *batch).logits):
    logits = np.asarray(logits, float)
    chances = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    for row, t in np.ndindex(targets.shape[:2]):
      id_ = targets[row, t, field]
      expected = np.log(chances[row, t, id_]) if id_ else 0
      assert ours[row, t, field] == pytest.approx(expected, abs=1e-4)


def test_log_prob_gradients_are_those_of_the_logits():
  model, params = build()
  batch = rows(piece(9, 1), piece(8, 2))
  targets = batch[-1]

  def plain(params):
    total = 0.0
    for field, logits in enumerate(apply(model, params, *batch).logits):
      chances = jax.nn.log_softmax(logits)
      hot = jax.nn.one_hot(targets[..., field], SIZES[field]).at[..., 0].set(0)
      total += jnp.sum(hot * chances)
    return total

  ours = jax.grad(lambda p: log_probs(model, p, *batch).sum())(params)
  jax.tree.map(
    lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-3, atol=2e-5),
    ours,
    jax.jit(jax.grad(plain))(params),
  )


def test_parameters_are_plain_dicts_per_layer_and_repeatable():
  _, params = build(scan=True)
  assert set(params) == {'embed', 'decoder', 'head'}
  assert set(params['decoder']['layers']) == {'0', '1'}
  assert {type(node) for node in _nodes(params)} == {dict}
  assert all(x.dtype == jnp.float32 for x in jax.tree.leaves(params))
  again = Model.build(CONFIG, SIZES).init(jax.random.key(0))
  jax.tree.map(np.testing.assert_array_equal, params, again)


def _nodes(tree):
  yield tree
  for child in tree.values():
    if not hasattr(child, 'shape'):
      yield from _nodes(child)


@pytest.mark.parametrize(
  ('changes', 'shapes'),
  [
    ({}, {'qkv_kernel': (16, 3, 2, 8)}),
    ({'kv_heads': 2}, {'qkv_kernel': (16, 3, 2, 8)}),
    (
      {'kv_heads': 1},
      {'q_kernel': (16, 2, 8), 'kv_kernel': (16, 2, 1, 8)},
    ),
    (
      {'positions': 'relative', 'relative': 9},
      {'qkv_kernel': (16, 3, 2, 8), 'relative_embed': (2, 9, 8)},
    ),
  ],
)
def test_attention_has_the_parameters_of_its_options(changes, shapes):
  _, params = build(**changes)
  found = params['decoder']['layers']['1']['attention']
  assert {name: x.shape for name, x in found.items()} == shapes | {
    'out_kernel': (2, 8, 16)
  }
  if 'qkv_kernel' in shapes:
    plain = build()[1]['decoder']['layers']['1']['attention']
    np.testing.assert_array_equal(found['qkv_kernel'], plain['qkv_kernel'])


@pytest.mark.parametrize(
  'changes',
  [
    {'positions': 'barwise'},
    {'positions': 'musical'},
    {'pattern': 'bars'},
    {'pattern': 'hierarchy'},
    {'metrical': 3},
    {'shared_pitch': True},
  ],
)
def test_a_model_without_the_places_it_needs_is_not_built(changes):
  config = dataclasses.replace(CONFIG, width=64, **changes)
  with pytest.raises(ConfigError, match='the Places of the tokenizer'):
    Model.build(config, SIZES)


def test_places_that_are_not_needed_make_no_other_model():
  assert Model.build(CONFIG, SIZES, Counting()) == Model.build(CONFIG, SIZES)


def test_a_metrical_model_hears_the_place_in_the_bar():
  model, params = build(metrical=3)
  ids, segments, positions, targets = rows(piece(12, 1))
  places = np.asarray(model.places(ids, segments))[0, :12, 1]
  assert places.max() == 3
  # Counting's position is field 2, whose own embedding is left out here.
  params['embed']['tables']['2'] *= 0
  other = ids.at[..., 2].set(jnp.where(ids[..., 2] == 2, 3, ids[..., 2]))
  batch = segments, positions, targets
  found, same = (apply(model, params, x, *batch).logits for x in (ids, other))
  # Places from the last row on are one place.
  np.testing.assert_array_equal(found[0], same[0])
  moved = ids.at[..., 2].set(1)
  differs = apply(model, params, moved, *batch).logits[0] != found[0]
  assert differs[0, int(np.argmax(places != 1))].any()


def test_musical_positions_hear_the_music():
  model, params = build(positions='musical', width=32)
  ids, segments, positions, targets = rows(piece(12, 1))
  x = apply(model, params, ids, segments, positions, targets).logits[0]
  other = dataclasses.replace(model, places=Counting(cells=3))
  y = apply(other, params, ids, segments, positions, targets).logits[0]
  assert np.abs(x - y).max() > 1e-5


def test_more_steps_than_the_context_are_refused_before_compiling():
  model, params = build()
  batch = rows(piece(25, 1), context=25)
  with pytest.raises(ConfigError, match='25 steps are more than the 24'):
    apply(model, params, *batch)
  with pytest.raises(ConfigError, match=r'model\.context'):
    jax.eval_shape(model.log_probs, params, *batch)
  with pytest.raises(ConfigError, match=r'model\.context'):
    jax.eval_shape(model.attention_weights, params, *batch[:3])
  cache = model.init_cache(1, 64)
  long = jnp.ones((1, 24 + 32, len(SIZES)), jnp.int32)
  with pytest.raises(ConfigError, match=r'model\.context'):
    jax.eval_shape(model.prefill, params, cache, long)


def test_initial_loss_is_near_that_of_an_even_guess():
  model, params = build()
  batch = rows(piece(24, 1))
  mean = np.asarray(log_probs(model, params, *batch)).mean((0, 1))
  np.testing.assert_allclose(mean, -np.log(SIZES), atol=0.1)


@pytest.mark.parametrize('dtype', ['bfloat16', 'float16'])
def test_narrow_types_are_near_float32_with_float32_logits(dtype):
  wide, params = build()
  narrow, _ = build(dtype=dtype)
  batch = rows(piece(20, 1))
  for ours, plain in zip(
    apply(narrow, params, *batch).logits,
    apply(wide, params, *batch).logits,
    strict=True,
  ):
    assert ours.dtype == jnp.float32
    np.testing.assert_allclose(ours, plain, atol=0.02)


def test_runs_under_tree_mode_of_nnx():
  model, params = build()
  batch = rows(piece(10, 1))
  expected = log_probs(model, params, *batch)
  with nnx.set_graph_mode(False):
    fresh, same = build(scan=True)
    ours, pull = jax.vjp(lambda p: log_probs(fresh, p, *batch), same)
    (grads,) = pull(jnp.ones_like(ours))
  np.testing.assert_allclose(ours, expected, atol=1e-5)
  assert jax.tree.structure(grads) == jax.tree.structure(params)


def test_imports_need_only_the_core_libraries():
  code = """
    import sys
    BLOCKED = {'grain', 'symusic', 'tensorflow_datasets', 'note_seq',
               'ml_collections', 'music21', 'array_record'}
    class Block:
      def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] in BLOCKED:
          raise ImportError(name)
    sys.meta_path.insert(0, Block())
    import aurl_jax.models.functional, aurl_jax.parallel.mesh
    import aurl_jax.parallel.rules
    print('fine')
  """
  done = subprocess.run(
    [sys.executable, '-c', textwrap.dedent(code)],
    capture_output=True,
    text=True,
    check=True,
  )
  assert done.stdout.strip() == 'fine'


def _norm(x, gain):
  return x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-6) * gain


def _turned(x, at):
  """Rotary positions, one pair of numbers at a time, as complex numbers."""
  half = x.shape[-1] // 2
  pairs = x[..., :half] + 1j * x[..., half:]
  speed = 10_000.0 ** (-np.arange(half) / half)
  pairs = pairs * np.exp(1j * at[:, None] * speed)
  return np.concatenate([pairs.real, pairs.imag], axis=-1)


def _slow_weights(params, ids, segments, positions):
  """Attention weights of one row in numpy: `[layer, head, t, t]`."""
  params = jax.tree.map(lambda x: np.asarray(x, np.float64), params)
  tables = params['embed']['tables']
  x = sum(tables[str(f)][ids[:, f]] for f in range(ids.shape[1]))
  found = []
  for number in range(CONFIG.layers):
    layer = params['decoder']['layers'][str(number)]
    inside = _norm(x, layer['attention_norm']['scale'])
    mixed, maps = 0, []
    for head in range(CONFIG.heads):
      kernels = layer['attention']['qkv_kernel'][:, :, head]
      q, k, v = (inside @ kernels[:, part] for part in range(3))
      q, k = _turned(q, positions), _turned(k, positions)
      map_ = np.zeros((len(ids), len(ids)))
      for t in range(len(ids)):
        seen = [s for s in range(t + 1) if segments[s] == segments[t]]
        scores = np.exp(k[seen] @ q[t] / np.sqrt(q.shape[-1]))
        map_[t, seen] = scores / scores.sum()
      maps.append(map_)
      mixed = mixed + map_ @ v @ layer['attention']['out_kernel'][head]
    found.append(maps)
    x = x + mixed
    inside = _norm(x, layer['mlp_norm']['scale'])
    wide = inside @ layer['mlp']['wide']['kernel']
    cube = np.sqrt(2 / np.pi) * (wide + 0.044715 * wide**3)
    x = x + 0.5 * wide * (1 + np.tanh(cube)) @ layer['mlp']['narrow']['kernel']
  return np.array(found)


@pytest.mark.slow
@pytest.mark.parametrize(
  'options',
  [
    {'window': 4, 'kv_heads': 1},
    {'positions': 'relative', 'relative': 3},
    {'pattern': 'bars'},
  ],
)
def test_attention_weights_are_of_what_is_computed(options):
  """One layer's weights times its values, through the rest by hand."""
  model, params = build(layers=1, **options)
  params = jax.tree.map(lambda x: x * 8 if x.ndim > 1 else x, params)
  ids, segments, positions, _ = rows(piece(13, 1), piece(9, 2))
  batch = (ids, segments, positions)
  found = jax.jit(model.attention_weights)(params, *batch)[0]
  np.testing.assert_allclose(np.asarray(found).sum(-1), 1, atol=1e-5)
  decoder = model.bind(params).decoder
  x = model.bind(params).embedded(ids)
  where = decoder.where(segments, positions, model._coordinates(*batch[:2]))
  q, k, v = decoder.blocks[0].qkv(x, where.rope)
  v_each = jnp.repeat(v, q.shape[1] // v.shape[1], axis=1)
  np.testing.assert_allclose(
    jnp.einsum('bhqt,bhtk->bhqk', found, v_each),
    decoder.mix(decoder.blocks[0], q, k, v, where),
    atol=1e-4,
  )


def test_attention_weights_are_those_of_plain_loops():
  model, params = build()
  # Fresh weights hardly prefer one step to another: sharpen them.
  params = jax.tree.map(lambda x: x * 8 if x.ndim > 1 else x, params)
  ids, segments = piece(12, seed=3), np.repeat([1, 2], [7, 5]).astype(np.int32)
  positions = np.concatenate([np.arange(7), np.arange(5)]).astype(np.int32)
  batch = (ids, segments, positions)
  found = jax.jit(model.attention_weights)(params, *(x[None] for x in batch))
  assert found.shape == (CONFIG.layers, 1, CONFIG.heads, 12, 12)
  expected = _slow_weights(params, *batch)
  assert expected.max() > 0.5 > expected[expected > 0].min()
  np.testing.assert_allclose(found[:, 0], expected, atol=1e-5)
