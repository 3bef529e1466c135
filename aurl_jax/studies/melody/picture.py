"""A melody as a picture: notes, phrases, motifs."""

from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes

from aurl_jax.studies.melody.line import Line


def draw(
  axes: Axes,
  line: Line,
  phrases: np.ndarray,
  motifs: Sequence[np.ndarray],
) -> None:
  """Draws a line, seconds from left to right.

  Args:
    axes: Where.
    line: The notes.
    phrases: [p] seconds at which phrases begin.
    motifs: Of each motif, [k, 2] when its occurrences begin and end.
  """
  axes.set(xlabel='seconds', ylabel='pitch')
  if not len(line):
    return
  low, high = int(line.pitch.min()), int(line.pitch.max())
  colours = matplotlib.colormaps['tab10']
  for number, spans in enumerate(motifs):
    bottom = low - 3 - 1.2 * number
    for place, (start, end) in enumerate(spans.tolist()):
      name = f'motif {number + 1}' if place == 0 else None
      colour = colours(number % 10)
      axes.axvspan(start, end, color=colour, alpha=0.12, linewidth=0)
      axes.barh(
        bottom, end - start, left=start, height=1, color=colour, label=name
      )
  axes.barh(
    line.pitch,
    np.maximum(line.end - line.start, 0.02),
    left=line.start,
    height=0.8,
    color='black',
  )
  for start in phrases.tolist():
    axes.axvline(start, color='grey', linewidth=0.6, linestyle=':')
  axes.set(ylim=(low - 5 - 1.2 * len(motifs), high + 2))
  if len(motifs):
    axes.legend(loc='upper right', fontsize='small', ncols=2)
