"""`tools/release_samples.py`: what it says of pieces, and its picture."""

import numpy as np
import pytest

from aurl_jax.music.notes import Notes


@pytest.fixture(scope='module')
def tool(load_tool, tool_folder):
  return load_tool('release_samples')


def piece(seed):
  pitch = np.random.default_rng(seed).integers(50, 80, 32)
  columns = {'onset': np.arange(32) * 4, 'duration': 4, 'pitch': pitch}
  return Notes.build(4, columns)


def test_a_median_is_held_to_the_range_and_gaps_do_not_count(tool):
  table = np.array([[0.1, 5.0], [0.2, np.nan], [0.9, 7.0]])
  lines = tool.compared(table, {'low': [0.0, 0.3], 'high': [8.0, 9.0]})
  assert [line['inside'] for line in lines] == [True, False]
  assert [line['share'] for line in lines] == [round(2 / 3, 3), 0.0]
  assert lines[1]['median'] == pytest.approx(6.0)


def test_equal_pieces_have_no_variety(tool):
  bounds = {'self_bleu': [0.1, 0.2], 'distinct': [0.8, 0.9]}
  same = tool.variety([piece(0)] * 8, 4, bounds)
  other = tool.variety([piece(seed) for seed in range(8)], 4, bounds)
  assert same['self_bleu'][0] == pytest.approx(1.0)
  assert other['self_bleu'][0] < 0.5
  assert same['distinct'][0] < other['distinct'][0]
  assert same['distinct'][1:] == [0.8, 0.9]


def test_twenty_at_most_are_drawn(tool):
  for count in (3, 25):
    png = tool.drawn([piece(seed) for seed in range(count)])
    assert png[:4] == b'\x89PNG'


def test_every_model_with_bounds_can_be_asked_for(tool):
  import json

  from aurl_jax.deploy import bundle

  assert set(json.loads(tool.BOUNDS.read_text())['models']) <= {
    *bundle.shipped()
  }
