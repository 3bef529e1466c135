"""What one step looks at, over the piano roll of the piece: a panel a head.

Used by `visualize_attention.py`. Every step that is read is a box: a note
where it sounds, a cell of a voice grid in all notes that sound in it, and
steps that are no notes (bars, tempos, controls; in REMI also the parts of a
note but its pitch) in rows below the pitches, at their time. Axes: `l` layers,
`h` heads, `t` steps, `x` boxes.
"""

import dataclasses
from typing import Any

import numpy as np
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

from aurl_jax.music import theory, time
from aurl_jax.music.notes import Notes
from aurl_jax.tokens.places import Places

_PANEL = (3.4, 2.3)
_ROW = 1.2
"""Height of a row below the pitches, in semitones."""
_MOST_ROWS = 8
_UNREAD, _LINE, _HERE = '#e4e7eb', '#cfd3da', '#0072b2'
_LEAST = 0.05
"""Of the scale's end: an even look back is not drawn as a bold one."""
_TICKS = (0, 0.01, 0.05, 0.1, 0.25, 0.5, 1)


@dataclasses.dataclass(frozen=True)
class Boxes:
  """Where steps stand in a piano roll.

  Attributes:
    left: [x] float64, cells.
    width: [x] float64, cells.
    pitch: [x] float64; rows of what is no note stand below all pitches.
    step: [x] int64, which step each is; -1 for notes of no step.
    bars: Cells at which bars start.
    low: The lowest pitch of a note.
  """

  left: np.ndarray
  width: np.ndarray
  pitch: np.ndarray
  step: np.ndarray
  bars: np.ndarray
  low: int


def places(tokenizer: Any, ids: np.ndarray) -> np.ndarray:
  """Returns bar, position, time and pitch of each step, `[t, 4]`."""
  segments = np.ones((1, len(ids)), np.int32)
  import jax.numpy as jnp

  found = Places.of(tokenizer)(jnp.asarray(ids)[None], jnp.asarray(segments))
  return np.asarray(found)[0]


def boxes(tokenizer: Any, ids: np.ndarray) -> Boxes:
  """Returns the boxes of the steps of a piece, merged ids in their parts."""
  owner = np.arange(len(ids))
  if hasattr(tokenizer, 'expansions'):
    counts = [len(tokenizer.expansions[id_]) for id_ in ids[:, 0].tolist()]
    ids, owner = tokenizer.expand(ids), np.repeat(owner, counts)
    tokenizer = tokenizer.base
  notes = tokenizer.decode(ids)
  place = places(tokenizer, ids)
  if Places.of(tokenizer).frames:
    rows = _frames(tokenizer, ids, place, notes)
  else:
    rows = _events(tokenizer, place, notes)
  left, width, pitch, step = (
    np.array(column) for column in zip(*rows, strict=True)
  )
  return Boxes(
    left=left.astype(np.float64),
    width=width.astype(np.float64),
    pitch=pitch.astype(np.float64),
    step=np.where(step >= 0, owner[step], -1),
    bars=time.bar_starts(notes) / _micro(tokenizer),
    low=_low(notes),
  )


def _micro(tokenizer: Any) -> int:
  return getattr(tokenizer, 'micro', 0) or 1


def _low(notes: Notes) -> int:
  return int(notes.pitch.min()) if len(notes) else 60


def _frames(
  tokenizer: Any, ids: np.ndarray, place: np.ndarray, notes: Notes
) -> list[tuple[float, float, float, int]]:
  """Returns a box for each note of each cell; BOS and EOS are below."""
  rows = []
  for step, (_, _, at, _, _) in enumerate(place.tolist()):
    sounds = (notes.onset <= at) & (notes.onset + notes.duration > at)
    edge = tokenizer.codec.event(int(ids[step, 0]))[0] in ('bos', 'eos', 'pad')
    pitches = notes.pitch[sounds].tolist()
    if edge or not pitches:
      pitches = [_low(notes) - 1 - _ROW]
    rows += [(at, 1.0, pitch, step) for pitch in pitches]
  return rows


