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
from collections.abc import Callable, Sequence
from typing import Any

CPU = time.process_time
"""Clock for work of one thread on a machine that does other things too."""

_LEAST = 0.5
"""Seconds that a round lasts at least: the clock ticks coarsely, and a round
begins with caches that the other side has filled."""

Work = Callable[[], int | float]
"""Does a round of work and returns how many units it did."""


def exactly(codec: Any, steps: int) -> Any:
  """Returns the constraint that EOS stands behind so many steps, not before.

  An untrained model would end at once.
  """
  from aurl_jax.generation import constraints

  sizes = codec.sizes
  return constraints.Length(
    most=steps,
    low=1,
    high=sizes[0],
    eos=codec.id('eos'),
    plain=tuple((True,) * size for size in sizes),
  )


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


class Side:
  """One side in a process of its own, which works only when it is told to.

  Attributes:
    name: What it runs; None if that is not installed.
    check: What it computed once, for both sides to agree on.
  """

  def __init__(self, arguments: Sequence[str], wait: bool = True) -> None:
    """Starts it; several that wait for each other need `wait=False`."""
    self._process = subprocess.Popen(
      [sys.executable, *arguments],
      stdin=subprocess.PIPE,
      stdout=subprocess.PIPE,
      text=True,
    )
    self.name: str | None = None
    self.check = float('nan')
    if wait:
      self.ready()

  def ready(self) -> None:
    """Waits until it is ready to work."""
    name, _, check = self._process.stdout.readline().rpartition(' ')
    self.name = name or None
    self.check = float(check or 'nan')

  def work(self) -> float:
    """Lets it do a round; returns how many units it did."""
    self.ask()
    return self.answer()

  def ask(self) -> None:
    """Lets it begin a round."""
    print('go', file=self._process.stdin, flush=True)

  def answer(self) -> float:
    """Waits for its round; returns how many units it did."""
    return float(self._process.stdout.readline())

  def dismiss(self) -> None:
    """Tells it that there are no more rounds."""
    self._process.stdin.close()

  def stop(self) -> None:
    """Ends the process."""
    self.dismiss()
    self._process.wait()


def serve(name: str, check: float, work: Work) -> None:
  """The other end of `Side`: does a round for every line of stdin."""
  print(name, check, flush=True)
  for _ in sys.stdin:
    print(work(), flush=True)


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
