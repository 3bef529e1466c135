"""Turn a run into one folder that anyone can load.

Examples:
  aurl bundle runs/quickstart --out chorale_model
  python -c "import aurl_jax; aurl_jax.load('chorale_model')"
"""

import argparse

from aurl_jax.cli import output


def add_arguments(parser: argparse.ArgumentParser) -> None:
  """Adds this verb's flags."""
  parser.add_argument('run_folder', metavar='RUN')
  parser.add_argument('--out', required=True, metavar='DIR')
  parser.add_argument('--step', type=int, help='checkpoint (default: newest)')


def run(args: argparse.Namespace) -> int:
  """Writes the bundle and prints what is in it."""
  from aurl_jax.experiment import bundle

  result = bundle.from_run(args.run_folder, args.out, step=args.step)
  if args.json:
    output.emit_json(result)
  else:
    output.facts(result)
  return 0
