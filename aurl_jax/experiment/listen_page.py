"""The page of a listening test: who was preferred, how sure, by whom."""

from collections.abc import Mapping
from typing import Any

from aurl_jax.core import writers
from aurl_jax.experiment import markup

_WIDE, _HIGH, _EDGE = 260, 22, 6
_LEVEL = 0.05
_BLUE, _GREY = '#0072b2', '#8a939c'
_ASKED = {
  'ab': 'share that prefers the first, less a half',
  'mos': 'difference of mean ratings',
  'turing': 'difference of shares taken for human',
}


def page(report: Mapping[str, Any]) -> str:
  """Returns a report as HTML that loads nothing from anywhere else.

  Args:
    report: As of `listening.analysis.analyze`.
  """
  test, listeners = report['test'], report['listeners']
  tiles = [
    ('listeners counted', f'{listeners["counted"]} of {listeners["through"]}'),
    ('failed the checks', str(listeners['failed_checks'])),
    ('began', str(listeners['began'])),
    ('trials each', str(test['trials'])),
    ('loudness', f'{test["loudness"]:.1f} LUFS'),
    ('synthesiser', test['synthesiser']),
  ]
  body = [
    f'<h1>{markup.text(test["title"])}</h1>',
    f'<p>{markup.text(test["question"])}</p>',
    markup.tiles(tiles),
    _checks(report['checks'], test),
    f'<h2>Listeners who passed their checks</h2>{_results(report, "results")}',
  ]
  if listeners['failed_checks']:
    body.append(f'<h2>All listeners</h2>{_results(report, "everyone")}')
  return markup.page(test['title'], ''.join(body))


def _results(report: Mapping[str, Any], which: str) -> str:
  found, kind = report[which], report['test']['kind']
  if 'why' in found:
    return f'<p>{markup.text(found["why"])}</p>'
  parts = [
    f'<p class="soft">{found["answers"]:,} answers of {found["listeners"]} '
    'listeners. Intervals are of 95 %; listeners, not answers, are what was '
    'sampled.</p>'
  ]
  if 'means' in found:
    parts.append(_intervals('Mean ratings', found['means'], 1, 5))
  if 'taken_for_human' in found:
    parts.append(_intervals('Taken for human', found['taken_for_human'], 0, 1))
  if 'contrasts' in found:
    parts.append(_contrasts(found['contrasts'], _ASKED[kind]))
  if 'bradley_terry' in found:
    parts.append(_strengths(found['bradley_terry']))
  if 'detection' in found:
    parts.append(_detection(found['detection']))
  parts.append(_agreement(found))
  return ''.join(parts)


def _intervals(
  title: str, rows: Mapping[str, Any], low: float | int, high: float | int
) -> str:
  told = [
    _row(markup.text(name), _told(row), _picture(row, low, high, None))
    for name, row in rows.items()
  ]
  return f'<h3>{title}</h3>{markup.table(("system", "mean", ""), told)}'


def _contrasts(rows: Mapping[str, Any], asked: str) -> str:
  """Returns a row a question, those that are sure in bold."""
  most = max(abs(x) for row in rows.values() for x in row['mean']) or 1.0
  told = []
  for name, row in rows.items():
    mark = 'b' if row['corrected'] < _LEVEL else 'span'
    beside = row.get('by_piece', {}).get('p')
    told.append(
      _row(
        _whole(f'<{mark}>{markup.text(name)}</{mark}>'),
        _told(row['mean']),
        _picture(row['mean'], -most, most, 0.0),
        _whole(f'{row["effect"]:+.2f}'),
        _chance(row['p']),
        f'<{mark}>{_chance(row["corrected"])}</{mark}>',
        _chance(row['permuted']),
        '–' if beside is None else _chance(beside),
      )
    )
  head = ('', 'mean', '', 'effect', 'p', 'Holm', 'flips', 'p by pieces')
  note = (
    f'<p class="soft">{asked}. p: Wilcoxon’s signed ranks over listeners; '
    'Holm: corrected for all questions; flips: permutation of signs; effect: '
    'matched rank-biserial correlation. Bold: below 0.05 after correction.</p>'
  )
  return f'<h3>Comparisons</h3>{markup.table(head, told)}{note}'


