"""The dashboard of a run for the terminal."""

import itertools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import rich.box
import rich.console
import rich.live
import rich.panel
import rich.progress_bar
import rich.table
import rich.text

from aurl_jax.core.writers import show
from aurl_jax.experiment import curves, snapshot
from aurl_jax.experiment.card import duration
from aurl_jax.experiment.snapshot import Snapshot
from aurl_jax.experiment.workdir import Workdir

COLOURS = {
  'running': 'green',
  'finished': 'cyan',
  'stopped': 'yellow',
  'failed': 'red',
  'dead': 'red',
  'unknown': 'yellow',
}
_BARS = '▁▂▃▄▅▆▇█'
_SPARK = 44
OVER = ('finished', 'stopped', 'failed', 'dead')


def watch(
  folder: Workdir,
  console: rich.console.Console,
  *,
  every: float | int = 2.0,
  once: bool = False,
) -> str:
  """Shows a run until it is over or the user has seen enough.

  Args:
    folder: The run's folder.
    console: Where to; one that is no terminal gets one picture.
    every: Seconds between looks.
    once: Whether one picture is enough.

  Returns:
    The state that the run was last seen in.

  Raises:
    ConfigError: There is no run in the folder.
  """
  seen = snapshot.read(folder)
  if once or not console.is_terminal:
    console.print(render(seen))
    return seen.state
  with rich.live.Live(
    render(seen), console=console, auto_refresh=False, screen=False
  ) as live:
    while seen.state not in OVER:
      time.sleep(every)
      seen = snapshot.read(folder)
      live.update(render(seen), refresh=True)
  return seen.state


def render(seen: Snapshot) -> rich.console.RenderableType:
  """Returns the picture of a run."""
  parts: list[rich.console.RenderableType] = [_head(seen)]
  if seen.records:
    parts += [_progress(seen), '', _curves(seen), '']
  else:
    parts.append('no record yet: the first step compiles')
  parts.append(_facts(seen))
  parts += list(_warnings(seen))
  return rich.panel.Panel(
    rich.console.Group(*parts),
    title=rich.text.Text(f'aurl watch {seen.name}'),
    box=rich.box.ROUNDED,
    border_style='dim',
    padding=(0, 1),
  )


def _head(seen: Snapshot) -> rich.text.Text:
  colour = COLOURS.get(seen.state, 'yellow')
  text = rich.text.Text(seen.state.upper(), style=f'bold {colour}')
  if seen.status.get('reason'):
    text.append(f'  {seen.status["reason"]}', style='default')
  return text


def _progress(seen: Snapshot) -> rich.table.Table:
  row = rich.table.Table.grid(padding=(0, 2))
  cells: list[rich.console.RenderableType] = [
    rich.text.Text(f'step {seen.step:,} of {seen.steps:,}', style='bold'),
    rich.progress_bar.ProgressBar(
      total=seen.steps, completed=min(seen.step, seen.steps), width=36
    ),
    f'{100 * seen.step / seen.steps:.0f} %',
  ]
  left = seen.seconds_left
  if left is not None:
    cells.append(f'{duration(left)} left')
  row.add_row(*cells)
  return row


def _curves(seen: Snapshot) -> rich.table.Table:
  table = rich.table.Table(box=None, padding=(0, 2, 0, 0), header_style='dim')
  table.add_column('')
  table.add_column('', no_wrap=True)
  for title in ('now', 'best', 'first'):
    table.add_column(title, justify='right')
  for chart in curves.CHARTS[:5]:
    for line in curves.lines(seen.records, chart):
      values = [value for _, value in line.points]
      best = ''
      if chart.title in ('Loss', 'Accuracy'):
        best = show((min if chart.title == 'Loss' else max)(values))
      table.add_row(
        line.name.replace('_', ' '),
        rich.text.Text(sparkline(values), style=line.colour),
        show(values[-1]),
        best,
        show(values[0]),
      )
  return table


