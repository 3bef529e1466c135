"""Fit a prior to the latents of a run, and say what it is worth.

Examples:
  aurl prior runs/vae
  aurl prior runs/vae --kind flow --condition key --condition density
  aurl prior runs/vae --kind aggregate --components 512
  aurl bundle runs/vae --out vae_model

The prior is kept in the run, and bundles of it bring it along. Shown are nats
a slot of held-out pieces under each prior: fewer are better.
"""

import argparse

from aurl_jax.cli import output

_KINDS = ('autoregressive', 'flow', 'aggregate')


def add_arguments(parser: argparse.ArgumentParser) -> None:
  """Adds this verb's flags."""
  parser.add_argument('run_folder', metavar='RUN')
  parser.add_argument('--kind', default=_KINDS[0], choices=_KINDS)
  parser.add_argument(
    '--condition',
    action='append',
    default=[],
    metavar='NAME',
    help='key, meter, density, polyphony or register; several times',
  )
  parser.add_argument(
    '--steps', type=int, default=3000, help='most steps of the fit (3000)'
  )
  parser.add_argument(
    '--copies',
    type=int,
    default=6,
    help='transposed copies of each piece, if the run transposed (6)',
  )
  parser.add_argument(
    '--components',
    type=int,
    default=1024,
    help='pieces of an aggregate; 0 for all (1024)',
  )
  parser.add_argument('--seed', type=int, default=0, help='of the fit')


def run(args: argparse.Namespace) -> int:
  """Fits the prior and prints its figures."""
  from aurl_jax.experiment import prior
  from aurl_jax.training.prior import FitConfig

  task = prior.Task(
    kind=args.kind,
    conditions=tuple(args.condition),
    copies=args.copies,
    components=args.components,
    fit=FitConfig(steps=args.steps, seed=args.seed),
  )
  result = prior.fit(args.run_folder, task)
  if args.json:
    output.emit_json(result)
  else:
    output.facts(result)
  return 0
