"""Write one page that shows runs side by side.

Examples:
  aurl compare runs/small runs/large
  aurl compare runs/a runs/b runs/c --out abc.html --seed 7 --n 4
  aurl compare runs/a runs/b --n 0

Configs with their differences marked, curves, figures, and what each run
plays for the same seeds. The page needs no network and no other file.
"""

import argparse

from aurl_jax.cli import output


def add_arguments(parser: argparse.ArgumentParser) -> None:
  """Adds this verb's flags."""
  parser.add_argument('runs', nargs='+', metavar='RUN')
  parser.add_argument('--out', default='compare.html', metavar='FILE')
  parser.add_argument(
    '--n', type=int, default=2, help='pieces a run plays; 0 for none'
  )
  parser.add_argument('--seed', type=int, default=0)


def run(args: argparse.Namespace) -> int:
  """Writes the page and prints where it is."""
  from aurl_jax.experiment import compare

  result = compare.run(args.runs, args.out, n=args.n, seed=args.seed)
  if args.json:
    output.emit_json(result)
  else:
    differ = ', '.join(result['differences']) or 'nothing'
    output.facts({'page': result['page'], 'configs differ in': differ})
  return 0
