"""Fresh mutations of sound MIDI files, read in processes that may die.

  python tools/mutate_midi.py [FOLDER] [--count 20000] [--seed 1]

FOLDER holds sound files (by default AURL_DATA). Each is broken 20 times by
the mutators of `tests/music/broken.py`, which know what they did: what only
harms the shape must be mended (`repair`), what is odd must be read (`parse`),
what harms events must be mended too, or refused where no note is left
untouched. Random bytes may make another sound file, so of those only crashes,
time, memory and repair that lasts are judged. Notes that must come back are
those whose message begins before the first changed byte or behind the last.

A worker that takes over 5 s for a file is killed and that file counted; peak
resident memory is reset before each file. Prints one JSON line; exits with 1
if a file crashed, took too long or over 500 MB, or labels agree for less than
95 %, or less than 93 % of the notes came back.
"""

import argparse
import collections
import faulthandler
import json
import os
import pathlib
import random
import selectors
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from aurl_jax.core.errors import MidiError  # noqa: E402
from aurl_jax.music import midi, midi_native  # noqa: E402
from tests.music import broken, smf  # noqa: E402

_SECONDS, _MEGABYTES = 5, 500
_EACH = 20
"""Mutations of one file."""
_LARGEST = 40_000
"""Bytes of a file that is broken; larger ones only take longer."""
_BROKEN = smf.file(smf.track(*smf.NOTE, *[(0, b'\xff\x80' * 9)], *smf.NOTE * 9))
"""Makes the reader look for where a track makes sense again."""
_MUTATORS = (*broken.MENDED, *broken.ODD, *broken.LOSING, *broken.UNSEEN)


def main() -> int:
  """Runs all mutations; returns the exit status."""
  args = _arguments()
  if args.worker:
    return _work(args)
  rows = []
  for row in _rows(args):
    rows.append(row)
    if row['outcome'] in ('crash', 'timeout'):
      print(json.dumps(row), file=sys.stderr)
  summary = _summary(rows, args)
  print(json.dumps(summary, indent=2 if args.verbose else None))
  good = not any(
    summary[name] for name in ('crashes', 'timeouts', 'over_memory')
  )
  good = good and summary['agreement'] >= 0.95 and summary['recall'] >= 0.93
  return not (good and not summary['not_idempotent'])


def _arguments() -> argparse.Namespace:
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  data = pathlib.Path(os.environ.get('AURL_DATA', '../shared/data'))
  parser.add_argument('folder', nargs='?', type=pathlib.Path, default=data)
  parser.add_argument('--count', type=int, default=20_000)
  parser.add_argument('--seed', type=int, default=1)
  parser.add_argument('--verbose', action='store_true')
  parser.add_argument('--worker', action='store_true', help=argparse.SUPPRESS)
  parser.add_argument('--first', type=int, default=0, help=argparse.SUPPRESS)
  return parser.parse_args()


def _rows(args: argparse.Namespace):
  """Yields what became of each file; starts workers anew that died."""
  first = 0
  while first < args.count:
    for row in _of_worker(args, first):
      yield row
      first = row['index'] + 1


def _of_worker(args: argparse.Namespace, first: int):
  command = [
    sys.executable, __file__, str(args.folder), '--worker',
    f'--count={args.count}', f'--seed={args.seed}', f'--first={first}',
  ]  # fmt: skip
  worker = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
  ready = selectors.DefaultSelector()
  ready.register(worker.stdout, selectors.EVENT_READ)
  begun = None
  try:
    while True:
      # A file is announced before it is read; starting takes its own time.
      if begun is not None and not ready.select(_SECONDS):
        worker.kill()
        yield begun | {'outcome': 'timeout'}
        return
      line = worker.stdout.readline()
      if not line:
        if begun is not None:
          yield begun | {'outcome': 'crash', 'error': 'the process died'}
        elif worker.wait():
          raise SystemExit('a worker could not start')
        return
      row = json.loads(line)
      begun = row if 'outcome' not in row else None
      if begun is None:
        yield row
  finally:
    worker.kill()
    worker.wait()
    worker.stdout.close()


def _work(args: argparse.Namespace) -> int:
  faulthandler.enable()
  paths = sorted(args.folder.rglob('*.mid'))
  paths = [path for path in paths if path.stat().st_size <= _LARGEST]
  random.Random(args.seed).shuffle(paths)
  if not paths:
    sys.exit(f'no MIDI files in {args.folder}')
  while not midi_native.pays(1 << 20, 1e-6):
    continue
  # Loading, and at the first time compiling, is no part of reading a file.
  midi.read(paths[0].read_bytes())
  midi.read(_BROKEN)
  index, turn = 0, 0
  while index < args.count:
    data = paths[turn % len(paths)].read_bytes()
    turn += 1
    if not _is_sound(data):
      continue
    for _ in range(min(_EACH, args.count - index)):
      if index >= args.first:
        _one(data, index, args.seed)
      index += 1
  return 0


