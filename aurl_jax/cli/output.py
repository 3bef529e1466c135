"""What a verb prints: JSON for machines, a table for people."""

import json
import sys
from collections.abc import Iterable, Mapping
from typing import Any

import rich.console
import rich.markup
import rich.table

_PIPE_WIDTH = 200


def emit_json(value: Any) -> None:
  """Prints a value as one line of JSON on stdout."""
  # In ASCII: names of files may hold bytes that are no text.
  print(json.dumps(value))


def facts(rows: Mapping[str, Any], title: str | None = None) -> None:
  """Prints names and values in two columns; empty values are left out."""
  told = [
    (name, _told(value))
    for name, value in rows.items()
    if value is not None and value not in ('', {}, [], ())
  ]
  table(('', ''), told, title=title, header=False)


def _told(value: Any) -> str:
  """Returns a value as people read it, whatever it holds.

  Example:
    >>> _told({'train': {'notes': 11071}, 'share': 0.123456})
    'train (notes 11,071), share 0.1235'
  """
  if isinstance(value, Mapping):
    return ', '.join(
      f'{name} ({_told(part)})'
      if isinstance(part, Mapping)
      else f'{name} {_told(part)}'
      for name, part in value.items()
    )
  if isinstance(value, list | tuple):
    return ', '.join(_told(part) for part in value)
  if isinstance(value, bool):
    return 'yes' if value else 'no'
  if isinstance(value, float):
    return f'{value:,.4g}' if abs(value) < 1000 else f'{value:,.0f}'
  return f'{value:,}' if isinstance(value, int) else str(value)


def _shown(cell: Any) -> str:
  return str(cell).encode('utf-8', 'backslashreplace').decode()


def written(result: Mapping[str, Any], title: str | None = None) -> None:
  """Prints what pieces were written, and where their page is.

  Args:
    result: `rows`, `page` and `wishes`, as of `experiment.generate.write`, and
      perhaps `turned`, as of `experiment.turning.leave`.
    title: Above the table.
  """
  columns = ('piece', 'notes', 'seconds', 'grammatical')
  table(columns, result['rows'], title=title)
  if 'turned' in result:
    columns = ('dial', 'turned by', 'before', 'after')
    table(columns, [(k, *v.values()) for k, v in result['turned'].items()])
  if result.get('wishes'):
    table(('wished', 'kept'), result['wishes'])
  facts({'page': result['page']})


def table(
  columns: Iterable[str],
  rows: Iterable[Iterable[Any]],
  *,
  title: str | None = None,
  header: bool = True,
) -> None:
  """Prints rows under column names."""
  if title:
    # Not the table's own title, which it would break at its width.
    print(_shown(title))
  grid = rich.table.Table(*columns, show_header=header, box=None)
  for row in rows:
    grid.add_row(*(rich.markup.escape(_shown(cell)) for cell in row))
  # A file or pipe has no width to break lines at.
  width = None if sys.stdout.isatty() else _PIPE_WIDTH
  rich.console.Console(width=width).print(grid)
