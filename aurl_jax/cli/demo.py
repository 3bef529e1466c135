"""Hear the models that come with the package: no data, no network.

Examples:
  aurl demo
  aurl demo chorale --bars 16 --n 4 --seed 7 --out mine

Writes MIDI, sound (a plain synthesiser), piano rolls and a page that plays
them. The same seed gives the same bytes.
"""

import argparse

from aurl_jax.cli import output


def add_arguments(parser: argparse.ArgumentParser) -> None:
  """Adds this verb's flags."""
  parser.add_argument(
    'models', nargs='*', metavar='MODEL', help='shipped models (default: all)'
  )
  parser.add_argument('--out', default='demo', metavar='DIR')
  parser.add_argument('--n', type=int, default=1, help='pieces of each model')
  parser.add_argument('--bars', type=int, default=8, help='bars of a piece')
  parser.add_argument('--seed', type=int, default=0)


def run(args: argparse.Namespace) -> int:
  """Generates, writes the files and prints where they are."""
  from aurl_jax.experiment import demo

  changes = {name: getattr(args, name) for name in ('n', 'bars', 'seed')}
  found = demo.run(args.models, args.out, changes)
  if args.json:
    output.emit_json(found)
    return 0
  for result in found:
    output.written(result, title=result['model'])
  return 0
