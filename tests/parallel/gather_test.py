"""The gathering of what several processes hold is in tests/integration."""

import jax
import numpy as np

from aurl_jax.parallel import gather, rules
from aurl_jax.parallel import mesh as mesh_lib


def test_what_one_process_holds_comes_as_it_is():
  mesh = mesh_lib.make_mesh(mesh_lib.MeshConfig())
  rows = np.arange(4 * mesh.size, dtype=np.float32).reshape(-1, 2)
  split = jax.device_put(rows, rules.batch_sharding(mesh))
  found = gather.to_host({'rows': split, 'n': np.int32(3)})
  assert isinstance(found['rows'], np.ndarray)
  np.testing.assert_array_equal(found['rows'], rows)
  assert found['n'] == 3
