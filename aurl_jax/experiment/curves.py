"""Curves of a run as SVG, for pages and for files.

Colours are variables of the page around, with a fallback for a file that
stands alone.
"""

import html
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

Number = float | int
Points = list[tuple[Number, Number]]
COLOURS = ('#0072b2', '#d55e00', '#009e73', '#b0488d', '#e69f00', '#56b4e9')
"""Told apart by colour-blind eyes, after Okabe and Ito."""
_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 360, 190, 46, 12, 10, 24
_MOST = 400
"""Points of a line: more would not be seen."""
_INK, _SOFT, _RULE = (
  'var(--ink,#22262b)',
  'var(--soft,#5d6670)',
  'var(--line,#d9dde2)',
)


class Chart(NamedTuple):
  """One picture: entries of the records over the steps.

  Attributes:
    title: Above it.
    unit: Of its values.
    names: Of the entries.
    scale: What they are multiplied by.
  """

  title: str
  unit: str
  names: tuple[str, ...]
  scale: Number = 1.0


CHARTS = (
  Chart('Loss', 'nats a predicted id', ('loss', 'valid/loss')),
  Chart('Accuracy', 'share of ids', ('accuracy', 'valid/accuracy')),
  Chart('Learning rate', '', ('learning_rate',)),
  Chart('Gradient norm', 'before clipping', ('grad_norm',)),
  Chart('Speed', 'tokens/s', ('tokens_per_second',)),
  Chart(
    'Memory', 'GB', ('system/host_bytes', 'system/device_bytes'), scale=1e-9
  ),
  Chart('Data wait', 'share of the time', ('system/data_wait',)),
)


class Line(NamedTuple):
  """A line of a chart.

  Attributes:
    name: For the legend.
    points: (step, value), by step.
    colour: CSS.
    dashed: Whether it is broken.
  """

  name: str
  points: Points
  colour: str
  dashed: bool = False


def points(
  records: Iterable[Mapping[str, Any]], name: str, scale: Number = 1.0
) -> Points:
  """Returns (step, value) of an entry wherever it is a number.

  Example:
    >>> points([{'step': 1, 'x': 2.0}, {'step': 2, 'x': None}], 'x', 10)
    [(1, 20.0)]
  """
  return [
    (record['step'], record[name] * scale)
    for record in records
    if isinstance(record.get(name), int | float) and math.isfinite(record[name])
  ]


def lines(records: Sequence[Mapping[str, Any]], chart: Chart) -> list[Line]:
  """Returns the lines of one run that have any points."""
  found = [
    Line(name, points(records, name, chart.scale), colour, place > 0)
    for place, (name, colour) in enumerate(
      zip(chart.names, COLOURS, strict=False)
    )
  ]
  return [line for line in found if line.points]


def draw(drawn: Sequence[Line], alone: str = '') -> str:
  """Returns the SVG of some lines over their common steps.

  Args:
    drawn: At least one line with a point.
    alone: Title of a picture that stands by itself; '' for one in a page.
  """
  every = [point for line in drawn for point in line.points]
  low, high = _range([y for _, y in every])
  first, last = min(x for x, _ in every), max(x for x, _ in every)
  last = last if last > first else first + 1
  frame = _Frame(first, last, low, high)
  parts = [*_rules(frame), *(_path(frame, line) for line in drawn)]
  style = 'font:10px system-ui,sans-serif'
  if not alone:
    return (
      f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" style="{style}" role="img" '
      f'xmlns="http://www.w3.org/2000/svg">{"".join(parts)}</svg>'
    )
  head = f'{alone} — ' + ', '.join(line.name for line in drawn)
  return (
    f'<svg viewBox="0 -24 {_WIDTH} {_HEIGHT + 24}" width="{2 * _WIDTH}" '
    f'height="{2 * (_HEIGHT + 24)}" style="{style}" role="img" '
    'xmlns="http://www.w3.org/2000/svg">'
    f'<rect y="-24" width="{_WIDTH}" height="{_HEIGHT + 24}" fill="#fff"/>'
    f'<text x="8" y="-8" font-size="12">{html.escape(head)}</text>'
    f'{"".join(parts)}</svg>'
  )


