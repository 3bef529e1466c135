"""The loader's memory over many epochs: resident megabytes a 1,000 steps.

    python tools/bench/loader_memory.py [--epochs 100] [--pieces 2000]

Takes every batch of so many epochs, in each mode, with a curriculum, with and
without workers, and fits a line through the resident size of the process and
its workers. The first tenth, in which the file becomes resident, does not
count. `theirs` is the limit that the project sets itself.
"""

import argparse
import pathlib
import sys
import tempfile

import harness
import numpy as np

LIMIT = 1.0
"""MB (10^6 bytes) a 1,000 steps."""
_EVERY = 50
_CASES = (('pack', 0), ('pad', 0), ('crop', 0), ('bucket', 0), ('bucket', 2))


def main() -> int:
  """Runs all cases and prints a line each; returns the exit status."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--epochs', type=int, default=100)
  parser.add_argument('--pieces', type=int, default=2000)
  args = parser.parse_args()
  worst = 0.0
  with tempfile.TemporaryDirectory() as name:
    tokens = _write(pathlib.Path(name), args.pieces)
    for mode, workers in _CASES:
      slope = _slope(tokens, args.epochs, mode, workers)
      worst = max(worst, slope)
      harness.report(
        f'loader_memory.{mode}.{workers}_workers',
        'limit',
        'MB a 1,000 steps (less is better)',
        ours=slope,
        theirs=LIMIT,
      )
  return int(worst >= LIMIT)


def _write(folder: pathlib.Path, pieces: int):
  from aurl_jax.data import cache

  random = np.random.default_rng(0)
  with cache.CacheWriter(folder, sizes=(500,), tokenizer={}) as writer:
    for number, size in enumerate(random.integers(100, 2000, pieces).tolist()):
      ids = random.integers(1, 500, (size, 1))
      entry = {'name': str(number), 'digest': '', 'notes': size // 2}
      writer.add('train', entry, ids, np.arange(1, size, 40))
  return cache.TokenCache.open(folder)


def _slope(tokens, epochs: int, mode: str, workers: int) -> float:
  from aurl_jax.data import curriculum, pipeline

  course = curriculum.Curriculum(by='both', ramp=epochs // 2)
  rows = iter(
    pipeline.batches(
      tokens,
      'train',
      batch_size=16,
      context=512,
      mode=mode,
      curriculum=course,
      epochs=epochs,
      workers=workers,
    )
  )
  seen = []
  for step, _ in enumerate(rows):
    if step % _EVERY == 0:
      seen.append(
        (step, _resident() + sum(map(_resident, getattr(rows, 'pids', []))))
      )
  rows.close()
  steps, sizes = np.array(seen[len(seen) // 10 :]).T
  print(
    f'{mode}, {workers} workers: {steps[-1]:.0f} steps, '
    f'{sizes[0]:.1f} to {sizes[-1]:.1f} MB',
    file=sys.stderr,
  )
  return float(1000 * np.polyfit(steps, sizes, 1)[0])


def _resident(pid: int | str = 'self') -> float:
  """Returns the resident MB of a process."""
  pages = pathlib.Path(f'/proc/{pid}/statm').read_text().split()[1]
  return int(pages) * 4096 / 1e6


if __name__ == '__main__':
  sys.exit(main())
