"""Settings of every test: the CPU, a kept compilation cache, shared data.

Nothing of aurl_jax may be imported here: the run-time checks of array
shapes are an import hook that pytest installs after this file.
"""

import os
import pathlib

import hypothesis
import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent

# Before jax is imported. Compiled code is kept between runs, for the
# processes that tests start too: compiling is most of their time.
os.environ.setdefault('JAX_PLATFORMS', 'cpu')
os.environ.setdefault('JAX_COMPILATION_CACHE_DIR', str(ROOT / '.cache/jax'))
os.environ.setdefault('JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS', '0.2')
os.environ.setdefault('JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES', '-1')
os.environ['MPLBACKEND'] = 'Agg'

# A machine that is shared by other work has slow moments; they are no bug.
hypothesis.settings.register_profile(
  'house',
  deadline=None,
  max_examples=25,
  suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.register_profile(
  'thorough', hypothesis.settings.get_profile('house'), max_examples=300
)
hypothesis.settings.load_profile(os.environ.get('HYPOTHESIS_PROFILE', 'house'))


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
