"""Long pieces: what a token costs at 2k to 16k steps, and the memory.

    python tools/bench/long.py [--rounds 3] [--lengths 2048 4096 8192 16384]

Whole training steps (forward, backward, AdamW; float32) of a model of the
size `small`, width 384 and 6 blocks, with bar-structured attention on bars of
about 20 steps, as `compound` writes pop. A step reads 16,384 tokens, in rows
of one length. Each length works in turn with the first, each in a process of
its own. One JSON line a length: `ours` is its tokens/s, `theirs` that of the
first, and `cost` of a token is their ratio, at most 1.2; `cpu_us` of CPU and
`cpu_cost` are the same by CPU time, for a busy machine. `peak` is the largest
resident size of its process in GB (10^9 bytes), at most 16.

`--horizon=256` lets summaries of so many bars be seen and none behind them
(`model.horizon`; 256 bars are about eight minutes of pop). `--hierarchy`
measures `models.hierarchy` instead, `--full` full attention; `--remat=full`
computes the blocks again in the backward pass.
"""

import argparse
import dataclasses
import functools
import json
import resource
import sys
import time

import harness
import numpy as np

TOKENS, IDS, STEPS_A_BAR = 16_384, 512, 20
COST, PEAK = 1.2, 16.0
_SEED = 1


