import jax
import jax.numpy as jnp
import numpy as np

from aurl_jax.parallel.ahead import Ahead, resized


def _step():
  def step(state, batch):
    total = batch['ids'].sum() + batch['epochs'].sum()
    return {'n': state['n'] + total}, total

  return jax.jit(step, donate_argnums=0)


def _batch(rows, steps):
  ids = jnp.ones((rows, steps, 2), jnp.int32)
  return {'ids': ids, 'epochs': jnp.zeros((rows,), jnp.int32)}


def test_each_shape_is_compiled_once_and_never_by_the_call():
  step, seen = _step(), []
  ahead = Ahead(step, seen=lambda *arguments: seen.append(arguments))
  state = {'n': jnp.int32(0)}
  for steps in (3, 3, 5, 3, 5):
    state, total = ahead(state, _batch(2, steps))
    assert int(total) == 4 * steps
  assert int(state['n']) == 4 * (3 + 3 + 5 + 3 + 5)
  assert [batch['ids'].shape for _, _, batch in seen] == [(2, 3, 2), (2, 5, 2)]
  assert step._cache_size() == 0


def test_the_state_is_donated_as_the_step_says():
  state = {'n': jnp.int32(0)}
  Ahead(_step())(state, _batch(2, 3))
  assert state['n'].is_deleted()


def test_the_largest_batch_is_compiled_before_the_first_step():
  shapes = []
  ahead = Ahead(
    _step(),
    seen=lambda program, state, batch: shapes.append(batch['ids'].shape),
    largest=(4, 8),
  )
  state = {'n': jnp.int32(0)}
  state, _ = ahead(state, _batch(2, 3))
  assert shapes == [(4, 8, 2), (2, 3, 2)]
  ahead(state, _batch(4, 8))
  assert len(shapes) == 2


def test_a_batch_is_described_at_another_size():
  found = resized(_batch(2, 3), 8, 16)
  assert found['ids'].shape == (8, 16, 2)
  assert found['epochs'].shape == (8,)
  assert found['ids'].dtype == np.int32
