"""Two sets side by side: equal ones, spoilt ones, some that tell nothing."""

import json
import math

import numpy as np
import pytest

from aurl_jax.evaluation import comparison, corruption, frechet, metrics
from aurl_jax.music.notes import Notes
from tests.tokens import pieces


def some(first, count=40):
  return [pieces.piece(seed, notes=40) for seed in range(first, first + count)]


def numbers(value):
  """All numbers of nested JSON."""
  if isinstance(value, dict):
    value = list(value.values())
  if isinstance(value, list):
    return [number for part in value for number in numbers(part)]
  return [value] if isinstance(value, float) else []


@pytest.fixture(scope='module')
def alike():
  return comparison.compare(some(0), some(100))


def test_equal_sets_cannot_be_told_apart(alike):
  assert len(alike.rows) > 25
  assert all(row.p > 0.05 for row in alike.rows)
  assert alike.sets['cover']['precision'] > 0.8
  assert alike.sets['frechet']['low'] < alike.sets['frechet']['floor']
  assert min(v for v in alike.sets['overlap'].values() if v) > 0.7


def test_means_and_intervals_are_of_the_pieces(alike):
  wanted = metrics.table(some(0), ['onset_density'])[:, 0]
  (row,) = [row for row in alike.rows if row.name == 'onset_density']
  known = wanted[np.isfinite(wanted)]
  assert row.generated.estimate == pytest.approx(known.mean())
  assert row.generated.low < row.generated.estimate < row.generated.high
  assert row.pieces[0] == len(known)
  assert row.auc.low < row.auc.estimate < row.auc.high
  assert row.auc.estimate == pytest.approx((row.effect + 1) / 2)


def test_tables_that_are_known_are_taken(alike):
  tables = metrics.table(some(0)), metrics.table(some(100))
  found = comparison.compare(some(0), some(100), tables=tables)
  assert found.as_dict() == alike.as_dict()


def test_spoilt_music_is_told_apart(alike):
  spoilt = [
    corruption.noise(notes, 1.0, seed) for seed, notes in enumerate(some(200))
  ]
  found = comparison.compare(spoilt, some(100))
  far = [row for row in found.rows if row.p < 0.01]
  assert far
  assert all(abs(row.effect) > 0.3 for row in far)
  assert found.sets['frechet']['low'] > alike.sets['frechet']['high']
  assert found.sets['kernel']['distance'] > alike.sets['kernel']['distance']


def test_no_number_of_a_report_is_none(alike):
  one = Notes.build(4, {'onset': 0, 'duration': 1, 'pitch': 60})
  odd = [Notes.build(4), one]
  few = comparison.compare(odd * 2, some(0, 3))
  assert 'frechet' in few.sets
  assert 'too small' in few.sets['frechet']['why']
  assert few.left_out['stepwise_rate'] == '0 and 3 pieces have it'
  for found in (alike, few):
    told = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert all(math.isfinite(number) for number in numbers(told))
    names = set(told['metrics']) | set(told['left_out'])
    assert names == set(metrics.BY_NAME)


def test_one_piece_is_no_set():
  with pytest.raises(frechet.SetError, match='two or more of each'):
    comparison.compare(some(0, 1), some(1, 5))
