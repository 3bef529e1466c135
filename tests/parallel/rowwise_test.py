"""Sums over rows on four host devices, in a process of their own."""

import json
import subprocess
import sys

_PROGRAM = """
import json
import jax, jax.numpy as jnp, numpy as np
from aurl_jax.parallel import mesh as mesh_lib, rowwise, rules

mesh_lib.host_devices(4)

def work(same, rows):
  x, keys = rows
  drawn = jax.vmap(lambda k: jax.random.normal(k, (3,)))(keys)
  return {
    'a': (same['w'] * x).sum(0),
    'b': jnp.square(x + drawn).sum(),
    'n': (x > 0).sum(0, dtype=jnp.int32),
  }

def plain(tree):
  return {k: np.asarray(v).tolist() for k, v in tree.items()}

told = {}
x = np.arange(24, dtype=np.float32).reshape(8, 3) - 11
keys = jax.random.split(jax.random.key(1), 8)
same = {'w': jnp.float32(2.0)}
for name, sizes in {
  'data': {'data': 4}, 'mixed': {'data': 2, 'fsdp': 2}, 'one': {'data': 1}
}.items():
  mesh = mesh_lib.make_mesh(mesh_lib.MeshConfig(**sizes))
  with mesh_lib.use(mesh):
    step = jax.jit(
      rowwise.over_rows(work, mesh),
      in_shardings=(None, rules.batch_sharding(mesh)),
    )
    text = step.lower(same, (x, keys)).compile().as_text()
    found = step(same, (x, keys))
  told[name] = plain(found) | {'reduced': text.count(' all-reduce(')}
told['expected'] = plain(work(same, (x, keys)))

def until(same, rows):
  # Each row counts up to its number; a device ends when its own rows do.
  more = lambda carry: (carry[0] < rows).any()
  def body(carry):
    count, turns = carry
    return jnp.minimum(count + same, rows), turns + 1
  count, turns = jax.lax.while_loop(
    more, body, (jnp.zeros_like(rows), jnp.zeros_like(rows))
  )
  return {'count': count, 'turns': turns}

mesh = mesh_lib.make_mesh(mesh_lib.MeshConfig(data=4))
with mesh_lib.use(mesh):
  each = jax.jit(
    rowwise.by_rows(until, mesh),
    in_shardings=(None, rules.batch_sharding(mesh)),
  )
  found = each(jnp.int32(1), np.array([1, 2, 5, 3, 0, 0, 9, 4], np.int32))
told['rows'] = plain(found)
print(json.dumps(told))
"""


def test_sums_are_those_of_all_rows_in_one_reduction_a_dtype():
  done = subprocess.run(
    [sys.executable, '-c', _PROGRAM],
    capture_output=True,
    text=True,
    check=True,
  )
  told = json.loads(done.stdout.splitlines()[-1])
  expected = told.pop('expected')
  rows = told.pop('rows')
  assert rows['count'] == [1, 2, 5, 3, 0, 0, 9, 4]
  # Two rows a device: as many turns as its longest row takes.
  assert rows['turns'] == [2, 2, 5, 5, 0, 0, 9, 9]
  for name, found in told.items():
    assert found['a'] == expected['a'], name
    assert abs(found['b'] - expected['b']) < 1e-3, name
    assert found['n'] == expected['n'], name
  assert told['data']['reduced'] == 2
  assert told['one']['reduced'] == 0
