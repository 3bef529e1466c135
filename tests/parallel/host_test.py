import gc
import importlib.metadata
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


LIGHT = (
  'xla_backend_optimization_level=0',
  'xla_cpu_use_fusion_emitters=false',
)


def test_a_light_compilation_is_asked_for_unless_someone_did(monkeypatch):
  monkeypatch.setattr(importlib.metadata, 'version', lambda _: '0.11.0')
  monkeypatch.setenv('XLA_FLAGS', '--xla_other=1')
  host.compile_lightly()
  asked = ['--xla_other=1', *(f'--{flag}' for flag in LIGHT)]
  assert os.environ['XLA_FLAGS'].split() == asked
  monkeypatch.setenv('XLA_FLAGS', '--xla_backend_optimization_level=2')
  host.compile_lightly()
  asked = ['--xla_backend_optimization_level=2', f'--{LIGHT[1]}']
  assert os.environ['XLA_FLAGS'].split() == asked
  monkeypatch.delenv('XLA_FLAGS')
  host.compile_lightly()
  host.compile_lightly()
  assert os.environ['XLA_FLAGS'].split() == [f'--{flag}' for flag in LIGHT]


@pytest.mark.parametrize(
  ('version', 'flags'),
  [('0.9.2', 1), ('0.10.2', 2), ('0.11.0.1', 2), ('0.12.0.1', 1), ('1.0', 1)],
)
def test_flags_that_a_jaxlib_lacks_are_left_out(monkeypatch, version, flags):
  monkeypatch.setattr(importlib.metadata, 'version', lambda _: version)
  monkeypatch.setenv('XLA_FLAGS', '')
  host.compile_lightly()
  assert os.environ['XLA_FLAGS'].split() == [f'--{f}' for f in LIGHT[:flags]]


def test_what_is_asked_for_is_known_to_xla():
  told = 'from aurl_jax.parallel import host; host.compile_lightly()'
  more = 'import jax; print(jax.numpy.arange(3).sum())'
  env = {k: v for k, v in os.environ.items() if k != 'XLA_FLAGS'}
  words = [sys.executable, '-c', f'{told}; {more}']
  run = subprocess.run(
    words, env=env, capture_output=True, text=True, check=False
  )
  assert (run.returncode, run.stdout) == (0, '3\n'), run.stderr
