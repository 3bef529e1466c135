"""The report of a prepared set as one HTML file that needs nothing else.

Plots are SVG made here; the page asks no server for anything, and reads on a
phone as well as on a desk. What a file is called, or says of itself, is text
and never markup.
"""

import collections
import html
import importlib.resources
import json
import pathlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from aurl_jax.core import files
from aurl_jax.music import theory

PAGE = 'report.html'
_EXAMPLES = 20
"""Files that are named for each reason."""
_ROWS = 12
"""Bars of a plot of words; what more there is is added up."""
_BINS = 128
"""Bars of a plot of numbers; outer ones are added up."""
_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP = 320, 150, 34, 18, 14
_ROW, _LABEL = 18, 134


class Plot(NamedTuple):
  """How a histogram is shown.

  Attributes:
    name: In the report.
    title: Above the plot.
    unit: What is counted by what.
    scale: How the labels follow each other: `ones`, `tens`, `doubles`, or
      `words`.
    say: What a label is called.
  """

  name: str
  title: str
  unit: str
  scale: str
  say: Callable[[str], str] = str


def _program(label: str) -> str:
  return theory.PROGRAMS[int(label)] if label.isdigit() else label


PLOTS = (
  Plot('seconds', 'Length', 'pieces, by seconds up to', 'doubles'),
  Plot('notes', 'Notes', 'pieces, by notes up to', 'doubles'),
  Plot('steps', 'Steps', 'pieces, by steps of tokens up to', 'doubles'),
  Plot('tempo', 'Tempo', 'pieces, by beats a minute on the whole', 'tens'),
  Plot('bpm', 'Tempo changes', 'changes, by beats a minute', 'tens'),
  Plot('meter', 'Meter', 'changes, and pieces without (4/4)', 'words'),
  Plot('key', 'Key', 'signatures, as the files tell them', 'words'),
  Plot('program', 'Instruments', 'notes', 'words', _program),
  Plot('instruments', 'Instruments a piece', 'pieces', 'ones'),
  Plot('polyphony', 'Polyphony', 'beats, by notes at once', 'ones'),
  Plot('pitch', 'Pitch', 'notes, by MIDI pitch (60: middle C)', 'ones'),
  Plot('velocity', 'Velocity', 'notes, by velocity', 'ones'),
  Plot('beats', 'Note length', 'notes, by beats up to', 'doubles'),
  Plot('composer', 'Composers', 'pieces', 'words'),
  Plot('genre', 'Genres', 'pieces', 'words'),
  Plot('kind', 'Kinds', 'pieces', 'words'),
  Plot('source', 'Sources', 'pieces', 'words'),
  Plot('licence', 'Licences', 'pieces', 'words'),
)


class Examples(NamedTuple):
  """Files to name on the page, a few of each sort.

  Attributes:
    dropped: Code -> (name, reason).
    repaired: Code -> (name, what was done).
    duplicates: (name, name of the first with its music).
  """

  dropped: Mapping[str, list[tuple[str, str]]] = {}
  repaired: Mapping[str, list[tuple[str, str]]] = {}
  duplicates: Iterable[tuple[str, str]] = ()


def write(
  folder: pathlib.Path,
  values: Mapping[str, Any],
  lines: pathlib.Path,
  duplicates: Iterable[tuple[str, str]] = (),
) -> None:
  """Writes the page.

  Args:
    folder: Where to.
    values: What `Report.as_dict` gives.
    lines: The file with one JSON object a file.
    duplicates: (name, digest) of those to name.
  """
  with lines.open() as rows:
    examples = find_examples((json.loads(line) for line in rows), duplicates)
  files.write_atomic(folder / PAGE, render(values, examples))


def find_examples(
  rows: Iterable[Mapping[str, Any]],
  duplicates: Iterable[tuple[str, str]] = (),
) -> Examples:
  """Returns the first files dropped or repaired for each code.

  Args:
    rows: What became of each file; read once, a few of each code are held.
    duplicates: (name, digest) of those to name.
  """
  dropped = collections.defaultdict[str, list[tuple[str, str]]](list)
  repaired = collections.defaultdict[str, list[tuple[str, str]]](list)
  wanted = {digest for _, digest in duplicates}
  first: dict[str, str] = {}
  for row in rows:
    if row['digest'] in wanted:
      first.setdefault(row['digest'], row['name'])
    if row['status'] == 'dropped':
      _hold(dropped[row['code']], row['name'], row['reason'])
    else:
      told = {issue[0]: f'{issue[1]}: {issue[2]}' for issue in row['issues']}
      for code, what in told.items():
        _hold(repaired[code], row['name'], what)
  pairs = [(name, first[digest]) for name, digest in duplicates]
  return Examples(dict(dropped), dict(repaired), pairs)


def _hold(rows: list[tuple[str, str]], name: str, what: str) -> None:
  if len(rows) < _EXAMPLES:
    rows.append((name, what))


