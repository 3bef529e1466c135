"""What checkpoints cost: a share of training time, and the time to resume.

    python tools/bench/checkpoint.py [--steps 400] [--config quickstart]

Trains the page's model on one batch of its shape, with the loop and the
callbacks of a run, once without checkpoints and once with one at the page's
interval, in turn. `cost` is the share of the training time that saving takes
beyond that of the same steps without; `blocked` is the part of it during
which the loop stood still. `resume` is the time to verify and restore the
newest checkpoint, in a process that has just built the model, without
compiling a step. Sizes are those of the files and of the arrays in them.
One JSON line each:

  {"bench", "unit", "value", "goal"}
"""

import argparse
import itertools
import json
import pathlib
import statistics
import sys
import tempfile
import time

import jax
import numpy as np

from aurl_jax.core.checkpoint import Checkpoints
from aurl_jax.experiment import build, pages, sections
from aurl_jax.parallel import host
from aurl_jax.parallel import mesh as mesh_lib
from aurl_jax.training import callbacks, loop


class Stopwatch(callbacks.Checkpoint):
  """A checkpoint callback that adds up how long the loop waits for it."""

  spent = 0.0

  def __call__(self, context: callbacks.Context) -> None:
    """Saves, between two looks at the clock."""
    jax.block_until_ready(context.state)
    start = time.perf_counter()
    super().__call__(context)
    Stopwatch.spent += time.perf_counter() - start


def main() -> int:
  """Prints the lines; returns the exit status."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--steps', type=int, default=400)
  parser.add_argument('--rounds', type=int, default=3)
  parser.add_argument('--config', default='quickstart')
  args = parser.parse_args()
  host.keep_memory()
  run = sections.parse(pages.load(pages.find(args.config)))
  parts = build.build(run)
  with mesh_lib.use(parts.mesh), tempfile.TemporaryDirectory() as folder:
    measure(parts, pathlib.Path(folder), args.steps, args.rounds)
  return 0


def measure(
  parts: build.Parts, folder: pathlib.Path, steps: int, rounds: int
) -> None:
  """Trains with and without checkpoints in turn; prints what it cost."""
  step = parts.train_step()
  every = parts.run.train.checkpoint_every
  train(parts, step, 3, [])
  plain, saved, blocked = [], [], []
  for number in range(rounds):
    plain.append(train(parts, step, steps, []))
    Stopwatch.spent = 0.0
    with Checkpoints(folder / str(number), keep=parts.run.keep) as kept:
      saves = [Stopwatch(checkpoints=kept, every=every)]
      saved.append(train(parts, step, steps, saves))
    blocked.append(Stopwatch.spent)
  without = statistics.median(plain)
  cost = statistics.median(saved) / without - 1
  report('checkpoint.cost', 'share of training time', cost, 0.02)
  share = statistics.median(blocked) / without
  report('checkpoint.blocked', 'share of training time', share, 0.02)
  report('checkpoint.every', 'steps', every, None)
  resume(parts, folder / '0')


def train(parts: build.Parts, step, steps: int, saves: list) -> float:
  """Returns the seconds that so many steps take in the loop."""
  state = parts.fresh_state()
  jax.block_until_ready(state)
  start = time.perf_counter()
  loop.fit(
    state,
    step,
    itertools.repeat(batch(parts)),
    saves,
    steps=steps,
    mesh=parts.mesh,
  )
  return time.perf_counter() - start


def batch(parts: build.Parts) -> dict[str, np.ndarray]:
  """Returns rows of noise that fill the model's context."""
  rows, context = parts.run.train.batch_size, parts.run.model.context
  random = np.random.default_rng(0)
  sizes = parts.run.tokenizer.codec.sizes
  fields = [random.integers(1, size, (rows, context)) for size in sizes]
  return {
    'ids': np.stack(fields, -1).astype(np.int32),
    'segments': np.ones((rows, context), np.int32),
    'positions': np.tile(np.arange(context, dtype=np.int32), (rows, 1)),
    'pieces': np.zeros((rows, context), np.int32),
    'epochs': np.zeros(rows, np.int32),
  }


def resume(parts: build.Parts, folder: pathlib.Path) -> None:
  """Prints how long a restore takes, and how large a checkpoint is."""
  kept, like = Checkpoints(folder), parts.abstract_state()
  start = time.perf_counter()
  restored = kept.restore(like)
  jax.block_until_ready(restored.state)
  report('checkpoint.resume', 's', time.perf_counter() - start, 20)
  files = (folder / str(restored.step)).rglob('*')
  stored = sum(path.stat().st_size for path in files if path.is_file())
  arrays = sum(leaf.nbytes for leaf in jax.tree.leaves(restored.state))
  report('checkpoint.size', 'bytes', stored, None)
  report('checkpoint.compressed', 'of the arrays', stored / arrays, None)


def report(bench: str, unit: str, value: float, goal: float | None) -> None:
  """Prints one JSON line."""
  line = {'bench': bench, 'unit': unit, 'value': round(value, 4), 'goal': goal}
  print(json.dumps(line), flush=True)


if __name__ == '__main__':
  sys.exit(main())
