"""Distances along paths, against a plain table, and paths that mix."""

import itertools

import numpy as np
import pytest

from aurl_jax.evaluation import paths
from aurl_jax.music.notes import Notes


def slow(one, other):
  """Levenshtein's table, cell by cell."""
  table = [[i + j for j in range(len(other) + 1)] for i in range(len(one) + 1)]
  for i in range(1, len(one) + 1):
    for j in range(1, len(other) + 1):
      same = list(one[i - 1]) == list(other[j - 1])
      table[i][j] = min(
        table[i - 1][j] + 1,
        table[i][j - 1] + 1,
        table[i - 1][j - 1] + (not same),
      )
  return table[-1][-1]


@pytest.mark.parametrize('seed', range(8))
def test_distances_are_levenshtein_s(seed):
  rng = np.random.default_rng(seed)
  one, other = (rng.integers(0, 2, (rng.integers(0, 9), 2)) for _ in range(2))
  found = paths.distance(one, other)
  assert found == slow(one, other) == paths.distance(other, one)
  assert paths.distance(one, one) == 0


def test_steps_and_their_jump():
  rows = np.arange(12).reshape(6, 2)
  found = paths.steps([rows, rows[:5], rows[:4], rows[:1]])
  assert found == [1, 1, 3]
  assert paths.jump(found) == 3.0
  assert paths.jump([0, 0, 0]) == 0.0


def test_rows_of_notes():
  notes = Notes.build(4, {'onset': [4, 0], 'duration': 3, 'pitch': [62, 60]})
  assert paths.rows_of(notes).tolist() == [[0, 60, 3], [4, 62, 3]]


def test_a_mixture_goes_evenly_from_one_to_the_other():
  rng = np.random.default_rng(3)
  columns = [np.repeat(np.arange(40), 2), rng.integers(40, 90, 80)]
  rows = np.unique(np.stack([*columns, np.ones(80, int)], 1), axis=0)
  one, other = rows[: len(rows) // 2], rows[len(rows) // 2 :]
  shares = np.linspace(0, 1, 6)
  path = [paths.mixed(one, other, share, seed=2) for share in shares]
  np.testing.assert_array_equal(path[0], one)
  np.testing.assert_array_equal(path[-1], other)
  for before, after in itertools.pairwise(path):
    told = {tuple(row) for row in after.tolist()}
    known = {tuple(row) for row in before.tolist()}
    # What has come stays, what has left does not come back.
    ours = {tuple(row) for row in one.tolist()}
    assert (told & ours) <= (known & ours)
    assert (known - ours) <= (told - ours)
  assert paths.jump(paths.steps(path)) < 2.0


def test_points_move_to_where_music_changes():
  shares = np.linspace(0, 1, 5)
  found = paths.evened(shares, [0, 0, 0, 8])
  assert found[0] == 0
  assert found[-1] == 1
  assert (np.diff(found) > 0).all()
  # All but the first lie in the last quarter, where all happens.
  assert found[1] > 0.7
  np.testing.assert_allclose(paths.evened(shares, [3, 3, 3, 3]), shares)
