"""Pairs with and without a plan: what is counted, and how sure it is."""

import numpy as np
import pytest
from scipy import stats

from aurl_jax.music.notes import Notes, Track


@pytest.fixture(scope='module')
def guided(load_tool, tool_folder):
  return load_tool('guided')


def test_a_difference_is_that_of_pairs(guided):
  rng = np.random.default_rng(0)
  base = rng.normal(size=30)
  rows = [
    ({'same': x, 'more': x + 1 + 0.1 * rng.normal()}, {'same': x, 'more': x})
    for x in base.tolist()
  ]
  found = {
    line['indicator']: line
    for line in guided.compared(rows, [{'same': 4.0}, {'same': 6.0}])
  }
  more = found['more']
  value, low, high = more['difference']
  assert low < value < high
  assert value == pytest.approx(1, abs=0.1)
  assert low > 0.9
  one, other = (np.array([row[k]['more'] for row in rows]) for k in (0, 1))
  # Of two tests the smaller p counts twice (Holm).
  assert more['p'] == pytest.approx(2 * stats.wilcoxon(one - other).pvalue)
  assert found['same']['p'] == 1
  assert found['same']['real'] == 5
  assert more['real'] is None


def test_pairs_in_which_a_side_has_none_are_left_out(guided):
  nan = float('nan')
  rows = [({'a': 1.0}, {'a': 0.5})] * 4 + [({'a': nan}, {'a': 0.5})]
  (line,) = guided.compared(rows, [])
  assert line['counted'] == 4
  assert guided.compared(rows[3:], []) == []


def test_the_melody_is_heard_alone(guided):
  tracks = [Track('drums', 0, True), Track('', 0, False), Track('', 0, False)]
  columns = {'onset': [0, 0, 480, 960], 'duration': 480}
  notes = Notes.build(
    480,
    columns | {'pitch': [36, 72, 74, 40], 'track': [0, 1, 1, 2]},
    tracks=tracks,
  )
  alone = guided._alone(notes)
  assert alone.pitch.tolist() == [72, 74]
  assert [track.name for track in alone.tracks] == ['melody']


def test_a_part_of_a_song_begins_at_its_fifth_bar(guided):
  columns = {'onset': [480 * k for k in range(60)], 'duration': 480}
  notes = Notes.build(480, columns | {'pitch': 60}, meters=[(0, 4, 4)])
  part = guided._part(notes, 4)
  assert len(part) == 16
  assert part.onset[0] == 0