class _Frame(NamedTuple):
  """What the edges of a picture stand for."""

  first: Number
  last: Number
  low: Number
  high: Number

  def x(self, step: Number) -> Number:
    """Returns the place of a step."""
    share = (step - self.first) / (self.last - self.first)
    return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)

  def y(self, value: Number) -> Number:
    """Returns the place of a value."""
    share = (value - self.low) / (self.high - self.low)
    return _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)


def _range(values: Sequence[Number]) -> tuple[Number, Number]:
  """Returns the edges: what is near 0, beside its spread, begins there."""
  low, high = min(values), max(values)
  if low >= 0 and low < 0.5 * high:
    low = 0.0
  room = (high - low) * 0.06 or abs(high) * 0.1 or 1.0
  return (low if low == 0 else low - room), high + room


def ticks(low: Number, high: Number, most: int = 5) -> list[Number]:
  """Returns round numbers in a range, `most` of them or fewer.

  Example:
    >>> ticks(0, 1, 5), ticks(3, 77, 4)
    ([0.0, 0.5, 1.0], [20.0, 40.0, 60.0])
  """
  size = 10.0 ** math.floor(math.log10(high - low))
  sizes = [size * factor for factor in (0.1, 0.2, 0.5, 1, 2, 5)]
  for step in sizes:
    first, last = math.ceil(low / step), math.floor(high / step)
    if last - first < most:
      return [round(n * step, 12) for n in range(first, last + 1)]
  return []


def _rules(frame: _Frame) -> list[str]:
  """Returns the grid and its numbers."""
  parts, floor = [], _HEIGHT - _BOTTOM
  for value in ticks(frame.low, frame.high):
    y = frame.y(value)
    parts.append(
      f'<path d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}" style="stroke:{_RULE}"/>'
      f'<text x="{_LEFT - 5}" y="{y + 3:.1f}" text-anchor="end" '
      f'style="fill:{_SOFT}">{short(value)}</text>'
    )
  for step in ticks(frame.first, frame.last, 7):
    if step == int(step):
      parts.append(
        f'<text x="{frame.x(step):.1f}" y="{floor + 15}" text-anchor="middle" '
        f'style="fill:{_SOFT}">{short(step)}</text>'
      )
  return parts


def _path(frame: _Frame, line: Line) -> str:
  """Returns a line; a single point is a dot."""
  places = [(frame.x(x), frame.y(y)) for x, y in thin(line.points)]
  last = short(line.points[-1][1])
  title = f'<title>{html.escape(line.name)}: {last} at the end</title>'
  style = f'stroke:{line.colour};fill:none;stroke-width:1.6'
  if line.dashed:
    style += ';stroke-dasharray:5 3'
  x, y = places[-1]
  dot = f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.4" fill="{line.colour}"/>'
  path = 'L'.join(f'{x:.1f} {y:.1f}' for x, y in places)
  return f'<g>{title}<path d="M{path}" style="{style}"/>{dot}</g>'


def thin(line: Points, most: int = _MOST) -> Points:
  """Returns a line of `most` points or fewer that keeps its peaks."""
  if len(line) <= most:
    return line
  size = -(-len(line) // (most // 2))
  kept: Points = []
  for first in range(0, len(line), size):
    part = line[first : first + size]
    ends = {
      min(part, key=lambda point: point[1]),
      max(part, key=lambda point: point[1]),
    }
    kept += sorted(ends)
  return kept


def short(value: Number) -> str:
  """Returns a number in a few characters.

  Example:
    >>> [short(v) for v in (0, 0.0003, 0.25, 12.0, 1500, 2_000_000)]
    ['0', '0.0003', '0.25', '12', '1.5k', '2M']
  """
  for size, letter in ((1e9, 'G'), (1e6, 'M'), (1e3, 'k')):
    if abs(value) >= size:
      return f'{value / size:.3g}{letter}'
  return f'{value:.3g}'
