"""The table of metrics: complete, named, and what vectors leave out."""

import math
import re

import numpy as np
import pytest

from aurl_jax.evaluation import metrics
from aurl_jax.music.notes import Notes
from tests.tokens import pieces

TUNE = Notes.build(
  4, {'onset': range(0, 64, 4), 'duration': 4, 'pitch': [60, 64, 67, 65] * 4}
)


def test_names_are_unique_and_each_is_told_whole():
  assert len(metrics.BY_NAME) == len(metrics.METRICS)
  families = {metric.family for metric in metrics.METRICS}
  assert families == {
    'pitch', 'rhythm', 'harmony', 'melody', 'structure', 'expression',
  }  # fmt: skip
  for metric in metrics.METRICS:
    assert metric.unit
    assert re.search(r'\d{4}|evaluation\.', metric.source), metric.name


@pytest.mark.parametrize('name', metrics.BY_NAME)
def test_each_is_a_number_within_its_range(name):
  metric = metrics.BY_NAME[name]
  limits = re.search(r'(\d+)\.\.([\d.]+)$', metric.unit)
  told = 0
  for seed in range(12):
    value = metric.function(pieces.piece(seed, notes=40))
    if math.isnan(value):
      continue
    told += 1
    assert value >= 0
    if limits:
      low, high = map(float, limits.groups())
      assert low <= value <= high + 0.005
  assert told or name == 'structure_long'
  value = metric.function(Notes.build(4))
  assert math.isnan(value) or value == 0


def test_figures_of_a_group_are_those_of_their_piece():
  other = TUNE.replace(pitch=np.where(TUNE.pitch == 65, 66, TUNE.pitch))
  for name in ('tension_diameter', 'structure_mid', 'syncopation'):
    alone = [metrics.measure(x, [name])[name] for x in (TUNE, other, TUNE)]
    assert alone[0] == alone[2] or math.isnan(alone[0])
  found = metrics.measure(TUNE)
  assert list(found) == list(metrics.BY_NAME)
  assert found['tension_momentum'] != metrics.measure(other)['tension_momentum']


def test_a_table_has_a_row_a_piece():
  found = metrics.table([TUNE, Notes.build(4)], ['pitches', 'pitch_entropy'])
  np.testing.assert_array_equal(found[:, 0], [4, 0])
  assert found[0, 1] == pytest.approx(2)
  assert math.isnan(found[1, 1])
  assert metrics.table([]).shape == (0, len(metrics.METRICS))
  with pytest.raises(KeyError):
    metrics.table([TUNE], ['loudest'])


def test_vectors_leave_out_what_cannot_be_compared():
  rng = np.random.default_rng(0)
  reference, rows = rng.normal(size=(40, 5)), rng.normal(size=(30, 5))
  reference[:, 1] = 100 * (1 + 1e-15 * rng.normal(size=40))  # Rounding.
  rows[:10, 2] = np.nan  # Often missing.
  rows[0, 3] = np.nan  # Seldom missing: the piece goes.
  one, other, kept = metrics.vectors(reference, rows)
  assert kept == [0, 3, 4]
  assert one.shape == (40, 3)
  assert other.shape == (29, 3)
  np.testing.assert_allclose(one.mean(axis=0), 0, atol=1e-12)
  np.testing.assert_allclose(one.std(axis=0), 1)
  wanted = (rows[1:, 0] - reference[:, 0].mean()) / reference[:, 0].std()
  np.testing.assert_allclose(other[:, 0], wanted)
