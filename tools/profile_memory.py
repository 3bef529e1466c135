"""What a training step needs of each device's memory, part by part.

    python tools/profile_memory.py quickstart
    python tools/profile_memory.py base --set model.remat=full
    python tools/profile_memory.py base --vary model.layers=4,8,16 \
      --vary train.batch_size=16,32
    python tools/profile_memory.py quickstart --measure

Nothing is trained: the compiler plans every buffer, and the table is its
plan, behind a table of what each part of the network holds. `--vary` compiles
every combination of values; `--set` changes a key for all. `--devices 8`
lets a CPU pose as so many, for other meshes (`--set mesh.fsdp=8`).
`--measure` does three steps, too, and compares the plan with the growth of the
process.
"""

import argparse
import itertools
import os
import pathlib
import resource
import subprocess
import sys

import programs

from aurl_jax.experiment import parameters
from aurl_jax.parallel import host, memory
from aurl_jax.parallel import mesh as mesh_lib


def main() -> int:
  """Prints the table; returns the exit status."""
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument('page')
  parser.add_argument('--set', action='append', default=[], metavar='K=V')
  parser.add_argument('--vary', action='append', default=[], metavar='K=V,V')
  parser.add_argument('--devices', type=int, default=0)
  parser.add_argument('--measure', action='store_true')
  args = parser.parse_args()
  mesh_lib.host_devices(args.devices)
  if args.measure:
    return measure(args.page, args.set)
  columns: dict[str, memory.Report] = {}
  for changes in combinations(args.vary):
    program = programs.compiled(args.page, [*args.set, *changes], quick=True)
    found = memory.report(program.compiled, program.state, program.batch)
    if not columns:
      print(parameters.table(parameters.parts(program.state)), end='\n\n')
    columns[' '.join(changes) or args.page] = found
  print(shown(columns))
  return 0 if all(found.fits for found in columns.values()) else 1


def combinations(vary: list[str]) -> list[list[str]]:
  """Returns `key=value` lists of every combination of `key=value,value`."""
  keys = [choice.partition('=')[0] for choice in vary]
  values = [choice.partition('=')[2].split(',') for choice in vary]
  return [
    [f'{key}={value}' for key, value in zip(keys, chosen, strict=True)]
    for chosen in itertools.product(*values)
  ]


def shown(columns: dict[str, memory.Report]) -> str:
  """Returns one column a report, one row a part."""
  reports = list(columns.values())
  names = dict.fromkeys(name for found in reports for name in found.parts)
  rows = [['on each device', *columns]]
  rows.append(['devices', *(str(found.devices) for found in reports)])
  for name in names:
    sizes = (found.parts.get(name, 0) for found in reports)
    rows.append([name, *(memory.size(n) for n in sizes)])
  rows.append(['in all', *(memory.size(found.total) for found in reports)])
  rows.append(['there is', *(memory.size(found.limit) for found in reports)])
  return programs.table(rows)


def measure(page: str, changes: list[str]) -> int:
  """Does three steps and compares the growth of the process with the plan."""
  if os.environ.get('AURL_CHILD') != '1':
    # Once to fill the compilation cache, since compiling takes memory, too.
    for _ in range(2):
      environ = os.environ | {'AURL_CHILD': '1'}
      command = [sys.executable, *sys.argv]
      done = subprocess.run(
        command, env=environ, check=True, text=True, stdout=subprocess.PIPE
      )
    print(done.stdout, end='')
    return 0
  host.keep_memory()
  program = programs.compiled(page, changes)
  found = memory.report(program.compiled, program.state, program.batch)
  before, peak = resident(), resident(peak=True)
  with mesh_lib.use(program.parts.mesh):
    state, batch = program.parts.fresh_state(), programs.filled(program)
    for _ in range(3):
      state, metrics = program.compiled(state, batch)
    float(metrics['loss'])
  planned = found.total * found.devices
  grown = resident(peak=True) - before
  print(shown({page: found}))
  print(f'planned on all devices: {memory.size(planned)}')
  print(
    f'the process grew by:    {memory.size(grown)}, from '
    f'{memory.size(before)} (its peak until then {memory.size(peak)})'
  )
  return 0


def resident(*, peak: bool = False) -> int:
  """Returns the resident size of this process in bytes."""
  if peak:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
  pages = int(pathlib.Path('/proc/self/statm').read_text().split()[1])
  return pages * resource.getpagesize()


if __name__ == '__main__':
  sys.exit(main())
