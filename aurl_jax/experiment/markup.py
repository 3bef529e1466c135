"""Pieces of the pages about runs: text, tables, charts, all escaped here."""

import html
import importlib.resources
from collections.abc import Iterable, Sequence

from aurl_jax.experiment import curves


def text(value: object) -> str:
  """Returns a value as text that can be no markup."""
  # A lone surrogate, as names of files may hold, cannot be written.
  return html.escape(str(value)).encode('utf-8', 'replace').decode()


def page(title: str, body: str, script: str = '') -> str:
  """Returns a whole page that loads nothing from anywhere else.

  Args:
    title: Of the window, plain text.
    body: Markup.
    script: JavaScript, which must not hold `</script`.
  """
  template = (
    importlib.resources.files('aurl_jax.experiment')
    .joinpath('page.html')
    .read_text(encoding='utf-8')
  )
  # In one go: what is filled in may hold anything.
  head, _, rest = template.partition('%%title%%')
  middle, _, rest = rest.partition('%%body%%')
  before, _, after = rest.partition('%%script%%')
  return ''.join([head, text(title), middle, body, before, script, after])


def tiles(rows: Iterable[tuple[str, str]]) -> str:
  """Returns names with their values, each on a tile."""
  inner = ''.join(
    f'<div class="tile"><b>{text(value)}</b>'
    f'<span class="soft">{text(name)}</span></div>'
    for name, value in rows
  )
  return f'<div class="tiles">{inner}</div>'


def chart(told: curves.Chart, drawn: Sequence[curves.Line]) -> str:
  """Returns a chart with its title and legend."""
  legend = ''.join(
    f'<span><i class="{"dashed" if line.dashed else ""}" '
    f'style="border-color:{line.colour}"></i>{text(line.name)} '
    f'<b>{curves.short(line.points[-1][1])}</b></span>'
    for line in drawn
  )
  unit = f' <span class="soft">{text(told.unit)}</span>' if told.unit else ''
  return (
    f'<figure><h3>{text(told.title)}{unit}</h3>{curves.draw(drawn)}'
    f'<div class="legend">{legend}</div></figure>'
  )


def plots(figures: Iterable[str]) -> str:
  """Returns charts beside each other."""
  return f'<div class="plots">{"".join(figures)}</div>'


def table(
  head: Iterable[str], rows: Iterable[str], *, scroll: bool = True
) -> str:
  """Returns a table of rows that are markup."""
  titles = ''.join(f'<th>{text(title)}</th>' for title in head)
  whole = f'<table><tr>{titles}</tr>{"".join(rows)}</table>'
  return f'<div class="scroll">{whole}</div>' if scroll else whole
