"""Eight bars at once against one step after the other, from the same latents.

    python tools/bench/oneshot.py [--rounds 5] [--width 160] [--cpu]

Pieces a second on the CPU in float32, from latents to `Notes`, 64 pieces at a
time, one host device a core: the one-shot decoder (`models.oneshot`, two blocks
over the slots) against the autoregressive one (three blocks, compound, 160
notes a piece, as many as eight bars of pop have) of the same model and width.
Nothing has been trained: the threshold is set so that as many notes begin.
Prints one line of JSON (`harness`); `peer` is the autoregressive decoder. With
`--cpu` rates are by CPU seconds, for a machine that does other things, too.
"""

import argparse
import sys
import time
from collections.abc import Callable

import harness
import numpy as np

BEATS, NOTES, ROWS = 32, 160, 64


def main() -> int:
  """Prints the line; returns the exit status."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--rounds', type=int, default=5)
  parser.add_argument('--width', type=int, default=160)
  parser.add_argument('--cpu', action='store_true', help='by CPU seconds')
  args = parser.parse_args()
  ours, theirs = sides(args.width)
  harness.compare(
    f'oneshot.width{args.width}',
    'autoregressive',
    'pieces/CPU-s' if args.cpu else 'pieces/s',
    ours=ours,
    theirs=theirs,
    rounds=args.rounds,
    clock=harness.CPU if args.cpu else time.perf_counter,
  )
  return 0


def sides(width: int) -> tuple[Callable[[], int], Callable[[], int]]:
  """Returns what writes pieces, both ways; each returns how many."""
  from aurl_jax.deploy.composer import Composer
  from aurl_jax.deploy.latents import LatentSpace
  from aurl_jax.parallel import host
  from aurl_jax.parallel import mesh as mesh_lib
  from aurl_jax.tokens.compound import Compound

  mesh_lib.host_devices(host.cores())
  tokenizer = Compound(cells_per_beat=4)
  model, params = made(width, tokenizer)
  space = LatentSpace(Composer(model=model, params=params, tokenizer=tokenizer))
  told = space.standard(ROWS)
  thresholds = threshold(model, params, told), 0.5

  def ours() -> int:
    pieces = space.decode(told, one_shot=True, thresholds=thresholds)
    wanted = [len(piece.notes) for piece in pieces]
    if not NOTES / 2 < np.mean(wanted) < 2 * NOTES:
      raise SystemExit(f'{np.mean(wanted)} notes a piece, not {NOTES}')
    return len(pieces)

  return ours, autoregressive(space, told)


def made(width: int, tokenizer):
  """Returns the model and its parameters, which nothing has trained."""
  import jax

  from aurl_jax.models import Model, ModelConfig
  from aurl_jax.models.config import LatentConfig
  from aurl_jax.tokens.places import Places

  config = ModelConfig(
    mode='vae',
    width=width,
    layers=3,
    heads=4,
    head_width=width,
    context=NOTES + BEATS,
    metrical=32,
    shared_pitch=True,
    latent=LatentConfig(slot=32, slots=BEATS, oneshot=2),
  )
  places = Places.of(tokenizer)
  model = Model.build(config, tokenizer.codec.sizes, places)
  return model, model.init(jax.random.key(0))


def threshold(model, params, told) -> float:
  """Returns the probability above which so many notes begin."""
  import jax

  logits = np.asarray(jax.jit(model.frames)(params, told)['onset'])
  share = NOTES / (logits[0].size)
  return float(1 / (1 + np.exp(-np.quantile(logits, 1 - share))))


def autoregressive(space, told) -> Callable[[], int]:
  """Returns what writes as many steps, one after the other."""
  from aurl_jax.generation import decode
  from aurl_jax.generation.guidance import Guided

  composer, tokenizer = space.composer, space.composer.tokenizer
  whole = harness.exactly(tokenizer.codec, NOTES)

  def theirs() -> int:
    samples = decode.decode(
      composer.model,
      composer.params,
      tokenizer.grammar,
      Guided([tokenizer.bos()[None]] * ROWS, latents=told),
      steps=NOTES + 1,
      constraints=(whole,),
    )
    written = sum(len(sample.ids) for sample in samples)
    if written < ROWS * NOTES:
      raise SystemExit(f'{written} steps of {ROWS * NOTES}')
    return len([tokenizer.decode(sample.ids) for sample in samples])

  return theirs


if __name__ == '__main__':
  sys.exit(main())
