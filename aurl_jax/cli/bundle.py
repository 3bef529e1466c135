"""Turn a run into one folder that anyone can load.

Examples:
  aurl bundle runs/quickstart --out chorale_model
  aurl bundle runs/quickstart --average 3 --out chorale_model
  aurl bundle runs/quickstart --dtype float16 --out small_model
  python -c "import aurl_jax; aurl_jax.load('chorale_model')"
"""

import argparse

from aurl_jax.cli import output


def add_arguments(parser: argparse.ArgumentParser) -> None:
  """Adds this verb's flags."""
  parser.add_argument('run_folder', metavar='RUN')
  parser.add_argument('--out', required=True, metavar='DIR')
  one = parser.add_mutually_exclusive_group()
  one.add_argument(
    '--step', type=int, help="checkpoint (default: the run's choice)"
  )
  one.add_argument(
    '--best', action='store_true', help='checkpoint with the best metric'
  )
  one.add_argument(
    '--average', type=int, default=0, metavar='N', help='mean of the last N'
  )
  parser.add_argument(
    '--dtype',
    default='float32',
    choices=('float32', 'float16'),
    help='of the stored weights; float16 halves them',
  )


def run(args: argparse.Namespace) -> int:
  """Writes the bundle and prints what is in it."""
  from aurl_jax.experiment import bundle
  from aurl_jax.experiment.keeping import Pick

  pick = Pick(step=args.step, best=args.best, average=args.average)
  result = bundle.from_run(
    args.run_folder, args.out, pick=pick, dtype=args.dtype
  )
  if args.json:
    output.emit_json(result)
  else:
    output.facts(result)
  return 0
