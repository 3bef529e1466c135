"""What whole runs are made of."""

import numpy as np
import pytest


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  """Returns a folder of short pieces, no two alike."""
  # Not above: see `tests/conftest.py`.
  from aurl_jax.music import midi
  from aurl_jax.music.notes import Notes

  path = tmp_path_factory.mktemp('midi')
  random = np.random.default_rng(0)
  for number in range(12):
    pitch = 60 + np.cumsum(random.integers(-2, 3, 48))
    columns = {'onset': np.arange(48) * 120, 'duration': 120, 'pitch': pitch}
    midi.write(Notes.build(480, columns), path / f'{number}.mid')
  return path
