"""Bad batches injected at random steps, on a mesh; prints what came of it.

As a program, since a process has one number of devices: `python -m
tests.training.injections DEVICES INJECTIONS`
"""

import json
import sys

import jax
import numpy as np

from aurl_jax.models import Model, ModelConfig
from aurl_jax.parallel import mesh as mesh_lib
from aurl_jax.training import feed, optimizer, state, steps
from aurl_jax.training.averages import AverageConfig
from aurl_jax.training.guard import GuardConfig
from aurl_jax.training.options import StepConfig
from tests.training import faulty, toy

CONFIG = ModelConfig(
  width=16, layers=1, heads=2, context=12, head_width=8, dropout=0.0
)
MESHES = {
  1: {'data': 1},
  2: {'data': 2},
  8: {'data': 2, 'fsdp': 2, 'tensor': 2},
}
OPTIONS = StepConfig(
  guard=GuardConfig(spike=20.0, rollback_after=20),
  averages=AverageConfig(ema=0.9, average_every=1),
)
KEPT = ('params', 'opt', 'ema', 'average')
WARM_UP = 40


def bits(tree):
  """Returns the bytes of a tree's arrays, device by device."""
  return [
    shard.data.tobytes()
    for leaf in jax.tree.leaves(jax.tree.map(_shards, tree))
    for shard in leaf.shards
  ]


class _Shards:
  """The parts of an array, a leaf of a tree."""

  def __init__(self, array):
    self.shards = [_Host(shard) for shard in array.addressable_shards]


class _Host:
  """One part, on the host."""

  def __init__(self, shard):
    self.data = np.array(shard.data)


def _shards(array):
  return _Shards(array)


def plan(count, seed):
  """Returns what each step's batch is: None, or the kind of its fault."""
  random = np.random.default_rng(seed)
  kinds = [None] * WARM_UP
  while sum(map(bool, kinds)) < count:
    bad = random.random() < 0.3
    kinds.append(str(random.choice([*faulty.KINDS])) if bad else None)
  return [*kinds, None]


def run(mesh, kinds):
  """Returns the last state, and how many steps of each kind went right."""
  model = faulty.Faulty(Model.build(CONFIG, toy.SIZES))
  transform, schedule = optimizer.build(
    optimizer.OptimizerConfig(learning_rate=1e-3, warmup_steps=2), 1000
  )
  right = dict.fromkeys((*faulty.KINDS, 'good'), 0)
  with mesh_lib.use(mesh):
    now = state.create(model, transform, seed=0, mesh=mesh, options=OPTIONS)
    step = steps.make_train_step(model, transform, schedule, OPTIONS, mesh)
    place = feed.placer(mesh)
    for number, kind in enumerate(kinds):
      if kind == 'left out':
        continue
      before = bits({name: now[name] for name in KEPT})
      now, found = step(now, place(faulty.batch(number, rows=8, kind=kind)))
      same = bits({name: now[name] for name in KEPT}) == before
      skipped = int(found['skipped'])
      sums = float(found['objective']) + float(found['counts'].sum())
      as_bad = same and skipped and not sums
      as_good = not same and not skipped and sums > 0
      right[kind or 'good'] += bool(as_bad if kind else as_good)
  return now, right


def main():
  """Prints one line of JSON."""
  devices, count = int(sys.argv[1]), int(sys.argv[2])
  mesh_lib.host_devices(devices)
  mesh = mesh_lib.make_mesh(mesh_lib.MeshConfig(**MESHES[devices]))
  kinds = plan(count, seed=devices)
  last, right = run(mesh, kinds)
  only = ['left out' if kind else None for kind in kinds]
  clean, _ = run(mesh, only)
  names = ('params', 'opt', 'ema')
  print(
    json.dumps(
      {
        'devices': jax.device_count(),
        'injected': {name: kinds.count(name) for name in faulty.KINDS},
        'good': kinds.count(None),
        'right': right,
        'as if never seen': [bits(last[n]) for n in names]
        == [bits(clean[n]) for n in names],
      }
    )
  )


if __name__ == '__main__':
  main()
