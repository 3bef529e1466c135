"""What a compiled program sends between devices, read from its HLO text.

The bytes are those of the algorithms that are optimal in bandwidth (ring
all-reduce and its halves; Patarasu & Yuan 2009, Bandwidth optimal all-reduce
algorithms): an all-reduce is a reduce-scatter and an all-gather.
"""

import dataclasses
import math
import re
from collections.abc import Iterator

from aurl_jax.core.errors import AurlError

KINDS = (
  'all-reduce',
  'all-gather',
  'reduce-scatter',
  'all-to-all',
  'collective-permute',
)
_SIZES = {'pred': 1, 'bf16': 2, 'f16': 2, 's8': 1, 'u8': 1, 's16': 2}
_SIZES |= {'u16': 2, 's32': 4, 'u32': 4, 'f32': 4, 's64': 8, 'u64': 8, 'f64': 8}
_SHAPE = re.compile(rf'\b({"|".join(_SIZES)})\[([\d,]*)\]')
_OP = re.compile(
  rf'= (?P<shape>.+?) (?P<kind>{"|".join(KINDS)})(?P<start>-start)?\('
)
_COMPUTATION = re.compile(r'^(?:ENTRY )?%?([\w.-]+) .*\{$')
_BODY = re.compile(r' while\(.*body=%?([\w.-]+)')
_CALLED = re.compile(r'(?:calls|to_apply|branch_computations)=\{?%?([\w.-]+)')
_TRIPS = re.compile(r'"known_trip_count":\{"n":"(\d+)"\}')


@dataclasses.dataclass(frozen=True)
class Collective:
  """One operation between devices.

  Attributes:
    kind: One of `KINDS`.
    size: Bytes of its result on one device.
    group: Devices that take part in one instance of it.
    times: How often a run of the program does it.
  """

  kind: str
  size: int
  group: int
  times: int = 1

  @property
  def sent(self) -> float:
    """Bytes that each device sends in a run, in the best algorithm."""
    others = self.group - 1
    each = {
      'all-reduce': 2 * others / self.group,
      'reduce-scatter': float(others),
      'collective-permute': 1.0,
    }.get(self.kind, others / self.group)
    return each * self.size * self.times


def collectives(hlo: str) -> list[Collective]:
  """Returns the operations between devices of a program.

  Args:
    hlo: `jax.stages.Compiled.as_text()`. What stands in a loop counts as
      often as the compiler knows that the loop runs, else once.

  Raises:
    AurlError: It has groups of devices in a form that is not known here.
  """
  bodies = dict(_computations(hlo))
  times = _times(bodies)
  return [
    dataclasses.replace(found, times=times.get(name, 1))
    for name, lines in bodies.items()
    for line in lines
    if (found := _collective(line)) and found.group > 1
  ]


def sent(hlo: str) -> dict[str, float]:
  """Returns the bytes that each device sends in a run, by kind."""
  total: dict[str, float] = {}
  for found in collectives(hlo):
    total[found.kind] = total.get(found.kind, 0.0) + found.sent
  return total


def _computations(hlo: str) -> Iterator[tuple[str, list[str]]]:
  name, lines = '', list[str]()
  for line in hlo.splitlines():
    if header := _COMPUTATION.match(line):
      name, lines = header[1], []
    elif line.startswith('}'):
      yield name, lines
    else:
      lines.append(line)


def _times(bodies: dict[str, list[str]]) -> dict[str, int]:
  """Returns how often each computation runs, loops in loops multiplied."""
  callers: dict[str, tuple[str, int]] = {}
  for name, lines in bodies.items():
    for line in lines:
      if loop := _BODY.search(line):
        trips = _TRIPS.search(line)
        callers[loop[1]] = name, int(trips[1]) if trips else 1
      elif called := _CALLED.search(line):
        callers.setdefault(called[1], (name, 1))

  def count(name: str) -> int:
    if name not in callers:
      return 1
    caller, trips = callers[name]
    return trips * count(caller)

  return {name: count(name) for name in bodies}


def _collective(line: str) -> Collective | None:
  found = _OP.search(line)
  if not found:
    return None
  sizes = [_bytes(*shape) for shape in _SHAPE.findall(found['shape'])]
  kind, size = found['kind'], sum(sizes)
  if found['start'] and kind != 'all-reduce':
    # Their starts give what goes in, too, and its result comes second.
    size = sizes[1]
  group = 2 if kind == 'collective-permute' else _group(line)
  return Collective(kind, size, group)


def _bytes(kind: str, shape: str) -> int:
  return _SIZES[kind] * math.prod(map(int, filter(None, shape.split(','))))


def _group(line: str) -> int:
  """Returns the devices of a group; XLA has three ways to write them."""
  if found := re.search(r'replica_groups=\{\{([\d,]+)\}', line):
    return found[1].count(',') + 1
  if found := re.search(r'replica_groups=\[\d+,(\d+)\]<=', line):
    return int(found[1])
  if found := re.search(r'replica_groups=mesh\[(.*?)\][^{]*\{(.*?)\}', line):
    axes = dict(re.findall(r"'?([\w.]+)'?=(\d+)", found[1]))
    names = re.findall(r"'?([\w.]+)'?", found[2])
    return math.prod(int(axes[name]) for name in names)
  raise AurlError(f'cannot read the groups of {line.strip()[:300]}', code='hlo')