def _events(
  tokenizer: Any, place: np.ndarray, notes: Notes
) -> list[tuple[float, float, float, int]]:
  """Returns a box for each note, of the step of its pitch, and the others."""
  micro = _micro(tokenizer)
  steps = {
    (at, pitch): step
    for step, (_, _, at, pitch, _) in enumerate(place.tolist())
    if pitch
  }
  rows, used = [], set()
  wide = max(1.0, place[:, 2].max() / 150)
  columns = (notes.onset, notes.duration, notes.pitch, notes.is_drum)
  lists = [column.tolist() for column in columns]
  for onset, length, pitch, drum in zip(*lists, strict=True):
    cell = (onset + micro // 2) // micro
    step = -1 if drum else steps.get((cell, pitch), -1)
    used.add(step)
    rows.append((onset / micro, length / micro, pitch, step))
  stacked: dict[int, int] = {}
  for step, (_, _, at, _, _) in enumerate(place.tolist()):
    if step not in used:
      rank = stacked.get(at, 0)
      stacked[at] = rank + 1
      row = min(rank, _MOST_ROWS - 1)
      rows.append((at, wide, _low(notes) - 1 - _ROW * (row + 1), step))
  return rows


def draw(weights: np.ndarray, found: Boxes, step: int, title: str) -> Figure:
  """Returns a panel a head: layers downwards, heads to the right.

  Args:
    weights: `[l, h, t, t]`, the reading step before the one that is read.
    found: The boxes of all steps.
    step: Which step reads.
    title: Printed above.
  """
  layers, heads = weights.shape[:2]
  size = (_PANEL[0] * heads + 1.0, _PANEL[1] * layers + 0.9)
  figure = Figure(figsize=size, layout='constrained')
  axes = figure.subplots(layers, heads, sharex=True, sharey=True, squeeze=False)
  rows = weights[:, :, step]
  # One scale for all panels, up to the largest weight of them.
  top = max(float(rows.max()), _LEAST)
  for layer, head in np.ndindex(layers, heads):
    image = _panel(axes[layer, head], rows[layer, head], found, step)
    image.set_clim(0, np.sqrt(top))
    axes[layer, head].set_title(f'layer {layer}, head {head}', fontsize=8)
  figure.suptitle(title, fontsize=9, wrap=True)
  figure.supxlabel('bar', fontsize=9)
  bar = figure.colorbar(image, ax=axes, shrink=0.6, pad=0.02)
  ticks = [tick for tick in _TICKS if tick <= top]
  bar.set_ticks(np.sqrt(ticks), labels=[f'{tick:g}' for tick in ticks])
  bar.ax.tick_params(labelsize=7)
  bar.set_label('weight', fontsize=8)
  return figure


def _panel(
  axes: Any, row: np.ndarray, found: Boxes, step: int
) -> PolyCollection:
  """Draws what a step reads; returns the boxes that are coloured."""
  read = (found.step >= 0) & (found.step <= step)
  axes.add_collection(
    PolyCollection(
      _corners(found, ~read), facecolors='none', edgecolors=_LINE, lw=0.4
    )
  )
  image = PolyCollection(
    _corners(found, read), cmap='magma_r', edgecolors=_LINE, linewidths=0.2
  )
  # By the root, or small weights could not be seen.
  image.set_array(np.sqrt(row[found.step[read]]))
  axes.add_collection(image)
  here = found.left[found.step == step]
  if len(here):
    axes.axvline(here.min(), color=_HERE, lw=0.8)
  for start in found.bars:
    axes.axvline(start, color=_LINE, lw=0.4, zorder=0)
  axes.axhspan(
    found.pitch.min() - 1, found.low - 1, color=_UNREAD, lw=0, zorder=0
  )
  axes.set_xlim(found.left.min(), (found.left + found.width).max())
  axes.set_ylim(found.pitch.min() - 1, found.pitch.max() + 1)
  every = max(1, -(-len(found.bars) // 8))
  numbers = np.arange(1, len(found.bars) + 1)
  axes.set_xticks(found.bars[::every], numbers[::every])
  octaves = [p for p in range(128) if p % 12 == 0 and p >= found.low]
  octaves = [p for p in octaves if p <= found.pitch.max()]
  axes.set_yticks(octaves, [theory.pitch_name(p) for p in octaves])
  axes.tick_params(labelsize=7, length=2)
  return image


def _corners(found: Boxes, chosen: np.ndarray) -> np.ndarray:
  """Returns the four corners of boxes, `[x, 4, 2]`."""
  left, right = found.left[chosen], (found.left + found.width)[chosen]
  low, high = found.pitch[chosen] - 0.5, found.pitch[chosen] + 0.5
  corners = [(left, low), (left, high), (right, high), (right, low)]
  return np.stack([np.stack(corner, -1) for corner in corners], 1)


def described(tokenizer: Any, ids: np.ndarray, step: int) -> str:
  """Returns a step in words, such as `step 12: note, pitch 60 (bar 2)`."""
  if hasattr(tokenizer, 'expansions'):
    row = tokenizer.expand(ids[step : step + 1])
    fields = [(0, id_) for id_ in row[:, 0].tolist()]
    codec = tokenizer.base.codec
  else:
    fields, codec = list(enumerate(ids[step].tolist())), tokenizer.codec
  told = []
  for field, id_ in fields:
    name, value = codec.event(id_, field)
    if name != 'pad':
      told.append(
        f'{name} {value}' if codec.fields[field].tells(name) else name
      )
  bar = int(places(tokenizer, ids)[step, 0]) + 1
  return f'step {step} in bar {bar}: {", ".join(told) or "nothing"}'
