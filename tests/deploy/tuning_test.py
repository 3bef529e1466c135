import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aurl_jax.core import trees
from aurl_jax.core.errors import BundleError
from aurl_jax.deploy import packing, quantise, tuning, weights
from aurl_jax.deploy.packing import Packing
from aurl_jax.deploy.tuning import Network, Tuning
from tests.deploy import exported

PACKINGS = [
  Packing(bits=8),
  Packing(bits=4, group=32),
  Packing(bits=4, group=7),
  Packing(bits=4),
]


def packed(params, how):
  """Parameters as a bundle gives them back."""
  arrays = weights.arrays(params)
  shapes = {path: array.shape for path, array in arrays.items()}
  return packing.unpack(packing.pack(arrays, how), shapes, how)


def odd(params):
  """Parameters with groups of zeros, of tiny, of huge and of equal numbers."""
  arrays = {k: np.array(v) for k, v in weights.arrays(params).items()}
  for array in arrays.values():
    if array.ndim > 1 and array.size > 1024:
      rows = array.reshape(-1, array.shape[-1])
      rows[0], rows[1], rows[2] = 0.0, rows[1] * 1e-6, rows[2] * 1e3
      rows[:, 0], rows[:, 1] = 0.25, rows[:, 1] * 1e-5
  return trees.of_paths(arrays)


@pytest.fixture(
  scope='module', params=['grid', pytest.param('lead', marks=pytest.mark.slow)]
)
def composer(request):
  return exported.composer(request.param)


@pytest.mark.parametrize('how', PACKINGS, ids=str)
@pytest.mark.parametrize('change', [lambda x: x, odd], ids=['as is', 'odd'])
def test_training_computes_with_what_is_stored(composer, how, change):
  params = change(composer.params)
  found = jax.jit(lambda x: tuning.rounded(x, how))(params)
  wanted = packed(params, how)
  for path, array in weights.arrays(found).items():
    np.testing.assert_array_equal(array, wanted[path], err_msg=path)


@pytest.mark.parametrize('how', PACKINGS[:2], ids=str)
@pytest.mark.parametrize('inputs', [False, True], ids=['weights', 'inputs'])
def test_what_it_says_in_training_is_what_the_bundle_says(how, inputs):
  composer = exported.composer('grid')
  rows = exported.rows('grid')
  music = list(rows) if inputs else []
  made = quantise.quantised(composer, how, music)
  model = made.model
  # As they were before they were stored, with the reaches that were seen.
  arrays = weights.arrays(made.params) | weights.arrays(composer.params)
  own = trees.of_paths(arrays)
  read = tuning._read(jnp.asarray(rows))
  says = jax.jit(lambda p: model.logits(p, *read))
  stored = says(made.params)
  found = says(jax.jit(lambda p: tuning.rounded(p, how))(own))
  for one, other in zip(found, stored, strict=True):
    np.testing.assert_array_equal(one, other)
  if not inputs:
    # Compiled in one, sums are taken in another order; inputs would be
    # rounded to other levels by that.
    found = jax.jit(lambda p: model.logits(tuning.rounded(p, how), *read))(own)
    for one, other in zip(found, stored, strict=True):
      np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_gradients_go_straight_through(composer):
  how = Packing(bits=4, group=16)

  def loss(params):
    return sum(
      (leaf * (1 + jnp.arange(leaf.size).reshape(leaf.shape))).sum()
      for leaf in jax.tree.leaves(tuning.rounded(params, how))
    )

  grads = jax.jit(jax.grad(loss))(composer.params)
  for leaf in jax.tree.leaves(grads):
    wanted = 1 + np.arange(leaf.size).reshape(leaf.shape)
    np.testing.assert_array_equal(leaf, wanted.astype(np.float32))


@functools.cache
def fine_tuned(inputs):
  """A model before, plainly quantised, and fine-tuned."""
  composer, rows = exported.composer('grid'), list(exported.rows('grid', 6, 20))
  how = Packing(bits=4)
  plain = quantise.quantised(composer, how, rows if inputs else [])
  told = []
  found = quantise.quantised(
    composer,
    how,
    rows if inputs else [],
    Tuning(steps=30, rows=6, length=20, rate=3e-4),
    tell=lambda step, loss: told.append((step, loss)),
    lessons=rows,
  )
  return composer, plain, found, told, np.stack(rows)


def apart(composer, other, rows):
  """Mean squared difference of probabilities: not what is trained."""
  read = tuning._read(jnp.asarray(rows))
  return sum(
    float(np.square(jax.nn.softmax(one) - jax.nn.softmax(two)).mean())
    for one, two in zip(
      jax.jit(composer.model.logits)(composer.params, *read),
      jax.jit(other.model.logits)(other.params, *read),
      strict=True,
    )
  )


@pytest.mark.parametrize(
  'inputs',
  [False, pytest.param(True, marks=pytest.mark.slow)],
  ids=['weights', 'inputs'],
)
def test_fine_tuning_brings_a_model_nearer_to_what_it_was(inputs):
  composer, plain, found, told, rows = fine_tuned(inputs)
  assert [step for step, _ in told] == list(range(1, 31))
  assert told[-1][1] < 0.7 * told[0][1]
  assert apart(composer, found, rows) < 0.8 * apart(composer, plain, rows)
  # What has been seen of inputs stays.
  reaches = [
    {k: v for k, v in weights.arrays(x.params).items() if 'reach' in k}
    for x in (plain, found)
  ]
  assert bool(reaches[0]) == inputs
  assert reaches[0] == reaches[1]


@pytest.mark.slow
def test_the_same_seed_gives_the_same_model():
  composer = exported.composer('grid')
  asked = Tuning(steps=2, rows=2, length=8)
  rows = list(exported.rows('grid'))
  network = Network(composer.model, composer.params)
  how = Packing(bits=4)
  one, other = (
    tuning.tuned(network, network, how, rows, asked) for _ in range(2)
  )
  jax.tree.map(np.testing.assert_array_equal, one, other)


@pytest.mark.parametrize(
  'changes',
  [{'steps': 0}, {'rows': 0}, {'length': 1}, {'rate': 0.0}, {'rate': 2.0}],
)
def test_what_cannot_be_trained_is_refused(changes):
  with pytest.raises(BundleError) as caught:
    Tuning(**{'steps': 1, **changes})
  assert caught.value.code == 'tuning'


def test_without_music_there_is_nothing_to_learn():
  composer = exported.composer('grid')
  network = Network(composer.model, composer.params)
  with pytest.raises(BundleError, match='no music') as caught:
    tuning.tuned(network, network, Packing(bits=4), [], Tuning(steps=1))
  assert caught.value.code == 'tuning'
