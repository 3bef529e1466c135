"""Where a training step's time goes: cost, roofline, measured time.

    python tools/profile_step.py quickstart
    python tools/profile_step.py base --set model.dtype=bfloat16 --trace /tmp/t

Compiles the step of a page, adds up what its program computes and moves, by
kind of operation, and sets it against what this machine can do: a large
matrix product and a large copy, measured here on all devices of the mesh
(Williams et al. 2009, Roofline). Then it measures whole steps of random ids.

`flops` are those of matrix products as they stand in the program, what is
recomputed included; `bytes` what each operation reads and writes, as if
nothing stayed in a cache. `--trace` also profiles three steps, prints what
took longest, and leaves the trace for TensorBoard or Perfetto in the folder.
"""

import argparse
import collections
import math
import pathlib
import re
import sys
import time
from collections.abc import Callable, Iterator

import jax
import jax.numpy as jnp
import programs

from aurl_jax.parallel import collectives, host
from aurl_jax.parallel import mesh as mesh_lib

_OP = re.compile(r'^\s*(?:ROOT )?%?([\w.-]+) = (.+?) ([\w-]+)\((.*)$')
_SHAPE = re.compile(r'\b(pred|[a-z]+\d+\w*)\[([\d,]*)\]')
_CONTRACTED = re.compile(r'lhs_contracting_dims=\{([\d,]*)\}')
_COMPUTATION = re.compile(r'^(ENTRY )?%?([\w.-]+) .*\{$')
_FREE = ('parameter', 'constant', 'tuple', 'get-tuple-element', 'bitcast')
_BITS = re.compile(r'\d+')
_HEAVY = ('dot', 'convolution', 'scatter', 'reduce')
_SHOWN = 12


def main() -> int:
  """Prints the tables; returns the exit status."""
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument('page')
  parser.add_argument('--set', action='append', default=[], metavar='K=V')
  parser.add_argument('--devices', type=int, default=0)
  parser.add_argument('--steps', type=int, default=5)
  parser.add_argument('--trace', type=pathlib.Path)
  args = parser.parse_args()
  host.keep_memory()
  mesh_lib.host_devices(args.devices)
  program = programs.compiled(args.page, args.set)
  text = program.compiled.as_text()
  print(
    f'{mesh_lib.describe(program.parts.mesh)}; compiled in '
    f'{program.seconds:.0f} s; on one device:'
  )
  print(programs.table(by_kind(text)))
  step, seconds = measured(program, args.steps)
  print(programs.table(roofline(program, text, seconds)))
  if args.trace:
    print(programs.table(longest(step, args.trace)))
  return 0


def by_kind(hlo: str) -> list[list[str]]:
  """Returns a table of the program by kind of operation."""
  counts: collections.Counter[str] = collections.Counter()
  moved: collections.Counter[str] = collections.Counter()
  for kind, size in _operations(hlo):
    counts[kind] += 1
    moved[kind] += size
  rows = [['operation', 'times', 'MB read and written']]
  for kind, size in moved.most_common(_SHOWN):
    rows.append([kind, f'{counts[kind]:,}', f'{size / 1e6:,.1f}'])
  for kind, size in collectives.sent(hlo).items():
    rows.append([f'sent by {kind}', '', f'{size / 1e6:,.1f}'])
  return rows


def _operations(hlo: str) -> Iterator[tuple[str, int]]:
  """Yields kind and bytes of what runs as one: not the insides of fusions."""
  inner = set(re.findall(r'(?:calls|to_apply)=\{?%?([\w.-]+)', hlo))
  bodies = list(_computations(hlo))
  kinds = {name: {kind for _, kind, _ in lines} for name, _, lines in bodies}
  for name, sizes, lines in bodies:
    # A fusion's kind and its inside are told by the caller's line.
    if name in inner and not re.search(rf' call\(.*to_apply=%?{name}\b', hlo):
      continue
    for result, kind, rest in lines:
      if kind not in _FREE:
        read = re.findall(r'%([\w.-]+)', rest.partition(')')[0])
        if kind == 'fusion':
          inside = kinds[re.search(r'calls=%?([\w.-]+)', rest)[1]]
          kind = next((f'fusion with {k}' for k in _HEAVY if k in inside), kind)
        yield kind, sizes[result] + sum(sizes.get(x, 0) for x in read)


def products(hlo: str) -> int:
  """Returns the flops of all matrix products: two a multiplication."""
  total = 0
  for _, _, lines, shapes in _computations(hlo, with_shapes=True):
    for result, kind, rest in lines:
      if kind == 'dot':
        left = re.findall(r'%([\w.-]+)', rest)[0]
        axes = _CONTRACTED.search(rest)[1].split(',')
        inside = math.prod(shapes[left][int(axis)] for axis in axes if axis)
        total += 2 * math.prod(shapes[result]) * inside
  return total


