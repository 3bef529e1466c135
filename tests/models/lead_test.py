"""The first fields of a step, told early: what may depend on what."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aurl_jax.core.errors import ConfigError
from aurl_jax.models import Model, ModelConfig

SIZES, LEAD, STEPS = (7, 9, 5, 6), 2, 10
CONFIG = ModelConfig(
  width=16,
  heads=2,
  layers=2,
  context=STEPS,
  head_width=8,
  dropout=0.0,
  lead=LEAD,
)


@pytest.fixture(scope='module')
def logits():
  model = Model.build(CONFIG, SIZES)
  params = model.init(jax.random.key(0))
  # Larger than they begin, so that what is read shows.
  params = jax.tree.map(lambda x: 5 * x, params)
  at = jnp.arange(STEPS)[None]
  segments = jnp.ones((1, STEPS), jnp.int32).at[:, 6:].set(2)

  @jax.jit
  def function(ids):
    targets = jnp.roll(ids, -1, axis=1).at[:, -1].set(0)
    return model.apply(params, ids, segments, at, targets).logits

  return function


def ids():
  rng = np.random.default_rng(0)
  return np.stack([rng.integers(1, n, (1, STEPS)) for n in SIZES], -1)


def test_a_field_depends_on_all_that_came_before_it_and_on_nothing_else(
  logits,
):
  base, step = logits(ids()), 4
  for field, size in enumerate(SIZES):
    other = ids()
    other[0, step, field] = other[0, step, field] % (size - 1) + 1
    changed = logits(other)
    for at in range(6):
      for told in range(len(SIZES)):
        differs = np.abs(changed[told][0, at] - base[told][0, at]).max() > 1e-6
        # Logits at `at` are of step `at + 1`.
        assert differs == ((at + 1, told) > (step, field)), (at, told, field)


def test_another_piece_of_the_row_is_not_read(logits):
  base, other = logits(ids()), ids()
  other[0, :6] = other[0, :6] % 4 + 1
  changed = logits(other)
  for told in range(len(SIZES)):
    np.testing.assert_array_equal(changed[told][0, 6:], base[told][0, 6:])


def test_probabilities_of_all_steps_add_up_to_one():
  """Of two fields of two ids there are four steps: all are counted."""
  sizes = (3, 3)
  config = ModelConfig(
    width=8, heads=2, layers=1, context=3, head_width=4, dropout=0.0, lead=1
  )
  model = Model.build(config, sizes)
  params = jax.tree.map(lambda x: 9 * x, model.init(jax.random.key(1)))
  score = jax.jit(functools.partial(model.log_probs, params))
  segments, at = jnp.ones((1, 3), jnp.int32), jnp.arange(3)[None]
  total = 0.0
  # Fields of 0 are never predicted, so that their chance is left over.
  for path in np.ndindex(2, 2, 2, 2):
    rows = jnp.array([[[1, 1], *np.reshape(path, (2, 2)) + 1]], jnp.int32)
    targets = jnp.concatenate([rows[:, 1:], 0 * rows[:, :1]], axis=1)
    outputs = model.apply(params, rows, segments, at, targets)
    chance = np.exp(np.asarray(score(rows, segments, at, targets), float).sum())
    left = 1.0
    for field, found in enumerate(outputs.logits):
      none = jax.nn.softmax(found)[0, :2, 0]
      left *= float(jnp.prod(1 - none))
      del field
    total += chance / left
  assert total == pytest.approx(1.0, abs=1e-4)


def test_some_field_must_be_left():
  with pytest.raises(ConfigError, match=r'model.lead: 2 fields .* leave') as e:
    Model.build(CONFIG, SIZES[:2])
  assert e.value.code == 'model_config'


def test_the_decoder_cannot_do_without_the_next_step():
  model = Model.build(CONFIG, SIZES)
  params = model.init(jax.random.key(0))
  cache = model.init_cache(1, STEPS)
  with pytest.raises(ConfigError, match=r'model.lead: .* pass it'):
    model.step(params, cache, jnp.ones((1, 4), jnp.int32), jnp.int32(0))
