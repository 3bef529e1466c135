"""Steps on meshes of eight host devices; prints what they came to, as JSON.

As a program: `python -m tests.training.meshes OPTIMIZER MESH...`, a mesh
such as `2x2x2`, its sizes of data, fsdp and tensor.
"""

import json
import sys

import jax
import numpy as np

from aurl_jax.models import Model, ModelConfig
from aurl_jax.parallel import mesh as mesh_lib
from aurl_jax.training import feed, optimizer, state, steps
from aurl_jax.training.averages import AverageConfig
from aurl_jax.training.options import StepConfig
from tests.training import toy

CONFIG = ModelConfig(
  width=128, layers=1, heads=8, context=12, head_width=8, dropout=0.1
)
OPTIONS = StepConfig(averages=AverageConfig(ema=0.9, average_every=2))
SIZES = (16, 8)


def run(mesh, name):
  """Returns losses of five steps, and of the averages on another batch."""
  model = Model.build(CONFIG, SIZES)
  transform, schedule = optimizer.build(
    optimizer.OptimizerConfig(
      name=name, warmup_steps=2, schedule='wsd', clip_value=0.5
    ),
    10,
  )
  with mesh_lib.use(mesh):
    now = state.create(model, transform, seed=0, mesh=mesh, options=OPTIONS)
    step = steps.make_train_step(model, transform, schedule, OPTIONS, mesh)
    judge = steps.make_eval_step(model, mesh)
    place = feed.placer(mesh)
    losses = []
    for seed in range(5):
      now, found = step(now, place(toy.batch(seed, rows=8, sizes=SIZES)))
      losses.append(float(found['loss']))
    other = place(toy.batch(9, rows=8, sizes=SIZES))
    for tree in (now['params'], now['ema'], now['average']['params']):
      sums = judge(tree, other)
      losses.append(float(sums['nats'].sum() / sums['counts'].sum()))
  largest = max(
    np.prod(leaf.addressable_shards[0].data.shape, dtype=int) / leaf.size
    for leaf in jax.tree.leaves(now)
    if leaf.size >= 128 * 128
  )
  return {'losses': losses, 'share': float(largest)}


def main():
  """Prints one line: mesh -> results."""
  mesh_lib.host_devices(8)
  name, results = sys.argv[1], {}
  for words in sys.argv[2:]:
    sizes = map(int, words.split('x'))
    shape = dict(zip(mesh_lib.AXES, sizes, strict=True))
    mesh = mesh_lib.make_mesh(mesh_lib.MeshConfig(**shape))
    results[words] = run(mesh, name)
  print(json.dumps(results))


if __name__ == '__main__':
  main()
