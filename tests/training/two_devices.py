"""Steps on two host devices; prints what they came to, as JSON.

As a program, since a process has one number of devices: `python -m
tests.training.two_devices`
"""

import json

import jax

from aurl_jax.models import Model, ModelConfig
from aurl_jax.parallel import mesh as mesh_lib
from aurl_jax.training import evaluate, feed, optimizer, state, steps
from tests.training import toy

CONFIG = ModelConfig(
  width=8, layers=1, heads=2, context=12, head_width=8, dropout=0.2
)
MESHES = {
  'one': {'data': 1},
  'data': {'data': 2},
  'fsdp': {'data': 1, 'fsdp': 2},
}


def run(mesh):
  """Returns the losses of five steps, and what evaluation finds then."""
  model = Model.build(CONFIG, toy.SIZES)
  transform, schedule = optimizer.build(
    optimizer.OptimizerConfig(warmup_steps=2), 10
  )
  with mesh_lib.use(mesh):
    now = state.create(model, transform, seed=0, mesh=mesh)
    step = steps.make_train_step(model, transform, schedule, mesh=mesh)
    place = feed.placer(mesh)
    losses, norms = [], []
    for seed in range(5):
      now, metrics = step(now, place(toy.batch(seed, rows=8)))
      losses.append(float(metrics['loss']))
      norms.append(float(metrics['grad_norm']))
    found = evaluate.evaluate(
      steps.make_eval_step(model, mesh),
      now['params'],
      [toy.batch(7, rows=4), toy.batch(8, rows=2)],
      mesh=mesh,
    )
  kernel = now['opt'][1].mu['decoder']['layers']['0']['mlp']['wide']['kernel']
  return {
    'losses': losses,
    'norms': norms,
    'compiled': step._cache_size(),
    'shard': kernel.addressable_shards[0].data.shape,
    **found,
  }


def main():
  """Prints one line: name of the mesh -> results."""
  mesh_lib.host_devices(2)
  results = {}
  for name, shape in MESHES.items():
    mesh = mesh_lib.make_mesh(mesh_lib.MeshConfig(**shape))
    results[name] = run(mesh)
  print(json.dumps({'devices': jax.device_count(), **results}))


if __name__ == '__main__':
  main()
