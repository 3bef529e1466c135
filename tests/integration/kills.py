"""kill -9 at random moments: no committed checkpoint may be lost.

    python -m tests.integration.kills --home DIR --moments 17 --inside 4 \
      --seeds 0 1 2

For each seed an unbroken run keeps every checkpoint. Another run of the seed
is killed again and again, started by the same command each time. After every
kill each checkpoint on its disk must be bit-equal (parameters, optimiser,
random key, and the JSON beside them) to that of the unbroken run, the next
20 batches too, and none that had been committed may be gone. In the end it
is let run out and its log must be that of the unbroken run. Prints one JSON
line a kill, and one a seed; exits with 1 if anything differed.
"""

import argparse
import json
import pathlib
import random
import shutil
import sys
import time

from tests.integration import victim as victim_lib

KEEP = 3
_TRIES = 40


class Unbroken:
  """What an unbroken run of a seed left, digested when asked for."""

  def __init__(self, home, seed, steps):
    self.victim = victim_lib.Victim(
      home,
      f'unbroken_{seed}',
      **{'seed': seed, 'train.steps': steps, 'logging.keep_checkpoints': 10**6},
    )
    code, said = self.victim.run()
    assert code == 0, said
    self.reader = victim_lib.Reader(self.victim)
    self._states = {}

  def state(self, step):
    """Returns digests and the JSON of a step."""
    if step not in self._states:
      self._states[step] = self.reader.state(self.victim.checkpoints, step)
    return self._states[step]


def judge(broken, unbroken, seen):
  """Returns what is wrong after a kill, as a list of texts.

  Args:
    broken: The victim.
    unbroken: What it is compared with.
    seen: Steps that were committed before the kill.
  """
  faults, now = [], broken.committed()
  must = sorted({*seen, *now})[-KEEP:]
  faults += [f'step {s} is lost' for s in must if s in seen and s not in now]
  for step in now:
    found = unbroken.reader.state(broken.checkpoints, step)
    if found != unbroken.state(step):
      faults.append(f'step {step} differs from the unbroken run')
  if now:
    step, _, extra = unbroken.reader.state(broken.checkpoints)
    if step != now[-1]:
      faults.append(f'goes on from {step}, not from {now[-1]}')
    wanted = unbroken.reader.batches(unbroken.state(step)[2])
    if unbroken.reader.batches(extra) != wanted:
      faults.append(f'the batches after step {step} differ')
  return faults


def strike(broken, chance, *, inside):
  """Starts the victim and kills it; returns what was seen, None if it ended.

  Args:
    broken: The victim.
    chance: Where moments come from.
    inside: Whether the moment must lie inside a save.
  """
  process = broken.start()
  if inside:
    broken.wait_for_save(process, timeout=300)
    time.sleep(chance.uniform(0, 0.03))
  elif chance.random() < 0.2:
    # Also while it starts, restores and compiles.
    time.sleep(chance.uniform(0, 8))
  else:
    broken.wait_for_loop(process)
    time.sleep(chance.uniform(0, 2))
  seen = broken.committed()
  ended = process.poll() is not None
  said = victim_lib.kill(process)
  if ended and process.returncode:
    raise RuntimeError(said)
  return None if ended else {'seen': seen, 'inside': broken.saving()}


def campaign(home, seed, *, moments, inside, steps, report=print):
  """Kills one run so often; returns all faults."""
  chance, faults = random.Random(seed), []
  unbroken = Unbroken(home, seed, steps)
  settings = {'seed': seed, 'train.steps': steps}
  broken = victim_lib.Victim(
    home, f'broken_{seed}', **settings, **{'logging.keep_checkpoints': KEEP}
  )
  done = hits = tries = 0
  while done < moments and tries < moments + _TRIES:
    tries += 1
    wanted = inside - hits >= moments - done or (
      hits < inside and chance.random() < inside / moments
    )
    result = strike(broken, chance, inside=wanted)
    if result is None:
      # It came to its end: begin anew.
      shutil.rmtree(broken.workdir)
      continue
    if wanted and not result['inside']:
      continue
    done, hits = done + 1, hits + result['inside']
    found = judge(broken, unbroken, result['seen'])
    faults += found
    report(json.dumps({'seed': seed, 'kill': done, **result, 'faults': found}))
  code, said = broken.run()
  if code or broken.records() != unbroken.victim.records():
    faults.append(f'the end differs (exit {code}): {said[-2000:]}')
  if broken.committed()[-1:] != [steps] or judge(broken, unbroken, []):
    faults.append('the last checkpoint differs')
  line = {'seed': seed, 'kills': done, 'inside': hits, 'faults': len(faults)}
  report(json.dumps(line))
  return faults


def main():
  """Runs the campaign; returns the exit status."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--home', type=pathlib.Path, required=True)
  parser.add_argument('--moments', type=int, default=17, help='for each seed')
  parser.add_argument('--inside', type=int, default=4, help='of these')
  parser.add_argument('--steps', type=int, default=1500)
  parser.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2])
  args = parser.parse_args()
  faults = []
  for seed in args.seeds:
    faults += campaign(
      args.home,
      seed,
      moments=args.moments,
      inside=args.inside,
      steps=args.steps,
      report=lambda line: print(line, flush=True),
    )
  return int(bool(faults))


if __name__ == '__main__':
  sys.exit(main())
