"""Many short pieces of a shipped model, held to the bounds of its music.

  python tools/release_samples.py pop --n 100 --out out/pop

Writes pieces of eight bars, `piece_N.mid`, and holds them to
`tests/regression/bounds.json` (`tools/quality_bounds.py`). Prints a line of
JSON for each metric: the median of the pieces, the range that 80 % of music of
people lies in, whether the median does, and the share of pieces that do (of
music it is 0.8). Then a line on the whole: how many are grammatical and end,
metrics whose median lies inside, mean share of a piece's metrics inside, the
middle of 200 sets' variety, and what the model's index knows of them. The
first twenty are drawn, `rolls.png`.
"""

import argparse
import json
import pathlib
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import quality_bounds

import aurl_jax
from aurl_jax.core import files
from aurl_jax.deploy.composer import Composer
from aurl_jax.evaluation import metrics
from aurl_jax.music import panels
from aurl_jax.music.notes import Notes

BOUNDS = pathlib.Path(__file__).parents[1] / 'tests/regression/bounds.json'
_SHOWN, _WIDE = 20, 4


def main(argv: Sequence[str] | None = None) -> int:
  """Prints the lines; returns the exit status."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('model', help='a shipped name that has bounds')
  parser.add_argument('--n', type=int, default=100)
  parser.add_argument('--seed', type=int, default=12)
  parser.add_argument('--out', type=pathlib.Path, default='out')
  parser.add_argument('--from', dest='folder', help='a bundle, if another one')
  args = parser.parse_args(argv)
  told = json.loads(BOUNDS.read_text())
  bounds = told['models'][args.model]
  composer = aurl_jax.load(args.folder or args.model)
  asked = composer.request(n=args.n, bars=told['bars'], seed=args.seed)
  written = composer.generate(asked)
  for number, piece in enumerate(written):
    piece.save(args.out / f'piece_{number}.mid')
  pieces = [piece.notes for piece in written]
  table = metrics.table(pieces, tuple(bounds['metrics']))
  rows = compared(table, bounds['metrics'])
  for row in rows:
    print(json.dumps(row))
  whole = {
    'model': args.model,
    'pieces': len(written),
    'grammatical': sum(piece.grammatical for piece in written),
    'ended': sum(piece.ended for piece in written),
    'medians_inside': sum(row['inside'] for row in rows),
    'metrics': len(rows),
    'share_inside': round(float(np.mean([row['share'] for row in rows])), 3),
    **variety(pieces, told['set'], bounds['sets']),
    **known(composer, pieces, bounds['known']),
  }
  print(json.dumps(whole))
  files.write_atomic(args.out / 'rolls.png', drawn(pieces))
  return 0


def compared(
  table: np.ndarray, bounds: Mapping[str, Sequence[float]]
) -> list[dict[str, Any]]:
  """Returns a line for each metric.

  Args:
    table: Of `metrics.table`, a row a piece and a column a bound.
    bounds: Metric -> the 10th and the 90th percentile of music.
  """
  lines = []
  for (name, (low, high)), values in zip(bounds.items(), table.T, strict=True):
    told = values[np.isfinite(values)]
    median = float(np.median(told))
    lines.append(
      {
        'metric': name,
        'median': round(median, 4),
        'music': [low, high],
        'inside': bool(low <= median <= high),
        'share': round(float(np.mean((told >= low) & (told <= high))), 3),
      }
    )
  return lines


def variety(
  pieces: Sequence[Notes], size: int, bounds: Mapping[str, Sequence[float]]
) -> dict[str, Any]:
  """Returns medians of what is measured of sets of so many pieces."""
  found = quality_bounds.variety(pieces, size)
  return {
    name: [round(float(np.median(values)), 4), *bounds[name]]
    for name, values in found.items()
  }


def known(
  composer: Composer, pieces: Sequence[Notes], bound: float
) -> dict[str, Any]:
  """Returns the median share that the index knows, and the bound."""
  if composer.index is None:
    return {}
  shares = [composer.index.report(notes).share for notes in pieces]
  return {'known': [round(float(np.median(shares)), 4), bound]}


def drawn(pieces: Sequence[Notes]) -> bytes:
  """Returns a PNG of the first pieces."""
  shown: list[Notes | None] = [*pieces[:_SHOWN]]
  shown += [None] * (-len(shown) % _WIDE)
  rows = [shown[at : at + _WIDE] for at in range(0, len(shown), _WIDE)]
  numbers = iter(range(len(shown)))
  titles = [[str(next(numbers)) for _ in row] for row in rows]
  return panels.draw(rows, titles)


if __name__ == '__main__':
  sys.exit(main())
