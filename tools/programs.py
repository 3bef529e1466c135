"""The compiled training step of a config page, for the tools that look at it.

Nothing is trained and no data is read: state and batch are only described.
"""

import dataclasses
import time
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from aurl_jax.experiment import build, pages, sections
from aurl_jax.parallel import mesh as mesh_lib
from aurl_jax.parallel import rules

# Half the time to compile; the program is the same up to its machine code.
QUICK = {'xla_backend_optimization_level': 0}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Program:
  """A compiled step and what it takes.

  Attributes:
    parts: The run's objects.
    state: Described.
    batch: Described.
    compiled: `jax.stages.Compiled` of `step(state, batch)`.
    seconds: What compiling took.
  """

  parts: build.Parts
  state: dict[str, Any]
  batch: dict[str, Any]
  compiled: Any
  seconds: float

  @property
  def tokens(self) -> int:
    """Steps of a batch."""
    rows, steps = self.batch['ids'].shape[:2]
    return rows * steps


def compiled(
  page: str, changes: Sequence[str] = (), *, quick: bool = False
) -> Program:
  """Returns the compiled step of a page with `section.key=value` changes.

  Args:
    page: Name or path of a config page.
    changes: Overrides.
    quick: Whether the machine code may be slow: for what is only looked at.
  """
  run = sections.parse(pages.load(page, changes))
  parts = build.build(run)
  batch = described(parts)
  options = QUICK if quick and jax.default_backend() == 'cpu' else None
  start = time.perf_counter()
  with mesh_lib.use(parts.mesh):
    state = parts.abstract_state()
    lowered = parts.train_step().lower(state, batch)
    program = lowered.compile(compiler_options=options)
  return Program(
    parts=parts,
    state=state,
    batch=batch,
    compiled=program,
    seconds=time.perf_counter() - start,
  )


def described(parts: build.Parts) -> dict[str, jax.ShapeDtypeStruct]:
  """Returns the shapes of a batch of the run."""
  rows, steps = parts.run.train.batch_size, parts.run.model.context
  shapes = dict.fromkeys(('segments', 'positions', 'pieces'), (rows, steps))
  shapes |= {'ids': (rows, steps, len(parts.fields)), 'epochs': (rows,)}
  place = rules.batch_sharding(parts.mesh)
  return {
    name: jax.ShapeDtypeStruct(shape, np.int32, sharding=place)
    for name, shape in shapes.items()
  }


def filled(program: Program) -> dict[str, jax.Array]:
  """Returns a batch of random ids, full rows of one piece each."""
  random = np.random.default_rng(0)
  sizes = program.parts.run.tokenizer.codec.sizes
  rows, steps, _ = program.batch['ids'].shape
  columns = [random.integers(1, size, (rows, steps)) for size in sizes]
  arrays = {
    'ids': np.stack(columns, axis=-1),
    'segments': np.ones((rows, steps)),
    'positions': np.tile(np.arange(steps), (rows, 1)),
    'pieces': np.zeros((rows, steps)),
    'epochs': np.zeros(rows),
  }
  numbers = {name: array.astype(np.int32) for name, array in arrays.items()}
  return jax.device_put(numbers, rules.batch_sharding(program.parts.mesh))


def table(rows: Sequence[Sequence[str]]) -> str:
  """Returns rows of text as aligned columns, the first to the left."""
  widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
  lines = []
  for first, *rest in rows:
    cells = [first.ljust(widths[0])]
    cells += [c.rjust(w) for c, w in zip(rest, widths[1:], strict=True)]
    lines.append('  '.join(cells).rstrip())
  return '\n'.join(lines)
