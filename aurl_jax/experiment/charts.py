"""Scatter plots and bars as PNG images, for pictures of models.

matplotlib's objects are used without pyplot, so that nothing is global. Axes:
`n` points, `z` bars.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from aurl_jax.music import plot

if TYPE_CHECKING:
  from matplotlib.axes import Axes
  from matplotlib.figure import Figure

_INCHES, _DPI = 3.2, 120
_TEXT, _BAR, _LINE = '#3a3f47', '#0072b2', '#cfd3da'


def scatter(
  points: Float[np.ndarray, 'n 2'],
  colours: Mapping[str, Float[np.ndarray, ' n']],
) -> bytes:
  """Returns a PNG of points, once for each of their colourings.

  Args:
    points: Where they lie.
    colours: Name -> a value of each, NaN for none.

  Raises:
    ValueError: There is no colouring.
  """
  if not colours:
    raise ValueError('a scatter plot needs a value of each point')
  figure, places = _figure(len(colours))
  for axes, (name, values) in zip(places, colours.items(), strict=True):
    real = np.isfinite(values)
    x, y = points.T
    axes.scatter(x[~real], y[~real], s=9, color=_LINE, lw=0)
    found = axes.scatter(
      x[real], y[real], c=values[real], s=9, lw=0, cmap='viridis'
    )
    figure.colorbar(found, ax=axes, shrink=0.8)
    _plain(axes, name)
    axes.set_xticks([])
    axes.set_yticks([])
  return plot.png(figure)


def bars(
  groups: Mapping[str, Float[np.ndarray, ' z']], unit: str = ''
) -> bytes:
  """Returns a PNG of bars, the tallest first, one chart a group.

  Args:
    groups: Name -> heights; below each bar stands its number.
    unit: Of the heights.

  Raises:
    ValueError: There is no group.
  """
  if not groups:
    raise ValueError('a chart needs bars')
  figure, places = _figure(len(groups))
  for axes, (name, heights) in zip(places, groups.items(), strict=True):
    order = np.argsort(-heights, kind='stable')
    axes.bar(range(len(order)), heights[order], color=_BAR)
    axes.set_xticks(range(len(order)), labels=order.tolist(), fontsize=5)
    axes.set_ylabel(unit, fontsize=7, color=_TEXT)
    axes.tick_params(axis='y', labelsize=6)
    _plain(axes, name)
  return plot.png(figure)


def _figure(count: int) -> tuple['Figure', list['Axes']]:
  from matplotlib.figure import Figure

  size = 1.25 * _INCHES * count, _INCHES
  figure = Figure(figsize=size, dpi=_DPI, layout='constrained')
  return figure, list(figure.subplots(1, count, squeeze=False)[0])


def _plain(axes: 'Axes', title: str) -> None:
  axes.set_title(title, loc='left', fontsize=9, color=_TEXT)
  for side in axes.spines.values():
    side.set_color(_LINE)
