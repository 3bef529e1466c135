"""The host: its cores, and its memory.

Pages that a step has used stay with the process.

A jitted step on a CPU asks for one large buffer of intermediates and gives
it back. The C library hands such buffers to the kernel at once, and every
page of the next one is a fault, which the kernel fills with zeros: a fifth
of a training step's time where this was measured.
"""

import contextlib
import ctypes
import gc
import importlib.metadata
import os
import sys
from collections.abc import Iterator

# Parameters of mallopt(3), and of madvise(2), on Linux.
_TRIM_THRESHOLD = -1
_MMAP_MAX = -4
_ARENA_MAX = -8
_HUGE_PAGES = 14
_HUGE_PAGE = 1 << 21
_NEVER = 2**31 - 1
_LEVEL = 'xla_backend_optimization_level'
_EMITTERS = 'xla_cpu_use_fusion_emitters'
_HAVE_EMITTERS = (0, 10), (0, 12)
"""Versions of jaxlib, from the first up to the last but without it, that were
seen to know the flag: one that XLA does not know ends the process."""


def cores() -> int:
  """Returns the cores that this process may run on, at least 1.

  Fewer than the machine has where it is pinned (`taskset`, a container's or a
  cluster's share).
  """
  if hasattr(os, 'sched_getaffinity'):
    return len(os.sched_getaffinity(0))
  return os.cpu_count() or 1


def compile_lightly() -> None:
  """Asks for programs that are sooner compiled than fast.

  For a process that runs each program once and briefly, such as a demo, which
  else compiles for most of its time. Sums may be rounded otherwise. To be
  called before the first computation; what XLA_FLAGS says already stands.
  """
  asked = {_LEVEL: '0'}
  first, last = _HAVE_EMITTERS
  if first <= _version('jaxlib') < last:
    # With emitters of fusions a CPU's programs take twice as long to compile.
    asked[_EMITTERS] = 'false'
  told = os.environ.get('XLA_FLAGS', '')
  new = [f'--{name}={how}' for name, how in asked.items() if name not in told]
  os.environ['XLA_FLAGS'] = ' '.join(filter(None, [told, *new]))


def _version(name: str) -> tuple[int, ...]:
  """Returns the version of a package, as far as it is numbers."""
  parts = importlib.metadata.version(name).split('.')
  return tuple(int(part) for part in parts if part.isdigit())


def keep_memory(reserve: int = 1 << 28) -> bool:
  """Lets freed memory stay with the process, in huge pages if possible.

  For a process that repeats one large computation, such as training: its
  resident memory then stays at its peak. To be called before the first
  computation: threads that run already may keep heaps of their own.

  Args:
    reserve: Bytes of address space for which huge pages are asked; no
      memory is taken until it is used.

  Returns:
    Whether the C library can do so: glibc on Linux can.
  """
  libc = _glibc()
  if libc is None:
    return False
  # One heap, because only the first one can grow without bounds; never a
  # mapping of its own for a large buffer; never a page given back.
  settings = ((_ARENA_MAX, 1), (_MMAP_MAX, 0), (_TRIM_THRESHOLD, _NEVER))
  done = [libc.mallopt(name, value) for name, value in settings]
  _ask_huge_pages(libc, reserve)
  return all(done)


def give_back() -> bool:
  """Gives freed memory back to the system; returns whether there was any.

  For a process of many threads, each of which frees what others have asked
  for. Without a C library that can do so, glibc, there is none.
  """
  libc = _glibc()
  return libc is not None and bool(libc.malloc_trim(0))


@contextlib.contextmanager
def settled() -> Iterator[None]:
  """Leaves what is there already out of garbage collections while entered.

  Python looks through everything only once what is new is a quarter of what
  is old, and the libraries alone are a million objects: figures and saved
  checkpoints, which refer to themselves, would stay for thousands of steps.
  Only what is new counts in here, which is looked through soon and quickly.
  """
  gc.collect()
  gc.freeze()
  try:
    yield
  finally:
    gc.unfreeze()


def tidy() -> None:
  """Gives back the pages that nothing lies in; does nothing without glibc.

  After `keep_memory` the heap would keep each hole that something large and
  rare, such as a page of samples, leaves behind. The next step takes as many
  pages as it needs anew: a moment's work, so long as it is not for every one.
  """
  gc.collect()
  give_back()


def _glibc() -> ctypes.CDLL | None:
  """Returns the C library, if it is one whose heap can be told what to do."""
  if not sys.platform.startswith('linux'):
    return None
  libc = ctypes.CDLL(None)
  needed = ('mallopt', 'malloc_trim', 'gnu_get_libc_version')
  return libc if all(hasattr(libc, name) for name in needed) else None


def _ask_huge_pages(libc: ctypes.CDLL, reserve: int) -> None:
  """Grows the heap, unused, and marks the new part; failure costs nothing."""
  libc.malloc.restype = ctypes.c_void_p
  libc.malloc.argtypes = [ctypes.c_size_t]
  libc.free.argtypes = [ctypes.c_void_p]
  libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
  start = libc.malloc(reserve + _HUGE_PAGE)
  if start:
    aligned = -(-start // _HUGE_PAGE) * _HUGE_PAGE
    libc.madvise(aligned, reserve, _HUGE_PAGES)
    libc.free(start)