def _computations(hlo: str, *, with_shapes: bool = False) -> Iterator[tuple]:
  """Yields name, bytes of each result, and (result, kind, rest) of a line."""
  name, sizes, shapes, lines = '', {}, {}, []
  for line in hlo.splitlines():
    if header := _COMPUTATION.match(line):
      name, sizes, shapes, lines = header[2], {}, {}, []
    elif line.startswith('}'):
      yield (
        (name, sizes, lines, shapes) if with_shapes else (name, sizes, lines)
      )
    elif found := _OP.match(line):
      result, shape, kind, rest = found.groups()
      arrays = [
        (dtype, [int(n) for n in dims.split(',') if n])
        for dtype, dims in _SHAPE.findall(shape)
      ]
      sizes[result] = sum(_width(d) * math.prod(s) for d, s in arrays)
      shapes[result] = arrays[0][1] if arrays else []
      lines.append((result, kind, rest))


def _width(dtype: str) -> int:
  bits = _BITS.search(dtype)
  return max(1, int(bits[0]) // 8) if bits else 1


def measured(
  program: programs.Program, steps: int
) -> tuple[Callable[[], None], float]:
  """Returns what does one step and waits, and the median of their seconds."""
  with mesh_lib.use(program.parts.mesh):
    state, batch = program.parts.fresh_state(), programs.filled(program)

  def step() -> None:
    nonlocal state
    state, metrics = program.compiled(state, batch)
    jax.block_until_ready(metrics)

  step()
  return step, _median(step, steps)


def _median(work: Callable[[], object], times: int) -> float:
  seconds = []
  for _ in range(times):
    start = time.perf_counter()
    work()
    seconds.append(time.perf_counter() - start)
  return sorted(seconds)[times // 2]


def roofline(
  program: programs.Program, hlo: str, seconds: float
) -> list[list[str]]:
  """Returns a table of the step against the machine, all devices together."""
  devices = program.parts.mesh.size
  # The compiler's count of bytes knows of loops and of what fusions read.
  cost = program.compiled.cost_analysis() or {}
  counted = float(cost.get('bytes accessed', 0))
  flops = max(products(hlo), float(cost.get('flops', 0))) * devices
  moved = counted * devices
  dtype = jnp.dtype(program.parts.run.model.dtype)
  peak, width = gemm(dtype, devices), bandwidth(devices)
  bounds = {'compute': flops / peak, 'memory': moved / width}
  bound = max(bounds, key=bounds.__getitem__)
  return [
    ['step against machine', '', ''],
    ['flops', f'{flops / 1e9:,.1f} G', f'machine {peak / 1e9:,.0f} G/s'],
    ['bytes', f'{moved / 1e9:,.2f} G', f'machine {width / 1e9:,.1f} G/s'],
    ['flops a byte', f'{flops / moved:.1f}', f'ridge {peak / width:.1f}'],
    ['compute bound', f'{bounds["compute"] * 1e3:,.1f} ms', ''],
    ['memory bound', f'{bounds["memory"] * 1e3:,.1f} ms', f'{bound} binds'],
    [
      'measured',
      f'{seconds * 1e3:,.1f} ms',
      f'{program.tokens / seconds:,.0f} tokens/s',
    ],
    ['of peak flops', f'{flops / seconds / peak:.0%}', ''],
    ['of the bound', f'{max(bounds.values()) / seconds:.0%}', ''],
  ]


def gemm(dtype: jnp.dtype, devices: int) -> float:
  """Returns flops a second of matrix products on all devices at once."""
  size = 1024 if jax.default_backend() == 'cpu' else 8192
  sides = jnp.ones((devices, size, size), dtype)
  seconds = _rate(lambda x: x @ x, sides, devices)
  return 2 * size**3 * devices / seconds


def bandwidth(devices: int) -> float:
  """Returns bytes a second that all devices read and write together."""
  count = 1 << (24 if jax.default_backend() == 'cpu' else 28)
  array = jnp.ones((devices, count), jnp.float32)
  return 2 * array.nbytes / _rate(lambda x: x + 1, array, devices)


def _rate(work: Callable, array: jax.Array, devices: int) -> float:
  mesh = jax.make_mesh((devices,), ('d',), (jax.sharding.AxisType.Auto,))
  place = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec('d'))
  array, program = jax.device_put(array, place), jax.jit(work)
  jax.block_until_ready(program(array))
  return _median(lambda: jax.block_until_ready(program(array)), 7)


def longest(step: Callable[[], None], folder: pathlib.Path) -> list[list[str]]:
  """Returns a table of what took longest in three profiled steps."""
  with jax.profiler.trace(str(folder)):
    for _ in range(3):
      step()
  paths = folder.rglob('*.xplane.pb')
  newest = max(paths, key=lambda path: path.stat().st_mtime)
  spent: collections.Counter[str] = collections.Counter()
  data = jax.profiler.ProfileData.from_file(str(newest))
  for plane in data.planes:
    for line in plane.lines if _of_device(plane.name) else ():
      for event in line.events:
        if dict(event.stats).get('hlo_op'):
          spent[re.sub(r'[.\d]+$', '', event.name)] += event.duration_ns
  total = sum(spent.values()) or 1
  rows = [['longest, by name', 'ms a step', 'share']]
  for name, nanoseconds in spent.most_common(_SHOWN):
    share = f'{nanoseconds / total:.0%}'
    rows.append([name[:60], f'{nanoseconds / 3e6:,.1f}', share])
  return rows


def _of_device(plane: str) -> bool:
  return plane.startswith(('/device:', '/host:CPU'))


if __name__ == '__main__':
  sys.exit(main())
