"""Hold what a model writes against music of people, in a report to cite.

Examples:
  aurl evaluate --model pop --reference ~/midi --out judged
  aurl evaluate --model runs/a --against runs/b --reference ~/midi --n 200
  aurl evaluate --model chorale --reference jsb16_valid.json --json
  aurl evaluate --model runs/a --reference ~/held_out --training ~/midi --audio
  aurl evaluate --model pop --reference pop909/valid --beats align

A model is a run, a bundle, a shipped name, or a folder of MIDI files that it
has written. The folder DIR gets report.html and report.json: all metrics with
intervals and their sources, distances of the sets with their floors, what is
shared with training music, how likely the reference is, and pieces to hear.
"""

import argparse
from typing import Any

from aurl_jax.cli import flags, output

_SHOWN = 12
"""Metrics that people are shown, those that differ most."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
  """Adds this verb's flags."""
  parser.add_argument('--model', required=True, metavar='MODEL')
  parser.add_argument(
    '--reference',
    required=True,
    metavar='PATH',
    help='a folder of MIDI files, or JSON of four-part frames',
  )
  _add_music(parser)
  parser.add_argument('--against', default='', metavar='MODEL', help='another')
  parser.add_argument(
    '--n', type=int, default=0, help='pieces (as many as the reference has)'
  )
  parser.add_argument('--seed', type=int, default=0)
  parser.add_argument(
    '--encoder',
    default='pop_dials',
    metavar='MODEL',
    help='with latents, in whose space sets are compared; "none" for none',
  )
  parser.add_argument(
    '--audio',
    nargs='?',
    const='musicnn',
    default='',
    metavar='NAME',
    help='compare how sets sound, too, to musicnn, or to '
    'musicnn:FILE, vggish:FILE, clap:FOLDER; a second a piece',
  )
  parser.add_argument(
    '--seconds', type=float, default=30.0, help='of a piece that are heard'
  )
  parser.add_argument(
    '--jobs', type=int, default=1, help='processes that measure pieces'
  )
  parser.add_argument('--out', default='out', metavar='DIR')


def _add_music(parser: argparse.ArgumentParser) -> None:
  """Adds the flags of music of people."""
  parser.add_argument(
    '--training',
    default='',
    metavar='PATH',
    help='music that copies are looked for in (the index of the model)',
  )
  parser.add_argument(
    '--styles',
    default='',
    metavar='DIR',
    help='labelled pieces: a folder a style, or info.csv of Groove',
  )
  flags.add_beats(parser)


def run(args: argparse.Namespace) -> int:
  """Writes the report and prints it, or what of it matters most."""
  from aurl_jax.experiment import appraise

  asked = appraise.Asked(
    against=args.against,
    n=args.n,
    seed=args.seed,
    training=args.training,
    styles=args.styles,
    encoder='' if args.encoder == 'none' else args.encoder,
    audio=args.audio,
    seconds=args.seconds,
    jobs=args.jobs,
    beats=args.beats,
  )
  report = appraise.write(
    args.model, args.reference, args.out, asked, quiet=args.json
  )
  if args.json:
    output.emit_json(report)
    return 0
  for model in report['models']:
    _show(model)
  output.facts({'page': report['page']})
  return 0


def _show(model: dict[str, Any]) -> None:
  rows = sorted(
    model['metrics'].items(), key=lambda item: -abs(item[1]['effect'])
  )
  told = [
    (
      name,
      f'{row["generated"][0]:.4g}',
      f'{row["reference"][0]:.4g}',
      f'{row["effect"]:+.2f}',
      f'{row["p"]:.3f}' if row['p'] >= 0.001 else '< 0.001',
    )
    for name, row in rows[:_SHOWN]
  ]
  head = ('metric', 'model', 'reference', 'delta', 'p')
  output.table(head, told, title=f'{model["name"]}: what differs most')
  output.facts(
    {
      name: {key: value for key, value in found.items() if key != 'metrics'}
      for name, found in model['sets'].items()
    }
  )
  shares = {k: v for k, v in model['originality'].items() if k != 'nearest'}
  output.facts({'progressions': model['progressions'], 'originality': shares})
  for part in ('style', 'likelihood'):
    if part in model:
      output.facts(model[part])
