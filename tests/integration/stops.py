"""SIGTERM and SIGINT at random moments: saved, exit 3, an exact resume.

    python -m tests.integration.stops --home DIR --moments 30 [--set KEY=VALUE]

One run is stopped again and again, and started by the same command. Each
stop must end within 30 seconds with exit code 3 and a checkpoint of the last
step that the log has, equal to that step of an unbroken run; the next 20
batches, too. Prints one JSON line a stop, and one in the end; exits with 1
if anything differed.
"""

import argparse
import json
import pathlib
import random
import shutil
import signal
import sys
import time

from tests.integration import victim as victim_lib

LIMIT = 30


def stop(broken, chance):
  """Starts the victim and stops it; None if it ended first.

  It may end with 0 although it got the signal: where that came once the last
  step was done, nothing is left to go on with. The end is judged then.
  """
  process = broken.start()
  broken.wait_for_loop(process)
  time.sleep(chance.uniform(0, 2))
  if process.poll() is not None:
    assert process.returncode == 0, process.communicate()[0]
    return None
  number = chance.choice([signal.SIGTERM, signal.SIGINT])
  process.send_signal(number)
  start = time.monotonic()
  said, _ = process.communicate(timeout=10 * LIMIT)
  if process.returncode == 0:
    return None
  return {
    'signal': number.name,
    'code': process.returncode,
    'seconds': round(time.monotonic() - start, 2),
    'said': said[-500:],
  }


def judge(broken, unbroken, reader, result):
  """Returns what is wrong after a stop, as a list of texts."""
  faults = []
  if result['code'] != 3:
    faults.append(f'exit {result["code"]}')
  if result['seconds'] > LIMIT:
    faults.append(f'took {result["seconds"]} s')
  last = broken.records()[-1]['step']
  newest = broken.committed()[-1]
  if newest != last:
    faults.append(f'step {last} was done, {newest} is saved')
  step, digests, extra = reader.state(broken.checkpoints)
  wanted = unbroken.records()[:last]
  if broken.records() != wanted:
    faults.append('the log differs')
  # Steps between the unbroken run's checkpoints are judged by the batches
  # and by the end.
  same = (step, digests, extra)
  if step in unbroken.committed() and same != reader.state(
    unbroken.checkpoints, step
  ):
    faults.append(f'step {step} differs')
  start = reader.batches(count=step + victim_lib.NEXT)[step:]
  if reader.batches(extra) != start:
    faults.append(f'the batches after step {step} differ')
  return faults


def campaign(home, *, moments, steps=1500, seed=0, settings=None, report=print):
  """Stops one run so often; returns all faults."""
  chance, faults = random.Random(seed), []
  settings = {'seed': seed, 'train.steps': steps} | (settings or {})
  unbroken = victim_lib.Victim(
    home, 'whole', **settings, **{'logging.keep_checkpoints': 10**6}
  )
  code, said = unbroken.run()
  assert code == 0, said
  reader = victim_lib.Reader(unbroken)
  broken = victim_lib.Victim(home, 'stopped', **settings)
  done = ends = 0
  while done < moments:
    result = stop(broken, chance)
    if result is None:
      ends += 1
      faults += _judge_end(broken, unbroken, reader)
      shutil.rmtree(broken.workdir)
      continue
    done += 1
    found = judge(broken, unbroken, reader, result)
    faults += found
    if not found:
      del result['said']
    report(json.dumps({'stop': done, **result, 'faults': found}))
  code, said = broken.run()
  assert code == 0, said
  faults += _judge_end(broken, unbroken, reader)
  report(json.dumps({'stops': done, 'ends': ends + 1, 'faults': len(faults)}))
  return faults


def _judge_end(broken, unbroken, reader):
  faults = []
  if broken.records() != unbroken.records():
    faults.append('the log differs in the end')
  ends = [reader.state(v.checkpoints) for v in (broken, unbroken)]
  if ends[0] != ends[1]:
    faults.append('the last checkpoint differs')
  return faults


def main():
  """Runs the campaign; returns the exit status."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--home', type=pathlib.Path, required=True)
  parser.add_argument('--moments', type=int, default=30)
  parser.add_argument('--steps', type=int, default=1500)
  parser.add_argument('--seed', type=int, default=0)
  parser.add_argument('--set', action='append', default=[])
  args = parser.parse_args()
  faults = campaign(
    args.home,
    moments=args.moments,
    steps=args.steps,
    seed=args.seed,
    settings=dict(pair.split('=', 1) for pair in args.set),
    report=lambda line: print(line, flush=True),
  )
  return int(bool(faults))


if __name__ == '__main__':
  sys.exit(main())
