"""Live music: time to the first note, and how much faster than itself it is.

    python tools/bench/live.py [--rounds 9] [--bars 24]

A model of the size `small` (12M parameters, float32, untrained) writes
compound steps in 4/4 at 96 quarter notes a minute, 16 to 24 notes a bar as in
pop, at batch 1 on the CPU, with all programs warmed up. A round asks for music
and waits for the first note that can be sent to a port, then for some bars;
its seed is its own. One JSON line of medians:

- `first_note_ms`: wall time from the request to that note;
  `first_note_cpu_ms` is CPU time of all threads of the process, wanted below
  150: on a machine that does nothing else the wall time is no longer, and on
  one that does it is the fair figure;
- `first_bar_ms`, `first_bar_cpu_ms`: the same to the end of the first bar;
- `speed`, `cpu_speed`: seconds of music a second of computing gives, by the
  two clocks;
- `slowest_bar_ms`: the longest wait for a bar, which is one that begins a
  page; 2,500 is what a bar lasts.
"""

import argparse
import json
import statistics
import sys
import time

WANTED = 150.0
_CLOCKS = (time.perf_counter, time.process_time)


def main() -> int:
  """Prints the line; returns 1 if the first note comes too late."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--rounds', type=int, default=9)
  parser.add_argument('--bars', type=int, default=24)
  args = parser.parse_args()
  composer, size = small()
  rounds = [
    measured(session(composer, args.bars, seed))
    for seed in range(args.rounds + 1)
  ]
  middle = {
    name: statistics.median(each[name] for each in rounds[1:])
    for name in rounds[0]
  }
  line = {
    'bench': 'live.small',
    'parameters': size,
    'rounds': args.rounds,
    **{name: round(value, 2) for name, value in middle.items()},
    'wanted': WANTED,
  }
  print(json.dumps(line), flush=True)
  return int(middle['first_note_cpu_ms'] >= WANTED)


def small():
  """Returns a composer of the size, and the number of its parameters."""
  import jax

  from aurl_jax.configs import sizes
  from aurl_jax.deploy.composer import Composer
  from aurl_jax.models import Model, ModelConfig
  from aurl_jax.tokens.compound import Compound
  from aurl_jax.tokens.places import Places

  tokenizer = Compound(cells_per_beat=4)
  config = ModelConfig(context=sizes.CONTEXT, **sizes.SIZES['small'])
  model = Model.build(config, tokenizer.codec.sizes, Places.of(tokenizer))
  params = model.init(jax.random.key(0))
  size = sum(x.size for x in jax.tree.leaves(params))
  return Composer(model=model, params=params, tokenizer=tokenizer), size


def session(composer, bars: int, seed: int):
  """Returns a session that is ready to be asked."""
  from aurl_jax.deploy.live import Live
  from aurl_jax.generation.request import Request
  from aurl_jax.generation.wish import Wish

  wish = Wish(density=(16, 24), meter=(4, 4), tempo=96)
  live = Live(composer, Request(bars=bars, seed=100 * seed, wish=wish))
  live.warm()
  return live


def now() -> list[float]:
  """Returns wall and CPU time in seconds."""
  return [clock() for clock in _CLOCKS]


def measured(live) -> dict[str, float]:
  """Returns the figures of one round."""
  found: dict[str, float] = {}
  music = slowest = 0.0
  start = last = now()
  for window in live.windows():
    passed = now()
    note = any(hit.velocity for hit in window.hits)
    for name, due in (('note', note), ('bar', window.last)):
      if due and f'first_{name}_ms' not in found:
        wall, cpu = (b - a for a, b in zip(start, passed, strict=True))
        found[f'first_{name}_ms'] = 1000 * wall
        found[f'first_{name}_cpu_ms'] = 1000 * cpu
    music += window.seconds
    if window.bar:
      slowest = max(slowest, passed[0] - last[0])
    last = passed
  wall, cpu = (b - a for a, b in zip(start, now(), strict=True))
  found |= {'speed': music / wall, 'cpu_speed': music / cpu}
  return found | {'slowest_bar_ms': 1000 * slowest}


if __name__ == '__main__':
  sys.exit(main())
