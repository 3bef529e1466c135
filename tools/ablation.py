r"""Variants of a page at equal compute: one table.

  python tools/ablation.py pop --minutes 10 --out runs/positions \
    --vary 'rope:' --vary 'musical:model.positions=musical' \
    --vary 'relative:model.positions=relative,model.relative=256' \
    --set model.width=160 --seeds 0 1 2

Each variant, and seed, is trained for as many steps as its own step lets into
the minutes of processor time (all cores together; compiling and evaluating do
not count): a dearer variant gets fewer steps. The schedule fits the steps.
Prints a JSON line a run, and a Markdown table of the means in the end. What is
done already lies in `--out` and is not done again, so the same command goes
on after a stop.
"""

import argparse
import dataclasses
import json
import os
import pathlib
import re
import resource
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import Any

_PROBED = 8
"""Steps whose processor time is taken, behind as many that warm up."""
_PROBE = -1
"""Stands for a number of steps where they are only timed."""
_RESULT = 'result.json'
_KEY = re.compile(r',(?=[a-z_]+\.\w)')
"""Commas before `section.key`; others belong to a value."""
_FIGURES = ('valid/loss', 'valid/bits_per_note', 'valid/frames')


@dataclasses.dataclass(frozen=True)
class Trial:
  """One run of the table.

  Attributes:
    name: Of the variant.
    page: Which page.
    changes: `section.key=value` of the variant and of all.
    seed: Of the run.
    folder: Where the run and its result go.
  """

  name: str
  page: str
  changes: tuple[str, ...]
  seed: int
  folder: pathlib.Path

  def config(self, steps: int) -> dict[str, Any]:
    """Returns the run's config for so many steps."""
    from aurl_jax.experiment import pages

    own = (
      f'seed={self.seed}',
      f'train.steps={steps}',
      f'train.evaluate_every={steps}',
      f'train.checkpoint_every={max(1, steps // 4)}',
      f'optimizer.warmup_steps={max(1, min(100, steps // 10))}',
      'logging.page=false',
      'logging.tensorboard=false',
    )
    return pages.load(pages.find(self.page), (*own, *self.changes))


def main() -> int:
  """Runs what is missing and prints the table; returns the exit status."""
  args = _arguments()
  if args.child:
    name, page, changes, seed = json.loads(args.child)
    trial = Trial(name, page, tuple(changes), seed, args.out)
    probed = args.steps == _PROBE
    print(json.dumps(probe(trial) if probed else train(trial, args.steps)))
    return 0
  results = []
  for trial in trials(args):
    path = trial.folder / _RESULT
    if not path.is_file():
      _run(trial, args.minutes, path)
    results.append(json.loads(path.read_text()))
    print(json.dumps(results[-1]), flush=True)
  print(table(results))
  return 0


def _arguments() -> argparse.Namespace:
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument('page')
  parser.add_argument('--minutes', type=float, default=10.0)
  parser.add_argument('--out', type=pathlib.Path, required=True)
  parser.add_argument('--vary', action='append', default=[], metavar='N:K=V,…')
  parser.add_argument('--set', action='append', default=[], metavar='K=V')
  parser.add_argument('--seeds', type=int, nargs='+', default=[0])
  parser.add_argument('--child', default='', help=argparse.SUPPRESS)
  parser.add_argument('--steps', type=int, default=0, help=argparse.SUPPRESS)
  return parser.parse_args()


def trials(args: argparse.Namespace) -> Iterator[Trial]:
  """Yields the runs: all variants of the first seed, then of the next."""
  for seed in args.seeds:
    for words in args.vary or ['as it is:']:
      name, _, changes = words.partition(':')
      own = tuple(word for word in _KEY.split(changes) if word)
      folder = args.out / f'{name.replace(" ", "_")}-{seed}'
      yield Trial(name, args.page, (*args.set, *own), seed, folder)


def _run(trial: Trial, minutes: float, path: pathlib.Path) -> None:
  """Probes, trains, and writes what came of it."""
  from aurl_jax.core import files

  probed = _child(trial, _PROBE)
  # Fixed once: a run that is gone on with keeps its number of steps.
  plan = trial.folder / 'steps.json'
  if not plan.is_file():
    steps = max(1, round(60 * minutes / probed['cpu_seconds']))
    files.write_atomic(plan, json.dumps(steps))
  steps = json.loads(plan.read_text())
  found = _child(trial, steps)
  result = {
    'variant': trial.name,
    'seed': trial.seed,
    'steps': steps,
    'parameters': probed['parameters'],
    'cpu_seconds_a_step': round(probed['cpu_seconds'], 4),
    **{name: found[name] for name in _FIGURES if name in found},
  }
  files.write_atomic(path, json.dumps(result) + '\n')


