import gc
import os
import subprocess
import sys
import textwrap
import weakref

import pytest

from aurl_jax.parallel import host

FAULTS = """
  import resource, sys
  import jax, jax.numpy as jnp
  from aurl_jax.parallel import host
  if sys.argv[1] == 'keep' and not host.keep_memory(1 << 28):
    sys.exit(7)
  step = jax.jit(lambda x: (jnp.sin(x) @ x, jnp.cos(x) @ x))
  x = jnp.ones((1500, 1500))
  faults = []
  for _ in range(6):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    jax.block_until_ready(step(x))
    faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
  print(min(faults))
"""


def faults(mode):
  done = subprocess.run(
    [sys.executable, '-c', textwrap.dedent(FAULTS), mode],
    stdout=subprocess.PIPE,
    text=True,
  )
  if done.returncode == 7:
    pytest.skip('the C library is not glibc')
  assert done.returncode == 0
  return int(done.stdout)


def test_a_repeated_step_takes_no_new_pages():
  given_back = faults('default')
  if given_back < 1000:
    pytest.skip('the allocator of this machine keeps its pages anyway')
  assert faults('keep') < given_back / 10


HOLES = """
  import pathlib, sys
  from aurl_jax.parallel import host
  if not host.keep_memory(1 << 28):
    sys.exit(7)
  def resident():
    return int(pathlib.Path('/proc/self/statm').read_text().split()[1]) * 4096
  blocks = [bytearray(b'x' * 100_000) for _ in range(2000)]
  kept = blocks[::100]
  del blocks
  full = resident()
  host.tidy()
  print(full - resident())
"""


def test_pages_of_holes_are_given_back():
  done = subprocess.run(
    [sys.executable, '-c', textwrap.dedent(HOLES)],
    stdout=subprocess.PIPE,
    text=True,
  )
  if done.returncode == 7:
    pytest.skip('the C library is not glibc')
  assert done.returncode == 0
  assert int(done.stdout) > 100e6


def test_other_systems_are_left_alone(monkeypatch):
  monkeypatch.setattr(sys, 'platform', 'darwin')
  assert host.keep_memory() is False
  host.tidy()


class _Circle:
  def __init__(self):
    self.self = self


def test_circles_are_found_soon_while_what_was_there_is_left_out():
  old = gc.get_freeze_count()
  with host.settled():
    assert gc.get_freeze_count() > old + 1000
    gone = weakref.ref(_Circle())
    gc.collect()
    assert gone() is None
  assert gc.get_freeze_count() == 0


def test_a_light_compilation_is_asked_for_unless_someone_did(monkeypatch):
  monkeypatch.setenv('XLA_FLAGS', '--xla_other=1')
  host.compile_lightly()
  asked = '--xla_other=1 --xla_backend_optimization_level=0'
  assert os.environ['XLA_FLAGS'] == asked
  monkeypatch.setenv('XLA_FLAGS', '--xla_backend_optimization_level=2')
  host.compile_lightly()
  assert os.environ['XLA_FLAGS'] == '--xla_backend_optimization_level=2'
