"""The cache: 10,000 files prepared cold and found warm; memory and time.

  python tools/bench/cache.py [FOLDER] [--files 10000] [--rounds 3]

FOLDER holds MIDI files (by default all of AURL_DATA); they are transposed
until there are enough, and written to a folder of their own. Each side is a
process: it prepares the folder for compound tokens and streams one epoch of
batches of 16 x 1,024.

  cache.warm   files/s, warm against cold (the same command again)
  cache.grown  files/s, one file added (pieces kept) against cold
  cache.memory the largest resident size of any of the processes, in GB,
               against the limit of 1 GB
"""

import argparse
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time

import harness

LIMIT = 1.0
"""GB (10^9 bytes)."""

_SIDE = """
import sys
from aurl_jax.data import housekeeping, pipeline, prepare
from aurl_jax.data.cache import TokenCache
from aurl_jax.tokens.compound import Compound
report = prepare.keep(
  sys.argv[1], Compound(), housekeeping.prepared_folder(),
  store=housekeeping.store())
cache = TokenCache.open(report.folder)
rows = pipeline.batches(cache, 'train', batch_size=16, context=1024, epochs=1)
print(report.counts['files'], sum(batch['ids'].size for batch in rows))
"""


def main() -> int:
  """Runs the comparisons; returns the exit status."""
  parser = argparse.ArgumentParser(description=__doc__)
  home = pathlib.Path(os.environ.get('AURL_DATA', '../shared/data'))
  parser.add_argument('folder', nargs='?', default=home)
  parser.add_argument('--files', type=int, default=10_000)
  parser.add_argument('--rounds', type=int, default=3)
  args = parser.parse_args()
  paths = sorted(pathlib.Path(args.folder).rglob('*.mid'))
  if not paths:
    return harness.missing(f'MIDI files in {args.folder}')
  with tempfile.TemporaryDirectory() as name:
    root = pathlib.Path(name)
    _transposed(paths, root / 'music', args.files)
    cold = _seconds(root)
    warm = statistics.median(_seconds(root) for _ in range(args.rounds))
    _transposed(paths[:1], root / 'music' / 'more', 1, up=7)
    grown = _seconds(root)
  rate = [args.files / seconds for seconds in (cold, warm, grown)]
  unit = 'files/s'
  harness.report('cache.warm', 'cold', unit, ours=rate[1], theirs=rate[0])
  harness.report('cache.grown', 'cold', unit, ours=rate[2], theirs=rate[0])
  peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e9
  unit = 'GB (less is better)'
  harness.report('cache.memory', 'limit', unit, ours=peak, theirs=LIMIT)
  return int(peak >= LIMIT or warm * 10 > cold)


def _transposed(
  paths: list[pathlib.Path], folder: pathlib.Path, count: int, up: int = 0
) -> None:
  """Writes so many files, transposed ones once there are no others."""
  from aurl_jax.music import midi, transform

  folder.mkdir(parents=True, exist_ok=True)
  for number in range(count):
    turn, at = divmod(number, len(paths))
    target = folder / f'{number:05}.mid'
    if turn + up == 0:
      target.write_bytes(paths[at].read_bytes())
      continue
    notes = midi.read(paths[at]).notes
    midi.write(transform.transpose(notes, turn + up), target)


def _seconds(root: pathlib.Path) -> float:
  """Returns how long one process takes, from its start to its end."""
  environ = os.environ | {'AURL_CACHE': str(root / 'cache')}
  start = time.perf_counter()
  subprocess.run(
    [sys.executable, '-c', _SIDE, str(root / 'music')],
    env=environ,
    check=True,
    stdout=sys.stderr,
  )
  return time.perf_counter() - start


if __name__ == '__main__':
  sys.exit(main())
