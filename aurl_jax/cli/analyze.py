"""Say what is heard in music: chords, keys, sections, melody.

Examples:
  aurl analyze song.mid
  aurl analyze song.mid --study chords,melody --json
  aurl analyze ~/midi --out heard

With --json, what is told of a file is one line; of a folder, a line a file.
With --out, the folder DIR holds JSON a piece, features.csv, and index.html
with pictures, which needs no network. Run again after it was stopped, it goes
on. Files that cannot be read are skipped and named.
"""

import argparse
from collections.abc import Mapping
from typing import Any

from aurl_jax.cli import output

_MOST = 12
"""Rows of a part that people are shown."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
  """Adds this verb's flags."""
  parser.add_argument('path', metavar='PATH', help='a MIDI file or a folder')
  parser.add_argument(
    '--study',
    default='all',
    metavar='NAMES',
    help='some studies, with commas between them (default: all)',
  )
  parser.add_argument('--out', metavar='DIR', help='where to write files')
  parser.add_argument(
    '--pictures',
    type=int,
    default=12,
    metavar='N',
    help='pieces of a folder that the page has pictures of (default: 12)',
  )
  parser.add_argument(
    '--workers',
    type=int,
    metavar='N',
    help='processes that hear a folder (default: one a core)',
  )


def run(args: argparse.Namespace) -> int:
  """Hears the path, writes what is asked for and prints the rest."""
  from aurl_jax.experiment import analyze

  if args.out:
    result = analyze.write(
      args.path,
      args.out,
      args.study,
      pictures=args.pictures,
      workers=args.workers,
      quiet=args.json,
    )
    lines = analyze.written(args.path, args.out) if args.json else ()
    if not args.json:
      output.facts(result, title=args.path)
  elif args.json or analyze.find(args.path).single:
    lines = analyze.told(args.path, args.study, workers=args.workers)
  else:
    _summary(args)
    return 0
  for line in lines:
    if args.json:
      output.emit_json(line)
    else:
      _show(line)
  return 0


def _summary(args: argparse.Namespace) -> None:
  """Shows features over a folder."""
  from aurl_jax.core import writers
  from aurl_jax.experiment import analyze

  table, pieces, errors = analyze.summary(
    args.path, args.study, workers=args.workers
  )
  rows = [
    (name, *map(writers.show, (s.pieces, s.mean, s.deviation, *s.quantiles)))
    for name, s in table.spreads()
  ]
  head = ('feature', 'pieces', 'mean', 'deviation', '5 %', 'median', '95 %')
  output.table(head, rows, title=f'{args.path}: {pieces} pieces')
  if errors:
    told = [(e['piece'], e['study'], e['error']['message']) for e in errors]
    output.table(('not heard', 'study', 'why'), told[:_MOST])
    if len(told) > _MOST:
      print(f'… and {len(told) - _MOST} more; --out keeps all')


def _show(told: Mapping[str, Any]) -> None:
  """Shows what is told of a piece."""
  from aurl_jax.experiment.analysis_page import is_rows, unfolded

  told = unfolded(told)
  plain = {name: part for name, part in told.items() if not is_rows(part)}
  for name, part in told.items():
    if name in plain:
      continue
    head = list(part[0])
    rows = [[_cell(row.get(key)) for key in head] for row in part[:_MOST]]
    output.table(head, rows, title=name)
    if len(part) > _MOST:
      print(f'… and {len(part) - _MOST} more; --json tells all')
  output.facts(plain)


def _cell(value: Any) -> str:
  return f'{value:.3f}' if isinstance(value, float) else str(value)
