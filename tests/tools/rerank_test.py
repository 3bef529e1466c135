"""`tools/rerank.py`: which piece of a group is kept, and what that is worth."""

import types

import numpy as np
import pytest

from aurl_jax.evaluation import overlap
from tests.tokens import pieces


@pytest.fixture(scope='module')
def tool(load_tool):
  return load_tool('rerank')


class Ranker:
  """Holds chorales to be real."""

  def scores(self, ids):
    return np.array([float(each) for each in ids])


def test_the_best_of_each_group_are_compared_with_the_first(tool):
  music = [pieces.chorale(seed) for seed in range(50, 58)]
  good = [pieces.chorale(seed) for seed in range(6)]
  bad = [pieces.piece(seed, notes=60) for seed in range(12)]
  groups, wanted = [], {'best': [], 'first': [], 'worst': []}
  for at in range(6):
    # The good one is the second or the third; the first is never the worst.
    rows = [(0.5, bad[2 * at]), (1.0, good[at]), (0.0, bad[2 * at + 1])]
    if at % 2:
      rows[1:] = rows[:0:-1]
    groups += rows
    wanted['best'].append(good[at])
    wanted['first'].append(bad[2 * at])
    wanted['worst'].append(bad[2 * at + 1])
  drawn = [types.SimpleNamespace(ids=s, notes=n) for s, n in groups]
  found = tool.report(Ranker(), drawn, music, 3, samples=10)
  assert (found['groups'], found['of']) == (6, 3)
  for name, notes in wanted.items():
    own = overlap.overlaps(notes, music)
    for feature in overlap.USUAL:
      mean = (own[feature].one + own[feature].other) / 2
      assert found[name][feature] == pytest.approx(mean, abs=1e-4)
  gain = found['best']['interval'] - found['first']['interval']
  assert float(found['gain']['interval'].split()[0]) == pytest.approx(
    gain, abs=2e-4
  )
