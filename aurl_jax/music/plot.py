"""Piano rolls as PNG images.

matplotlib's objects are used without pyplot, so that nothing is global and
rolls may be drawn in any thread.
"""

import io
import os
from typing import TYPE_CHECKING

import numpy as np

from aurl_jax.core import files
from aurl_jax.music import theory, time
from aurl_jax.music.notes import Notes

if TYPE_CHECKING:
  from matplotlib.axes import Axes
  from matplotlib.figure import Figure

_DPI = 110
_COLOURS = (
  '#0072b2', '#d55e00', '#009e73', '#b0488d', '#e69f00', '#56b4e9',
  '#7b3294', '#8c564b', '#7f8c1f', '#444444', '#c51b4a', '#00708a',
)  # fmt: skip
"""Told apart by colour-blind eyes: Okabe and Ito's, and darker ones."""
_FAINTEST = 0.4
"""Opacity of the softest note."""
_MOST_LABELS = 24
"""Bar numbers that have room side by side."""
_MOST_LEGEND = 12
"""Tracks that the legend names."""
_PITCH_INCHES, _DRUM_INCHES, _BAR_INCHES = 0.085, 0.19, 0.42
_BEATS_SHOWN = 32
"""Up to so many bars, the beats have lines, too."""
_BEAT, _GRID, _TEXT = '#e9ebee', '#cfd3da', '#3a3f47'


def piano_roll(
  notes: Notes,
  path: str | os.PathLike[str] | None = None,
  *,
  title: str = '',
  width: int | None = None,
) -> bytes:
  """Draws a piece: time from left to right in bars, pitch upwards.

  Each track has a colour, which the legend names; louder notes are more
  opaque. Drums stand on lines of their own below the pitches.

  Args:
    notes: The piece.
    path: Where to save the image, too.
    title: Printed above; by default the title of the piece.
    width: Of the image in pixels; by default what the bars need, 900..2400.

  Returns:
    The bytes of a PNG image.

  Raises:
    MidiError: The piece has more bars than can be drawn (`too_long`).
  """
  bars = time.bar_starts(notes)
  if width is None:
    inches = 1.4 + _BAR_INCHES * len(bars)
    width = int(np.clip(inches * _DPI, 900, 2400))
  figure, pitched, drums = _figure(notes, width / _DPI)
  for axes in (pitched, drums):
    if axes is not None:
      _draw_bars(axes, notes, bars, labels=axes is (drums or pitched))
  if pitched is not None:
    _draw_pitches(pitched, notes)
  if drums is not None:
    _draw_drums(drums, notes)
  _draw_title(figure, pitched or drums, notes, title or notes.title)
  image = png(figure)
  if path is not None:
    files.write_atomic(path, image)
  return image


def png(figure: 'Figure') -> bytes:
  """Returns a figure as PNG: equal figures, equal bytes."""
  from matplotlib.backends.backend_agg import FigureCanvasAgg

  image = io.BytesIO()
  # No date and no version in the file.
  FigureCanvasAgg(figure).print_png(image, metadata={'Software': None})
  return image.getvalue()


def _figure(
  notes: Notes, inches: float
) -> tuple['Figure', 'Axes | None', 'Axes | None']:
  """Returns an empty figure with axes for pitches and for drums, if any."""
  from matplotlib.figure import Figure

  low, high = _pitch_range(notes)
  struck = np.unique(notes.pitch[notes.is_drum])
  has_pitches = bool((~notes.is_drum).any()) or not len(struck)
  heights = []
  if has_pitches:
    heights.append(max(2.0, _PITCH_INCHES * (high - low + 1)))
  if len(struck):
    heights.append(max(0.8, _DRUM_INCHES * (len(struck) + 1)))
  figure = Figure(
    figsize=(inches, sum(heights) + 1.3), dpi=_DPI, layout='constrained'
  )
  axes = list(
    figure.subplots(
      len(heights), squeeze=False, sharex=True, height_ratios=heights
    )[:, 0]
  )
  pitched = axes.pop(0) if has_pitches else None
  return figure, pitched, axes.pop() if axes else None


def _pitch_range(notes: Notes) -> tuple[int, int]:
  """Returns the lowest and highest line of the pitches, at least an octave."""
  pitches = notes.pitch[~notes.is_drum]
  if not len(pitches):
    return 60, 72
  low, high = int(pitches.min()) - 1, int(pitches.max()) + 1
  missing = max(0, 12 - (high - low))
  return low - missing // 2, high + missing - missing // 2


def _draw_bars(
  axes: 'Axes', notes: Notes, bars: np.ndarray, *, labels: bool
) -> None:
  """Draws a line a bar, and numbers as many as there is room for."""
  end = max(notes.end, int(bars[-1]) + 1)
  step = 1
  while len(bars) / step > _MOST_LABELS:
    step *= 2
  axes.set_xlim(0, end)
  across = axes.get_xaxis_transform()
  if len(bars) <= _BEATS_SHOWN:
    beats = time.beats(notes, end)
    axes.vlines(beats, 0, 1, _BEAT, lw=0.5, transform=across, zorder=0.5)
  # So many lines would be a grey wall; the numbered ones remain.
  drawn = bars if len(bars) <= 8 * _MOST_LABELS else bars[::step]
  axes.vlines(drawn, 0, 1, _GRID, lw=0.7, transform=across, zorder=0.6)
  axes.set_xticks(
    bars[::step], labels=[str(bar + 1) for bar in range(0, len(bars), step)]
  )
  axes.tick_params(
    colors=_TEXT, labelsize=8, length=0, labelbottom=labels, pad=3
  )
  axes.set_axisbelow(True)
  for spine in axes.spines.values():
    spine.set_color(_GRID)
  if labels:
    axes.set_xlabel('bar', color=_TEXT, fontsize=8)


