"""Say what music shares with the training music of a model.

Examples:
  aurl original pop song.mid
  aurl original runs/mine out/*.mid --json
  aurl original runs/mine
  aurl original runs/mine --notes 8

Of each file it tells the longest run of notes in a row that a training piece
has too, in any key and at any place, and the training bars that are nearest.
Without files the index of a run's training music, which training leaves, is
made again; bundles of the run bring it along.
"""

import argparse
from collections.abc import Mapping
from typing import Any

from aurl_jax.cli import output
from aurl_jax.core.errors import ConfigError


def add_arguments(parser: argparse.ArgumentParser) -> None:
  """Adds this verb's flags."""
  parser.add_argument('model', metavar='MODEL', help='a run, bundle or name')
  parser.add_argument('files', nargs='*', metavar='FILE', help='MIDI')
  parser.add_argument(
    '--notes',
    type=int,
    help='without files: of the shortest run that the index knows (12)',
  )


def run(args: argparse.Namespace) -> int:
  """Prints one report a file, or makes the index of a run."""
  from aurl_jax.experiment import original

  if args.files and args.notes is not None:
    raise ConfigError(
      '--notes is of an index that is made; leave it out, or name no files',
      code='original',
    )
  if not args.files:
    told = {} if args.notes is None else {'notes': args.notes}
    _tell(original.make(args.model, **told), args.json)
    return 0
  for report in original.report(args.model, args.files):
    if args.json:
      output.emit_json(report)
    else:
      _show(report)
  return 0


def _tell(result: Mapping[str, Any], json: bool) -> None:
  if json:
    output.emit_json(result)
  else:
    output.facts(result)


def _show(report: Mapping[str, Any]) -> None:
  run = report['run']
  facts = {'runs that are shared': f'{100 * report["share"]:.3g} %'}
  facts['longest run'] = 'none' if run is None else _run(run)
  output.facts(facts, title=report['file'])
  if report['near']:
    rows = [_near(passage) for passage in report['near']]
    output.table(('bars', 'near', 'alike'), rows)


def _run(run: Mapping[str, Any]) -> str:
  begin = f'{run["notes"]} notes from bar {run["bar"]}'
  return begin + (f': {_source(run["source"])}' if run['source'] else '')


def _source(source: Mapping[str, Any]) -> str:
  told = f'{source["piece"]}, bar {source["bar"]}'
  move = source['semitones']
  return told + (f', {move:+d} semitones' if move else '')


def _near(passage: Mapping[str, Any]) -> tuple[str, str, str]:
  first, last = passage['bars']
  bars = f'{first}-{last}' if last > first else f'{first}'
  return bars, _source(passage['source']), f'{100 * passage["alike"]:.0f} %'
