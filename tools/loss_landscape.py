"""The loss around a trained model, in a plane of two random directions.

    python tools/loss_landscape.py runs/quickstart --out out
    python tools/loss_landscape.py runs/quickstart --points 31 --batches 8

After Li et al. 2018, "Visualizing the Loss Landscape of Neural Nets", section
4: a direction is drawn at random and each of its filters is given the norm of
the model's own filter, so that pictures of different models compare, however
large their weights are. A filter is what makes one output of a matrix, or a
row of an embedding; parameters of one axis (the gains of norms) stay.

Writes `landscape.png` (contours of the mean loss on the split, nats an id; the
model stands in the middle) and `landscape.csv` (columns x, y, loss), and
prints how far the loss rises. Cost: the square of `--points` evaluations of so
many batches.
"""

import argparse
import csv
import itertools
import pathlib
import sys
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

from aurl_jax.core import checkpoint
from aurl_jax.experiment import build, data, keeping, sections
from aurl_jax.experiment.workdir import Workdir
from aurl_jax.parallel import mesh as mesh_lib
from aurl_jax.parallel import rules
from aurl_jax.training import evaluate

_DPI = 110
_ABOVE = 3.0
"""Nats above the lowest point from which on the picture is of one colour."""


def main() -> int:
  """Writes picture and table; returns the exit status."""
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument('run', help='folder of a run')
  parser.add_argument('--out', type=pathlib.Path, default=pathlib.Path('out'))
  parser.add_argument('--points', type=int, default=21, help='a side; odd')
  parser.add_argument('--radius', type=float, default=1.0)
  parser.add_argument('--batches', type=int, default=4, help='0 for all')
  parser.add_argument('--split', default='valid')
  parser.add_argument('--seed', type=int, default=0)
  args = parser.parse_args()
  if args.points < 3 or args.points % 2 == 0:
    parser.error(f'--points {args.points} must be odd, and at least 3')
  sides = np.linspace(-args.radius, args.radius, args.points)
  step, losses = measured(args, sides)
  args.out.mkdir(parents=True, exist_ok=True)
  write(args.out / 'landscape.csv', sides, losses)
  title = f'{pathlib.Path(args.run).name}, step {step}, {args.split}'
  draw(sides, losses, title).savefig(args.out / 'landscape.png', dpi=_DPI)
  print(summary(sides, losses))
  print(args.out / 'landscape.png')
  return 0


def measured(
  args: argparse.Namespace, sides: np.ndarray
) -> tuple[int, np.ndarray]:
  """Returns the step of the run's checkpoint and the losses around it."""
  folder = Workdir(pathlib.Path(args.run))
  parts = build.here(sections.parse(folder.read_config()))
  cache = data.prepared(parts.run, quiet=True)
  with (
    mesh_lib.use(parts.mesh),
    checkpoint.Checkpoints(folder.checkpoints) as kept,
  ):
    step, params = keeping.Pick().params(kept, parts)
    batches = list(
      itertools.islice(
        data.split_batches(parts.run, cache, args.split, parts.mesh),
        args.batches or None,
      )
    )

    def loss(params: Any) -> float:
      step, mesh = parts.eval_step, parts.mesh
      return evaluate.evaluate(step, params, batches, mesh=mesh)['loss']

    return step, plane(loss, params, sides, args.seed)


def plane(
  loss: Callable[[Any], float], params: Any, sides: np.ndarray, seed: int
) -> np.ndarray:
  """Returns the loss at every point, `[x, y]`.

  Args:
    loss: Of parameters.
    params: What stands in the middle.
    sides: Coordinates along both directions; 1 is a filter's own norm.
    seed: Of the directions.
  """
  first, second = directions(params, seed)

  def at(params: Any, x: jax.Array, y: jax.Array) -> Any:
    return jax.tree.map(
      lambda p, a, b: p + (x * a + y * b).astype(p.dtype), params, first, second
    )

  moved = jax.jit(at, out_shardings=jax.tree.map(lambda p: p.sharding, params))
  points = itertools.product(sides.astype(np.float32), repeat=2)
  found = [loss(moved(params, x, y)) for x, y in points]
  return np.array(found).reshape(len(sides), len(sides))


