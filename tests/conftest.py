"""Settings of every test: the CPU, a kept compilation cache, shared data.

Nothing of aurl_jax may be imported here: the run-time checks of array
shapes are an import hook that pytest installs after this file.
"""

import ctypes
import gc
import importlib.metadata
import importlib.util
import os
import pathlib
import sys
from collections.abc import Iterator

import hypothesis
import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
SLOW = tuple(
  line
  for line in (ROOT / 'tests' / 'slow.txt').read_text('utf-8').splitlines()
  if line and not line.startswith('#')
)
"""How node ids of tests begin that `make test` leaves to `make test-all`."""
_MOST_MAPS = 5_000
"""Of 65,530 that Linux gives a process; each compiled program takes some, and
5,000 come with about 2 GB."""

# Before jax is imported. Compiled code is kept between runs, for the
# processes that tests start too: compiling is most of their time.
os.environ.setdefault('JAX_PLATFORMS', 'cpu')
os.environ.setdefault('JAX_COMPILATION_CACHE_DIR', str(ROOT / '.cache/jax'))
os.environ.setdefault('JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS', '0.2')
os.environ.setdefault('JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES', '-1')
# What a test computes is small, what it compiles is not: code that is not
# optimised takes a third of the time less, and without the emitters of fusions
# compiling takes half as long again (jaxlib 0.11).
_FLAGS = '--xla_backend_optimization_level=0'
if importlib.metadata.version('jaxlib').startswith(('0.10.', '0.11.')):
  # Others do not know it, which would end the process.
  _FLAGS += ' --xla_cpu_use_fusion_emitters=false'
os.environ.setdefault('XLA_FLAGS', _FLAGS)
os.environ['MPLBACKEND'] = 'Agg'

# A machine that is shared by other work has slow moments; they are no bug.
hypothesis.settings.register_profile(
  'house',
  deadline=None,
  max_examples=12,
  suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.register_profile(
  'thorough', hypothesis.settings.get_profile('house'), max_examples=300
)
hypothesis.settings.load_profile(os.environ.get('HYPOTHESIS_PROFILE', 'house'))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
  """Marks those as slow that `slow.txt` names, before any are left out."""
  for item in items:
    if item.nodeid.startswith(SLOW):
      item.add_marker(pytest.mark.slow)


@pytest.fixture(scope='module', autouse=True)
def few_programs() -> Iterator[None]:
  """Lets go of compiled programs before they are too many for the process."""
  yield
  import jax  # It reads what is set above.

  maps = pathlib.Path('/proc/self/maps')
  if maps.exists() and maps.read_bytes().count(b'\n') > _MOST_MAPS:
    jax.clear_caches()
    gc.collect()
    # What is free goes back to the system, if its C library can do that.
    getattr(ctypes.CDLL(None), 'malloc_trim', int)(0)


@pytest.fixture(scope='session')
def shared_data() -> pathlib.Path:
  """The folder of corpora that are never copied into the project."""
  folder = os.environ.get('AURL_DATA')
  path = pathlib.Path(folder) if folder else ROOT.parent / 'shared' / 'data'
  if not path.is_dir():
    pytest.skip(f'no shared data at {path}; set AURL_DATA to its folder')
  return path


@pytest.fixture(scope='session')
def repository() -> pathlib.Path:
  """The root of the checkout that the tests run in."""
  return ROOT


@pytest.fixture(scope='session')
def load_tool(repository):
  """Returns what loads a script of `tools/` by its name, as a module."""

  def load(name):
    path = repository / 'tools' / f'{name}.py'
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

  return load


@pytest.fixture(scope='module')
def tool_folder(repository):
  """Lets scripts of `tools/` import each other, as in their own folder."""
  folder = str(repository / 'tools')
  sys.path.insert(0, folder)
  yield
  sys.path.remove(folder)
