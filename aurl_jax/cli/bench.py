"""Measure how fast and how large a model is, and whether it was faster before.

Examples:
  aurl bench pop
  aurl bench runs/a --bars 4 --batches 1,64 --rounds 9
  aurl bench pop --history speed.jsonl --fail-below 0.8

Each run adds a line to the history; ratios are to the median of the last runs
there on the same machine with the same settings, above 1 for better. Machines
have noisy neighbours: trust ratios of quiet ones.
"""

import argparse

from aurl_jax.cli import output


def add_arguments(parser: argparse.ArgumentParser) -> None:
  """Adds this verb's flags."""
  parser.add_argument('model', help='a run, a bundle or a shipped name')
  parser.add_argument('--bars', type=int, default=8, help='of a piece (8)')
  parser.add_argument(
    '--batches', type=_numbers, default=(1, 16), help='pieces at once (1,16)'
  )
  parser.add_argument('--rounds', type=int, default=5, help='of each (5)')
  parser.add_argument(
    '--history',
    default='aurl_bench.jsonl',
    metavar='FILE',
    help="earlier runs (aurl_bench.jsonl); '' keeps none",
  )
  parser.add_argument(
    '--fail-below',
    type=float,
    default=None,
    metavar='RATIO',
    help='exit with 2 if a figure is worse than this share of before',
  )


def run(args: argparse.Namespace) -> int:
  """Measures, prints, and returns 2 if it has become slower than allowed."""
  from aurl_jax.experiment import bench

  judged = args.fail_below is not None
  result = bench.run(
    args.model,
    bars=args.bars,
    batches=args.batches,
    rounds=args.rounds,
    history=args.history,
    tolerance=args.fail_below if judged else 0.8,
  )
  if args.json:
    output.emit_json(result)
  else:
    title = f'{args.model}, {result["machine"]}'
    head = ('figure', 'value', f'ratio to {result["compared"]} before')
    output.table(head, bench.table(result), title=title)
    output.facts({'slower than before': ', '.join(result['slower'])})
  return 2 if judged and result['slower'] else 0


def _numbers(text: str) -> tuple[int, ...]:
  try:
    return tuple(int(part) for part in text.split(','))
  except ValueError:
    raise argparse.ArgumentTypeError(
      f'{text!r} are not numbers with commas between, such as 1,16'
    ) from None
