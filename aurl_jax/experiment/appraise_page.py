"""The page of a report: metrics with intervals, distances with their floors.

What can be heard is played by the page itself (`generation.page.player`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from aurl_jax.core import writers
from aurl_jax.experiment import appraise_examples, markup
from aurl_jax.experiment.appraise_examples import Example

Shown = Sequence[tuple[str, Sequence[Example]]]
"""Headings, and what can be heard below each."""

_WIDE, _HIGH = 180, 18
_FAR = 0.33
"""Cliff's delta from which a difference is called more than small (Romano et
al., "Appropriate statistics for ordinal level data", 2006)."""
_SURE = 0.05


def page(report: Mapping[str, Any], shown: Shown = ()) -> str:
  """Returns a report as HTML that loads nothing from anywhere else.

  Args:
    report: As of `appraise.write`.
    shown: What can be heard.
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
    body.append(_part('Likelihood of the reference', model.get('likelihood')))
    body.append(_part('Progressions', model.get('progressions')))
    body.append(_original(model.get('originality')))
    body.append(_part('Style', model.get('style')))
    body.append(_metrics(report['metrics'], model))
  every = [example for _, examples in shown for example in examples]
  if every:
    body.append('<h2>To hear</h2>')
    body.append(_heard(shown))
  body.append(_sources(report['metrics']))
  script = appraise_examples.script(every) if every else ''
  return markup.page(title, ''.join(body), script)


def _heard(shown: Shown) -> str:
  """Returns all that can be heard, under its headings."""
  parts, start = [], 0
  for name, examples in shown:
    if examples:
      parts.append(f'<h3>{markup.text(name)}</h3>')
      parts.append(appraise_examples.gallery(examples, start))
      start += len(examples)
  return ''.join(parts)


def _sets(model: Mapping[str, Any]) -> str:
  """Returns the distances of the sets."""
  rows = []
  for name, found in model['sets'].items():
    for key, value in found.items():
      if key == 'metrics':
        continue
      rows.append(_row(f'{name}: {key.replace("_", " ")}', _told(value)))
  return f'<h3>Sets</h3>{markup.table(("figure", ""), rows)}'


def _part(title: str, found: Mapping[str, Any] | None) -> str:
  """Returns a part of the report that is names and values."""
  if found is None:
    return ''
  rows = [_row(key.replace('_', ' '), _told(v)) for key, v in found.items()]
  return f'<h3>{title}</h3>{markup.table(("", ""), rows)}'


_BORROWED = {
  'share': 'share of runs of notes that training music has',
  'run': 'longest shared run, notes',
  'alike': 'share of three bars of one piece that stands here',
}


def _original(found: Mapping[str, Any] | None) -> str:
  """Returns what is copied, beside what is shared without copying."""
  if found is None:
    return ''
  if 'nearest' not in found:
    return _part('Originality', found)
  facts = {
    key: value
    for key, value in found.items()
    if key not in (*_BORROWED, 'nearest')
  }
  rows = [_row(key.replace('_', ' '), _told(v)) for key, v in facts.items()]
  for key, name in _BORROWED.items():
    row = found[key]
    if 'why' in row:
      rows.append(_row(name, row['why']))
      continue
    told = ' against '.join(_plain(row[k]) for k in ('generated', 'baseline'))
    rows.append(_row(name, f'{told}; delta {row["effect"]:+.2f}'))
  body = f'<h3>Originality</h3>{markup.table(("", ""), rows)}'
  head = ('piece', 'flagged', 'longest run', 'alike', 'bar', 'is from')
  return body + markup.table(head, map(_copy, found['nearest']))


def _copy(told: Mapping[str, Any]) -> str:
  """Returns the row of a piece that shares much."""
  run = told['run_of'] or (told['near'] or [{}])[0]
  bar, source = run.get('bar') or run.get('bars'), run.get('source')
  where = '–'
  if source:
    where = f'{source["piece"]}, bar {source["bar"]}'
    where += f', {source["semitones"]:+d} semitones'
  flagged = 'yes' if told['flagged'] else 'no'
  cells = (
    told['piece'],
    flagged,
    told['run'],
    writers.show(told['alike']),
    bar,
    where,
  )
  return _row(*map(str, cells))


def _metrics(defined: Mapping[str, Any], model: Mapping[str, Any]) -> str:
  """Returns a row a metric, with both intervals as a picture."""
  head = (
    'metric', 'unit', 'model', 'reference', '', "Cliff's delta", 'AUC', 'p',
  )  # fmt: skip
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
      _area(row['auc']),
      f'<{mark}>{_chance(row["p"])}</{mark}>',
    ]
    rows.append(f'<tr>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>')
  for name, why in model['left_out'].items():
    rows.append(
      f'<tr><td>{markup.text(name)}</td>'
      f'<td colspan="7">not compared: {markup.text(why)}</td></tr>'
    )
  told = (
    '<p class="soft">Means over pieces with 95 % bootstrap intervals; p of '
    'Mann and Whitney, corrected by Holm. Bold: delta of 0.33 or more and p '
    'below 0.05. The area under the curve (AUC) is 0.5 where a metric tells '
    'nothing, with its 95 % interval.</p>'
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


def _area(found: list[float]) -> str:
  mean, low, high = (f'{value:.2f}' for value in found)
  return f'{mean} <span class="soft">[{low}, {high}]</span>'


def _chance(p: float) -> str:
  told = '&lt; 0.001' if p < 0.001 else f'{p:.3f}'
  return f'<span style="white-space:nowrap">{told}</span>'


def _plain(found: Sequence[float]) -> str:
  mean, low, high = map(writers.show, found)
  return f'{mean} [{low}, {high}]'


def _told(value: Any) -> str:
  if value is None:
    return '–'
  if isinstance(value, bool | str):
    return str(value)
  if isinstance(value, int | float):
    return str(writers.show(value))
  if isinstance(value, Mapping):
    return ', '.join(f'{key} {_told(inner)}' for key, inner in value.items())
  if isinstance(value, Sequence):
    return ', '.join(map(_told, value))
  return str(value)
