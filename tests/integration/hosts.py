"""Two processes of one run on one machine, for tests to break.

    python -m tests.integration.hosts FOLDER PORT PROCESS STEPS [KILL HANG]

Trains a toy on a mesh of one device a process, gloo between them, and saves
every third step. With KILL, process 1 is killed by itself once the save of
step KILL has begun: before its own part is complete. Prints one JSON line:
step -> sha256 of its own shards of the state, and of the rows it was given.
"""

import json
import os
import pathlib
import signal
import sys

import jax
import numpy as np

from aurl_jax.core.checkpoint import Checkpoints
from aurl_jax.models import Model
from aurl_jax.parallel import mesh as mesh_lib
from aurl_jax.training import callbacks, loop, optimizer, state, steps
from tests.integration.victim import digest
from tests.training import toy, two_devices


class Seen:
  """Remembers what this process holds after each step."""

  def __init__(self):
    self.shards = {}

  def due(self, context):
    return True

  def __call__(self, context):
    mine = jax.tree.map(
      lambda x: np.asarray(x.addressable_shards[0].data), context.state
    )
    self.shards[context.step] = digest(mine)


class KillInSave:
  """Ends this process while a save is on its way."""

  def __init__(self, step):
    self.step = step

  def due(self, context):
    return context.step == self.step

  def __call__(self, context):
    os.kill(os.getpid(), signal.SIGKILL)


class Rows(toy.Batches):
  """This process's half of each batch."""

  def __init__(self, process):
    super().__init__(rows=8)
    self.process, self.given = process, []

  def __next__(self):
    whole = super().__next__()
    rows = slice(4 * self.process, 4 * self.process + 4)
    mine = {name: value[rows] for name, value in whole.items()}
    self.given.append(digest(mine))
    return mine


def main():
  """Trains, or goes on."""
  folder, port, process, total = sys.argv[1:5]
  kill = int(sys.argv[5]) if len(sys.argv) > 5 else 0
  mesh_lib.initialise_distributed(
    mesh_lib.MeshConfig(
      coordinator=f'localhost:{port}', processes=2, process=int(process)
    )
  )
  mesh = mesh_lib.make_mesh(mesh_lib.MeshConfig(data=1, fsdp=2))
  model = Model.build(two_devices.CONFIG, toy.SIZES)
  transform, schedule = optimizer.build(
    optimizer.OptimizerConfig(warmup_steps=2), 40
  )
  batches, seen = Rows(int(process)), Seen()
  with (
    mesh_lib.use(mesh),
    Checkpoints(pathlib.Path(folder), keep=3) as kept,
  ):
    resumed = callbacks.resume(
      kept, state.abstract(model, transform, mesh), batches=batches
    )
    begin = resumed.state if resumed else None
    if begin is None:
      begin = state.create(model, transform, seed=5, mesh=mesh)
    more = [KillInSave(kill)] if kill and process == '1' else []
    print('resumed', resumed.step if resumed else 0, flush=True)
    loop.fit(
      begin,
      steps.make_train_step(model, transform, schedule, mesh=mesh),
      batches,
      [seen, callbacks.Checkpoint(checkpoints=kept, every=3), *more],
      steps=int(total),
      mesh=mesh,
      totals=resumed.totals if resumed else None,
    )
  print(json.dumps({'shards': seen.shards, 'rows': batches.given}))


if __name__ == '__main__':
  main()
