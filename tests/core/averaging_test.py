"""The mean of checkpoints, against numpy in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aurl_jax.core import averaging
from aurl_jax.core.checkpoint import Checkpoints
from aurl_jax.core.errors import CheckpointError


def state(step):
  random = np.random.default_rng(step)
  return {
    'params': {'w': jnp.asarray(random.normal(size=(5, 3)), jnp.float32)},
    'half': jnp.asarray(random.normal(size=4), jnp.bfloat16),
    'step': np.int32(step),
    'key': jax.random.key(step),
  }


@pytest.fixture
def kept(tmp_path):
  with Checkpoints(tmp_path, keep=9) as found:
    for step in (2, 4, 6, 8):
      found.save(step, state(step))
    found.wait()
    yield found


def test_the_newest_are_averaged_and_what_is_no_weight_is_the_newest(kept):
  found = averaging.average(kept, state(0), 3)
  weights = [np.asarray(state(s)['params']['w'], np.float64) for s in (4, 6, 8)]
  wanted = np.mean(weights, axis=0)
  np.testing.assert_allclose(found['params']['w'], wanted, atol=1e-6)
  halves = [np.asarray(state(s)['half'], np.float64) for s in (4, 6, 8)]
  np.testing.assert_allclose(
    np.asarray(found['half'], np.float64), np.mean(halves, 0), rtol=2**-8
  )
  assert found['half'].dtype == jnp.bfloat16
  assert found['step'] == 8
  assert (found['key'] == jax.random.key(8)).all()


def test_one_is_itself_and_a_part_is_enough(kept):
  like = {'params': state(0)['params']}
  found = averaging.average(kept, like, 1)
  assert jax.tree.structure(found) == jax.tree.structure(like)
  np.testing.assert_array_equal(found['params']['w'], state(8)['params']['w'])


def test_a_damaged_one_is_left_out_of_the_mean(kept):
  (kept.folder / '6' / 'state' / '_METADATA').write_bytes(b'')
  assert averaging.newest_good(kept, 9) == [8, 4, 2]
  with pytest.raises(CheckpointError, match='3 good checkpoints, 4 are') as e:
    averaging.average(kept, state(0), 4)
  assert e.value.code == 'too_few'
  with pytest.raises(CheckpointError, match='1 checkpoint or more'):
    averaging.average(kept, state(0), 0)
