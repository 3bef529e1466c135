"""The page of what studies heard: pictures, what is told, features, errors.

It is whole in itself and asks no server for anything.
"""

import json
import urllib.parse
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from aurl_jax.core import writers
from aurl_jax.experiment import markup
from aurl_jax.experiment.features import Spread, Table
from aurl_jax.generation import page as page_lib
from aurl_jax.music import plot
from aurl_jax.music import time as time_lib
from aurl_jax.studies import analysis
from aurl_jax.studies.analysis import Item
from aurl_jax.studies.study import FAULTS, Study

_HIGH, _DPI = 2.5, 110
_NARROW, _WIDE, _SECOND = 10.4, 80.0, 0.16
"""Inches of the shortest and the longest pieces, and of a second between."""
_LEFT, _RIGHT = 0.85, 0.15
"""Inches beside all pictures, so that seconds stand below each other."""
_TOP = 0.87
"""Where pictures begin, of the height: there may be a title above."""
_TEXT, _LINE = '#3a3f47', '#cfd3da'
_MOST_TOLD = 400
"""Rows of one part that the page tells; the JSON has all."""


class Picture(NamedTuple):
  """What a study draws of a piece.

  Attributes:
    study: Its name.
    image: PNG; empty if it could not be drawn.
    problem: Why, or ''.
  """

  study: str
  image: bytes
  problem: str = ''


class Shown(NamedTuple):
  """A piece on the page.

  Attributes:
    name: Of the piece.
    file: Of its JSON, beside the page.
    told: What its studies tell, side by side.
    pictures: One a study.
  """

  name: str
  file: str
  told: Mapping[str, Any]
  pictures: Sequence[Picture]


def pictures(item: Item, studies: Mapping[str, Study[Any]]) -> list[Picture]:
  """Returns what each study draws of a piece, over the same seconds."""
  notes = analysis.read(item)
  seconds = time_lib.duration_seconds(notes)
  with analysis.quiet():
    return [
      _picture(name, study, study.analyse(notes), seconds)
      for name, study in studies.items()
    ]


def _picture(
  name: str, study: Study[Any], found: Any, seconds: float
) -> Picture:
  from matplotlib.figure import Figure
  from matplotlib.ticker import AutoLocator

  wide = min(max(_NARROW, _LEFT + _SECOND * seconds), _WIDE)
  figure = Figure(figsize=(wide, _HIGH), dpi=_DPI)
  left, right = _LEFT / wide, 1 - _RIGHT / wide
  place = {'left': left, 'right': right, 'bottom': 0.2, 'top': _TOP}
  axes = figure.subplots(gridspec_kw=place)
  try:
    study.draw(found, axes)
    axes.set_xlim(0, max(seconds, 1e-3))
    if isinstance(axes.xaxis.get_major_locator(), AutoLocator):
      axes.locator_params(axis='x', nbins=int(wide))
    if not axes.get_xlabel():
      axes.set_xlabel('seconds', fontsize=8, color=_TEXT)
    axes.tick_params(labelsize=8, colors=_TEXT)
    for side in axes.spines.values():
      side.set_color(_LINE)
    return Picture(name, plot.png(figure))
  except FAULTS as error:
    return Picture(name, b'', analysis.fault(error))


def page(
  single: str,
  counts: Mapping[str, Any],
  table: Table,
  shown: Sequence[Shown],
  listed: Sequence[Mapping[str, Any]],
  errors: Sequence[Mapping[str, Any]],
) -> str:
  """Returns the page as HTML.

  Args:
    single: Name of the only piece; '' for a folder.
    counts: Facts for the top, by name.
    table: Features over all pieces.
    shown: Pieces with pictures.
    listed: Rows of features: `piece` and numbers by name.
    errors: Lines of what could not be heard.
  """
  title = single or f'{counts["pieces"]:,} pieces heard'
  tiles = [
    (name, _told(value))
    for name, value in counts.items()
    if value and not (single and name == 'pieces')
  ]
  body = [f'<h1>{markup.text(title)}</h1>', markup.tiles(tiles)]
  if errors:
    body.append(f'<h2>What could not be heard</h2>{_errors(errors)}')
  if not single:
    body.append(f'<h2>Features over all pieces</h2>{_spreads(table)}')
  body += [_piece(one, heading=not single) for one in shown]
  if single:
    rows = [_row(name, listed[0].get(name)) for name in table.names]
    body.append(f'<h2>Features</h2>{markup.table(("feature", ""), rows)}')
  else:
    body.append(f'<h2>Features piece by piece</h2>{_listed(table, listed)}')
  return markup.page(title, ''.join(body))


def _told(value: Any) -> str:
  return writers.show(value) if isinstance(value, int | float) else str(value)


def _cell(value: Any) -> str:
  return f'<td>{"–" if value is None else markup.text(_told(value))}</td>'


def _row(*values: Any) -> str:
  return f'<tr>{"".join(map(_cell, values))}</tr>'


