"""Damage in checkpoints: noticed always, and never a wrong weight.

    python -m tests.integration.rot --home DIR --count 1000

Each case copies a folder of three checkpoints and damages one or more files
of the newest: a flipped bit, a file cut short, emptied, deleted or grown, two
files swapped, a file of an older step in its place, a stray file. Damage of
what is read, or of the manifest, must lead to the newest step that is left;
a stray file beside it, or damage of what Orbax stamps after the manifest,
must not keep the step from being restored as it was. What is restored is
compared with the arrays that were saved. Prints one JSON line a kind.
"""

import argparse
import collections
import json
import logging
import pathlib
import random
import shutil
import sys

import jax
import numpy as np

from aurl_jax.core.checkpoint import Checkpoints

STEPS = (1, 2, 3)
STAMPS = ('_CHECKPOINT_METADATA', 'commit_success.txt')
KINDS = (
  'flip',
  'cut',
  'empty',
  'delete',
  'grow',
  'swap',
  'older',
  'stray',
  'stray_inside',
  'both',
)


def state(step):
  """Returns arrays of a step; every value tells the step."""
  random_ = np.random.default_rng(step)
  weights = random_.normal(size=(64, 32)).astype(np.float32)
  return {
    'step': np.int32(step),
    'params': {'w': weights, 'b': np.full(32, step, np.float32)},
    'opt': {'mu': weights * 2, 'count': np.int32(step)},
  }


def fill(folder):
  """Writes the three checkpoints."""
  with Checkpoints(folder, keep=len(STEPS)) as kept:
    for step in STEPS:
      kept.save(step, state(step), {'batch': step}, metrics={'loss': step})
  return folder


def _files(step):
  return sorted(p for p in step.rglob('*') if p.is_file())


def damage(step, kind, chance):
  """Damages a step; returns the files that changed, and what was done."""
  everything = _files(step)
  path = chance.choice([p for p in everything if p.stat().st_size])
  whole = path.read_bytes()
  if kind == 'flip':
    bit = chance.randrange(8 * len(whole))
    data = bytearray(whole)
    data[bit // 8] ^= 1 << bit % 8
    path.write_bytes(data)
  elif kind == 'cut':
    path.write_bytes(whole[: chance.randrange(len(whole))])
  elif kind == 'empty':
    path.write_bytes(b'')
  elif kind == 'delete':
    path.unlink()
  elif kind == 'grow':
    path.write_bytes(whole + chance.randbytes(chance.randrange(1, 64)))
  elif kind == 'swap':
    others = [p for p in everything if p.read_bytes() != whole]
    other = chance.choice(others)
    path.write_bytes(other.read_bytes())
    other.write_bytes(whole)
    return [path, other]
  elif kind == 'older':
    older = _files(step.parent / '2')
    source = chance.choice(
      [p for p in older if p.name == path.name and p.read_bytes() != whole]
      or [p for p in older if p.stat().st_size and p.read_bytes() != whole]
    )
    shutil.copy(source, path)
  elif kind == 'stray':
    path = step / f'stray_{chance.randrange(99)}'
    path.write_bytes(chance.randbytes(chance.randrange(99)))
  elif kind == 'stray_inside':
    folders = sorted({p.parent for p in everything if p.parent != step})
    path = chance.choice(folders) / chance.choice(
      ['stray', 'manifest.ocdbt.1', '.zarray', 'checkpoint', 'metadata2']
    )
    path.write_bytes(chance.randbytes(chance.randrange(99)))
  return [path]


def case(filled, work, kind, chance, told):
  """Damages a copy and restores it; returns what is wrong, or ''.

  Args:
    filled: Folder of the three checkpoints.
    work: Where the copy goes.
    kind: One of `KINDS`.
    chance: Where places come from.
    told: List that receives what the library warns of.
  """
  shutil.rmtree(work, ignore_errors=True)
  shutil.copytree(filled, work)
  told.clear()
  left = 2
  if kind == 'both':
    damage(work / '2', chance.choice(KINDS[:5]), chance)
    changed = damage(work / '3', chance.choice(KINDS[:5]), chance)
    hurt = [p for p in _before(filled, work, 2) if p not in STAMPS]
    left = 1 if hurt else 2
  else:
    changed = damage(work / '3', kind, chance)
  names = [p.relative_to(work / '3').as_posix() for p in changed]
  harmless = all(n in STAMPS or n.startswith('stray') for n in names)
  kept = Checkpoints(work)
  restored = kept.restore(state(0))
  expected = 3 if harmless else left
  if restored.step != expected:
    return f'{names}: restored {restored.step}, not {expected}'
  if restored.extra != {'batch': expected}:
    return f'{names}: {restored.extra} beside the arrays'
  if not _same(restored.state, state(expected)):
    return f'{names}: other weights'
  noticed = 'passed over' if not harmless else 'not its own'
  silent = all(n in STAMPS for n in names)
  if not silent and not any(noticed in line for line in told):
    return f'{names}: nothing was said'
  # Training goes on over the damage.
  with kept:
    kept.save(4, state(4), {'batch': 4}, block=True)
  return '' if _same(kept.restore(state(0)).state, state(4)) else 'no step 4'


def _before(filled, work, step):
  """Yields names of a step's files that are not as they were."""
  was = {p.relative_to(filled): p.read_bytes() for p in _files(filled / '2')}
  now = {p.relative_to(work): p.read_bytes() for p in _files(work / '2')}
  for name in was.keys() | now.keys():
    if was.get(name) != now.get(name):
      yield name.relative_to(str(step)).as_posix()


def _same(left, right):
  pairs = zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True)
  return all(
    np.asarray(a).tobytes() == np.asarray(b).tobytes() for a, b in pairs
  )


class _Told(logging.Handler):
  """Collects messages."""

  def __init__(self):
    super().__init__()
    self.lines = []

  def emit(self, record):
    self.lines.append(record.getMessage())


def campaign(home, count, *, seed=0, report=print):
  """Runs so many cases, the kinds in turn; returns all faults."""
  filled, chance = fill(home / 'filled'), random.Random(seed)
  log, told = logging.getLogger('aurl_jax.core.checkpoint'), _Told()
  log.addHandler(told)
  faults = collections.defaultdict(list)
  for number in range(count):
    kind = KINDS[number % len(KINDS)]
    found = case(filled, home / 'work', kind, chance, told.lines)
    faults[kind] += [found] if found else []
  log.removeHandler(told)
  for kind in KINDS:
    cases = len(range(KINDS.index(kind), count, len(KINDS)))
    report(json.dumps({'kind': kind, 'cases': cases, 'faults': faults[kind]}))
  return [fault for kind in KINDS for fault in faults[kind]]


def main():
  """Runs the campaign; returns the exit status."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--home', type=pathlib.Path, required=True)
  parser.add_argument('--count', type=int, default=1000)
  parser.add_argument('--seed', type=int, default=0)
  args = parser.parse_args()
  logging.getLogger('absl').setLevel(logging.CRITICAL)
  return int(bool(campaign(args.home, args.count, seed=args.seed)))


if __name__ == '__main__':
  sys.exit(main())