def sparkline(values: Sequence[curves.Number], width: int = _SPARK) -> str:
  """Returns a curve as a line of block characters, `width` at most.

  A character stands for the mean of its values.

  Example:
    >>> sparkline([0, 1, 2, 3, 4, 5, 6, 7]), sparkline([5, 5])
    ('▁▂▃▄▅▆▇█', '▁▁')
  """
  finite = [value for value in values if math.isfinite(value)]
  count = min(width, len(finite))
  if not count:
    return ''
  edges = [len(finite) * place // count for place in range(count + 1)]
  means = [
    sum(finite[first:last]) / (last - first)
    for first, last in itertools.pairwise(edges)
  ]
  low, high = min(means), max(means)
  top = len(_BARS) - 1
  size = (high - low) or 1.0
  return ''.join(_BARS[round(top * (m - low) / size)] for m in means)


def facts(seen: Snapshot) -> list[tuple[str, str]]:
  """Returns what else there is to tell of a run, (name, text)."""
  rows: list[tuple[str, str]] = []

  def add(name: str, entry: str, say: Callable[[Any], str]) -> None:
    value = seen.last(entry)
    if value is not None:
      rows.append((name, say(value)))

  if seen.last('data/epoch') is not None:
    place = [
      seen.last(f'data/{n}') for n in ('epoch', 'epochs', 'batch', 'batches')
    ]
    rows.append(('epoch', '{} of {}, batch {} of {}'.format(*place)))
  add('step time', 'system/step_seconds', lambda v: f'{v * 1000:.0f} ms')
  add('data wait', 'system/data_wait', lambda v: f'{100 * v:.1f} %')
  add('model FLOP/s', 'system/flops', curves.short)
  add('MFU', 'system/mfu', lambda v: f'{100 * v:.1f} %')
  rows += _memory(seen)
  add('cores busy', 'system/cpu_cores', lambda v: f'{v:.1f}')
  for name, entry in (('skipped steps', 'skipped'), ('rollbacks', 'rollbacks')):
    if seen.last(entry) is not None:
      rows.append((name, f'{seen.total(entry):,}'))
  rows.append(('checkpoint', _checkpoint(seen)))
  if seen.samples:
    rows.append(('last sample', seen.samples[0]))
  return rows


def _memory(seen: Snapshot) -> Iterator[tuple[str, str]]:
  used = seen.last('system/device_bytes')
  if used is not None:
    limit = seen.last('system/device_limit_bytes')
    of = f' of {limit / 1e9:.1f}' if limit else ''
    yield 'device memory', f'{used / 1e9:.1f}{of} GB'
  host = seen.last('system/host_bytes')
  if host is not None:
    workers = seen.last('system/children_bytes')
    more = f', workers {workers / 1e9:.1f} GB' if workers else ''
    yield 'host memory', f'{host / 1e9:.1f} GB{more}'


def _checkpoint(seen: Snapshot) -> str:
  if not seen.saved:
    return 'none yet'
  step, when = list(seen.saved.items())[-1]
  return f'step {step:,}, {duration(max(0.0, seen.now - when))} ago'


def _facts(seen: Snapshot) -> rich.table.Table:
  """Returns the facts, two beside each other."""
  table = rich.table.Table.grid(padding=(0, 2))
  for style in ('dim', 'default') * 2:
    table.add_column(style=style, overflow='fold')
  rows = facts(seen)
  half = -(-len(rows) // 2)
  for place in range(half):
    beside = rows[half + place] if half + place < len(rows) else ('', '')
    cells = (*rows[place], *beside)
    table.add_row(*(rich.text.Text(cell) for cell in cells))
  return table


def _warnings(seen: Snapshot) -> Iterator[rich.console.RenderableType]:
  if seen.warnings:
    yield ''
  for entry in seen.warnings:
    time_ = entry.time.strftime('%H:%M:%S')
    first = entry.message.split('\n', 1)[0]
    colour = 'yellow' if entry.level == 'WARNING' else 'red'
    yield rich.text.Text(
      f'{time_} {first}', style=colour, overflow='ellipsis', no_wrap=True
    )