def _is_sound(data: bytes) -> bool:
  try:
    reading = midi.read(data)
  except MidiError:
    return False
  return bool(len(reading.notes)) and not (reading.issues or reading.remarks)


def _one(data: bytes, index: int, seed: int) -> None:
  """Breaks a file, announces it, reads it and prints what came of it."""
  source = random.Random(f'{seed}/{index}')
  mutate = source.choice(_MUTATORS)
  row = {'index': index, 'mutator': mutate.__name__}
  changed = mutate(data, source)
  row['expected'] = _expected(mutate)
  row['notes'] = _untouched(data, changed)
  print(json.dumps(row), flush=True)
  _reset_peak()
  start = time.process_time()
  try:
    row |= _judge(changed)
  except Exception as error:  # noqa: BLE001 - any other error is the finding
    row |= {'outcome': 'crash', 'error': repr(error)}
  row |= {'seconds': time.process_time() - start, 'peak_mb': _peak()}
  row['kb'] = len(changed) / 1000
  print(json.dumps(row), flush=True)


def _expected(mutate) -> str:
  if mutate in broken.MENDED:
    return 'repair'
  if mutate in broken.ODD:
    return 'parse'
  return 'repair_or_reject' if mutate in broken.LOSING else 'any'


def _untouched(data: bytes, changed: bytes) -> int:
  """Returns how many notes begin outside of what was changed."""
  head = _alike(data, changed)
  last = len(data) - _alike(data[::-1], changed[::-1])
  running, notes = 0, 0
  for status, start, end in broken.messages(data):
    running = running if status is None else data[status]
    outside = end <= head or (start if status is None else status) >= last
    notes += outside and running & 0xF0 == 0x90 and data[start + 1] > 0
  return notes


def _alike(first: bytes, second: bytes) -> int:
  """Returns how many bytes are the same from the start on."""
  size = min(len(first), len(second))
  low, high = 0, size
  while low < high:
    middle = (low + high + 1) // 2
    if first[:middle] == second[:middle]:
      low = middle
    else:
      high = middle - 1
  return low


def _judge(changed: bytes) -> dict:
  try:
    reading = midi.read(changed)
  except MidiError as error:
    return {'outcome': 'reject', 'found': 0, 'codes': [error.code]}
  reading.notes.check()
  again = midi.read(midi.write(reading.notes))
  return {
    'outcome': 'repair' if reading.issues else 'parse',
    'found': len(reading.notes),
    'codes': sorted({issue.code for issue in reading.issues}),
    'lasts': again.notes == reading.notes and not again.issues,
  }


def _reset_peak() -> None:
  pathlib.Path('/proc/self/clear_refs').write_text('5')


def _peak() -> float:
  status = pathlib.Path('/proc/self/status').read_text()
  line = next(line for line in status.splitlines() if 'VmHWM' in line)
  return int(line.split()[1]) / 1000


def _agrees(row: dict) -> bool:
  expected, outcome = row['expected'], row['outcome']
  if expected == 'repair_or_reject':
    return outcome == 'repair' or (outcome == 'reject' and not row['notes'])
  return outcome == expected


def _summary(rows: list[dict], args: argparse.Namespace) -> dict:
  outcomes = collections.Counter(row['outcome'] for row in rows)
  judged = [row for row in rows if row['expected'] != 'any']
  wrong = collections.Counter(
    (row['mutator'], row['outcome']) for row in judged if not _agrees(row)
  )
  mended = [
    min(1, row.get('found', 0) / row['notes'])
    for row in judged
    if row['notes'] and row['expected'] != 'parse'
  ]
  lost = [row['index'] for row in rows if not row.get('lasts', True)]
  heavy = [row for row in rows if row.get('peak_mb', 0) > _MEGABYTES]
  found = [row for row in rows if row['outcome'] in ('crash', 'timeout')]
  return {
    'files': len(rows),
    'seed': args.seed,
    'crashes': outcomes['crash'],
    'timeouts': outcomes['timeout'],
    'over_memory': len(heavy),
    'not_idempotent': len(lost),
    'judged': len(judged),
    'agreement': round(sum(map(_agrees, judged)) / max(1, len(judged)), 5),
    'recall': round(sum(mended) / max(1, len(mended)), 5),
    'largest_peak_mb': max((row.get('peak_mb', 0) for row in rows), default=0),
    'longest_s': max((row.get('seconds', 0) for row in rows), default=0),
    'outcomes': dict(outcomes),
    'disagreements': {f'{a}: {b}': n for (a, b), n in wrong.most_common()},
    'indices': [row['index'] for row in [*found, *heavy]][:20] + lost[:20],
  }


if __name__ == '__main__':
  sys.exit(main())
