"""Numbers over pieces, against the standard library's."""

import math
import statistics

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from aurl_jax.experiment import features


@hypothesis.given(
  st.lists(st.floats(-1e6, 1e6).map(float), min_size=1, max_size=60)
)
def test_spreads_are_those_of_the_standard_library(values):
  gathered = features.Gathered()
  for value in values:
    gathered.add(value)
  spread = gathered.spread()
  scale = max(map(abs, values)) + 1e-9
  assert spread.pieces == len(values)
  assert spread.mean == pytest.approx(
    statistics.fmean(values), abs=1e-9 * scale
  )
  assert spread.deviation == pytest.approx(
    statistics.pstdev(values), abs=1e-6 * scale
  )
  assert spread.quantiles[1] == pytest.approx(
    statistics.median(values), abs=1e-9 * scale
  )
  assert sum(spread.bars) == len(values)


def test_of_many_values_a_sample_stays(monkeypatch):
  monkeypatch.setattr(features, '_SAMPLE', 500)
  gathered = features.Gathered()
  for value in np.random.default_rng(1).permutation(20_000).tolist():
    gathered.add(float(value))
  spread = gathered.spread()
  assert spread.pieces == 20_000
  assert spread.mean == pytest.approx(9999.5)
  assert sum(spread.bars) == 500
  # Ten standard errors of a quantile of so many.
  for found, wanted in zip(spread.quantiles, (1e3, 1e4, 1.9e4), strict=True):
    assert abs(found - wanted) < 10 * 20_000 * 0.5 / math.sqrt(500)


def test_what_no_piece_has_is_there_without_a_value():
  table = features.Table()
  table.add({'a.x': None, 'a.y': 2.0})
  table.add({'a.y': 4.0, 'b.z': 1.0})
  assert (table.pieces, table.names) == (2, ['a.x', 'a.y', 'b.z'])
  spreads = dict(table.spreads())
  assert spreads['a.x'].pieces == 0
  assert math.isnan(spreads['a.x'].mean)
  assert spreads['a.y'].mean == 3.0
  assert spreads['b.z'].deviation == 0.0
