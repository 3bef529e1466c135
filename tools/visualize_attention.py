"""What a trained model's heads look at, on a piece.

    python tools/visualize_attention.py runs/quickstart piece.mid --out out
    python tools/visualize_attention.py my_bundle piece.mid --out out --bars 8
    python tools/visualize_attention.py runs/quickstart piece.mid --step 120

Draws one map a head, `attention.png`: the step that is read stands below, the
step that it looks back to on the left, later ones upwards; thin lines are bar
lines. Colours follow the root of the weight, or small ones could not be seen.
`roll.png` shows what one step looks at over the piano roll, see
`attention_roll.py`: the step of `--step`, by default the last.
`attention.json` and the table on the console have for each head:

  entropy    mean over steps, divided by that of an even look back: 0 is one
             step, 1 is all of them alike
  distance   mean steps back, weighted
  first      share of the first step (BOS), where a head rests that has
             nothing to say (Xiao et al. 2023, Attention sinks, section 3.1)
  same bar   share of steps of the bar of the step that comes next
  bar before share of the step one bar before the one that comes next
"""

import argparse
import json
import pathlib
import sys
from typing import Any

import attention_roll
import numpy as np
import programs
from matplotlib.figure import Figure

from aurl_jax.deploy.composer import Composer
from aurl_jax.experiment import generate
from aurl_jax.music import midi

_PANEL, _DPI = 2.3, 110
_LINE = '#ffffff'


def main() -> int:
  """Writes the maps and prints the table; returns the exit status."""
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument('model', help='folder of a run or of a bundle')
  parser.add_argument('piece', help='MIDI file')
  parser.add_argument('--out', type=pathlib.Path, default=pathlib.Path('out'))
  parser.add_argument('--bars', type=int, default=8, help='0 for all that fit')
  parser.add_argument('--step', type=int, default=-1, help='-1 for the last')
  args = parser.parse_args()
  composer = generate.load(args.model)
  ids, bars = read(composer, args.piece, args.bars)
  if not -len(ids) <= args.step < len(ids):
    parser.error(f'--step {args.step}: the piece has steps 0..{len(ids) - 1}')
  step = args.step % len(ids)
  weights = looked(composer, ids)
  found = statistics(weights, bars)
  args.out.mkdir(parents=True, exist_ok=True)
  title = f'{pathlib.Path(args.piece).name}, {len(ids)} steps, {len(bars)} bars'
  draw(weights, bars, title).savefig(args.out / 'attention.png', dpi=_DPI)
  text = json.dumps({'piece': title, 'heads': found}, indent=2)
  (args.out / 'attention.json').write_text(f'{text}\n')
  tokenizer = composer.tokenizer
  said = attention_roll.described(tokenizer, ids, step)
  boxes = attention_roll.boxes(tokenizer, ids)
  roll = attention_roll.draw(weights, boxes, step, f'{title}\n{said}')
  roll.savefig(args.out / 'roll.png', dpi=_DPI)
  print(shown(found))
  print(args.out / 'attention.png')
  print(args.out / 'roll.png')
  return 0


def read(
  composer: Composer, path: str, bars: int
) -> tuple[np.ndarray, np.ndarray]:
  """Returns the ids of a file's beginning, and where its bars start."""
  tokenizer, context = composer.tokenizer, composer.model.config.context
  notes = midi.read(path).notes
  ids = tokenizer.encode(notes)
  starts = tokenizer.bar_steps(ids)
  starts = starts[starts < context]
  end = min(len(ids), context)
  if 0 < bars < len(starts):
    end = int(starts[bars])
  return ids[:end], starts[starts < end]


def looked(composer: Composer, ids: np.ndarray) -> np.ndarray:
  """Returns the weights, `[layer, head, reading step, step read]`."""
  import jax

  steps = len(ids)
  segments = np.ones((1, steps), np.int32)
  positions = np.arange(steps, dtype=np.int32)[None]
  weights = jax.jit(composer.model.attention_weights)(
    composer.params, ids[None].astype(np.int32), segments, positions
  )
  return np.asarray(weights)[:, 0]