def directions(params: Any, seed: int) -> tuple[Any, Any]:
  """Returns two random directions, filter-normalised, as trees of params."""
  leaves, tree = jax.tree_util.tree_flatten_with_path(params)
  found = []
  for key in jax.random.split(jax.random.key(seed)):
    keys = jax.random.split(key, len(leaves))
    drawn = [
      normalised(jax.random.normal(k, leaf.shape), leaf, rules.path_name(path))
      for k, (path, leaf) in zip(keys, leaves, strict=True)
    ]
    found.append(jax.tree.unflatten(tree, drawn))
  return found[0], found[1]


def normalised(drawn: jax.Array, leaf: jax.Array, path: str) -> jax.Array:
  """Returns a direction whose filters have the norms of the parameter's.

  Args:
    drawn: Of the shape of the parameter.
    leaf: The parameter.
    path: Its path, which tells what a filter of it is.
  """
  axes = inputs(path, leaf.ndim)
  if not axes:
    return jnp.zeros_like(drawn)
  own = jnp.sqrt(jnp.square(drawn).sum(axis=axes, keepdims=True))
  wanted = jnp.sqrt(jnp.square(leaf).sum(axis=axes, keepdims=True))
  return drawn * wanted / jnp.maximum(own, 1e-30)


def inputs(path: str, axes: int) -> tuple[int, ...]:
  """Returns the axes that a filter spans; none for what stays as it is.

  Example:
    >>> inputs('decoder/layers/0/mlp/wide/kernel', 2), inputs('norm/scale', 1)
    ((0,), ())
  """
  if axes < 2:
    return ()
  if '/tables/' in f'/{path}':
    return tuple(range(1, axes))
  if path.endswith('out_kernel'):
    return tuple(range(axes - 1))
  return (0,)


def write(path: pathlib.Path, sides: np.ndarray, losses: np.ndarray) -> None:
  """Writes the losses as rows of x, y, loss."""
  with path.open('w', newline='') as file:
    writer = csv.writer(file)
    writer.writerow(('x', 'y', 'loss'))
    for (i, x), (j, y) in itertools.product(enumerate(sides), repeat=2):
      writer.writerow((f'{x:.6g}', f'{y:.6g}', f'{losses[i, j]:.6g}'))


def summary(sides: np.ndarray, losses: np.ndarray) -> str:
  """Returns in words where the loss is lowest and how it rises."""
  middle = len(sides) // 2
  i, j = np.unravel_index(np.nanargmin(losses), losses.shape)
  edge = np.concatenate([losses[0], losses[-1], losses[:, 0], losses[:, -1]])
  return (
    f'loss {losses[middle, middle]:.4f} in the middle, lowest '
    f'{losses[i, j]:.4f} at ({sides[i]:.2f}, {sides[j]:.2f}), on the edge '
    f'{np.nanmin(edge):.4f} to {np.nanmax(edge):.4f}'
  )


def draw(sides: np.ndarray, losses: np.ndarray, title: str) -> Figure:
  """Returns the contours of the losses; the model stands at the cross."""
  figure = Figure(figsize=(6.2, 5.2), layout='constrained')
  axes = figure.subplots()
  low = float(np.nanmin(losses))
  high = min(float(np.nanmax(losses)), low + _ABOVE)
  shown = np.clip(np.nan_to_num(losses, nan=np.inf), low, high)
  levels = np.linspace(low, max(high, low + 1e-6), 24)
  # The first direction to the right: rows of an image are its second axis.
  image = axes.contourf(sides, sides, shown.T, levels=levels, cmap='viridis')
  axes.contour(
    sides, sides, shown.T, levels=levels[::3], colors='white', linewidths=0.5
  )
  axes.plot(0, 0, marker='+', color='#d55e00', markersize=12, mew=2)
  axes.set_xlabel('first direction, norms of filters', fontsize=9)
  axes.set_ylabel('second direction', fontsize=9)
  axes.set_aspect('equal')
  axes.set_title(title, fontsize=10)
  bar = figure.colorbar(image, ax=axes, format='%.3f')
  bar.set_label('loss, nats an id', fontsize=9)
  return figure


if __name__ == '__main__':
  sys.exit(main())
