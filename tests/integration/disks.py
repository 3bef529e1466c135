"""Full and read-only disks: the checkpoints that are there stay whole.

    python -m tests.integration.disks --home DIR --moments 50

On a tmpfs of its own (root only). Half of the moments: a random amount of
space is left, and saves of a random size go on until none is. The other
half: the disk is remounted read-only while saves go on. Each time the save
must fail with the code `disk_full` or `read_only`, every checkpoint that was
complete must restore as it was saved, and once there is space again, or the
disk can be written, the same step must be saved. Prints one JSON line a
kind.
"""

import argparse
import collections
import contextlib
import json
import logging
import pathlib
import random
import shutil
import subprocess
import sys
import threading
import time

import numpy as np

from aurl_jax.core.checkpoint import Checkpoints
from aurl_jax.core.errors import CheckpointError

SIZE = 24 << 20
_TIMES = 400


def mount(folder):
  """Mounts a small tmpfs; returns why it could not, or ''."""
  folder.mkdir(parents=True, exist_ok=True)
  words = ['mount', '-t', 'tmpfs', '-o', f'size={SIZE}', 'tmpfs', str(folder)]
  try:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
  except FileNotFoundError as error:
    return str(error)
  return done.stderr if done.returncode else ''


def unmount(folder):
  """Takes it away again, with whatever it holds."""
  subprocess.run(['umount', '-l', str(folder)], check=False)


def remount(folder, how):
  """Makes it read-only (`ro`) or writable (`rw`), once it is not busy."""
  for _ in range(_TIMES):
    words = ['mount', '-o', f'remount,{how}', str(folder)]
    if not subprocess.run(words, capture_output=True, check=False).returncode:
      return True
    time.sleep(0.005)
  return False


def state(step, size):
  """Returns noise, which no compression makes smaller; tells the step."""
  noise = np.random.default_rng(step).integers(0, 256, size, np.uint8)
  return {'step': np.int32(step), 'noise': noise}


def whole(folder, sizes):
  """Returns what is wrong with the checkpoints that had been completed."""
  faults = []
  for step, size in sizes.items():
    found = Checkpoints(folder).restore(state(0, size), step).state
    if not np.array_equal(found['noise'], state(step, size)['noise']):
      faults.append(f'step {step} differs')
  return faults


def _until_it_fails(kept, chance, sizes):
  """Saves one step after the other; returns the failed one and its error."""
  for step in range(1, _TIMES):
    size = chance.randrange(1000, 600_000)
    try:
      kept.save(step, state(step, size), {'batch': step}, block=True)
    except CheckpointError as error:
      return step, size, error
    sizes[step] = size
  return _TIMES, 0, None


def full(folder, chance):
  """Fills the disk to a random level and saves; returns what is wrong."""
  sizes = {}
  ballast = folder / 'ballast'
  with Checkpoints(folder / 'checkpoints', keep=_TIMES) as kept:
    kept.save(0, state(0, 1000), block=True)
    sizes[0] = 1000
    free = shutil.disk_usage(folder).free
    with contextlib.suppress(OSError), open(ballast, 'wb') as file:
      file.write(bytes(free - chance.randrange(0, 3 << 20)))
    step, size, error = _until_it_fails(kept, chance, sizes)
    faults = [] if _code(error) == 'disk_full' else [repr(error)]
    faults += whole(kept.folder, sizes)
    ballast.unlink()
    kept.save(step, state(step, size), {'batch': step}, block=True)
  return faults + whole(folder / 'checkpoints', sizes | {step: size})


def read_only(folder, chance):
  """Takes the right to write away in the midst of saves."""
  sizes = {}
  with Checkpoints(folder / 'checkpoints', keep=_TIMES) as kept:
    kept.save(0, state(0, 1000), block=True)
    sizes[0] = 1000
    delay = chance.uniform(0, 0.5)
    done = []
    later = threading.Timer(delay, lambda: done.append(remount(folder, 'ro')))
    later.start()
    try:
      step, size, error = _until_it_fails(kept, chance, sizes)
    finally:
      later.join()
    if not done[0]:
      return ['could not be remounted']
    faults = [] if _code(error) == 'read_only' else [repr(error)]
    faults += whole(kept.folder, sizes)
    remount(folder, 'rw')
    kept.save(step, state(step, size), {'batch': step}, block=True)
  return faults + whole(folder / 'checkpoints', sizes | {step: size})


def _code(error):
  return getattr(error, 'code', None)


def campaign(home, moments, *, seed=0, report=print):
  """Goes through so many moments; returns all faults.

  Raises:
    PermissionError: Mounting is refused here.
  """
  chance, faults = random.Random(seed), collections.defaultdict(list)
  folder = home / 'disk'
  kinds = (full, read_only)
  for moment in range(moments):
    if said := mount(folder):
      raise PermissionError(said)
    kind = kinds[moment % 2]
    try:
      faults[kind.__name__] += kind(folder, chance)
    finally:
      unmount(folder)
  for number, kind in enumerate(kinds):
    found = faults[kind.__name__]
    count = len(range(number, moments, 2))
    line = {'kind': kind.__name__, 'moments': count, 'faults': found}
    report(json.dumps(line))
  return [fault for found in faults.values() for fault in found]


def main():
  """Runs the campaign; returns the exit status."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--home', type=pathlib.Path, required=True)
  parser.add_argument('--moments', type=int, default=50)
  parser.add_argument('--seed', type=int, default=0)
  args = parser.parse_args()
  logging.getLogger('absl').setLevel(logging.CRITICAL)
  try:
    return int(bool(campaign(args.home, args.moments, seed=args.seed)))
  except PermissionError as error:
    print(f'nothing was tried: {error}', file=sys.stderr)
    return 2


if __name__ == '__main__':
  sys.exit(main())
