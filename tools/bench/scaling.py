"""Scaling over processes and devices: tokens/s against one core.

    python tools/bench/scaling.py [--rounds 5] [--steps 3] [--devices 8]

First, two processes (gloo) that are pinned to one core each, against one that
is pinned to one core: the same global batch, the same program, whole training
steps of the quickstart's model with 16 rows of 512 steps. Both sides work in
turn, so that what else the machine does slows both. Then two such processes
that know nothing of each other, with half of the rows each: what the machine
itself gives for a second core (shared caches and memory, threads of one core
that pose as two). Then the same program on 8 host devices against one device,
both free to use every core: what the devices cost where there is nothing to
gain by them.

One JSON line each; `ours` and `theirs` are tokens/s, `ratio` has
a goal of 1.7 for two processes.
"""

import argparse
import functools
import json
import os
import socket
import sys

import harness

ROWS, STEPS = 16, 512
GOAL = 1.7


def main() -> int:
  """Runs both comparisons; returns the exit status."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--rounds', type=int, default=5)
  parser.add_argument('--steps', type=int, default=3, help='steps a round')
  parser.add_argument('--devices', type=int, default=8)
  parser.add_argument('--serve', help=argparse.SUPPRESS)
  args = parser.parse_args()
  if args.serve:
    serve(json.loads(args.serve))
    return 0
  cores = sorted(os.sched_getaffinity(0))
  if len(cores) < 2:
    print('two cores are needed', file=sys.stderr)
    return 2
  port = _port()
  pair = [
    {'steps': args.steps, 'cores': [cores[i]], 'process': i, 'port': port}
    for i in range(2)
  ]
  one = {'steps': args.steps, 'cores': cores[:1]}
  ratio = _compare('processes.2', 'one core', [one], pair, args.rounds)
  apart = [
    {'steps': args.steps, 'cores': [cores[i]], 'rows': ROWS // 2}
    for i in range(2)
  ]
  _compare('apart.2', 'one core', [one], apart, args.rounds)
  many = {'steps': args.steps, 'cores': cores, 'devices': args.devices}
  one = {'steps': args.steps, 'cores': cores}
  name = f'devices.{args.devices}'
  _compare(name, 'one device', [one], [many], args.rounds)
  return int(ratio < GOAL)


def _port() -> int:
  with socket.socket() as probe:
    probe.bind(('localhost', 0))
    return probe.getsockname()[1]


def _compare(name, peer, theirs, ours, rounds: int) -> float:
  """Lets both sides work in turn and prints the line."""
  sides = [Group(theirs), Group(ours)]
  line = harness.compare(
    f'scaling.{name}',
    peer,
    'tokens/s',
    ours=sides[1].work,
    theirs=sides[0].work,
    rounds=rounds,
  )
  for side in sides:
    side.stop()
  return line['ratio']


class Group:
  """Processes that work at the same time."""

  def __init__(self, settings: list[dict]) -> None:
    commands = [[__file__, '--serve', json.dumps(one)] for one in settings]
    # All must be there before the first one says that it is ready.
    self._sides = [harness.Side(command, wait=False) for command in commands]
    for side in self._sides:
      side.ready()

  def work(self) -> float:
    """Lets them do a round; returns the tokens of them all."""
    for side in self._sides:
      side.ask()
    return sum([side.answer() for side in self._sides])

  def stop(self) -> None:
    """Ends them, who end only together."""
    for side in self._sides:
      side.dismiss()
    for side in self._sides:
      side.stop()


def serve(settings: dict) -> None:
  """Trains as often as stdin asks, on the cores and devices it is given."""
  # Before jax: its threads are as many as there are cores for it.
  os.sched_setaffinity(0, settings['cores'])
  # Gloo talks on the standard output, which is for figures.
  sys.stdout = os.fdopen(os.dup(1), 'w')
  os.dup2(2, 1)
  import jax

  from aurl_jax.parallel import ahead, collectives, host
  from aurl_jax.parallel import mesh as mesh_lib

  host.keep_memory()
  mesh_lib.host_devices(settings.get('devices', 1))
  if 'process' in settings:
    address = f'localhost:{settings["port"]}'
    config = mesh_lib.MeshConfig(
      coordinator=address, processes=2, process=settings['process']
    )
    mesh_lib.initialise_distributed(config)
  mesh = mesh_lib.make_mesh(mesh_lib.MeshConfig())
  with mesh_lib.use(mesh):
    rows = settings.get('rows', ROWS)
    state, batch, step = _training(mesh, rows)
    step = ahead.Ahead(step)
    sent = collectives.sent(step.compile(state, batch).as_text())

    def train() -> None:
      nonlocal state
      for _ in range(settings['steps']):
        state, metrics = step(state, batch)
      jax.block_until_ready(metrics)

    train()
    print(mesh_lib.describe(mesh), sent, file=sys.stderr)
    tokens = settings['steps'] * batch['ids'].shape[0] * STEPS
    tokens //= jax.process_count()
    work = functools.partial(_counted, train, tokens)
    harness.serve(f'jax {jax.__version__}', sum(sent.values()), work)


def _counted(train, tokens: int) -> int:
  train()
  return tokens


def _training(mesh, rows: int):
  """Returns state, batch and step of the quickstart's model."""
  import numpy as np

  from aurl_jax.experiment import pages, sections
  from aurl_jax.models import Model
  from aurl_jax.parallel import rules as rules_lib
  from aurl_jax.tokens.places import Places
  from aurl_jax.training import optimizer as optimizer_lib
  from aurl_jax.training import state as state_lib
  from aurl_jax.training import steps as steps_lib

  run = sections.parse(pages.load('quickstart', [f'model.context={STEPS}']))
  sizes = run.tokenizer.codec.sizes
  model = Model.build(run.model, sizes, Places.of(run.tokenizer))
  optimizer, schedule = optimizer_lib.build(run.optimizer, 10_000)
  state = state_lib.create(model, optimizer, seed=0, mesh=mesh)
  step = steps_lib.make_train_step(model, optimizer, schedule, mesh=mesh)
  random = np.random.default_rng(0)
  ids = random.integers(1, min(sizes), (rows, STEPS, len(sizes)))
  whole = {
    'ids': ids,
    'segments': np.ones((rows, STEPS)),
    'positions': np.tile(np.arange(STEPS), (rows, 1)),
  }
  index, count = rules_lib.share(mesh)
  ours = slice(index * rows // count, (index + 1) * rows // count)
  batch = {name: x[ours].astype(np.int32) for name, x in whole.items()}
  return state, rules_lib.place_batch(batch, mesh), step


if __name__ == '__main__':
  sys.exit(main())
