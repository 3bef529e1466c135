"""Runs side by side on one page: configs, curves, figures, music.

The page is whole in itself and asks no server for anything.
"""

import json
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from aurl_jax.core import config as config_lib
from aurl_jax.core import files
from aurl_jax.core.errors import AurlError, ConfigError
from aurl_jax.experiment import curves, generate, markup, sections, snapshot
from aurl_jax.experiment.card import duration, seconds
from aurl_jax.experiment.snapshot import Snapshot
from aurl_jax.experiment.workdir import Workdir
from aurl_jax.generation import page as page_lib
from aurl_jax.generation.piece import Piece

_ABSENT = object()


class Heard(NamedTuple):
  """What a run plays.

  Attributes:
    pieces: One a seed; none if it cannot play.
    problem: Why, or ''.
  """

  pieces: Sequence[Piece]
  problem: str = ''


def run(
  folders: Sequence[str], out: str, *, n: int = 2, seed: int = 0
) -> dict[str, Any]:
  """Writes the page.

  Args:
    folders: Of the runs, two or more.
    out: Where to; an HTML file.
    n: Pieces that each run plays, of its newest good checkpoint and in its
      own `generate` section; 0 for none.
    seed: Of the first piece; the same for all runs.

  Returns:
    `page`: its path; `runs`: their names; `differences`: keys in which the
    configs differ.

  Raises:
    ConfigError: Fewer than two folders, or one that holds no run.
  """
  if len(folders) < 2:
    raise ConfigError(
      f'there is nothing to compare: {len(folders)} run; name two or more',
      code='too_few_runs',
    )
  seen = [snapshot.read(Workdir(pathlib.Path(folder))) for folder in folders]
  heard = [play(one.folder, n, seed) for one in seen] if n else []
  files.write_atomic(out, page(seen, heard))
  return {
    'page': str(out),
    'runs': names(seen),
    'differences': [key for key, _, differs in keys(seen) if differs],
  }


def play(folder: Workdir, n: int, seed: int) -> Heard:
  """Returns what a run plays, or why it cannot."""
  try:
    asked = sections.parse(folder.read_config())
    request = asked.generate.request(n=n, seed=seed)
    return Heard(generate.from_run(folder).generate(request))
  except AurlError as error:
    return Heard((), str(error))


def names(seen: Sequence[Snapshot]) -> list[str]:
  """Returns a name for each run: that of its folder, or more of its path.

  Runs of the same name are told apart by the folders above them.
  """
  paths = [one.folder.root.resolve() for one in seen]
  for count in range(1, max(len(path.parts) for path in paths) + 1):
    found = ['/'.join(path.parts[-count:]) for path in paths]
    if len(set(found)) == len(set(paths)):
      break
  return found


def page(seen: Sequence[Snapshot], heard: Sequence[Heard] = ()) -> str:
  """Returns the page as HTML."""
  called = names(seen)
  body = [
    f'<h1>{len(seen)} runs compared</h1>',
    _figures(seen, called),
    f'<h2>Curves</h2>{_curves(seen, called)}',
    f'<h2>Configs</h2>{_configs(seen, called)}',
  ]
  script = ''
  if heard:
    body.append(f'<h2>The same seeds</h2>{_music(heard, called)}')
    pieces = [piece.notes for one in heard for piece in one.pieces]
    script = page_lib.player(pieces)
  return markup.page(f'{", ".join(called)}: compared', ''.join(body), script)


def _badge(one: Snapshot) -> str:
  return f'<span class="badge {one.state}">{one.state}</span>'


class Figure(NamedTuple):
  """A row of the table of figures.

  Attributes:
    name: Of the row.
    of: Run -> value, or None.
    say: Value -> text.
    best: `min`, `max`, or None where none is better than another.
  """

  name: str
  of: Callable[[Snapshot], Any]
  say: Callable[[Any], str] = str
  best: Callable[..., Any] | None = None


def _best(name: str, choose: Callable[..., Any]) -> Callable[[Snapshot], Any]:
  def function(one: Snapshot) -> Any:
    found = [value for _, value in curves.points(one.records, name)]
    return choose(found) if found else None

  return function


def _four(value: float | int) -> str:
  return f'{value:.4f}'


FIGURES = (
  Figure('steps done', lambda one: one.step, lambda value: f'{value:,}'),
  Figure('last loss', lambda one: one.last('loss'), _four, min),
  Figure('best validation loss', _best('valid/loss', min), _four, min),
  Figure('last validation loss', lambda o: o.last('valid/loss'), _four, min),
  Figure('best validation accuracy', _best('valid/accuracy', max), _four, max),
  Figure(
    'tokens read',
    lambda one: sum(v for _, v in curves.points(one.records, 'tokens')),
    curves.short,
  ),
  Figure('time on steps', lambda one: seconds(one.records), duration),
  Figure(
    'fastest tokens/s', _best('tokens_per_second', max), curves.short, max
  ),
  Figure(
    'most host memory',
    _best('system/host_bytes', max),
    lambda value: f'{value / 1e9:.2f} GB',
    min,
  ),
)


