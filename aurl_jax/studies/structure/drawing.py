"""Pictures of a piece's structure, seconds from left to right."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
  from matplotlib.axes import Axes

  from aurl_jax.studies.structure.found import Finding

COLOURS = (
  '#0072b2', '#d55e00', '#009e73', '#b0488d', '#e69f00', '#56b4e9', '#7b3294',
)  # fmt: skip
PLAIN, TEXT, LINE = '#c3c8d0', '#3a3f47', '#ffffff'
_PALE = 0.45
_LEAST = 0.015
"""Share of the picture from which a section is wide enough for its letter."""


def sections(found: 'Finding', axes: 'Axes') -> None:
  """Draws sections as bars of colour, and intensity above them.

  A letter has a colour; sections without a melody are pale. The climax is a
  dot. Under the letters stand the bars.
  """
  axes.set_ylim(-0.32, 1.05)
  axes.set_xlim(found.seconds[0], max(found.seconds[-1], found.seconds[0] + 1))
  _boxes(found, axes)
  if len(found):
    times = np.repeat(found.seconds, 2)[1:-1]
    axes.plot(times, np.repeat(found.intensity, 2), color=TEXT, lw=1)
    middle = found.seconds[:-1] + np.diff(found.seconds) / 2
    top = found.climax
    axes.plot(middle[top.bar], top.intensity, 'o', color=COLOURS[1], ms=5)
  axes.set_title(
    f'{found.form}: {found.told}', loc='left', fontsize=8, color=TEXT
  )
  axes.set_yticks([0, 0.5, 1])
  axes.set_ylabel('intensity', fontsize=7, color=TEXT)
  axes.set_xlabel('seconds', fontsize=7, color=TEXT)
  axes.tick_params(colors=TEXT, labelsize=7)
  for side in ('top', 'right'):
    axes.spines[side].set_visible(False)


def matrix(found: 'Finding', axes: 'Axes') -> None:
  """Draws how alike all bars are, black for equal ones, and the sections."""
  low, high = float(found.seconds[0]), float(found.seconds[-1])
  axes.imshow(
    found.matrix, cmap='Greys', vmin=0, vmax=1, interpolation='nearest',
    extent=(low, high, high, low), aspect='auto',
  )  # fmt: skip
  edges = found.seconds[found.sections.starts[1:]]
  axes.vlines(edges, low, high, COLOURS[5], lw=0.6)
  axes.hlines(edges, low, high, COLOURS[5], lw=0.6)
  axes.set_xlabel('seconds', fontsize=7, color=TEXT)
  axes.tick_params(colors=TEXT, labelsize=7)


def _boxes(found: 'Finding', axes: 'Axes') -> None:
  """Draws a box with its letter for each section."""
  letters = found.sections.letters
  known = sorted({x.upper() for x in letters if x not in ('i', 'o', 'x')})
  whole = found.seconds[-1] - found.seconds[0]
  for letter, low, high in zip(letters, *found.spans, strict=True):
    colour = PLAIN
    if letter not in ('i', 'o', 'x'):
      colour = COLOURS[known.index(letter.upper()) % len(COLOURS)]
    alpha = 1.0 if letter[0].isupper() else _PALE
    axes.axvspan(low, high, 0, 0.17, color=colour, alpha=alpha, ec=LINE)
    axes.axvline(low, color=PLAIN, lw=0.5)
    if high - low >= _LEAST * whole:
      axes.text(
        (low + high) / 2, -0.2, letter, ha='center', va='center', fontsize=7,
        color=LINE if alpha == 1 and colour != PLAIN else TEXT,
      )  # fmt: skip
