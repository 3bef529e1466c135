"""Training steps: ours against the same model in PyTorch, and against GPT-2.

    python tools/bench/train.py [--rounds 11]
    python tools/bench/train.py --options [relative ...] [--rounds 5]

Tokens/s of whole steps (forward, backward, AdamW) on the CPU in float32:
width 256, 4 layers, 4 heads, GELU, 512 ids, batches of 8 rows of 512 steps,
no dropout. Ours is the jitted step of `aurl_jax.training` as `aurl train`
runs it: one host device a core. The peers are PyTorch eager (SDPA attention,
its default AdamW) with our very weights, whose first loss must be ours; and
GPT-2 of Hugging Face, of the same sizes. Each side is a process of its own
that works only while it is asked to.

With `--options` ours alone, with one option of attention after the other: one
JSON line each, with tokens/s and the time of a step over that without any
option, median of the rounds' ratios. All options take turns in each round.
"""

import argparse
import dataclasses
import functools
import json
import os
import pathlib
import statistics
import sys
import tempfile
import time

import harness
import numpy as np

ROWS, STEPS, IDS = 8, 512, 512
SEED = 1
_HERE = pathlib.Path(__file__).parent
_SAME = 1e-3
_AT_ONCE = 2
OPTIONS = {
  'default': {},
  'grouped keys': {'kv_heads': 2},
  'window 128': {'window': 128},
  'relative': {'positions': 'relative'},
  'barwise': {'positions': 'barwise'},
  'musical': {'positions': 'musical'},
  'no positions': {'positions': 'none'},
  'remat attention': {'remat': 'attention'},
  'remat dots': {'remat': 'dots'},
  'remat full': {'remat': 'full'},
  'scan': {'scan': True},
}


def main() -> int:
  """Runs both comparisons; returns the exit status."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--rounds', type=int, default=11)
  parser.add_argument(
    '--options', nargs='*', choices=OPTIONS, help='all, if none is named'
  )
  parser.add_argument('--ours', help=argparse.SUPPRESS)
  args = parser.parse_args()
  if args.ours:
    serve_ours(args.ours)
    return 0
  if args.options is not None:
    compare_options(args.options or list(OPTIONS), args.rounds)
    return 0
  with tempfile.TemporaryDirectory() as folder:
    weights = os.path.join(folder, 'weights.npz')
    ours = harness.Side([__file__, '--ours', weights])
    for kind in ('torch', 'gpt2'):
      theirs = harness.Side([str(_HERE / 'train_torch.py'), kind, weights])
      if theirs.name is None:
        ours.stop()
        return harness.missing('torch or transformers')
      if kind == 'torch' and abs(theirs.check - ours.check) > _SAME:
        raise SystemExit(f'other models: losses {ours.check}, {theirs.check}')
      harness.compare(
        'train.step',
        theirs.name,
        'tokens/s',
        ours=ours.work,
        theirs=theirs.work,
        rounds=args.rounds,
      )
      theirs.stop()
    ours.stop()
  return 0


def batch() -> dict[str, np.ndarray]:
  """Returns the one batch that every side trains on."""
  ids = np.random.default_rng(SEED).integers(1, IDS, (ROWS, STEPS, 1))
  segments = np.ones((ROWS, STEPS))
  positions = np.tile(np.arange(STEPS), (ROWS, 1))
  arrays = {'ids': ids, 'segments': segments, 'positions': positions}
  return {name: rows.astype(np.int32) for name, rows in arrays.items()}


@dataclasses.dataclass(frozen=True)
class Counting:
  """Places as `tokens.places` has them, of ids that mean nothing."""

  def __call__(self, ids, segments):
    """Returns bar, position, time and pitch of each step."""
    import jax.numpy as jnp

    steps = jnp.cumsum(segments, 1) - 1
    bars = jnp.cumsum(ids[..., 0] % 20 == 0, 1)
    inside = steps % 20
    return jnp.stack([bars, inside, steps * 3, ids[..., 0] % 128, inside], -1)


def stepper(**options):
  """Returns a function that trains one step on the one batch, and weights.

  Args:
    **options: Keys of the model's config.
  """
  import jax

  from aurl_jax.models import Model, ModelConfig
  from aurl_jax.parallel import host, rules
  from aurl_jax.parallel import mesh as mesh_lib
  from aurl_jax.training import optimizer as optimizer_lib
  from aurl_jax.training import state as state_lib
  from aurl_jax.training import steps as steps_lib

  host.keep_memory()
  mesh_lib.host_devices(os.cpu_count() if ROWS % os.cpu_count() == 0 else 1)
  mesh = mesh_lib.make_mesh(mesh_lib.MeshConfig())
  shape = ModelConfig(context=STEPS, dropout=0.0, **options)
  model = Model.build(shape, (IDS,), Counting())
  config = optimizer_lib.OptimizerConfig(clip_norm=0.0, warmup_steps=0)
  optimizer, schedule = optimizer_lib.build(config, 10_000)
  state = state_lib.create(model, optimizer, seed=0, mesh=mesh)
  # The step takes the state's memory for its own.
  weights = jax.tree.map(np.array, state['params'])
  step = steps_lib.make_train_step(model, optimizer, schedule, mesh=mesh)
  rows = rules.place_batch(batch(), mesh)

  def train() -> float:
    nonlocal state
    state, metrics = step(state, rows)
    return float(metrics['loss'])

  return train, weights


def serve_ours(weights: str) -> None:
  """Writes the fresh weights, then trains as often as stdin asks."""
  import jax

  train, fresh = stepper()
  save(weights, fresh)
  first = train()
  harness.serve(f'jax {jax.__version__}', first, functools.partial(work, train))


def compare_options(names: list[str], rounds: int) -> None:
  """Prints what some options cost."""
  names = list(dict.fromkeys(['default', *names]))
  steps = {name: stepper(**OPTIONS[name])[0] for name in names}
  for step in steps.values():
    step()
  seconds: dict[str, list[float]] = {name: [] for name in steps}
  for _ in range(rounds):
    for name, step in steps.items():
      start = time.perf_counter()
      work(step)
      seconds[name].append((time.perf_counter() - start) / _AT_ONCE)
  for name, times in seconds.items():
    pairs = zip(times, seconds['default'], strict=True)
    line = {
      'bench': 'train.options',
      'option': name,
      'keys': OPTIONS[name],
      'tokens/s': round(ROWS * STEPS / statistics.median(times)),
      'ratio': round(statistics.median(x / y for x, y in pairs), 3),
    }
    print(json.dumps(line), flush=True)


def save(path: str, params) -> None:
  """Writes our parameters for a peer, each under its path."""
  import jax

  from aurl_jax.parallel import rules

  leaves = jax.tree_util.tree_leaves_with_path(params)
  np.savez(path, **{rules.path_name(p): np.asarray(x) for p, x in leaves})


def work(step) -> int:
  """Does some steps; returns how many tokens they read."""
  for _ in range(_AT_ONCE):
    step()
  return _AT_ONCE * ROWS * STEPS


if __name__ == '__main__':
  sys.exit(main())
