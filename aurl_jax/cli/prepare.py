"""Turn a folder of MIDI (or the embedded corpus) into a data set.

Examples:
  aurl prepare ~/midi --out data/mine
  aurl prepare chorales --tokenizer grid --out data/chorales

Files that cannot be used are skipped, counted in report.json, and named with
the reason in files.jsonl.
"""

import argparse

from aurl_jax.cli import output


def add_arguments(parser: argparse.ArgumentParser) -> None:
  """Adds this verb's flags."""
  parser.add_argument('source', metavar='FOLDER', help='or: chorales')
  parser.add_argument('--out', required=True, metavar='DIR')
  parser.add_argument(
    '--tokenizer',
    default='compound',
    metavar='NAME',
    help='remi, compound, grid, or package.module:Class (default: compound)',
  )


def run(args: argparse.Namespace) -> int:
  """Prepares the data set and prints its report."""
  from aurl_jax.experiment import data

  report = data.prepare_named(
    args.source, args.tokenizer, args.out, quiet=args.json
  )
  if args.json:
    output.emit_json(report)
  else:
    shown = {k: v for k, v in report.items() if k != 'histograms'}
    output.facts(shown, title=args.out)
  return 0
