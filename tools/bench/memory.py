"""Memory of a training run: the peak of the quickstart against its limit.

    python tools/bench/memory.py [--steps 20] [--page quickstart]

Runs the page as a user does, in a process and a folder of its own, from the
embedded corpus to the written pieces; `ours` is the largest resident size of
any of its processes, `theirs` the limit that the project sets itself. Fewer
steps take no less memory: every program is compiled and every page written.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile

import harness

LIMIT = 2.0
"""GB (10^9 bytes)."""


def main() -> int:
  """Runs the page and prints the line; returns the exit status."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--steps', type=int, default=20)
  parser.add_argument('--page', default='quickstart')
  args = parser.parse_args()
  with tempfile.TemporaryDirectory() as folder:
    command = [
      *(sys.executable, '-m', 'aurl_jax.main'),
      *(f'--config={args.page}', f'--workdir={folder}/run'),
      f'--config.train.steps={args.steps}',
      f'--config.train.evaluate_every={args.steps}',
    ]
    # A cache of its own: the preparation counts.
    environ = os.environ | {'AURL_CACHE': folder}
    subprocess.run(command, env=environ, check=True, stdout=sys.stderr)
  peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e9
  harness.report(
    f'memory.{args.page}',
    'limit',
    'GB (less is better)',
    ours=peak,
    theirs=LIMIT,
  )
  return int(peak >= LIMIT)


if __name__ == '__main__':
  sys.exit(main())
