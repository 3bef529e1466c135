"""Write music with a trained run or a bundle.

Examples:
  aurl generate runs/quickstart --n 4 --out out
  aurl generate my_bundle --bars 16 --temperature 0.9 --seed 7 --out out
  aurl generate runs/mine --prompt opening.mid --out out

The same seed gives the same bytes.
"""

import argparse

from aurl_jax.cli import output


def add_arguments(parser: argparse.ArgumentParser) -> None:
  """Adds this verb's flags."""
  parser.add_argument('model', metavar='MODEL', help='a run, bundle or name')
  parser.add_argument('--out', default='out', metavar='DIR')
  parser.add_argument('--n', type=int, help='pieces')
  parser.add_argument('--bars', type=int, help='bars of a piece')
  parser.add_argument('--steps', type=int, help='steps of a piece at most')
  parser.add_argument('--temperature', type=float)
  parser.add_argument('--top-k', type=int)
  parser.add_argument('--top-p', type=float)
  parser.add_argument('--min-p', type=float)
  parser.add_argument('--seed', type=int)
  parser.add_argument('--prompt', metavar='FILE', help='MIDI to continue')


_REQUEST = (
  'n',
  'bars',
  'steps',
  'temperature',
  'top_k',
  'top_p',
  'min_p',
  'seed',
  'prompt',
)


def run(args: argparse.Namespace) -> int:
  """Generates, writes the files and prints where they are."""
  from aurl_jax.experiment import generate

  asked = {name: getattr(args, name) for name in _REQUEST}
  changes = {name: value for name, value in asked.items() if value is not None}
  result = generate.to_folder(args.model, args.out, changes)
  if args.json:
    output.emit_json(result)
  else:
    output.table(('piece', 'notes', 'seconds', 'grammatical'), result['rows'])
    output.facts({'page': result['page']})
  return 0
