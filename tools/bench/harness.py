"""Peer and ours in turn: the measuring that every benchmark here shares.

A comparison runs both sides alternately, so that a machine that slows down
slows both; the first round warms up and does not count; the median of the
rates is what is reported. One JSON line a comparison:

  {"bench", "peer", "unit", "ours", "theirs", "ratio"}

`ours` and `theirs` are in `unit` (more is better); `ratio` is ours / theirs.
"""

import gc
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

CPU = time.process_time
"""Clock for work of one thread on a machine that does other things too."""

_LEAST = 0.5
"""Seconds that a round lasts at least: the clock ticks coarsely, and a round
begins with caches that the other side has filled."""

Work = Callable[[], int | float]
"""Does a round of work and returns how many units it did."""


def rate(work: Work, clock: Callable[[], float] = time.perf_counter) -> float:
  """Returns units a second of `work`, called until `_LEAST` seconds passed."""
  # What the other side left behind is not collected at this one's cost.
  gc.collect()
  units: int | float = 0
  start = clock()
  while (passed := clock() - start) < _LEAST:
    units += work()
  return units / passed


def compare(
  bench: str,
  peer: str,
  unit: str,
  *,
  ours: Work,
  theirs: Work,
  rounds: int = 5,
  clock: Callable[[], float] = time.perf_counter,
) -> dict[str, Any]:
  """Runs both sides in turn, prints the JSON line and returns it.

  Args:
    bench: Name of the benchmark, such as `ingest.remi`.
    peer: Name and version of what ours is measured against.
    unit: What a second is counted in, such as `files/s`.
    ours: One round of our work; returns its units. Must wait for results
      (`jax.block_until_ready`) before it returns.
    theirs: One round of the peer's work.
    rounds: Rounds that count, after one that warms up.
    clock: `time.process_time` counts CPU seconds of this process, which is
      the fair one for single-threaded work on a busy machine.
  """
  sides: dict[str, list[float]] = {'ours': [], 'theirs': []}
  for _ in range(rounds + 1):
    sides['theirs'].append(rate(theirs, clock))
    sides['ours'].append(rate(ours, clock))
  medians = {k: statistics.median(v[1:]) for k, v in sides.items()}
  return report(bench, peer, unit, **medians)


def compare_commands(
  bench: str,
  peer: str,
  unit: str,
  *,
  ours: Sequence[str],
  theirs: Sequence[str],
  rounds: int = 3,
  env: Mapping[str, str] | None = None,
) -> dict[str, Any]:
  """Like `compare`, with each round of a side in a process of its own.

  For sides that cannot share a process (device counts, thread pools). A
  command's last line on stdout is its rate in `unit`, as a bare number; it
  warms itself up.
  """
  sides: dict[str, list[float]] = {'ours': [], 'theirs': []}
  for _ in range(rounds):
    sides['theirs'].append(_command_rate(theirs, env))
    sides['ours'].append(_command_rate(ours, env))
  medians = {k: statistics.median(v) for k, v in sides.items()}
  return report(bench, peer, unit, **medians)


def _command_rate(
  command: Sequence[str], env: Mapping[str, str] | None
) -> float:
  done = subprocess.run(
    list(command), env=env, stdout=subprocess.PIPE, text=True, check=True
  )
  return float(done.stdout.strip().splitlines()[-1])


def report(
  bench: str, peer: str, unit: str, *, ours: float, theirs: float
) -> dict[str, Any]:
  """Prints one comparison as a JSON line and returns it."""
  line = {
    'bench': bench,
    'peer': peer,
    'unit': unit,
    'ours': round(ours, 4),
    'theirs': round(theirs, 4),
    'ratio': round(ours / theirs, 3),
  }
  print(json.dumps(line), flush=True)
  return line


def missing(peer: str) -> int:
  """Says that a peer is not installed; returns the exit status 2."""
  remedy = 'pip install -r tools/bench/peers.txt'
  print(
    f'{peer} is not installed; in an env of its own: {remedy}', file=sys.stderr
  )
  return 2
