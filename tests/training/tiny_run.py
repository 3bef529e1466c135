"""A whole run of a tiny model, for tests to break and to go on with.

As a program: `python -m tests.training.tiny_run FOLDER STEPS [KILL]`
"""

import contextlib
import functools
import json
import os
import pathlib
import signal
import sys

from aurl_jax.core.checkpoint import Checkpoints
from aurl_jax.core.errors import AurlError
from aurl_jax.core.writers import JsonlWriter
from aurl_jax.models import Model, ModelConfig
from aurl_jax.training import callbacks, loop, optimizer, state, steps
from tests.training import toy

CONFIG = ModelConfig(
  width=8, layers=1, heads=2, context=12, head_width=8, dropout=0.2
)
RUN = {'seed': 5, 'data': 'toy'}


class Kill:
  """Ends the process after a step, as a power failure would."""

  def __init__(self, step):
    self.step = step

  def due(self, context):
    return context.step == self.step

  def __call__(self, context):
    os.kill(os.getpid(), signal.SIGKILL)


@functools.cache
def parts():
  """Returns model, optimizer and step, compiled once a process."""
  model = Model.build(CONFIG, toy.SIZES)
  config = optimizer.OptimizerConfig(warmup_steps=3)
  transform, schedule = optimizer.build(config, 40)
  return model, transform, steps.make_train_step(model, transform, schedule)


def run(folder, total, *, more=()):
  """Trains to step `total`, or goes on; returns the state."""
  folder = pathlib.Path(folder)
  model, transform, step = parts()
  writer, batches = JsonlWriter(folder / 'metrics.jsonl'), toy.Batches()
  with (
    contextlib.closing(writer),
    Checkpoints(folder / 'checkpoints', keep=2) as kept,
  ):
    resumed = callbacks.resume(
      kept,
      state.abstract(model, transform),
      batches=batches,
      writers=[writer],
      run=RUN,
    )
    begin = resumed.state if resumed else None
    return loop.fit(
      begin or state.create(model, transform, seed=RUN['seed']),
      step,
      batches,
      [
        callbacks.Evaluate(every=8, function=_size),
        callbacks.Log(every=4, writers=[writer], fields=('kind', 'pitch')),
        callbacks.Checkpoint(checkpoints=kept, every=3, run=RUN),
        *more,
      ],
      steps=total,
      totals=resumed.totals if resumed else None,
    )


def records(folder):
  """Returns the run's records, but for what depends on the machine."""
  lines = (pathlib.Path(folder) / 'metrics.jsonl').read_text().splitlines()
  found = [json.loads(line) for line in lines]
  return [
    {
      name: value
      for name, value in record.items()
      if name != 'tokens_per_second' and not name.startswith('system/')
    }
    for record in found
  ]


def _size(params):
  return {'size': float(abs(params['decoder']['norm']['scale']).sum())}


def main():
  """Exits as the command line does."""
  folder, total = sys.argv[1], int(sys.argv[2])
  more = [Kill(int(sys.argv[3]))] if len(sys.argv) > 3 else []
  try:
    run(folder, total, more=more)
  except AurlError as error:
    print(error)
    sys.exit(error.exit_code)


if __name__ == '__main__':
  main()
