"""The state: plain, reproducible, and known before it is made."""

import jax
import numpy as np
import optax

from aurl_jax.training import state as state_lib
from tests.training import toy


def _create(seed):
  return state_lib.create(toy.Toy(), optax.adam(1e-3), seed=seed)


def test_a_seed_gives_one_state_and_another_a_different_one():
  one, same, other = _create(3), _create(3), _create(4)
  jax.tree.map(np.testing.assert_array_equal, one, same)
  kernel = lambda state: state['params']['head']['0']['kernel']  # noqa: E731
  assert np.abs(kernel(one) - kernel(other)).max() > 0
  assert (one['key'] != other['key']).any()


def test_begins_at_step_zero_with_a_raw_key():
  state = _create(0)
  assert set(state) == {'step', 'params', 'opt', 'key', 'guard'}
  assert state['step'].dtype == np.int32
  assert int(state['step']) == 0
  assert state['key'].dtype == np.uint32


def test_abstract_is_its_shape():
  like = state_lib.abstract(toy.Toy(), optax.adam(1e-3))
  state = _create(0)
  assert jax.tree.structure(like) == jax.tree.structure(state)
  pairs = zip(jax.tree.leaves(like), jax.tree.leaves(state), strict=True)
  assert all((a.shape, a.dtype) == (b.shape, b.dtype) for a, b in pairs)
