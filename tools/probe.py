"""Which layer of a model knows the chord, the key, the bar, the section.

    python tools/probe.py pop --data pop909 --out out
    python tools/probe.py runs/quickstart --data jsb_chorales --train 80

Linear probes (`experiment.probing`) of every depth are fitted to pieces of a
set's train split, spread over it, and judged on those of its valid split. What
is to be read is what the studies of chords and of structure hear in the piece
as the model has it. Prints a line of JSON a property and depth, with intervals
of 95 % over the held-out pieces, and a table; `probe.png` shows the shares by
depth (0 is the embedding), beside the commonest class (dashed) and the network
with weights as drawn (grey). Reads AURL_DATA.
"""

import argparse
import json
import pathlib
import sys
from typing import Any

import chord_sets
import numpy as np
import programs
from matplotlib.figure import Figure

from aurl_jax.experiment import generate, probing
from aurl_jax.music import midi
from aurl_jax.music.notes import Notes

_PANEL, _DPI, _ACROSS = (3.0, 2.4), 110, 4
_OWN, _DRAWN, _LINE = '#0072b2', '#9aa1ab', '#d55e00'


def main() -> int:
  """Prints lines and table, draws the picture; returns the exit status."""
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument('model', help='folder of a run or bundle, or a name')
  parser.add_argument('--data', required=True, help='a set of tools/splits')
  parser.add_argument('--train', type=int, default=80, help='pieces')
  parser.add_argument('--held', type=int, default=40, help='pieces')
  parser.add_argument('--steps', type=int, default=probing.STEPS)
  parser.add_argument('--seed', type=int, default=0)
  parser.add_argument('--out', type=pathlib.Path, default=pathlib.Path('out'))
  args = parser.parse_args()
  found = probing.compare(
    generate.load(args.model),
    pieces(args.data, 'train', args.train),
    pieces(args.data, 'valid', args.held),
    steps=args.steps,
    seed=args.seed,
  )
  rows = [row for one in found for row in one.rows()]
  for row in rows:
    print(json.dumps({'model': args.model, 'data': args.data} | row))
  print(shown(rows))
  args.out.mkdir(parents=True, exist_ok=True)
  title = f'{args.model}: linear probes on {args.data}'
  draw(rows, title).savefig(args.out / 'probe.png', dpi=_DPI)
  print(args.out / 'probe.png')
  return 0


def pieces(data_set: str, split: str, most: int) -> list[Notes]:
  """Returns so many pieces of a split, spread over it."""
  names = chord_sets.names(data_set, split)
  places = np.linspace(0, len(names) - 1, min(most, len(names)))
  paths = [chord_sets.folder() / data_set / names[round(p)] for p in places]
  return [midi.read(path).notes for path in paths]


def shown(rows: list[dict[str, Any]]) -> str:
  """Returns a table: a row a property, a column a depth."""
  names = list(dict.fromkeys(row['property'] for row in rows))
  depths = sorted({row['depth'] for row in rows})
  table = [['property', 'commonest', *map(str, depths), 'drawn, best']]
  for name in names:
    own = [row for row in rows if row['property'] == name]
    shares = [f'{row["share"]:.3f}' for row in own]
    drawn = max(row['drawn'] for row in own)
    table.append([name, f'{own[0]["commonest"]:.3f}', *shares, f'{drawn:.3f}'])
  return programs.table(table)


def draw(rows: list[dict[str, Any]], title: str) -> Figure:
  """Returns a panel a property."""
  names = list(dict.fromkeys(row['property'] for row in rows))
  down = -(-len(names) // _ACROSS)
  size = (_PANEL[0] * _ACROSS, _PANEL[1] * down + 0.5)
  figure = Figure(figsize=size, layout='constrained')
  axes = figure.subplots(down, _ACROSS, sharex=True, squeeze=False).ravel()
  for panel, name in zip(axes, names, strict=False):
    own = [row for row in rows if row['property'] == name]
    depth = [row['depth'] for row in own]
    share = np.array([row['share'] for row in own])
    ends = np.array([[row['low'], row['high']] for row in own]).T
    away = np.maximum([share - ends[0], ends[1] - share], 0)
    panel.plot(depth, [row['drawn'] for row in own], color=_DRAWN, marker='.')
    panel.errorbar(depth, share, away, color=_OWN, marker='.', capsize=2)
    panel.axhline(own[0]['commonest'], color=_LINE, ls='--', lw=1)
    panel.set_title(f'{name} ({own[0]["classes"]} classes)', fontsize=9)
    panel.set_ylim(0, 1.02)
    panel.set_xticks(depth)
    panel.tick_params(labelsize=8)
  for panel in axes[len(names) :]:
    panel.set_axis_off()
  figure.suptitle(title, fontsize=10)
  figure.supxlabel('layers read (0: the embedding)', fontsize=9)
  figure.supylabel('share right on held-out pieces', fontsize=9)
  return figure


if __name__ == '__main__':
  sys.exit(main())
