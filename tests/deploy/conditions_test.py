"""What a piece is, as ids."""

import numpy as np
import pytest

from aurl_jax.core.errors import ConfigError
from aurl_jax.deploy import conditions
from aurl_jax.music.grid import Grid
from aurl_jax.music.notes import Notes


def scale(tonic, meters=()):
  """Two octaves of a major scale, in quarter notes."""
  steps = [0, 2, 4, 5, 7, 9, 11, 12, 7, 4, 0]
  columns = {
    'onset': np.arange(11) * 4,
    'duration': 4,
    'pitch': [60 + tonic + step for step in steps],
  }
  return Notes.build(4, columns, meters=meters)


@pytest.mark.parametrize('tonic', [0, 3, 10])
def test_a_scale_has_its_key_and_meter(tonic):
  names = ('meter', 'density', 'key')
  found = conditions.of(scale(tonic, [(0, 3, 4)]), Grid(), names)
  # One note a beat reaches the edges 0.5 and 1: level 2.
  assert found.tolist() == [2, 3, tonic + 1]
  assert found.dtype == np.int32


def test_what_is_not_known_is_open():
  odd = scale(0, [(0, 11, 16)])
  assert conditions.of(odd, Grid(), ('meter', 'style')).tolist() == [0, 0]
  told = conditions.of(odd, Grid(), ('style',), style=4)
  assert told.tolist() == [5]


@pytest.mark.parametrize(
  ('told', 'words'),
  [
    ({'mood': 1}, "knows no condition 'mood'"),
    ({'key': 24}, r'key: 24 is not in 0\.\.23'),
    ({'key': 'C'}, "'C' is no number"),
    ({'meter': '11/16'}, "'11/16' is no number, nor one of 4/4"),
  ],
)
def test_what_cannot_be_asked_for_is_refused(told, words):
  with pytest.raises(ConfigError, match=words) as info:
    conditions.ids(('key', 'meter'), told)
  assert info.value.code == 'condition'


def test_a_kind_that_there_is_not_is_refused():
  with pytest.raises(ConfigError, match="did you mean 'meter'"):
    conditions.classes(('metre',))
