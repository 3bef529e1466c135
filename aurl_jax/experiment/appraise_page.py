"""The page of a report: metrics with intervals, distances with their floors."""

from collections.abc import Mapping
from typing import Any

from aurl_jax.core import writers
from aurl_jax.experiment import markup

_WIDE, _HIGH = 180, 18
_FAR = 0.33
"""Cliff's delta from which a difference is called more than small (Romano et
al., "Appropriate statistics for ordinal level data", 2006)."""
_SURE = 0.05


def page(report: Mapping[str, Any]) -> str:
  """Returns a report as HTML that loads nothing from anywhere else.

  Args:
    report: As of `appraise.write`.
  """
  names = ', '.join(str(model['name']) for model in report['models'])
  reference = report['reference']
  title = f'{names} against {reference["name"]}'
  tiles = [('pieces of the reference', f'{reference["pieces"]:,}')]
  for model in report['models']:
    tiles.append((f'pieces of {model["name"]}', f'{model["pieces"]:,}'))
  body = [f'<h1>{markup.text(title)}</h1>', markup.tiles(tiles)]
  for model in report['models']:
    body.append(f'<h2>{markup.text(model["name"])}</h2>')
    body.append(_sets(model))
    body.append(_likelihood(model.get('likelihood')))
    body.append(_metrics(report['metrics'], model))
  body.append(_sources(report['metrics']))
  return markup.page(title, ''.join(body))


def _sets(model: Mapping[str, Any]) -> str:
  """Returns the distances of the sets."""
  rows = []
  for name, found in model['sets'].items():
    for key, value in found.items():
      if key == 'metrics':
        continue
      rows.append(_row(f'{name}: {key.replace("_", " ")}', _told(value)))
  return f'<h3>Sets</h3>{markup.table(("figure", ""), rows)}'


def _likelihood(found: Mapping[str, Any] | None) -> str:
  if found is None:
    return ''
  rows = [_row(key.replace('_', ' '), _told(v)) for key, v in found.items()]
  return f'<h3>Likelihood of the reference</h3>{markup.table(("", ""), rows)}'


def _metrics(defined: Mapping[str, Any], model: Mapping[str, Any]) -> str:
  """Returns a row a metric, with both intervals as a picture."""
  head = ('metric', 'unit', 'model', 'reference', '', "Cliff's delta", 'p')
  rows = []
  for name, row in model['metrics'].items():
    far = abs(row['effect']) >= _FAR and row['p'] < _SURE
    mark = 'b' if far else 'span'
    cells = [
      markup.text(name),
      markup.text(defined[name]['unit']),
      _interval(row['generated']),
      _interval(row['reference']),
      _picture(row['generated'], row['reference']),
      f'<{mark}>{row["effect"]:+.2f}</{mark}>',
      f'<{mark}>{_chance(row["p"])}</{mark}>',
    ]
    rows.append(f'<tr>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>')
  for name, why in model['left_out'].items():
    rows.append(
      f'<tr><td>{markup.text(name)}</td>'
      f'<td colspan="6">not compared: {markup.text(why)}</td></tr>'
    )
  told = (
    '<p class="soft">Means over pieces with 95 % bootstrap intervals; p of '
    'Mann and Whitney, corrected by Holm. Bold: delta of 0.33 or more and p '
    'below 0.05.</p>'
  )
  return f'<h3>Metrics</h3>{told}{markup.table(head, rows)}'


def _picture(one: list[float], other: list[float]) -> str:
  """Returns both intervals over one line, the model's above."""
  low, high = min(one[1], other[1]), max(one[2], other[2])
  scale = (_WIDE - 8) / (high - low) if high > low else 0.0

  def bar(found: list[float], y: int, colour: str) -> str:
    left, right = (4 + (x - low) * scale for x in found[1:])
    middle = 4 + (found[0] - low) * scale
    return (
      f'<line x1="{left:.1f}" x2="{right:.1f}" y1="{y}" y2="{y}" '
      f'stroke="{colour}" stroke-width="3"/>'
      f'<circle cx="{middle:.1f}" cy="{y}" r="3.5" fill="{colour}"/>'
    )

  inner = bar(one, 5, '#d55e00') + bar(other, 13, '#0072b2')
  return f'<svg width="{_WIDE}" height="{_HIGH}" role="img">{inner}</svg>'


def _sources(defined: Mapping[str, Any]) -> str:
  rows = [
    _row(name, each['family'], each['unit'], each['source'])
    for name, each in defined.items()
  ]
  head = ('metric', 'family', 'unit', 'source')
  return f'<h2>What the metrics are</h2>{markup.table(head, rows)}'


def _row(*cells: str) -> str:
  return f'<tr>{"".join(f"<td>{markup.text(c)}</td>" for c in cells)}</tr>'


def _interval(found: list[float]) -> str:
  mean, low, high = map(writers.show, found)
  return f'{mean} <span class="soft">[{low}, {high}]</span>'


def _chance(p: float) -> str:
  return '&lt; 0.001' if p < 0.001 else f'{p:.3f}'


def _told(value: Any) -> str:
  if value is None:
    return '–'
  if isinstance(value, int | float):
    return str(writers.show(value))
  return str(value)