def render(values: Mapping[str, Any], examples: Examples) -> str:
  """Returns the page as HTML.

  Args:
    values: What `Report.as_dict` gives.
    examples: What `find_examples` gives.
  """
  folder = str(values['folder'])
  name = pathlib.PurePath(folder).name or folder
  counts = values['counts']
  body = [
    f'<h1>{_text(name)}</h1><p class="soft">What became of '
    f'{_number(counts["files"])} files, in {_name(folder)}</p>',
    _tiles(counts),
    _warnings(values['warnings']),
    _splits(values['splits']),
    _codes('Left out, and why', values['reasons'], examples.dropped),
    _plots(values['histograms']),
    _codes('Repaired, and what of', values['repairs'], examples.repaired),
    _duplicates(examples.duplicates, counts['duplicates_kept']),
  ]
  template = (
    importlib.resources.files('aurl_jax.data')
    .joinpath('report_page.html')
    .read_text(encoding='utf-8')
  )
  title = _text(f'{name}: data report')
  return template.replace('%%title%%', title).replace(
    '%%body%%', '\n'.join(part for part in body if part)
  )


def _text(value: object) -> str:
  # A lone surrogate, as names of files may hold, cannot be written.
  return html.escape(str(value)).encode('utf-8', 'replace').decode()


def _name(value: str) -> str:
  return f'<span class="name">{_text(value)}</span>'


def _number(value: float | int) -> str:
  return f'{value:,.0f}'


def _tiles(counts: Mapping[str, int]) -> str:
  kept = counts['ok'] + counts['repaired']
  tiles = (
    ('kept', kept, 'good'),
    ('of them repaired', counts['repaired'], 'warn'),
    ('left out', counts['dropped'], 'bad'),
    ('duplicates kept', counts['duplicates_kept'], ''),
  )
  inner = ''.join(
    f'<div class="tile {look if count else ""}"><b>{_number(count)}</b>'
    f'{label}</div>'
    for label, count, look in tiles
  )
  return f'<div class="tiles">{inner}</div>'


def _warnings(warnings: Iterable[str]) -> str:
  items = ''.join(f'<li>{_text(warning)}</li>' for warning in warnings)
  return f'<ul class="warnings">{items}</ul>' if items else ''


def _table(
  head: Iterable[str], rows: Iterable[Iterable[str]], look: str = ''
) -> str:
  """Returns a table; a title that ends in # heads numbers."""
  titles = ''.join(
    f'<th{_number_class(title)}>{title.rstrip("#")}</th>' for title in head
  )
  body = ''.join(
    '<tr>'
    + ''.join(
      f'<td{_number_class(title)}>{cell}</td>'
      for title, cell in zip(head, row, strict=True)
    )
    + '</tr>'
    for row in rows
  )
  table = f'<table class="{look}"><tr>{titles}</tr>{body}</table>'
  return f'<div class="scroll">{table}</div>'


def _number_class(title: str) -> str:
  return ' class="number"' if title.endswith('#') else ''


def _splits(found: Mapping[str, Mapping[str, int]]) -> str:
  rows = [
    [_text(name), *(_number(counts[key]) for key in counts)]
    for name, counts in sorted(found.items(), key=_in_training_first)
  ]
  if not rows:
    return ''
  keys = next(iter(found.values()))
  return '<h2>Splits</h2>' + _table(['split', *(f'{k}#' for k in keys)], rows)


def _in_training_first(row: tuple[str, Any]) -> tuple[int, str]:
  order = ('train', 'valid', 'test')
  return order.index(row[0]) if row[0] in order else len(order), row[0]


def _codes(
  title: str,
  counts: Mapping[str, int],
  examples: Mapping[str, list[tuple[str, str]]],
) -> str:
  if not counts:
    return ''
  rows = [
    [
      f'<code>{_text(code)}</code>',
      _number(count),
      _shown(count, examples.get(code, [])),
    ]
    for code, count in counts.items()
  ]
  table = _table(['code', 'files#', 'such as'], rows, 'codes')
  return f'<h2>{title}</h2>{table}'


def _shown(count: int, rows: list[tuple[str, str]]) -> str:
  if not rows:
    return ''
  first, *more = [
    f'<p>{_name(name)}<br><span class="soft">{_text(what)}</span></p>'
    for name, what in rows
  ]
  if not more:
    return first
  rest = count - len(rows)
  note = f'<p class="soft">and {_number(rest)} more</p>' if rest > 0 else ''
  return (
    f'{first}<details><summary>{len(more)} more</summary>'
    f'{"".join(more)}{note}</details>'
  )


def _duplicates(pairs: Iterable[Iterable[str]], count: int) -> str:
  rows = [[_name(name), _name(first)] for name, first in pairs]
  if not rows:
    return ''
  rest = count - len(rows)
  note = f'<p class="soft">and {_number(rest)} more</p>' if rest > 0 else ''
  table = _table(['file', 'has the music of'], rows)
  return (
    f'<h2>Duplicates</h2><details><summary>{len(rows)} named</summary>'
    f'{table}{note}</details>'
  )


