"""Attention's options on eight host devices and on one; prints JSON.

As a program, since a process has one number of devices: `python -m
tests.models.attention_devices`. Says for each option by how much gradients and
log-probabilities on the mesh differ from those on one device.
"""

import functools
import json

import jax
import jax.numpy as jnp
import numpy as np

from aurl_jax.models import Model, ModelConfig, attention
from aurl_jax.models.splash import attend_splash
from aurl_jax.parallel import mesh as mesh_lib
from aurl_jax.parallel import rules
from tests.models.counting import Counting

OPTIONS = {
  'plain': {},
  'grouped': {'kv_heads': 2},
  'window': {'window': 7, 'remat': 'attention'},
  'relative': {'positions': 'relative', 'relative': 9, 'scan': True},
  'musical': {'positions': 'musical', 'kv_heads': 2},
  'bars': {'pattern': 'bars'},
  'fused': {'attention': 'fused', 'window': 7},
  'splash': {'attention': 'splash', 'window': 7},
}


def batch(steps=20, rows=4):
  """Returns ids, segments, positions and targets of packed rows."""
  rng = np.random.default_rng(0)
  ids = rng.integers(1, 9, (rows, steps, 2)).astype(np.int32)
  segments = np.ones((rows, steps), np.int32)
  segments[:, 12:] = 2
  positions = np.concatenate([np.arange(12), np.arange(steps - 12)])
  positions = np.tile(positions, (rows, 1)).astype(np.int32)
  return ids, segments, positions, np.roll(ids, -1, 1)


def run(options, mesh):
  """Returns log-probabilities and gradients, as one list of arrays."""
  config = ModelConfig(
    width=64, layers=1, heads=4, context=20, head_width=8, **options
  )
  model = Model.build(config, (9, 9), Counting())
  params = model.init(jax.random.key(0))

  def loss(params, *batch):
    found = model.log_probs(params, *batch)
    return jnp.sum(found), found

  with mesh_lib.use(mesh):
    params = jax.device_put(params, rules.shardings(params, mesh))
    placed = rules.place_batch(batch(), mesh)
    grads, found = jax.jit(jax.grad(loss, has_aux=True))(params, *placed)
    return [np.asarray(x) for x in (found, *jax.tree.leaves(grads))]


def main():
  """Prints one line: option -> largest difference."""
  mesh_lib.host_devices(8)
  attention.attend_splash = functools.partial(attend_splash, interpret=True)
  many = mesh_lib.make_mesh(mesh_lib.MeshConfig(data=2, fsdp=2, tensor=2))
  one = mesh_lib.make_mesh(mesh_lib.MeshConfig(data=1))
  plain = {name: run(options, one) for name, options in OPTIONS.items()}
  found = {
    name: max(
      float(np.abs(x - y).max())
      for x, y in zip(run(options, many), plain[name], strict=True)
    )
    for name, options in OPTIONS.items()
  }
  print(json.dumps({'devices': jax.device_count(), **found}))


if __name__ == '__main__':
  main()