def statistics(weights: np.ndarray, bars: np.ndarray) -> list[dict[str, Any]]:
  """Returns the figures of every head."""
  steps = np.arange(weights.shape[-1])
  # What a step reads serves to predict the next one.
  bar = np.searchsorted(bars, np.append(steps, len(steps)), side='right')
  place = np.append(steps, len(steps)) - np.concatenate([[0], bars])[bar]
  same = bar[1:, None] == bar[:-1]
  before = (bar[1:, None] == bar[:-1] + 1) & (place[1:, None] == place[:-1])
  before &= bar[:-1] > 0
  second = bar[1:] > 1
  back = steps[:, None] - steps
  most = np.log(np.maximum(2, steps + 1))
  rows = []
  for layer, head in np.ndindex(weights.shape[:2]):
    map_ = weights[layer, head].astype(np.float64)
    terms = -(map_ * np.log(np.maximum(map_, 1e-30))).sum(axis=1)
    rows.append(
      {
        'layer': layer,
        'head': head,
        'entropy': float((terms / most)[1:].mean()),
        'distance': float((map_ * back).sum(axis=1).mean()),
        'first': float(map_[1:, 0].mean()),
        'same bar': float((map_ * same).sum(axis=1).mean()),
        'bar before': float((map_ * before).sum(axis=1)[second].mean())
        if second.any()
        else 0.0,
      }
    )
  return rows


def shown(found: list[dict[str, Any]]) -> str:
  """Returns the figures as a table."""
  names = [name for name in found[0] if name not in ('layer', 'head')]
  rows = [['layer.head', *names]]
  for head in found:
    values = (f'{head[name]:.2f}' for name in names)
    rows.append([f'{head["layer"]}.{head["head"]}', *values])
  return programs.table(rows)


def draw(weights: np.ndarray, bars: np.ndarray, title: str) -> Figure:
  """Returns one map a head: layers downwards, heads to the right."""
  layers, heads, steps, _ = weights.shape
  size = (_PANEL * heads + 1.0, _PANEL * layers + 0.9)
  figure = Figure(figsize=size, layout='constrained')
  axes = figure.subplots(layers, heads, sharex=True, sharey=True, squeeze=False)
  image = None
  for layer, head in np.ndindex(layers, heads):
    panel = axes[layer, head]
    # Nothing is looked at ahead: left white, not dark.
    map_ = np.sqrt(weights[layer, head].T)
    ahead = np.arange(steps)[:, None] > np.arange(steps)
    image = panel.imshow(
      np.ma.masked_array(map_, ahead),
      origin='lower',
      vmin=0,
      vmax=1,
      cmap='magma',
      interpolation='nearest',
    )
    for start in bars:
      panel.plot([start - 0.5] * 2, [-0.5, start], color=_LINE, lw=0.3)
      panel.plot([start, steps - 0.5], [start - 0.5] * 2, color=_LINE, lw=0.3)
    panel.set_title(f'layer {layer}, head {head}', fontsize=8)
    every = max(1, -(-len(bars) // 8))
    panel.set_xticks(bars[::every], np.arange(1, len(bars) + 1)[::every])
    panel.set_yticks(bars[::every], np.arange(1, len(bars) + 1)[::every])
    panel.tick_params(labelsize=7, length=2)
  figure.suptitle(title, fontsize=10)
  figure.supxlabel('bar of the step that reads', fontsize=9)
  figure.supylabel('bar of the step read', fontsize=9)
  bar = figure.colorbar(image, ax=axes, shrink=0.6, pad=0.02)
  ticks = np.array([0, 0.01, 0.05, 0.1, 0.25, 0.5, 1])
  bar.set_ticks(np.sqrt(ticks), labels=[f'{tick:g}' for tick in ticks])
  bar.ax.tick_params(labelsize=7)
  bar.set_label('weight', fontsize=8)
  return figure


if __name__ == '__main__':
  sys.exit(main())
