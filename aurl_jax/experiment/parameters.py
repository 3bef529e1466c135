"""The parameter table of a run: what each part of the network holds.

Told before anything is compiled, and kept in the run's folder as
`parameters.json`. A part is named by the first word of a parameter's path that
says what it is: `decoder/layers/3/attention/qkv_kernel` is of `attention`.
"""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any

import jax

from aurl_jax.core import files
from aurl_jax.experiment.workdir import Workdir
from aurl_jax.parallel import memory, rules

_CONTAINERS = ('decoder', 'encoder', 'layers', 'params')
_NORM = 'norm'
_STATES = ('opt', 'ema', 'average')
"""Parts of a train state that hold something for each parameter."""
_COLUMNS = ('part', 'parameters', 'share', 'bytes', 'optimiser')


@dataclasses.dataclass(frozen=True, kw_only=True)
class Part:
  """What a part of the network holds.

  Attributes:
    name: Such as `embed`, `attention`, `mlp`, `norm`, `head`.
    count: Numbers, over all devices.
    bytes: That they take on one device.
    optimizer: Bytes on one device of what training keeps beside them: moments
      of the optimizer, and averages.
  """

  name: str
  count: int
  bytes: int
  optimizer: int


def parts(state: Mapping[str, Any]) -> tuple[Part, ...]:
  """Returns the parts of a train state, in the order of their names' paths.

  Args:
    state: With `params`; arrays or their descriptions, with shardings.
  """
  leaves = _by_path(state['params'])
  beside = dict.fromkeys(leaves, 0)
  for name in _STATES:
    for path, leaf in _by_path(state.get(name, {})).items():
      # A moment has the path of its parameter behind its own.
      words = path.split('/')
      ends = ('/'.join(words[at:]) for at in range(len(words)))
      owner = next((end for end in ends if end in beside), None)
      if owner is not None:
        beside[owner] += memory.local_bytes(leaf)
  grouped: dict[str, list[str]] = {}
  for path in leaves:
    grouped.setdefault(part_of(path), []).append(path)
  return tuple(
    Part(
      name=name,
      count=sum(leaves[path].size for path in paths),
      bytes=sum(memory.local_bytes(leaves[path]) for path in paths),
      optimizer=sum(beside[path] for path in paths),
    )
    for name, paths in grouped.items()
  )


def part_of(path: str) -> str:
  """Returns the part that a parameter belongs to.

  Example:
    >>> part_of('decoder/layers/3/mlp_norm/scale'), part_of('embed/tables/0')
    ('norm', 'embed')
  """
  words = path.split('/')
  own = [w for w in words if w not in _CONTAINERS and not w.isdecimal()]
  name = own[0] if own else words[-1]
  return _NORM if name == _NORM or name.endswith(f'_{_NORM}') else name


def table(found: Sequence[Part]) -> str:
  """Returns the parts as aligned lines, the largest first, and their sum."""
  whole = Part(
    name='all',
    count=sum(part.count for part in found),
    bytes=sum(part.bytes for part in found),
    optimizer=sum(part.optimizer for part in found),
  )
  ordered = sorted(found, key=lambda part: -part.count)
  rows = [
    (
      part.name,
      f'{part.count:,}',
      f'{100 * part.count / max(1, whole.count):.1f} %',
      memory.size(part.bytes),
      memory.size(part.optimizer),
    )
    for part in (*ordered, whole)
  ]
  columns = list(zip(_COLUMNS, *rows, strict=True))
  widths = [max(map(len, column)) for column in columns]
  return '\n'.join(
    '  '.join(
      [cells[0].ljust(widths[0])]
      + [c.rjust(w) for c, w in zip(cells[1:], widths[1:], strict=True)]
    )
    for cells in zip(*columns, strict=True)
  )


def keep(found: Sequence[Part], folder: Workdir) -> None:
  """Writes the parts to the run's folder, as a list of JSON objects."""
  if jax.process_index() == 0:
    text = json.dumps([dataclasses.asdict(part) for part in found], indent=2)
    files.write_atomic(folder.parameters, f'{text}\n')


def read(folder: Workdir) -> tuple[Part, ...]:
  """Returns the parts that were kept; none of a run before there were any."""
  if not folder.parameters.is_file():
    return ()
  return tuple(Part(**row) for row in json.loads(folder.parameters.read_text()))


def _by_path(tree: Any) -> dict[str, Any]:
  leaves = jax.tree_util.tree_flatten_with_path(tree)[0]
  return {rules.path_name(path): leaf for path, leaf in leaves}
