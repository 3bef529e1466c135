"""Memory of a training run: its peak, and whether it stays flat.

    python tools/bench/memory.py [--steps 20] [--page quickstart]
    python tools/bench/memory.py --flat [--steps 10000] [--page tiny:test]

The first runs the page as a user does, in a process and a folder of its own,
from the embedded corpus to the written pieces; `ours` is the largest resident
size of any of its processes, `theirs` the limit that the project sets itself.
Fewer steps take no less memory: every program is compiled and every page
written.

The second trains many small steps with evaluation, samples and checkpoints,
and fits lines to the memory over the steps: `resident` is the process,
`device` what lies on its devices, `heap` what the C library has handed out
and not got back: it tells a leak from a heap with holes. `slope` is in MB per
1,000 steps after the first quarter, in which the heap finds its size (it is
tidied now and then, see `parallel.host`), `late` over the last half; `rise` is
what the first quarter adds to its own first tenth.
"""

import argparse
import ctypes
import json
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import threading

import harness
import numpy as np

LIMIT = 2.0
"""GB (10^9 bytes)."""
FLAT = 1.0
"""MB per 1,000 steps."""
_PAUSE = 0.25
_SETTINGS = {
  'train.log_every': 20,
  'train.evaluate_every': 250,
  'train.evaluate_batches': 2,
  'train.checkpoint_every': 250,
  'train.sample_every': 500,
  'train.batch_size': 4,
  'model.context': 64,
  'generate.n': 1,
}


def main() -> int:
  """Runs the page and prints the line; returns the exit status."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--flat', action='store_true')
  parser.add_argument('--steps', type=int)
  parser.add_argument('--page')
  parser.add_argument('--set', action='append', default=[], metavar='K=V')
  args = parser.parse_args()
  if args.flat:
    return flat(args.page or 'tiny:test', args.steps or 10_000, args.set)
  return peak(args.page or 'quickstart', args.steps or 20)


def peak(page: str, steps: int) -> int:
  """Compares the largest resident size of a run with the limit."""
  with tempfile.TemporaryDirectory() as folder:
    command = [
      *(sys.executable, '-m', 'aurl_jax.main'),
      *(f'--config={page}', f'--workdir={folder}/run'),
      f'--config.train.steps={steps}',
      f'--config.train.evaluate_every={steps}',
    ]
    # A cache of its own: the preparation counts.
    environ = os.environ | {'AURL_CACHE': folder}
    subprocess.run(command, env=environ, check=True, stdout=sys.stderr)
  largest = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e9
  harness.report(
    f'memory.{page}',
    'limit',
    'GB (less is better)',
    ours=largest,
    theirs=LIMIT,
  )
  return int(largest >= LIMIT)


def flat(page: str, steps: int, settings: list[str]) -> int:
  """Trains and fits lines to the memory; 1 if one of them rises."""
  from aurl_jax.experiment import pages, train
  from aurl_jax.experiment.workdir import Workdir

  changes = [f'{name}={value}' for name, value in _SETTINGS.items()]
  config = pages.load(page, [*changes, f'train.steps={steps}', *settings])
  with tempfile.TemporaryDirectory() as folder:
    workdir = Workdir(pathlib.Path(folder) / 'run')
    watch = Watch(workdir.metrics)
    watch.start()
    train.run(config, workdir, quiet=True)
    watch.stop()
  if os.environ.get('AURL_MEMORY_TRACE'):
    np.save(os.environ['AURL_MEMORY_TRACE'], watch.points)
  line = {'bench': 'memory.flat', 'page': page, 'steps': steps}
  line |= {'unit': 'MB per 1,000 steps', 'limit': FLAT, **watch.slopes()}
  print(json.dumps(line), flush=True)
  rising = [line['resident'][k] for k in ('slope', 'late')]
  rising += [line['device'][k] for k in ('slope', 'late')]
  return int(max(rising) >= FLAT)


class Watch(threading.Thread):
  """Notes the memory of this process beside its steps, while it trains."""

  def __init__(self, metrics: pathlib.Path) -> None:
    super().__init__(daemon=True)
    self._metrics = metrics
    self._done = threading.Event()
    self.points: list[tuple[int, float, float, float]] = []

  def run(self) -> None:
    """Notes step, resident, device and heap in MB, until it is stopped."""
    while not self._done.wait(_PAUSE):
      step = self._step()
      if step:
        self.points.append((step, resident(), device(), heap()))

  def stop(self) -> None:
    """Ends the thread."""
    self._done.set()
    self.join()

  def slopes(self) -> dict[str, dict[str, float]]:
    """Returns lines through the points, in MB per 1,000 steps."""
    points = np.array(self.points, np.float64)
    last = points[:, 0].max()
    # What follows the last step happens once.
    steps, *columns = points[points[:, 0] < last].T
    warm, late = steps > last / 4, steps > last / 2
    begun = steps > last / 40
    result: dict[str, dict[str, float]] = {}
    names = ('resident', 'device', 'heap')
    for name, values in zip(names, columns, strict=True):
      result[name] = {
        'slope': round(slope(steps[warm], values[warm]), 4),
        'late': round(slope(steps[late], values[late]), 4),
        'rise': round(float(values[warm][0] - values[begun][0]), 1),
        'first': round(float(values[warm][0]), 1),
        'last': round(float(values[-1]), 1),
      }
    return result | {'points': len(steps)}

  def _step(self) -> int:
    """Returns the newest logged step, or 0; reads the file's end only."""
    if not self._metrics.is_file():
      return 0
    with self._metrics.open('rb') as file:
      file.seek(max(0, self._metrics.stat().st_size - 4096))
      whole = file.read().rpartition(b'\n')[0].splitlines()
    return json.loads(whole[-1])['step'] if whole else 0


def slope(steps: np.ndarray, values: np.ndarray) -> float:
  """Returns the least-squares slope per 1,000 steps."""
  return float(np.polyfit(steps, values, 1)[0] * 1000)


def resident() -> float:
  """Returns the resident size of this process, MB (10^6 bytes)."""
  pages = int(pathlib.Path('/proc/self/statm').read_text().split()[1])
  return pages * resource.getpagesize() / 1e6


class _Mallinfo(ctypes.Structure):
  """`struct mallinfo2` of mallinfo(3)."""

  _fields_ = tuple(
    (name, ctypes.c_size_t)
    for name in (
      *('arena', 'ordblks', 'smblks', 'hblks', 'hblkhd', 'usmblks'),
      *('fsmblks', 'uordblks', 'fordblks', 'keepcost'),
    )
  )


def heap() -> float:
  """Returns what malloc has handed out, MB; 0 without glibc's mallinfo2."""
  libc = ctypes.CDLL(None)
  if not hasattr(libc, 'mallinfo2'):
    return 0.0
  libc.mallinfo2.restype = _Mallinfo
  found = libc.mallinfo2()
  return (found.uordblks + found.hblkhd) / 1e6


def device() -> float:
  """Returns what lies on the devices of this process, MB (10^6 bytes)."""
  import jax

  stats = [device.memory_stats() for device in jax.local_devices()]
  if all(stats):
    return sum(found['bytes_in_use'] for found in stats) / 1e6
  # A CPU does not tell; its arrays do. One may go away while it is asked.
  return sum(array.nbytes for array in jax.live_arrays()) / 1e6


if __name__ == '__main__':
  sys.exit(main())
