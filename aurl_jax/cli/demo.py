"""Hear the models that come with the package: no data, no network.

Examples:
  aurl demo
  aurl demo chorale --bars 16 --n 4 --seed 7 --out mine
  aurl demo --turn density=+2 --turn register=-1

Writes MIDI, sound (a plain synthesiser), piano rolls and a page that plays
them. The same seed gives the same bytes. With --turn, models with dials write
each piece before and after dials are turned, in standard deviations of their
data, and what came of it is measured.
"""

import argparse

from aurl_jax.cli import flags, output


def add_arguments(parser: argparse.ArgumentParser) -> None:
  """Adds this verb's flags."""
  parser.add_argument(
    'models', nargs='*', metavar='MODEL', help='shipped models (default: all)'
  )
  parser.add_argument('--out', default='demo', metavar='DIR')
  parser.add_argument('--n', type=int, default=1, help='pieces of each model')
  parser.add_argument(
    '--bars', type=int, help='bars of a piece (8; short models: their own)'
  )
  parser.add_argument('--seed', type=int, default=0)
  flags.add_turn(parser)


def run(args: argparse.Namespace) -> int:
  """Generates, writes the files and prints where they are."""
  from aurl_jax.parallel import host

  host.compile_lightly()
  from aurl_jax.experiment import demo, progress

  asked = {name: getattr(args, name) for name in ('n', 'bars', 'seed')}
  changes = {name: value for name, value in asked.items() if value is not None}
  progress.say(
    f'{", ".join(args.models) or "every shipped model"} writes into '
    f'{args.out}; programs compile first, a minute or so a model',
    quiet=args.json,
  )
  if args.turn:
    found = demo.turn(args.models, args.out, dict(args.turn), changes)
  else:
    found = demo.run(args.models, args.out, changes)
  if args.json:
    output.emit_json(found)
    return 0
  for result in found:
    output.written(result, title=result['model'])
  return 0
