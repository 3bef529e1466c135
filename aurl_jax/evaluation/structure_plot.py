"""Pictures of form: the plan of a piece beside how alike its bars are."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from aurl_jax.music import plot

if TYPE_CHECKING:
  from matplotlib.axes import Axes

Plan = Sequence[tuple[str, int]]
"""Label and bars of each section."""
_COLOURS = (
  '#0072b2', '#d55e00', '#009e73', '#b0488d', '#e69f00', '#56b4e9', '#7b3294',
)  # fmt: skip
_PLAIN, _LINE, _TEXT = '#c3c8d0', '#ffffff', '#3a3f47'
_WIDE, _HIGH, _DPI = 8.4, 3.6, 110
_PALE = 0.45


def draw(
  rows: Sequence[tuple[str, Plan, np.ndarray]],
) -> bytes:
  """Returns a PNG: of each piece its plan at the left, its matrix beside it.

  In a plan time goes downwards, as in the matrix; sections without a melody
  (lower case) are pale. Lines in the matrix are those between sections.

  Args:
    rows: Of each piece a title, its sections, and `structure.similarity`.

  Raises:
    ValueError: There are none.
  """
  from matplotlib.figure import Figure

  if not rows:
    raise ValueError('there are no pieces to draw')
  figure = Figure(
    figsize=(_WIDE, _HIGH * len(rows)), dpi=_DPI, layout='constrained'
  )
  places = figure.subplots(len(rows), 2, squeeze=False, width_ratios=(1, 3.2))
  for (left, right), (title, plan, matrix) in zip(places, rows, strict=True):
    _plan(left, plan, max(len(matrix), sum(bars for _, bars in plan)))
    _matrix(right, plan, matrix, title)
  return plot.png(figure)


def _plan(axes: 'Axes', plan: Plan, bars: int) -> None:
  """Draws the sections from top to bottom."""
  letters = sorted({label.upper() for label, _ in plan if label not in 'ioXx'})
  start = 0
  for label, count in plan:
    colour = _PLAIN
    if label.upper() in letters:
      colour = _COLOURS[letters.index(label.upper()) % len(_COLOURS)]
    alpha = 1.0 if label.isupper() else _PALE
    axes.bar(
      0, count, 1, start, color=colour, alpha=alpha, edgecolor=_LINE, lw=1
    )
    if count * 40 >= bars:
      axes.text(
        0, start + count / 2, f'{label} {count}', ha='center', va='center',
        fontsize=7, color=_TEXT if alpha < 1 or colour == _PLAIN else _LINE,
      )  # fmt: skip
    start += count
  axes.set_ylim(bars, 0)
  axes.set_xlim(-0.5, 0.5)
  axes.set_xticks([])
  axes.tick_params(colors=_TEXT, labelsize=7, length=0)
  axes.set_ylabel('bar', color=_TEXT, fontsize=7)
  for side in axes.spines.values():
    side.set_visible(False)


def _matrix(axes: 'Axes', plan: Plan, matrix: np.ndarray, title: str) -> None:
  """Draws the similarity of all bars, black for equal ones."""
  axes.imshow(matrix, cmap='Greys', vmin=0, vmax=1, interpolation='nearest')
  edges = np.cumsum([bars for _, bars in plan])[:-1] - 0.5
  low, high = -0.5, len(matrix) - 0.5
  axes.vlines(edges, low, high, _COLOURS[5], lw=0.6)
  axes.hlines(edges, low, high, _COLOURS[5], lw=0.6)
  axes.set_xlim(low, high)
  axes.set_ylim(high, low)
  middles = np.append(-0.5, edges)
  middles = middles + np.array([bars for _, bars in plan]) / 2
  axes.set_xticks(middles, labels=[label for label, _ in plan])
  axes.set_yticks([])
  axes.tick_params(colors=_TEXT, labelsize=7, length=0)
  axes.set_title(title, loc='left', fontsize=8, color=_TEXT)
