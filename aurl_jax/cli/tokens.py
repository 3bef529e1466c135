"""Tokenise a MIDI file and print what that keeps and loses.

Examples:
  aurl tokens song.mid
  aurl tokens song.mid --tokenizer remi --json
  aurl tokens recital.mid --tokenizer expressive
"""

import argparse

from aurl_jax.cli import output


def add_arguments(parser: argparse.ArgumentParser) -> None:
  """Adds this verb's flags."""
  parser.add_argument('file', metavar='FILE')
  parser.add_argument(
    '--tokenizer',
    default='compound',
    metavar='NAME',
    help='remi, compound, expressive (compound with offsets and pedals), '
    'performance, performance-drums, grid, or package.module:Class '
    '(default: compound)',
  )


def run(args: argparse.Namespace) -> int:
  """Prints the number of steps and the ledger."""
  from aurl_jax.experiment import inspect

  report = inspect.tokens(args.file, args.tokenizer)
  if args.json:
    output.emit_json(report)
    return 0
  facts = {name: report[name] for name in ('tokens', 'fields', 'exact')}
  output.facts(facts, title=args.file)
  for kind, row in report['ledger'].items():
    if isinstance(row, dict):
      shown = '  '.join(f'{name} {value}' for name, value in row.items())
      output.facts({kind: shown})
  return 0
