"""Give music to other players, or let it be played as people do.

Examples:
  aurl arrange song.mid --instruments violin,violin,viola,cello --out quartet
  aurl arrange song.mid --humanise --out played
  aurl arrange take.mid --grid 4 --humanise 0.7 --n 3 --seed 5 --out played

Needs no model. What is moved by octaves, ended early or lost is told. Only
music on a grid can be humanised; --grid 4 puts it on one of 16ths first.
"""

import argparse

from aurl_jax.cli import output, remakes


def add_arguments(parser: argparse.ArgumentParser) -> None:
  """Adds this verb's flags."""
  parser.add_argument('file', metavar='FILE', help='a MIDI file')
  parser.add_argument('--out', default='arranged', metavar='DIR')
  parser.add_argument('--n', type=int, default=1, help='pieces (1)')
  parser.add_argument('--seed', type=int, default=0, help='of the first one')
  parser.add_argument(
    '--grid',
    type=int,
    default=0,
    choices=(0, 4, 12, 24),
    help='cells a beat that it is quantised to first (0: as it is)',
  )
  remakes.add_arrange(parser, '--instruments')


def run(args: argparse.Namespace) -> int:
  """Writes the files and prints where they are, and what was changed."""
  from aurl_jax.experiment import arrange
  from aurl_jax.generation.errors import RequestError

  asked = remakes.arrange(args)
  if asked is None:
    raise RequestError(
      'nothing to arrange: name --instruments, or ask to --humanise',
      code='arrange',
    )
  result = arrange.to_folder(
    args.file, args.out, asked, seed=args.seed, n=args.n, grid=args.grid
  )
  if args.json:
    output.emit_json(result)
    return 0
  told = result['arranged'].get('orchestrated', {})
  output.written(result)
  output.facts(told)
  return 0