def _child(trial: Trial, steps: int) -> dict[str, Any]:
  """Does a part in a process of its own, which begins with clean devices."""
  told = json.dumps([trial.name, trial.page, trial.changes, trial.seed])
  words = [sys.executable, __file__, trial.page, '--out', str(trial.folder)]
  trial.folder.mkdir(parents=True, exist_ok=True)
  with (trial.folder / 'log.txt').open('a') as log:
    done = subprocess.run(
      [*words, '--child', told, '--steps', str(steps)],
      stdout=subprocess.PIPE,
      stderr=log,
      text=True,
      env=os.environ
      | {'JAX_COMPILATION_CACHE_DIR': str(trial.folder / 'programs')},
    )
  if done.returncode:
    raise SystemExit(
      f'{trial.name}, seed {trial.seed}: exit {done.returncode}; '
      f'{trial.folder / "log.txt"} tells why'
    )
  found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
  return found


def probe(trial: Trial) -> dict[str, Any]:
  """Returns the processor time of a step, and the model's parameters."""
  import jax

  from aurl_jax.experiment import build, data, sections
  from aurl_jax.parallel import host
  from aurl_jax.parallel import mesh as mesh_lib
  from aurl_jax.training import feed

  host.keep_memory()
  run = sections.parse(trial.config(1000))
  parts = build.build(run)
  cache = data.prepared(run, quiet=True)
  rows = feed.Feed(data.train_batches(run, cache, parts.mesh), parts.mesh)
  marks = []
  with mesh_lib.use(parts.mesh):
    step, state = parts.train_step(cache), parts.fresh_state()
    for number in range(2 * _PROBED + 1):
      state, metrics = step(state, rows.take())
      rows.fetch()
      if number >= _PROBED:
        jax.block_until_ready(metrics)
        used = resource.getrusage(resource.RUSAGE_SELF)
        marks.append(used.ru_utime + used.ru_stime)
  size = sum(leaf.size for leaf in jax.tree.leaves(state['params']))
  return {
    'cpu_seconds': (marks[-1] - marks[0]) / (len(marks) - 1),
    'parameters': size,
  }


def train(trial: Trial, steps: int) -> dict[str, Any]:
  """Trains, or goes on; returns the figures of the last evaluation."""
  from aurl_jax.experiment import train as train_lib
  from aurl_jax.experiment.workdir import Workdir

  folder = Workdir(trial.folder / 'run')
  found = train_lib.run(trial.config(steps), folder, quiet=True)
  return {name: found[name] for name in _FIGURES if name in found}


def table(results: Sequence[dict[str, Any]]) -> str:
  """Returns a Markdown table: a row a variant, means (and spread) of seeds.

  Example:
    >>> print(table([{'variant': 'a', 'seed': 0, 'steps': 9, 'parameters': 5,
    ...   'cpu_seconds_a_step': 1.5, 'valid/loss': 0.5}]))
    | variant | seeds | steps | parameters | CPU s a step | valid/loss |
    |---|---|---|---|---|---|
    | a | 1 | 9 | 5 | 1.500 | 0.5000 |
  """
  names = [name for name in _FIGURES if any(name in r for r in results)]
  head = ['variant', 'seeds', 'steps', 'parameters', 'CPU s a step', *names]
  rows = [head, ['---'] * len(head)]
  for variant in dict.fromkeys(r['variant'] for r in results):
    own = [r for r in results if r['variant'] == variant]
    mean = statistics.mean(r['cpu_seconds_a_step'] for r in own)
    first = [variant, len(own), own[0]['steps'], f'{own[0]["parameters"]:,}']
    figures = [_spread([r[name] for r in own if name in r]) for name in names]
    rows.append([*map(str, first), f'{mean:.3f}', *figures])
  lines = [' | '.join(row) for row in rows]
  return '\n'.join(
    f'|{line.replace(" | ", "|")}|' if '---' in line else f'| {line} |'
    for line in lines
  )


def _spread(values: Sequence[float]) -> str:
  if not values:
    return ''
  mean = f'{statistics.mean(values):.4f}'
  if len(values) == 1:
    return mean
  return f'{mean} ± {statistics.stdev(values):.4f}'


if __name__ == '__main__':
  sys.exit(main())