def _errors(errors: Sequence[Mapping[str, Any]]) -> str:
  rows = [
    _row(
      line['piece'],
      line['study'] or '(reading)',
      line['error']['code'],
      line['error']['message'],
    )
    for line in errors
  ]
  return markup.table(('piece', 'study', 'code', 'why'), rows)


def _spreads(table: Table) -> str:
  rows = []
  for name, spread in table.spreads():
    cells = (spread.pieces, spread.mean, spread.deviation, *spread.quantiles)
    told = [None if value != value else value for value in cells]
    cells_of = ''.join(map(_cell, [name, *told]))
    rows.append(f'<tr>{cells_of}<td>{_bars(spread)}</td></tr>')
  head = ('feature', 'pieces', 'mean', 'deviation', '5 %', 'median', '95 %')
  return markup.table([*head, 'least to greatest'], rows)


def _bars(spread: Spread) -> str:
  """Returns the counts of a spread as a small picture."""
  if not spread.bars:
    return '–'
  most = max(spread.bars)
  bars = ''.join(
    f'<rect x="{6 * at}" y="{24 - high:.1f}" width="5" height="{high:.1f}"/>'
    for at, count in enumerate(spread.bars)
    if (high := 24 * count / most)
  )
  wide = 6 * len(spread.bars)
  return (
    f'<svg viewBox="0 0 {wide} 24" width="{wide}" height="24" role="img" '
    f'aria-label="Counts of {spread.pieces} pieces" '
    f'fill="var(--key)">{bars}</svg>'
  )


def _piece(one: Shown, *, heading: bool) -> str:
  head = f'<h2>{markup.text(one.name)}</h2>' if heading else ''
  drawn = ''.join(map(_drawn, one.pictures))
  # One place to scroll, so that all stay at the same seconds.
  drawn = f'<figure><div class="roll">{drawn}</div></figure>' if drawn else ''
  link = urllib.parse.quote(one.file, errors='surrogateescape')
  parts = ''.join(
    _part(name, part) for name, part in unfolded(one.told).items()
  )
  return (
    f'<section>{head}{drawn}<p><a class="file" href="{link}">JSON</a></p>'
    f'{parts}</section>'
  )


def _drawn(picture: Picture) -> str:
  name = markup.text(picture.study)
  head = f'<h3 style="position:sticky;left:0;width:20em">{name}</h3>'
  if picture.problem:
    why = markup.text(picture.problem)
    return f'{head}<p>{name} could not be drawn: {why}</p>'
  image = page_lib.data_url('image/png', picture.image)
  return (
    f'{head}<img style="width:auto;max-width:none" src="{image}" '
    f'alt="What {name} heard, over seconds">'
  )


def _part(name: str, part: Any) -> str:
  """Returns a part of what is told, folded: a table, or JSON."""
  if is_rows(part):
    head = list(dict.fromkeys(key for row in part for key in row))
    rows = [
      _row(*(_plain(row.get(key)) for key in head)) for row in part[:_MOST_TOLD]
    ]
    inner = markup.table(head, rows)
    if len(part) > _MOST_TOLD:
      inner += f'<p class="soft">… of {len(part):,} in the JSON</p>'
    count = f' ({len(part):,})'
  else:
    text = json.dumps(part)
    cut = text[:4000] + (' …' if len(text) > 4000 else '')
    inner, count = f'<p><code>{markup.text(cut)}</code></p>', ''
  return (
    f'<details><summary>{markup.text(name)}{count}</summary>{inner}</details>'
  )


def unfolded(told: Mapping[str, Any]) -> dict[str, Any]:
  """Returns parts that are mappings with lists of rows inside by these.

  Example:
    >>> unfolded({'melody': {'notes': [{'pitch': 60}], 'range': 12}})
    {'melody.notes': [{'pitch': 60}], 'melody': {'range': 12}}
  """
  flat: dict[str, Any] = {}
  for name, part in told.items():
    if not isinstance(part, dict) or not any(map(is_rows, part.values())):
      flat[name] = part
      continue
    rows = {key: value for key, value in part.items() if is_rows(value)}
    flat |= {f'{name}.{key}': value for key, value in rows.items()}
    if rest := {key: part[key] for key in part if key not in rows}:
      flat[name] = rest
  return flat


def is_rows(part: Any) -> bool:
  """Returns whether a part of what is told is a list of rows.

  Example:
    >>> is_rows([{'start': 0.0, 'label': 'C:maj'}]), is_rows([0.5])
    (True, False)
  """
  return (
    isinstance(part, list)
    and bool(part)
    and all(isinstance(row, dict) for row in part)
  )


def _plain(value: Any) -> Any:
  return json.dumps(value) if isinstance(value, dict | list) else value


def _listed(table: Table, listed: Sequence[Mapping[str, Any]]) -> str:
  names = table.names
  rows = [_row(row['piece'], *(row.get(n) for n in names)) for row in listed]
  more = table.pieces - len(listed)
  rest = (
    f'<p class="soft">and {more:,} more in features.csv</p>' if more else ''
  )
  return markup.table(('piece', *names), rows) + rest
