"""What a step of training costs in each mode, over that of the plain decoder.

    python tools/bench/modes.py [--rounds 7] [--cpu]

Whole steps (forward, backward, AdamW) on the CPU in float32, one host device a
core: 32 rows of two bars of `compound`, at most 96 steps, and decoders and
latents as on the page `vae_pop`. Modes take turns in each round. Prints one
line of JSON: `ms`, the median time of a step of each mode, and `ratio`, the
median over the rounds of its time over that of `transformer`, which is to be
1.8 at most for `vae` and 3.5 for `vae_gan`, whose critic teaches in each of
these steps, as behind an open gate. With `--cpu` times are CPU seconds, for a
machine that does other things, too. A further mode is a row of `MODES`.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable

import harness
import numpy as np

ROWS, STEPS, BARS = 32, 96, 2
_NOTES = 40
_LATENT = {'slot': 32, 'slots': 8, 'reach': 4, 'layers': 2, 'drop': 0.4}
MODES = {
  'transformer': {'mode': 'transformer'},
  'vae': {'mode': 'vae', 'latent': _LATENT},
  'vae_gan': {'mode': 'vae_gan', 'latent': _LATENT},
  'vae, one-shot beside': {'mode': 'vae', 'latent': {**_LATENT, 'oneshot': 2}},
}
"""Name -> keys of the model's config."""
_AT_ONCE = 2


def main() -> int:
  """Prints the line; returns the exit status."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--rounds', type=int, default=7)
  parser.add_argument('--cpu', action='store_true', help='CPU seconds')
  args = parser.parse_args()
  clock = harness.CPU if args.cpu else time.perf_counter
  steps = {name: stepper(**keys) for name, keys in MODES.items()}
  for step in steps.values():
    step()
  seconds: dict[str, list[float]] = {name: [] for name in steps}
  for _ in range(args.rounds):
    for name, step in steps.items():
      start = clock()
      for _ in range(_AT_ONCE):
        step()
      seconds[name].append((clock() - start) / _AT_ONCE)
  print(json.dumps({'bench': 'modes', **told(seconds)}), flush=True)
  return 0


def told(seconds: dict[str, list[float]]) -> dict[str, dict[str, float]]:
  """Returns the figures of the line, of the seconds of each round."""
  first = seconds['transformer']
  return {
    'ms': {k: round(1e3 * statistics.median(v), 1) for k, v in seconds.items()},
    'ratio': {
      name: round(
        statistics.median(x / y for x, y in zip(times, first, strict=True)), 3
      )
      for name, times in seconds.items()
    },
  }


def stepper(mode: str, latent: dict[str, int] | None = None) -> Callable:
  """Returns a function that trains one step on the one batch."""
  from aurl_jax.models import Model
  from aurl_jax.models.config import LatentConfig
  from aurl_jax.parallel import host, rules
  from aurl_jax.parallel import mesh as mesh_lib
  from aurl_jax.tokens.compound import Compound
  from aurl_jax.tokens.places import Places
  from aurl_jax.training import auxiliary
  from aurl_jax.training import optimizer as optimizer_lib
  from aurl_jax.training import state as state_lib
  from aurl_jax.training import steps as steps_lib
  from aurl_jax.training.balance import BalanceConfig
  from aurl_jax.training.gan import Gan, GanConfig
  from aurl_jax.training.options import StepConfig

  host.keep_memory()
  cores = host.cores()
  mesh_lib.host_devices(cores if ROWS % cores == 0 else 1)
  mesh = mesh_lib.make_mesh(mesh_lib.MeshConfig())
  tokenizer, latents = Compound(cells_per_beat=4), LatentConfig(**latent or {})
  shape = shaped(mode, latents)
  model = Model.build(shape, tokenizer.codec.sizes, Places.of(tokenizer))
  names = ('frames',) if latents.oneshot else ()
  gan = Gan.build(GanConfig(), model, tokenizer) if mode == 'vae_gan' else None
  options = StepConfig(balance=BalanceConfig(names=names), gan=gan)
  optimizer, schedule = optimizer_lib.build(
    optimizer_lib.OptimizerConfig(warmup_steps=0), 10_000
  )
  state = state_lib.create(model, optimizer, seed=0, mesh=mesh, options=options)
  if gan is not None:
    # An open gate.
    state['gan']['open'] += 1
  losses = {name: auxiliary.named(name) for name in names}
  step = steps_lib.make_train_step(
    model, optimizer, schedule, options, mesh, auxiliary=losses
  )
  rows = rules.place_batch(batch(tokenizer), mesh)

  def train() -> float:
    nonlocal state
    state, metrics = step(state, rows)
    return float(metrics['loss'])

  return train


def shaped(mode: str, latents):
  """Returns the shape of `vae_pop` in a mode."""
  from aurl_jax.models import ModelConfig

  return ModelConfig(
    mode=mode,
    width=160,
    layers=3,
    heads=4,
    head_width=160,
    context=STEPS,
    dropout=0.0,
    metrical=32,
    shared_pitch=True,
    packed=False,
    latent=latents,
  )


def batch(tokenizer) -> dict[str, np.ndarray]:
  """Returns rows of random music, one piece each."""
  from aurl_jax.music.notes import Notes

  rng = np.random.default_rng(0)
  ids = np.zeros((ROWS, STEPS, len(tokenizer.codec.fields)), np.int32)
  segments = np.zeros((ROWS, STEPS), np.int32)
  for row in range(ROWS):
    onset = rng.integers(0, 16 * BARS, _NOTES)
    columns = {
      'onset': onset,
      'duration': np.minimum(rng.integers(1, 8, _NOTES), 16 * BARS - onset),
      'pitch': rng.integers(40, 90, _NOTES),
      'velocity': rng.integers(30, 120, _NOTES),
    }
    found = tokenizer.encode(Notes.build(4, columns))[:STEPS]
    ids[row, : len(found)], segments[row, : len(found)] = found, 1
  positions = np.tile(np.arange(STEPS, dtype=np.int32), (ROWS, 1))
  return {'ids': ids, 'segments': segments, 'positions': positions}


if __name__ == '__main__':
  sys.exit(main())