def _figures(seen: Sequence[Snapshot], called: Sequence[str]) -> str:
  rows = []
  for figure in FIGURES:
    values = [figure.of(one) for one in seen]
    known = [value for value in values if value is not None]
    best = figure.best(known) if figure.best and known else _ABSENT
    cells = ''.join(
      f'<td class="{"best" if value == best else ""}">'
      f'{"–" if value is None else markup.text(figure.say(value))}</td>'
      for value in values
    )
    if known:
      rows.append(f'<tr><td>{figure.name}</td>{cells}</tr>')
  state = ''.join(f'<td>{_badge(one)}</td>' for one in seen)
  return markup.table(['', *called], [f'<tr><td></td>{state}</tr>', *rows])


def _curves(seen: Sequence[Snapshot], called: Sequence[str]) -> str:
  """Returns a chart an entry, with a line a run."""
  figures = []
  for chart in curves.CHARTS:
    for entry in chart.names:
      drawn = [
        curves.Line(name, points, colour)
        for name, colour, one in zip(
          called, _colours(len(seen)), seen, strict=True
        )
        if (points := curves.points(one.records, entry, chart.scale))
      ]
      if drawn:
        title = chart.title if entry == chart.names[0] else entry
        figures.append(markup.chart(chart._replace(title=title), drawn))
  return markup.plots(figures)


def _colours(count: int) -> list[str]:
  return [curves.COLOURS[i % len(curves.COLOURS)] for i in range(count)]


def keys(seen: Sequence[Snapshot]) -> list[tuple[str, list[str], bool]]:
  """Returns the keys of all configs: (key, value a run, whether they differ).

  A value is JSON, or `–` where a config lacks the key.
  """
  flat = [config_lib.flatten(one.config) for one in seen]
  rows = []
  for key in sorted({key for one in flat for key in one}):
    values = [_told(one, key) for one in flat]
    rows.append((key, values, len(set(values)) > 1))
  return rows


def _told(flat: Mapping[str, Any], key: str) -> str:
  return json.dumps(flat[key]) if key in flat else '–'


def _configs(seen: Sequence[Snapshot], called: Sequence[str]) -> str:
  rows: dict[bool, list[str]] = {True: [], False: []}
  for key, values, differs in keys(seen):
    cells = ''.join(f'<td>{markup.text(value)}</td>' for value in values)
    look = ' class="differs"' if differs else ''
    rows[differs].append(
      f'<tr{look}><td><code>{markup.text(key)}</code></td>{cells}</tr>'
    )
  head = ['key', *called]
  apart = (
    markup.table(head, rows[True]) if rows[True] else '<p>No key differs.</p>'
  )
  same = markup.table(head, rows[False])
  return (
    f'{apart}<details><summary>{len(rows[False])} keys that are the same'
    f'</summary>{same}</details>'
  )


def _music(heard: Sequence[Heard], called: Sequence[str]) -> str:
  """Returns the pieces: a row a seed, a column a run."""
  # Numbered as the player has them: run by run.
  first = [sum(len(h.pieces) for h in heard[:i]) for i in range(len(heard))]
  rows = []
  for place in range(max((len(one.pieces) for one in heard), default=0)):
    cells = [
      _piece(name, one.pieces[place], start + place)
      for name, one, start in zip(called, heard, first, strict=True)
      if place < len(one.pieces)
    ]
    rows.append(f'<div class="samples">{"".join(cells)}</div><br>')
  problems = ''.join(
    f'<li>{markup.text(name)} plays nothing: {markup.text(one.problem)}</li>'
    for name, one in zip(called, heard, strict=True)
    if one.problem
  )
  told = f'<ul class="warnings">{problems}</ul>' if problems else ''
  return told + ''.join(rows)


def _piece(name: str, piece: Piece, number: int) -> str:
  report = piece.report
  midi = page_lib.data_url('audio/midi', piece.midi())
  roll = page_lib.data_url('image/png', piece.plot(title=' '))
  ends = 'comes to its end' if report['ended'] else 'breaks off'
  return (
    f'<figure><h3>{markup.text(name)} <span class="soft">seed {piece.seed}: '
    f'{report["notes"]} notes in {report["seconds"]:.1f} s, {ends}</span></h3>'
    f'<div class="roll"><img src="{roll}" alt="Piano roll"></div>'
    f'<div class="tools"><button type="button" data-piece="{number}">Play'
    f'</button><progress value="0" max="1"></progress><a class="file" '
    f'href="{midi}" download="{markup.text(pathlib.Path(name).name)}_'
    f'{piece.seed}.mid">MIDI</a></div></figure>'
  )
