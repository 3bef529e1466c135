"""Turn a bundle into programs for other runtimes, held against the model.

Examples:
  aurl export chorale --to onnx --out chorale_onnx
  aurl export chorale8 --to onnx --prompts ~/midi --out chorale8_onnx
  aurl export pop --to stablehlo --prompts ~/midi --out pop_stablehlo
  python chorale_onnx/loop.py 96

What is exported is run on real prompts beside the model; how far they are apart
is printed, and stands in its manifest.json.
"""

import argparse

from aurl_jax.cli import output


def add_arguments(parser: argparse.ArgumentParser) -> None:
  """Adds this verb's flags."""
  parser.add_argument('model', metavar='BUNDLE')
  parser.add_argument('--to', required=True, choices=('onnx', 'stablehlo'))
  parser.add_argument('--out', required=True, metavar='DIR')
  parser.add_argument(
    '--prompts',
    default='',
    metavar='PATH',
    help='music that both read: a folder of MIDI files, or JSON of frames '
    "(Bach's chorales)",
  )
  parser.add_argument(
    '--n', type=int, default=100, help='pieces of it; 0 compares nothing'
  )


def run(args: argparse.Namespace) -> int:
  """Writes the export and prints its parity."""
  from aurl_jax.experiment import export

  result = export.run(
    args.model, args.to, args.out, prompts=args.prompts, count=args.n
  )
  if args.json:
    output.emit_json(result)
  else:
    output.facts(result)
  return 0
