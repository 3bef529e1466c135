"""What a process takes, against a process whose needs are known."""

import mmap
import subprocess
import sys
import time

from aurl_jax.core import system

CHILD = (
  'import sys\n'
  'held = bytearray(80_000_000)\n'
  'for place in range(0, len(held), 4096): held[place] = 1\n'
  'print("ready", flush=True)\n'
  'sys.stdin.read()\n'
)


def test_memory_of_this_process_and_of_its_children():
  before = system.usage()
  assert before.rss > 10_000_000
  with subprocess.Popen(
    [sys.executable, '-c', CHILD],
    stdin=subprocess.PIPE,
    stdout=subprocess.PIPE,
  ) as child:
    child.stdout.readline()
    during = system.usage()
    alone = system.usage(child.pid)
    child.communicate()
  assert during.children - before.children > 80_000_000
  assert alone.rss > 80_000_000
  assert abs(during.children - before.children - alone.rss) < 5_000_000
  # Pages of its own: an allocator may have some left of earlier tests.
  size, start = 60_000_000, system.usage()
  with mmap.mmap(-1, size) as held:
    held.write(bytes([1]) * size)
    assert system.usage().rss - start.rss > 0.9 * size


def test_cores_kept_busy_are_seconds_worked_over_seconds_passed(monkeypatch):
  now = [10.0]
  monkeypatch.setattr(system.time, 'perf_counter', lambda: now[0])
  monkeypatch.setattr(system, 'usage', lambda: system.Usage(0, 0, 4.0))
  share = system.CpuShare()
  now[0] = 12.0
  assert share(system.Usage(0, 0, 7.0)) == 1.5
  now[0] = 13.0
  assert share(system.Usage(0, 0, 5.0)) == 0.0


def test_processor_time_is_counted():
  before, start = system.usage().cpu, time.process_time()
  while time.process_time() - start < 0.3:
    sum(range(1000))
  # The kernel counts in ticks of 10 ms.
  assert system.usage().cpu - before > 0.25


def test_without_proc_there_is_still_the_process_itself(monkeypatch):
  monkeypatch.setattr(system.sys, 'platform', 'darwin')
  found = system.usage()
  assert found.rss > 0
  assert found.children == 0
  assert found.cpu > 0
