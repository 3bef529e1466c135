"""Draw the latent space of a run: what it holds, what turning it does.

Examples:
  aurl latents runs/vae --out pictures
  aurl latents runs/vae --split train --n 1000 --out pictures

Writes a map of pieces, the nats of each dim, traversals of the dims that say
most, reconstructions, and a way from one piece to another.
"""

import argparse

from aurl_jax.cli import output


def add_arguments(parser: argparse.ArgumentParser) -> None:
  """Adds this verb's flags."""
  parser.add_argument('run_folder', metavar='RUN')
  parser.add_argument('--out', default='latents', metavar='DIR')
  parser.add_argument('--split', default='valid')
  parser.add_argument('--n', type=int, default=256, help='pieces on the map')
  parser.add_argument('--seed', type=int, default=0, help='of their choice')


def run(args: argparse.Namespace) -> int:
  """Writes the pictures and prints where they are."""
  from aurl_jax.experiment import latent_plots

  result = latent_plots.write(
    args.run_folder, args.out, split=args.split, n=args.n, seed=args.seed
  )
  if args.json:
    output.emit_json(result)
  else:
    output.facts(result)
  return 0
