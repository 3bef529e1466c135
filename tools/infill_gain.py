"""What both sides of a gap are worth: infilled bars against continued ones.

  python tools/infill_gain.py runs/mine --split valid
  python tools/infill_gain.py pop --config=pop --room 64

Of the same bars of the same pieces, the likelihood of what they hold: given
both sides, as the model infills, and given the left alone, as it continues.
The tokenizer must have infill=True. A run has its data; a bundle, or a shipped
name, takes that of a page. `--room` bounds the gaps, in steps
(`objective.room`): the nearer its sides are, the more a gap is told by them.
`--context` bounds what is seen of a piece, in steps. Prints nats an id, and
the gain.
"""

import argparse
import dataclasses
import pathlib
import sys
from collections.abc import Sequence
from typing import Any

from aurl_jax.core import checkpoint
from aurl_jax.core.errors import AurlError
from aurl_jax.deploy import bundle
from aurl_jax.experiment import (
  beginning,
  build,
  data,
  evaluate,
  keeping,
  pages,
  sections,
)
from aurl_jax.experiment.build import Parts
from aurl_jax.experiment.workdir import Workdir
from aurl_jax.parallel import mesh as mesh_lib


def main(argv: Sequence[str] | None = None) -> int:
  """Prints a line of numbers; returns the exit status."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('model', help='a run, a bundle, or a shipped name')
  parser.add_argument('--config', default='', help='page of a bundle')
  parser.add_argument('--split', default='valid')
  parser.add_argument('--batches', type=int, default=0, help='0 takes all')
  parser.add_argument('--room', type=int, default=0, help='steps; 0 is its own')
  parser.add_argument('--context', type=int, default=0, help='likewise')
  args = parser.parse_args(argv)
  try:
    parts, params = opened(args.model, args.config)
    # Whatever rows the page has, they divide over one device.
    one = mesh_lib.make_mesh(mesh_lib.MeshConfig(data=1))
    parts = dataclasses.replace(parts, mesh=one)
    parts = bounded(parts, args.room, args.context)
    found = compared(parts, params, args.split, args.batches)
  except AurlError as error:
    print(error, file=sys.stderr)
    return error.exit_code
  print(
    f'{args.model}, {args.split}, {found["ids"]:,.0f} ids: given both '
    f'sides {found["both/loss"]:.4f} nats an id, given the left alone '
    f'{found["left/loss"]:.4f}, gain {found["gain"]:.4f}'
  )
  return 0


def opened(model: str, page: str) -> tuple[Parts, Any]:
  """Returns the objects of a run, or of a page, and parameters.

  Args:
    model: A run; or a bundle, whose sections the page takes over.
    page: Of a bundle.
  """
  folder = Workdir(pathlib.Path(model))
  if not folder.holds_run:
    values = beginning.like(pages.load(pages.find(page or 'base')), model)
    parts = build.here(sections.parse(values))
    return parts, bundle.load(model).params
  parts = build.here(sections.parse(folder.read_config()))
  with (
    mesh_lib.use(parts.mesh),
    checkpoint.Checkpoints(folder.checkpoints) as kept,
  ):
    return parts, keeping.Pick().params(kept, parts)[1]


def bounded(parts: Parts, room: int, context: int) -> Parts:
  """Returns objects whose gaps, and rows, have at most so many steps."""
  run, model = parts.run, parts.model
  if room:
    objective = dataclasses.replace(run.objective, room=room)
    run = dataclasses.replace(run, objective=objective)
  if context:
    shape = dataclasses.replace(model.config, context=context)
    model = dataclasses.replace(model, config=shape)
    run = dataclasses.replace(run, model=shape)
  return dataclasses.replace(parts, run=run, model=model)


def compared(
  parts: Parts, params: Any, split: str, batches: int
) -> dict[str, float]:
  """Returns the figures of `evaluate.sides`."""
  cache = data.prepared(parts.run, quiet=True)
  with mesh_lib.use(parts.mesh):
    return evaluate.sides(parts, cache, split, batches)(params)


if __name__ == '__main__':
  sys.exit(main())