def _strengths(found: Mapping[str, Any]) -> str:
  if 'why' in found:
    return f'<h3>Bradley–Terry</h3><p>{markup.text(found["why"])}</p>'
  rows = found['strengths']
  most = max(abs(x) for row in rows.values() for x in row) or 1.0
  order = sorted(rows, key=lambda name: -rows[name][0])
  told = [
    _row(
      markup.text(name),
      _told(rows[name]),
      _picture(rows[name], -most, most, 0.0),
    )
    for name in order
  ]
  ties = f' Davidson’s tie: {found["tie"]:.2f}.' if found['tie'] else ''
  note = f'<p class="soft">Log strengths that add up to 0.{ties}</p>'
  head = ('system', 'strength', '')
  return f'<h3>Bradley–Terry</h3>{markup.table(head, told)}{note}'


def _detection(rows: Mapping[str, Any]) -> str:
  told = [
    _row(
      markup.text(name),
      f'{row["d"]:.2f}',
      f'{row["bias"]:+.2f}',
      f'{100 * row["accuracy"]:.0f} %',
    )
    for name, row in rows.items()
  ]
  head = ('system', 'd′', 'bias', 'right')
  return f'<h3>Told from people</h3>{markup.table(head, told)}'


def _agreement(found: Mapping[str, Any]) -> str:
  told = found['agreement']
  text = markup.text(told['why']) if 'why' in told else _told(told['alpha'])
  side = ''
  if 'chose_first_side' in found:
    side = f' Of answers, {100 * found["chose_first_side"]:.0f} % chose side A.'
  return f'<h3>Agreement</h3><p>Krippendorff’s alpha: {text}.{side}</p>'


def _checks(rows: Mapping[str, Any], test: Mapping[str, Any]) -> str:
  if not rows:
    return '<p class="soft">There were no attention checks.</p>'
  told = ', '.join(
    f'{markup.text(name)} {row["passed"]} of {row["answers"]}'
    for name, row in rows.items()
  )
  return (
    f'<p class="soft">Attention checks passed: {told}. Counted are listeners '
    f'who passed {100 * test["passing"]:.0f} % or more.</p>'
  )


def _picture(
  row: list[float],
  low: float | int,
  high: float | int,
  middle: float | None,
) -> str:
  """Returns an interval as a line with its mean as a dot."""
  scale = (_WIDE - 2 * _EDGE) / (high - low)
  at = [_EDGE + (min(max(x, low), high) - low) * scale for x in row]
  label = f'{row[0]:.3g}, from {row[1]:.3g} to {row[2]:.3g}'
  zero = ''
  if middle is not None:
    x = _EDGE + (middle - low) * scale
    zero = (
      f'<line x1="{x:.1f}" x2="{x:.1f}" y1="2" y2="{_HIGH - 2}" '
      f'stroke="{_GREY}" stroke-dasharray="2 2"/>'
    )
  return (
    f'<svg width="{_WIDE}" height="{_HIGH}" role="img" aria-label="{label}">'
    f'<line x1="{_EDGE}" x2="{_WIDE - _EDGE}" y1="11" y2="11" '
    f'stroke="{_GREY}" stroke-opacity="0.35"/>{zero}'
    f'<line x1="{at[1]:.1f}" x2="{at[2]:.1f}" y1="11" y2="11" '
    f'stroke="{_BLUE}" stroke-width="3"/>'
    f'<circle cx="{at[0]:.1f}" cy="11" r="4.5" fill="{_BLUE}"/></svg>'
  )


def _row(*cells: str) -> str:
  return f'<tr>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'


def _told(row: list[float]) -> str:
  mean, low, high = map(writers.show, row)
  between = f'<span class="soft whole">[{low}, {high}]</span>'
  return f'{_whole(str(mean))} {between}'


def _chance(p: float) -> str:
  return _whole('&lt; 0.001' if p < 0.001 else f'{p:.3f}')


def _whole(text: str) -> str:
  """Returns a number that no line break falls into."""
  return f'<span class="whole">{text}</span>'
