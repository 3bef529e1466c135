"""What a process takes of its machine: memory and processor time.

Read from `/proc` on Linux; elsewhere only what the standard library tells,
and no children.
"""

import os
import pathlib
import resource
import sys
import time
from collections.abc import Iterator
from typing import NamedTuple

_PROC = pathlib.Path('/proc')


class Usage(NamedTuple):
  """What a process and its living children take.

  Attributes:
    rss: Bytes of the process in memory.
    children: Bytes of its children and theirs.
    cpu: Seconds of processor time of them all since they began.
  """

  rss: int
  children: int
  cpu: float


def usage(pid: int | None = None) -> Usage:
  """Returns what a process takes now; by default this one."""
  own = os.getpid() if pid is None else pid
  table = dict(_processes())
  if own not in table:
    return _portable()
  family, found = [own], {own}
  for parent in family:
    for child, (above, _, _) in table.items():
      if above == parent and child not in found:
        found.add(child)
        family.append(child)
  rss = [table[one][1] for one in family]
  return Usage(rss[0], sum(rss[1:]), sum(table[one][2] for one in family))


class CpuShare:
  """How many cores were kept busy, on average, since one asked last."""

  def __init__(self) -> None:
    self._seconds, self._cpu = time.perf_counter(), usage().cpu

  def __call__(self, now: Usage) -> float:
    """Returns busy cores: 2.0 is two of them all the time.

    A child that has ended takes its seconds along; the share is then too
    small, never below 0.
    """
    seconds, cpu = time.perf_counter(), now.cpu
    passed, worked = seconds - self._seconds, cpu - self._cpu
    self._seconds, self._cpu = seconds, cpu
    return max(0.0, worked / max(passed, 1e-9))


def _processes() -> Iterator[tuple[int, tuple[int, int, float]]]:
  """Yields (pid, (parent, bytes in memory, CPU seconds)) of what runs."""
  if not sys.platform.startswith('linux'):
    return
  page, tick = os.sysconf('SC_PAGE_SIZE'), os.sysconf('SC_CLK_TCK')
  for folder in _PROC.iterdir():
    if not folder.name.isdigit():
      continue
    try:
      text = (folder / 'stat').read_bytes()
    except OSError:
      continue
    # The name, in parentheses, may hold anything; see proc_pid_stat(5).
    rest = text[text.rindex(b')') + 2 :].split()
    cpu = (int(rest[11]) + int(rest[12])) / tick
    yield int(folder.name), (int(rest[1]), int(rest[21]) * page, cpu)


def _portable() -> Usage:
  own = resource.getrusage(resource.RUSAGE_SELF)
  unit = 1 if sys.platform == 'darwin' else 1024
  return Usage(own.ru_maxrss * unit, 0, own.ru_utime + own.ru_stime)
