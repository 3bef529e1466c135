"""The fitted numbers are all there, and finite."""

import numpy as np
import pytest

from aurl_jax.studies import weights
from aurl_jax.studies.onsets import MARKS

SIZES = {
  'melody': 23,
  'chords': 14 * 61,
  'beat_places': 96 * (1 + sum(MARKS)),
  'beat_missed': 8,
  'beat_prices': 6,
}


@pytest.mark.parametrize('name', SIZES)
def test_sizes(name):
  array = weights.load(name)
  assert array.shape == (SIZES[name],)
  assert np.isfinite(array).all()
  assert not array.flags.writeable
