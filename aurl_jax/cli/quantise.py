"""Make a model smaller: its weights in 8 or 4 bits.

Examples:
  aurl quantise chorale --out chorale8
  aurl quantise chorale --bits 4 --reference held_out --out chorale4
  aurl quantise pop --scheme weights_activations --calibrate ~/midi --out pop8
  aurl quantise chorale --bits 4 --train 300 --data music --out chorale4

The new bundle is loaded as any other. Its `quantised.json` tells size,
likelihood of held-out music, speed, and metrics of what both models write.
"""

import argparse

from aurl_jax.cli import flags, output

_EACH = 20
"""Steps of fine-tuning between two lines that tell of it."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
  """Adds this verb's flags."""
  parser.add_argument('model', metavar='BUNDLE')
  parser.add_argument('--out', required=True, metavar='DIR')
  parser.add_argument(
    '--bits', type=int, default=8, choices=(8, 4), help='of a weight'
  )
  parser.add_argument(
    '--group',
    type=int,
    metavar='N',
    help='inputs that share a scale (all with 8 bits, 32 with 4)',
  )
  parser.add_argument(
    '--scheme',
    default='weights',
    choices=('weights', 'weights_activations'),
    help='whether the inputs of products are rounded, too, which needs '
    '--calibrate',
  )
  parser.add_argument(
    '--calibrate',
    default='',
    metavar='PATH',
    help='music that tells how far inputs reach: a folder of MIDI files, or '
    'JSON of frames',
  )
  parser.add_argument(
    '--reference',
    default='',
    metavar='PATH',
    help='held-out music that the model is judged by before and after',
  )
  _add_training(parser)
  parser.add_argument(
    '--n', type=int, default=16, help='pieces to write and compare; 0 for none'
  )


def _add_training(parser: argparse.ArgumentParser) -> None:
  """Adds the flags of fine-tuning, and of how music is read."""
  parser.add_argument(
    '--train',
    type=int,
    default=0,
    metavar='STEPS',
    help='fine-tune with the weights rounded, to what the model was before; '
    'needs --data',
  )
  parser.add_argument(
    '--data',
    default='',
    metavar='PATH',
    help='music to fine-tune by, a folder of MIDI files or JSON of frames',
  )
  parser.add_argument(
    '--rate', type=float, default=1e-4, help='of learning, at the beginning'
  )
  flags.add_beats(parser)


def run(args: argparse.Namespace) -> int:
  """Writes the bundle and prints its report, or what of it matters most."""
  from aurl_jax.deploy import packing as packing_lib
  from aurl_jax.deploy.tuning import Tuning
  from aurl_jax.experiment import progress, quantise

  packing = packing_lib.default(args.bits)
  if args.group is not None:
    packing = packing_lib.Packing(bits=args.bits, group=args.group)
  asked = quantise.Asked(
    calibrate=quantise.music_for(args.scheme, args.calibrate),
    reference=args.reference,
    n=args.n,
    tuning=Tuning(steps=args.train, rate=args.rate) if args.train else None,
    data=args.data,
    beats=args.beats,
  )

  def tell(step: int, loss: float) -> None:
    if step % _EACH == 0:
      progress.say(
        f'step {step} of {args.train}: {loss:.4f} nats an id from the model '
        'before',
        quiet=args.json,
      )

  report = quantise.run(args.model, args.out, packing, asked, tell=tell)
  if args.json:
    output.emit_json(report)
    return 0
  samples = report.pop('samples', {})
  output.facts(report)
  output.facts(
    {
      'metrics that differ': ', '.join(samples.get('differ', [])),
      'metrics compared': len(samples.get('metrics', {})),
    }
  )
  return 0
