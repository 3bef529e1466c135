"""Small piano rolls side by side, in rows, for comparing excerpts."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from aurl_jax.music import plot, theory, time
from aurl_jax.music.notes import Notes

if TYPE_CHECKING:
  from matplotlib.axes import Axes

_WIDE, _HIGH, _DPI = 2.6, 1.7, 120
_COLOURS = ('#0072b2', '#d55e00', '#009e73', '#b0488d', '#e69f00', '#56b4e9')
_DRUM = '#5d6670'
_LINE, _TEXT, _KEY = '#cfd3da', '#3a3f47', '#f3f4f6'
_FAINTEST = 0.45


def draw(
  rows: Sequence[Sequence[Notes | None]],
  titles: Sequence[Sequence[str]] | None = None,
) -> bytes:
  """Returns a PNG of excerpts, all on one scale of pitch and one of time.

  Args:
    rows: As many excerpts in each; None leaves a place empty.
    titles: Above each.

  Raises:
    ValueError: There are none, or rows differ in length.
  """
  from matplotlib.figure import Figure

  high, wide = len(rows), len(rows[0]) if rows else 0
  if not wide or any(len(row) != wide for row in rows):
    raise ValueError('panels need rows of excerpts, as many in each')
  size = _WIDE * wide, _HIGH * high
  figure = Figure(figsize=size, dpi=_DPI, layout='constrained')
  places = figure.subplots(high, wide, squeeze=False)
  scale = _scale([notes for row in rows for notes in row if notes is not None])
  for at, row in enumerate(rows):
    for column, notes in enumerate(row):
      axes = places[at][column]
      if notes is None:
        axes.axis('off')
        continue
      title = titles[at][column] if titles else ''
      _panel(axes, notes, scale, title)
  return plot.png(figure)


def _scale(pieces: Sequence[Notes]) -> tuple[int, int, float]:
  """Returns the lowest and highest pitch, and the beats of the longest."""
  pitches = np.concatenate([np.array([60, 72]), *(p.pitch for p in pieces)])
  if any(len(piece) for piece in pieces):
    pitches = pitches[2:]
  beats = [piece.end / piece.ticks_per_beat for piece in pieces]
  return int(pitches.min()) - 2, int(pitches.max()) + 2, max([1.0, *beats])


def _panel(
  axes: 'Axes', notes: Notes, scale: tuple[int, int, float], title: str
) -> None:
  from matplotlib.collections import PolyCollection
  from matplotlib.colors import to_rgba

  low, high, beats = scale
  for key in range(low, high + 1):
    if key % 12 in theory.BLACK_KEYS:
      axes.axhspan(key - 0.5, key + 0.5, color=_KEY, lw=0, zorder=0)
  starts = time.bar_starts(notes) / notes.ticks_per_beat
  axes.vlines(starts[starts <= beats], low, high, _LINE, lw=0.6, zorder=0.5)
  begin = notes.onset / notes.ticks_per_beat
  end = (notes.onset + notes.duration) / notes.ticks_per_beat
  pitch = notes.pitch.astype(float)
  corners = np.stack(
    [
      np.stack([x, y], axis=-1)
      for x, y in (
        (begin, pitch - 0.42),
        (end, pitch - 0.42),
        (end, pitch + 0.42),
        (begin, pitch + 0.42),
      )
    ],
    axis=1,
  )
  names = np.where(notes.is_drum, -1, notes.track % len(_COLOURS)).tolist()
  opacity = _FAINTEST + (1 - _FAINTEST) * notes.velocity / 127
  colours = [
    to_rgba(_DRUM if name < 0 else _COLOURS[name], float(alpha))
    for name, alpha in zip(names, opacity, strict=True)
  ]
  if len(notes):
    axes.add_collection(PolyCollection(list(corners), facecolors=colours))
  axes.set_xlim(0, beats)
  axes.set_ylim(low, high)
  axes.set_xticks([])
  octaves = [key for key in range(low, high + 1) if key % 12 == 0]
  labels = [theory.pitch_name(key) for key in octaves]
  axes.set_yticks(octaves, labels=labels, fontsize=6, color=_TEXT)
  axes.tick_params(length=0)
  for side in axes.spines.values():
    side.set_color(_LINE)
  if title:
    axes.set_title(title, loc='left', fontsize=7, color=_TEXT, pad=3)