def _draw_pitches(axes: 'Axes', notes: Notes) -> None:
  """Draws all notes that have a pitch, and the lines of the keyboard."""
  from matplotlib.collections import PolyCollection

  low, high = _pitch_range(notes)
  for key in range(low, high + 1):
    if key % 12 in theory.BLACK_KEYS:
      axes.axhspan(key - 0.5, key + 0.5, color='#f3f4f6', lw=0, zorder=0)
  octaves = [key for key in range(low, high + 1) if key % 12 == 0]
  axes.set_yticks(octaves, labels=[theory.pitch_name(key) for key in octaves])
  axes.hlines(
    np.array(octaves) - 0.5, 0, 1, _GRID, lw=0.8,
    transform=axes.get_yaxis_transform(),
  )  # fmt: skip
  axes.set_ylim(low - 0.5, high + 0.5)
  rows = np.flatnonzero(~notes.is_drum)
  left, right = notes.onset[rows], (notes.onset + notes.duration)[rows]
  # A note of a tick or two would vanish between two pixels.
  right = np.maximum(right, left + axes.get_xlim()[1] / 1500)
  pitch = notes.pitch[rows]
  corners = [
    (left, pitch - 0.42), (left, pitch + 0.42),
    (right, pitch + 0.42), (right, pitch - 0.42),
  ]  # fmt: skip
  shapes = np.stack([np.stack(corner, axis=-1) for corner in corners], axis=1)
  axes.add_collection(
    PolyCollection(
      list(shapes),
      facecolors=_colours(notes)[rows],
      edgecolors='white',
      linewidths=0.3,
      zorder=3,
    ),
    autolim=False,
  )


def _draw_drums(axes: 'Axes', notes: Notes) -> None:
  """Draws each stroke as a diamond on the line of its drum."""
  rows = np.flatnonzero(notes.is_drum)
  struck, line = np.unique(notes.pitch[rows], return_inverse=True)
  axes.hlines(
    range(len(struck)), 0, 1, _GRID, lw=0.5,
    transform=axes.get_yaxis_transform(),
  )  # fmt: skip
  axes.set_yticks(
    range(len(struck)), labels=[theory.drum_name(int(p)) for p in struck]
  )
  axes.set_ylim(-0.7, len(struck) - 0.3)
  axes.set_facecolor('#fbfaf7')
  axes.scatter(
    notes.onset[rows],
    line,
    s=5 + 20 * (notes.velocity[rows] / 127) ** 2,
    c=_colours(notes)[rows],
    marker='D',
    linewidths=0,
    zorder=3,
    clip_on=False,
  )


def _track_colours(notes: Notes) -> dict[int, str]:
  """Returns the colour of each track that has notes."""
  used = np.unique(notes.track).tolist()
  return {
    track: _COLOURS[place % len(_COLOURS)] for place, track in enumerate(used)
  }


def _colours(notes: Notes) -> np.ndarray:
  """Returns red, green, blue and opacity of each note, [n, 4] of 0..1."""
  from matplotlib.colors import to_rgb

  table = np.zeros((len(notes.tracks), 3))
  for track, colour in _track_colours(notes).items():
    table[track] = to_rgb(colour)
  opacity = _FAINTEST + (1 - _FAINTEST) * notes.velocity / 127
  return np.column_stack([table[notes.track], opacity])


def _draw_title(
  figure: 'Figure', axes: 'Axes | None', notes: Notes, title: str
) -> None:
  """Writes the title above, and the instruments below."""
  from matplotlib.patches import Patch

  if title and axes is not None:
    axes.set_title(title, loc='left', fontsize=10, color=_TEXT, pad=8)
  colours = _track_colours(notes)
  names = _legend_names(notes, list(colours))
  handles = [
    Patch(color=colour, label=name)
    for colour, name in zip(colours.values(), names, strict=True)
  ][:_MOST_LEGEND]
  if len(colours) > _MOST_LEGEND:
    more = f'and {len(colours) - _MOST_LEGEND} more'
    handles.append(Patch(color='none', label=more))
  if handles:
    columns = max(1, int(figure.get_figwidth() // 1.6))
    figure.legend(
      handles=handles, loc='outside lower left', ncols=columns, fontsize=8,
      frameon=False, labelcolor=_TEXT, handlelength=1, handleheight=0.7,
    )  # fmt: skip


def _legend_names(notes: Notes, tracks: list[int]) -> list[str]:
  """Returns a name for each track: its own, or that of its instrument."""
  names: list[str] = []
  for index in tracks:
    track = notes.tracks[index]
    sounds = 'Drums' if track.is_drum else theory.PROGRAMS[track.program]
    names.append(' '.join(track.name.split()) or sounds)
  return [
    f'{name} {names[: place + 1].count(name)}'
    if names.count(name) > 1
    else name
    for place, name in enumerate(names)
  ]
