"""How long training waits for data: the share of the loop's time.

    python tools/bench/data_wait.py [--page quickstart] [--steps 100]
        [--config.KEY=VALUE ...]

Trains as a run does, without evaluation and checkpoints. `ours` is the share
of the seconds after the first steps, which compile, that the loop spent in
`next` of the batches (`training.feed`), in percent: all of it counts,
though the devices may have worked meanwhile. `theirs` is the limit.
"""

import argparse
import sys
import time

import harness

LIMIT = 2.0
"""Percent."""
_WARM = 10


def main() -> int:
  """Trains and prints the line; returns the exit status."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--page', default='quickstart')
  parser.add_argument('--steps', type=int, default=100)
  args, rest = parser.parse_known_args()
  changes = [word.removeprefix('--config.') for word in rest]
  share = _share(args.page, args.steps, changes)
  harness.report(
    f'data_wait.{args.page}',
    'limit',
    '% of the time (less is better)',
    ours=share,
    theirs=LIMIT,
  )
  return int(share >= LIMIT)


def _share(page: str, steps: int, changes: list[str]) -> float:
  import jax

  from aurl_jax.experiment import build, data, pages, sections
  from aurl_jax.parallel import host
  from aurl_jax.parallel import mesh as mesh_lib
  from aurl_jax.training import loop

  run = sections.parse(pages.load(pages.find(page), changes))
  host.keep_memory()
  parts = build.build(run)
  cache = data.prepared(run, quiet=True)
  rows = data.train_batches(run, cache, parts.mesh)
  marks = []

  class Mark:
    def due(self, context) -> bool:
      if context.step in (_WARM, steps):
        jax.block_until_ready(context.metrics)
        marks.append((time.perf_counter(), context.waited))
      return False

    def __call__(self, context) -> None:
      del context

  with mesh_lib.use(parts.mesh):
    step, state = parts.train_step(cache), parts.fresh_state()
    loop.fit(state, step, rows, [Mark()], steps=steps, mesh=parts.mesh)
  rows.close()
  (begin, before), (end, after) = marks
  seconds, waited = end - begin, after - before
  print(
    f'{steps - _WARM} steps in {seconds:.2f} s on {jax.devices()[0].platform}; '
    f'{1e6 * waited / (steps - _WARM):.0f} us a batch',
    file=sys.stderr,
  )
  return 100 * waited / seconds


if __name__ == '__main__':
  sys.exit(main())
