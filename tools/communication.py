"""What a step sends between devices, by formula and in the compiled program.

    python tools/communication.py [--sizes tiny,small,base,large] [--devices 8]

Compiles the training step of each size for meshes of 8 (or 256) host devices,
adds up the collectives in its HLO, and compares them with the formulas of
`docs/scaling.md`. Nothing is run. MB are 10^6 bytes that one device sends in
a step; `state` is what it keeps between steps, `work` what a step takes beside
that, as XLA has assigned it. There is a row for each device that splits rows,
at least 8. XLA makes reduce-scatters for GPUs and TPUs, but none for CPUs,
where an all-reduce stands in their place: `here` is the formula for that.
"""

import argparse
import sys
from typing import Any

import jax
import programs

from aurl_jax.parallel import collectives
from aurl_jax.parallel import mesh as mesh_lib

SIZES = {
  'tiny': ('tiny', []),
  'small': ('quickstart', ['model.attention=naive']),
  'base': ('base', ['model.attention=naive']),
  'large': (
    'base',
    [
      *('model.width=1024', 'model.layers=24', 'model.heads=16'),
      *('model.context=2048', 'model.remat=full', 'model.scan=True'),
      *('model.attention=naive', 'generate.bars=0'),
    ],
  ),
}
"""Size -> page and changes; the backend of attention sends nothing."""
MESHES = {
  8: {
    'data 8': (8, 1, 1),
    'fsdp 8': (1, 8, 1),
    'data 4 × tensor 2': (4, 1, 2),
    'fsdp 4 × tensor 2': (1, 4, 2),
    'data 2 × fsdp 2 × tensor 2': (2, 2, 2),
  },
  256: {
    'data 256': (256, 1, 1),
    'fsdp 256': (1, 256, 1),
    'data 32 × fsdp 8': (32, 8, 1),
    'data 16 × fsdp 16': (16, 16, 1),
    'data 16 × fsdp 4 × tensor 4': (16, 4, 4),
  },
}
_ROWS = 8
_FLOAT = 4


def main() -> int:
  """Prints the table; returns the exit status."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--sizes', default='tiny,small,base')
  parser.add_argument('--devices', type=int, default=8, choices=MESHES)
  args = parser.parse_args()
  mesh_lib.host_devices(args.devices)
  heads = ['parameters', 'data+fsdp', 'tensor', 'here', 'found']
  rows = [['size, mesh', *heads, 'state', 'work']]
  for size in args.sizes.split(','):
    for name, shape in MESHES[args.devices].items():
      rows.append([f'{size}, {name}', *line(size, shape)])
      print('  '.join(rows[-1]), file=sys.stderr, flush=True)
  print(programs.table(rows))
  return 0


def line(size: str, shape: tuple[int, int, int]) -> list[str]:
  """Returns the figures of one size on one mesh."""
  page, changes = SIZES[size]
  axes = zip(('data', 'fsdp', 'tensor'), shape, strict=True)
  mesh = [f'mesh.{axis}={count}' for axis, count in axes]
  data, fsdp, _ = shape
  rows = [f'train.batch_size={max(_ROWS, data * fsdp)}']
  program = programs.compiled(page, [*changes, *mesh, *rows], quick=True)
  found = sum(collectives.sent(program.compiled.as_text()).values())
  count = sum(x.size for x in jax.tree.leaves(program.state['params']))
  best = formula(program, shape, scatter=True)
  here = formula(program, shape, scatter=False)
  figures = [best['rows'], best['tensor'], sum(here.values()), found]
  memory = program.compiled.memory_analysis()
  figures += [memory.argument_size_in_bytes, memory.temp_size_in_bytes]
  return [f'{count:,}', *(f'{figure / 1e6:.1f}' for figure in figures)]


def formula(
  program: programs.Program, shape: tuple[int, int, int], *, scatter: bool
) -> dict[str, float]:
  """Returns the bytes that a device sends, as `docs/scaling.md` has it.

  Args:
    program: Its state is described.
    shape: Of the mesh.
    scatter: Whether gradients of split parameters are reduce-scattered.
  """
  data, fsdp, tensor = shape
  split, whole, tables = weights(program.state['params'], tensor)
  run = program.parts.run
  uses = len(program.parts.fields)
  rows = data * fsdp
  sent = 2 * ring(rows) * (whole + extra(tables, uses))
  if fsdp == 1:
    sent += 2 * ring(data) * split
  else:
    # Gathered for the forward pass and again for the backward one; then the
    # gradients are summed up, and the slices over `data`.
    sent += (2 + (1 if scatter else 2)) * ring(fsdp) * split
    sent += 2 * ring(data) * split / fsdp
  activations = run.train.batch_size / rows * run.model.context
  activations *= run.model.width * _FLOAT
  passes = 6 if run.model.remat == 'full' else 4
  moved = passes * run.model.layers * activations * 2 * ring(tensor)
  return {'rows': sent, 'tensor': moved}


def ring(devices: int) -> float:
  """Returns the share of an array that each device sends to gather it."""
  return (devices - 1) / devices


def weights(params: Any, tensor: int) -> tuple[float, float, list[float]]:
  """Returns bytes on a device: matrices, the rest, and each table."""
  split, whole, tables = 0.0, 0.0, []
  for path, leaf in jax.tree_util.tree_leaves_with_path(params):
    name = jax.tree_util.keystr(path, simple=True, separator='/')
    size = leaf.size * _FLOAT
    if 'embed/' in name:
      parts = tensor if leaf.shape[0] % tensor == 0 else 1
      tables.append(size / parts)
    elif 'norm' in name:
      whole += size
    else:
      split += size / tensor
  return split, whole + sum(tables), tables


def extra(tables: list[float], fields: int) -> float:
  """Returns what tables add because each of their uses is reduced by itself.

  Table `f` is looked up by the input, and by the head for each later field,
  and compared with the state: `fields - f + 1` gradients where one would do.
  """
  return sum(size * (fields - f) for f, size in enumerate(tables))


if __name__ == '__main__':
  sys.exit(main())