def _plots(histograms: Mapping[str, Mapping[str, int]]) -> str:
  shown = [
    _figure(plot, histograms[plot.name])
    for plot in PLOTS
    if any(histograms.get(plot.name, {}).values())
  ]
  if not shown:
    return ''
  return f'<h2>The music</h2><div class="plots">{"".join(shown)}</div>'


def _figure(plot: Plot, histogram: Mapping[str, int]) -> str:
  if plot.scale == 'words':
    drawing = draw_words(histogram, plot.say)
  else:
    drawing = draw_numbers(histogram, plot.scale)
  return (
    f'<figure><h3>{plot.title}</h3><figcaption>{plot.unit}</figcaption>'
    f'{drawing}</figure>'
  )


def draw_words(
  histogram: Mapping[str, int], say: Callable[[str], str] = str
) -> str:
  """Returns an SVG of lying bars, the longest first.

  Args:
    histogram: Label -> count.
    say: What a label is called.
  """
  rows = sorted(histogram.items(), key=lambda row: (-row[1], row[0]))
  rows = [(say(label), count) for label, count in rows if count]
  rest = sum(count for _, count in rows[_ROWS:])
  if rest:
    rows = [*rows[:_ROWS], (f'{len(rows) - _ROWS} others', rest)]
  most = max(count for _, count in rows)
  parts = []
  for index, (label, count) in enumerate(rows):
    top = index * _ROW
    width = max(1.0, (_WIDTH - _LABEL - 52) * count / most)
    short = label if len(label) <= 20 else label[:19] + '…'
    parts.append(
      f'<text class="label" x="{_LABEL - 6}" y="{top + 13}" '
      f'text-anchor="end">{_text(short)}</text>'
      f'<rect x="{_LABEL}" y="{top + 3}" width="{width:.1f}" height="12">'
      f'<title>{_text(label)}: {_number(count)}</title></rect>'
      f'<text x="{_LABEL + width + 4:.1f}" y="{top + 13}">{_short(count)}'
      '</text>'
    )
  return _svg(parts, len(rows) * _ROW + 2)


def draw_numbers(histogram: Mapping[str, int], scale: str) -> str:
  """Returns an SVG of standing bars on an axis without gaps.

  Args:
    histogram: Numbers as text -> count.
    scale: `ones`, `tens` or `doubles`: how they follow each other.
  """
  counts = {float(label): count for label, count in histogram.items()}
  axis = _axis(min(counts), max(counts), scale)
  values = [counts.get(place, 0) for place in axis]
  beyond = sum(counts.values()) - sum(values)
  values[-1] += beyond
  most = max(values)
  step = (_WIDTH - _LEFT) / len(axis)
  floor = _HEIGHT - _BOTTOM
  parts = [
    f'<line x1="{_LEFT}" y1="{_TOP}" x2="{_WIDTH}" y2="{_TOP}"/>'
    f'<line x1="{_LEFT}" y1="{floor}" x2="{_WIDTH}" y2="{floor}"/>'
    f'<text x="{_LEFT - 4}" y="{_TOP + 4}" text-anchor="end">{_short(most)}'
    f'</text><text x="{_LEFT - 4}" y="{floor}" text-anchor="end">0</text>'
  ]
  every = -(-len(axis) // 8)
  for index, (place, count) in enumerate(zip(axis, values, strict=True)):
    left = _LEFT + index * step
    height = (floor - _TOP) * count / most
    more = '+' if beyond and index == len(axis) - 1 else ''
    if count:
      parts.append(
        f'<rect x="{left + step * 0.06:.2f}" y="{floor - height:.2f}" '
        f'width="{step * 0.88:.2f}" height="{max(height, 0.7):.2f}">'
        f'<title>{_tick(place)}{more}: {_number(count)}</title></rect>'
      )
    if index % every == 0:
      parts.append(
        f'<text x="{left + step / 2:.1f}" y="{_HEIGHT - 5}" '
        f'text-anchor="middle">{_tick(place)}</text>'
      )
  return _svg(parts, _HEIGHT)


def _axis(least: float, most: float, scale: str) -> list[float]:
  """Returns all places from the least to the most, `_BINS` at most."""
  axis = [least]
  while axis[-1] < most and len(axis) < _BINS:
    last = axis[-1]
    following = {'ones': last + 1, 'tens': last + 10, 'doubles': last * 2}
    axis.append(following[scale])
  return axis


def _svg(parts: list[str], height: int) -> str:
  return (
    f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" '
    f'xmlns="http://www.w3.org/2000/svg">{"".join(parts)}</svg>'
  )


def _tick(value: float | int) -> str:
  if 0 < value < 1:
    return f'1/{round(1 / value)}'
  return _short(value)


def _short(value: float | int) -> str:
  """Returns a number in at most four characters and a letter.

  Example:
    >>> [_short(v) for v in (7, 999, 1234, 45_678, 3_400_000)]
    ['7', '999', '1.2k', '46k', '3.4M']
  """
  for size, letter in ((1e9, 'G'), (1e6, 'M'), (1e3, 'k')):
    if value >= size * 0.9995:
      scaled = value / size
      return f'{scaled:.{int(scaled < 9.95)}f}{letter}'
  return f'{value:g}'
