"""Pieces a second that studies hear, and the memory that this takes.

  python tools/bench/studies.py [FOLDER] [--study all] [--workers 2] [--every 1]
      [--pieces 5000]

FOLDER holds MIDI files, in subfolders or not (by default AURL_DATA). Studies
run as `aurl analyze --out` runs them, with lines written to a temporary file;
wall-clock seconds are counted from the first file to the last line, with the
start of the workers. Memory is sampled four times a second: the process
itself (`own`), and its workers together; `early` is the most in the first
quarter of the files, `late` in the last. With `--pieces` the files are taken
over and over, under other names, until there are so many: what grows then does
so with the corpus, and not with what is in it. Then each study alone hears up
to 200 files, from all over the folder, in this process: CPU milliseconds a
file, without reading. One JSON line.
"""

import argparse
import contextlib
import json
import os
import pathlib
import sys
import tempfile
import threading
import time

from aurl_jax.core import system
from aurl_jax.core.errors import AurlError
from aurl_jax.experiment import analyze
from aurl_jax.studies import analysis, corpus, pool
from aurl_jax.studies.study import FAULTS

_ALONE = 200
_EVERY_SECONDS = 0.25
_MB = 1e6


def main() -> int:
  """Measures, prints the line and returns the exit status."""
  args = _arguments()
  try:
    items = analyze.find(args.folder).items[:: args.every]
    studies = analyze.studies_named(args.study)
  except AurlError as error:
    print(f'error: {error}', file=sys.stderr)
    return error.exit_code
  files = items
  if args.pieces:
    rounds = -(-args.pieces // len(items))
    items = [again(one, k) for k in range(rounds) for one in items]
    items = items[: args.pieces]
  memory = _Memory(len(items))
  with tempfile.TemporaryDirectory() as folder:
    out = pathlib.Path(folder) / 'records.jsonl'
    begin = time.perf_counter()
    with memory:
      report = corpus.run(
        items, studies, out, workers=args.workers, progress=memory.at
      )
    seconds = time.perf_counter() - begin
    size = out.stat().st_size
    errors = sum('error' in row for row in corpus.read(out))
  line = {
    'bench': 'studies',
    'studies': list(studies),
    'files': report.pieces,
    'errors': errors,
    'workers': args.workers,
    'seconds': round(seconds, 2),
    'files_per_second': round(report.pieces / seconds, 2),
    'megabytes_written': round(size / _MB, 1),
    'peak_megabytes': memory.told(),
    'cpu_ms_a_file': _alone(files, studies),
  }
  print(json.dumps(line))
  return 0


def again(item: analysis.Item, number: int) -> analysis.Item:
  """Returns a piece under another name, as it is in a round."""
  return item._replace(name=f'{number:05}/{item.name}')


def _arguments() -> argparse.Namespace:
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument(
    'folder',
    nargs='?',
    default=os.environ.get('AURL_DATA', '../shared/data'),
  )
  parser.add_argument('--study', default='all', metavar='NAMES')
  parser.add_argument('--workers', type=int, default=pool.cores())
  parser.add_argument(
    '--every', type=int, default=1, help='hear each n-th file only'
  )
  parser.add_argument(
    '--pieces', type=int, default=0, help='so many, files over and over'
  )
  return parser.parse_args()


class _Memory:
  """Samples what this process and its workers take."""

  def __init__(self, files: int) -> None:
    self._files, self._done = files, 0
    self._most: dict[str, list[int]] = {}
    self._over = threading.Event()
    self._thread = threading.Thread(target=self._watch)

  def __enter__(self) -> None:
    self._thread.start()

  def __exit__(self, *exc: object) -> None:
    self._over.set()
    self._thread.join()

  def at(self, done: int) -> None:
    """Is told how many files are done."""
    self._done = done

  def _watch(self) -> None:
    while not self._over.wait(_EVERY_SECONDS):
      used = system.usage()
      quarter = min(3, 4 * self._done // max(1, self._files))
      for part, value in (('own', used.rss), ('workers', used.children)):
        most = self._most.setdefault(part, [0] * 4)
        most[quarter] = max(most[quarter], value)

  def told(self) -> dict[str, dict[str, float]]:
    """Returns megabytes."""
    return {
      part: {
        'most': round(max(most) / _MB, 1),
        'early': round(most[0] / _MB, 1),
        'late': round(most[3] / _MB, 1),
      }
      for part, most in self._most.items()
    }


def _alone(items, studies) -> dict[str, dict[str, float]]:
  """Returns mean and most CPU milliseconds a file of each study."""
  spent: dict[str, list[float]] = {name: [] for name in studies}
  for item in items[:: max(1, len(items) // _ALONE)]:
    # What fails is counted above; what is compiled and read once is no file's.
    with contextlib.suppress(*FAULTS):
      notes = analysis.read(item)
      for name, study in studies.items():
        if not spent[name]:
          _hear(study, notes)
        spent[name].append(_hear(study, notes))
  return {
    name: {
      'mean': round(sum(times) / len(times), 2),
      'most': round(max(times), 1),
    }
    for name, times in spent.items()
    if times
  }


def _hear(study, notes) -> float:
  """Returns the CPU milliseconds that a study needs for a piece."""
  begin = time.process_time()
  found = study.analyse(notes)
  study.told(found)
  study.features(found)
  return 1000 * (time.process_time() - begin)


if __name__ == '__main__':
  sys.exit(main())
