"""Seconds and memory of a report on 1,000 pieces against 1,000.

  python tools/bench/appraise.py [FOLDER] [--pieces 1000] [--jobs 2]

FOLDER holds MIDI files, in subfolders or not (by default pop909 of AURL_DATA).
A set is as many of its files, from all over it, as are asked for; the other one
is as many, spoilt a little (bars shuffled), as files too. Where there are too
few files, some stand in a set more than once. `aurl evaluate` then does all but
sound, in a process of its own: reading, metrics, distances, latents,
progressions, originality against the reference, the page. Told are its
wall-clock seconds, and the most memory that it and its workers had at once
(`peak`), the same for a quarter of the pieces (`peak_of_a_quarter`). One JSON
line.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

from aurl_jax.evaluation import corruption
from aurl_jax.music import midi

_EVERY_SECONDS = 0.2
_MB = 1e6


def main() -> int:
  """Measures, prints the line and returns the exit status."""
  parser = argparse.ArgumentParser(description=__doc__)
  home = os.environ.get('AURL_DATA', '../shared/data')
  parser.add_argument('folder', nargs='?', default=f'{home}/pop909')
  parser.add_argument('--pieces', type=int, default=1000, help='of a set')
  parser.add_argument('--jobs', type=int, default=2)
  args = parser.parse_args()
  files = sorted(pathlib.Path(args.folder).rglob('*.mid'))
  if not files:
    print(f'error: {args.folder} holds no MIDI files', file=sys.stderr)
    return 2
  line = {'bench': 'appraise', 'pieces': args.pieces, 'jobs': args.jobs}
  with tempfile.TemporaryDirectory() as folder:
    root = pathlib.Path(folder)
    few = max(args.pieces // 4, 2)
    for name, count in (('few', few), ('all', args.pieces)):
      sets(root / name, files, count)
      seconds, peak = timed(root / name, args.jobs)
      if name == 'few':
        line['peak_of_a_quarter_megabytes'] = round(peak / _MB)
      else:
        line |= {'seconds': round(seconds, 1)}
        line |= {'peak_megabytes': round(peak / _MB)}
  print(json.dumps(line))
  return 0


def sets(root: pathlib.Path, files: list[pathlib.Path], count: int) -> None:
  """Writes both sets as folders of files."""
  for name, first in (('made', 0), ('real', 1)):
    (root / name).mkdir(parents=True)
    for number in range(count):
      path = files[(number * len(files) // count + first) % len(files)]
      notes = midi.read(path).notes
      if name == 'made':
        notes = corruption.shuffled_bars(notes, 0.2, number)
      midi.write(notes, root / name / f'{number}.mid')


def timed(root: pathlib.Path, jobs: int) -> tuple[float, int]:
  """Returns the seconds of a report, and the most bytes in memory."""
  command = [sys.executable, '-m', 'aurl_jax.cli', 'evaluate', '--json']
  command += ['--model', str(root / 'made'), '--reference', str(root / 'real')]
  command += ['--training', str(root / 'real'), '--jobs', str(jobs)]
  command += ['--out', str(root / 'out')]
  begin, peak = time.perf_counter(), 0
  with (root / 'told').open('wb') as told:
    process = subprocess.Popen(command, stdout=told)
    while process.poll() is None:
      peak = max(peak, memory(process.pid))
      time.sleep(_EVERY_SECONDS)
  if process.returncode:
    raise SystemExit(f'{" ".join(command)} ended with {process.returncode}')
  return time.perf_counter() - begin, peak


def memory(pid: int) -> int:
  """Returns the bytes that a process and its children have in memory."""
  try:
    home = pathlib.Path('/proc', str(pid))
    pages = int((home / 'statm').read_text().split()[1])
    children = (home / 'task' / str(pid) / 'children').read_text().split()
  except (OSError, IndexError):
    return 0
  own = pages * os.sysconf('SC_PAGE_SIZE')
  return own + sum(memory(int(child)) for child in children)


if __name__ == '__main__':
  sys.exit(main())
