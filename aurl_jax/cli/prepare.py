"""Turn a folder of MIDI (or the embedded corpus) into a data set.

Examples:
  aurl prepare ~/midi --out data/mine
  aurl prepare chorales --tokenizer grid --out data/chorales
  aurl prepare ~/played --out data/played --option preprocess.beats=auto
  aurl prepare ~/midi --out data/mine --option duplicates=near \
    --option quality.min_notes=32 --option preprocess.quantise=0.8

Files that cannot be used are skipped, counted in report.json, and named with
the reason in files.jsonl; report.html shows it all.
"""

import argparse
import pathlib

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
  parser.add_argument(
    '--splits', metavar='TABLE', help='a frozen table of splits, such as all'
  )
  parser.add_argument(
    '--option',
    action='append',
    default=[],
    metavar='KEY=VALUE',
    help='of preprocess, quality or duplicates; may be given again',
  )


def run(args: argparse.Namespace) -> int:
  """Prepares the data set and prints its report."""
  from aurl_jax.experiment import data

  report = data.prepare_named(
    args.source,
    args.tokenizer,
    args.out,
    splits=args.splits,
    changes=args.option,
    quiet=args.json,
  )
  if args.json:
    output.emit_json(report)
  else:
    shown = {k: v for k, v in report.items() if k != 'histograms'}
    shown['page'] = str(pathlib.Path(args.out) / 'report.html')
    output.facts(shown, title=args.out)
  return 0