def main() -> int:
  """Runs every length; returns 1 if a limit is passed."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--rounds', type=int, default=3)
  parser.add_argument(
    '--lengths', type=int, nargs='+', default=[2048, 4096, 8192, 16_384]
  )
  parser.add_argument('--hierarchy', action='store_true')
  parser.add_argument('--full', action='store_true')
  parser.add_argument('--remat', default='none', choices=['none', 'full'])
  parser.add_argument('--horizon', type=int, default=0)
  parser.add_argument('--serve', type=int, help=argparse.SUPPRESS)
  args = parser.parse_args()
  kind = 'hierarchy' if args.hierarchy else 'full' if args.full else 'bars'
  if args.serve:
    serve(args.serve, kind, args.remat, args.horizon)
    return 0
  flags = ['--remat', args.remat, '--horizon', str(args.horizon)]
  flags += [] if kind == 'bars' else [f'--{kind}']
  name = f'{kind}_{args.horizon}' if args.horizon else kind
  passed = [
    compare(name, args.lengths[0], length, args.rounds, flags)
    for length in args.lengths[1:]
  ]
  return int(any(passed))


def compare(
  name: str, short: int, long: int, rounds: int, flags: list[str]
) -> bool:
  """Lets two lengths work in turn, prints the line; True past a limit."""
  sides = [
    harness.Side([__file__, '--serve', str(length), *flags])
    for length in (long, short)
  ]
  figures = [[measured(side) for side in sides] for _ in range(rounds + 1)]
  # Axes: side, then tokens a second and seconds of CPU.
  ours, theirs = np.median(figures[1:], axis=0)
  cost, peak = theirs[0] / ours[0], sides[0].check
  line = {
    'bench': f'long.{name}.{long}',
    'peer': f'{short} steps',
    'unit': 'tokens/s',
    'ours': round(ours[0], 1),
    'theirs': round(theirs[0], 1),
    'cost': round(cost, 3),
    'cpu_us': round(ours[1] / TOKENS * 1e6, 1),
    'cpu_cost': round(ours[1] / theirs[1], 3),
    'peak': round(peak, 2),
    'peak_theirs': round(sides[1].check, 2),
  }
  print(json.dumps(line), flush=True)
  for side in sides:
    side.stop()
  return bool(cost > COST or peak > PEAK)


def measured(side: harness.Side) -> tuple[float, float]:
  """Lets a side do one step; returns tokens a second and seconds of CPU."""
  start = time.perf_counter()
  busy = side.work()
  return TOKENS / (time.perf_counter() - start), busy


def rows(length: int) -> tuple[np.ndarray, np.ndarray]:
  """Returns ids `[b, t]` and the bar of each."""
  rng = np.random.default_rng(_SEED)
  ids = rng.integers(1, IDS, (TOKENS // length, length))
  steps = rng.integers(STEPS_A_BAR // 2, STEPS_A_BAR * 3 // 2 + 1, TOKENS)
  bars = np.repeat(np.arange(TOKENS), steps)
  # Each row begins elsewhere in the music.
  bars = np.stack([np.roll(bars, -7 * at)[:length] for at in range(len(ids))])
  return ids.astype(np.int32), (bars - bars[:, :1]).astype(np.int32)


def serve(length: int, kind: str, remat: str, horizon: int) -> None:
  """Trains as often as stdin asks."""
  import jax
  import jax.numpy as jnp
  import optax
  from flax import nnx

  from aurl_jax.parallel import host

  host.keep_memory()
  optimizer = optax.adamw(1e-4)
  graph, params = nnx.split(network(length, kind, remat, horizon))
  params = nnx.to_pure_dict(params)
  state = (params, optimizer.init(params))
  ids, bars = (jnp.asarray(x) for x in rows(length))

  def loss(params, ids, bars):
    logits = nnx.merge(graph, params)(ids, bars)
    chosen = optax.softmax_cross_entropy_with_integer_labels(
      logits[:, :-1], ids[:, 1:]
    )
    return chosen.mean()

  @functools.partial(jax.jit, donate_argnums=0)
  def step(state, ids, bars):
    params, moments = state
    value, grads = jax.value_and_grad(loss)(params, ids, bars)
    updates, moments = optimizer.update(grads, moments, params)
    return (optax.apply_updates(params, updates), moments), value

  def train() -> float:
    nonlocal state
    start = time.process_time()
    state, value = step(state, ids, bars)
    if not np.isfinite(value):
      raise SystemExit(f'the loss is {value}')
    return time.process_time() - start

  train()
  peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
  size = sum(x.size for x in jax.tree.leaves(state[0]))
  print(f'{length}: {size:,} parameters, {peak:.2f} GB', file=sys.stderr)
  harness.serve(f'jax {jax.__version__}', peak, train)


def network(length: int, kind: str, remat: str, horizon: int):
  """Returns a module: ids and bars -> logits."""
  import jax
  from flax import nnx

  from aurl_jax.models import hierarchy
  from aurl_jax.models.config import ModelConfig
  from aurl_jax.models.layers import Embedding

  config = ModelConfig(
    width=384, layers=6, heads=6, context=length, dropout=0.0, remat=remat
  )
  levels = dataclasses.replace(
    config, pattern='hierarchy', layers=2, bar_layers=2, piece_layers=2
  )

  class Network(nnx.Module):
    """Embedding, blocks, and logits by the embedding."""

    def __init__(self, key) -> None:
      embed, body = jax.random.split(key)
      self.embed = Embedding((IDS,), config.width, embed)
      self.body = (
        hierarchy.Hierarchy(levels, body)
        if kind == 'hierarchy'
        else flat(config, kind, body, horizon)
      )

    def __call__(self, ids, bars):
      segments = jax.numpy.ones_like(bars)
      places = jax.numpy.stack([bars] * 5, axis=-1)
      x = self.body(self.embed(ids[..., None]), segments, coordinates=places)
      return x @ self.embed.table(0).T

  return Network(jax.random.key(0))


def flat(config, kind: str, key, horizon: int):
  """Returns blocks with bar-structured or full attention, and a norm."""
  import jax
  from flax import nnx

  from aurl_jax.models import bar_plan, hierarchy, positions, structured
  from aurl_jax.models.attention import attend
  from aurl_jax.models.bar_summary import BarSummary
  from aurl_jax.models.layers import RMSNorm

  class Flat(nnx.Module):
    """Called as a `Hierarchy` is."""

    def __init__(self, key) -> None:
      self.stack = hierarchy.Stack(config, config.layers, key)
      self.summary = BarSummary(config.heads, config.head_dim)
      self.norm = RMSNorm(config.width)

    def __call__(self, x, segments, *, coordinates):
      index = jax.numpy.arange(x.shape[1])
      rope = positions.angles(
        jax.numpy.broadcast_to(index, segments.shape),
        config.head_dim,
        config.rope_base,
        config.context,
      )
      mix = functools.partial(attend, segments=segments)
      if kind == 'bars':
        mix = functools.partial(
          structured.attend_plan,
          query=self.summary.query[...],
          plan=bar_plan.plan(coordinates[..., 0], segments, horizon=horizon),
        )
      return self.norm(self.stack(x, rope, mix))

  return Flat(key)


if __name__ == '__main__':
  sys.exit(main())
