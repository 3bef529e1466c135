"""Grids are found where there are some, and who stands beside them is told."""

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from aurl_jax.studies import groups
from aurl_jax.studies.groups import Played
from aurl_jax.studies.melody import manner


def steady(length, seed=0, many=400):
  """Onsets on a grid: sixteenths, quavers and crotchets."""
  rng = np.random.default_rng(seed)
  return 1.7 + length * np.cumsum(rng.choice([1, 1, 2, 2, 3, 4], many))


@hypothesis.given(st.floats(0.104, 0.195), st.integers(0, 20))
def test_the_period_is_found(length, seed):
  onset = steady(length, seed)
  onset = onset + np.random.default_rng(seed).normal(0, 0.003, len(onset))
  assert manner.period(onset) == pytest.approx(length, rel=0.01)


@pytest.mark.parametrize('onset', [[1.0], [0.0, 5.0, 9.0], [2.0] * 7])
def test_without_steps_there_is_a_grid_nevertheless(onset):
  found = manner.grid(np.array(onset))
  assert 0.1 <= found.period <= 0.2
  assert np.isfinite(found.beside).all()
  assert np.isfinite(found.strength).all()


def test_who_stands_beside_the_grid_is_told():
  onset = steady(0.15)
  late = np.arange(len(onset)) % 5 == 2
  found = manner.grid(onset + 0.02 * late)
  mean = found.beside[late].mean() - found.beside[~late].mean()
  assert mean == pytest.approx(2 * np.pi * 0.02 / 0.15, abs=0.05)
  assert found.strength.mean() > 0.9
  loose = np.sort(np.random.default_rng(0).uniform(0, 60, 400))
  assert manner.grid(loose).strength.mean() < 0.5


@hypothesis.given(
  st.lists(st.tuples(st.floats(0, 60), st.integers(0, 3)), min_size=1)
)
def test_shares_one_by_one(rows):
  rows = sorted(rows)
  onset = np.array([row[0] for row in rows])
  values = np.array([row[1] for row in rows])
  # Sums of far times are rounded; nobody stands at the edge of 8 s.
  apart = np.abs(np.abs(onset[:, None] - onset) - 8)
  hypothesis.assume((apart > 1e-6).all())
  got = manner.share(onset, values)
  for i, (at, value) in enumerate(rows):
    around = [v for o, v in rows if abs(o - at) <= 8]
    assert got[i] == pytest.approx(around.count(value) / len(around))


def test_a_line_on_the_grid_and_one_played_by_hand():
  rng = np.random.default_rng(1)
  grid = steady(0.125, many=300)
  hand = np.sort(rng.choice(grid, 200) + rng.uniform(-0.03, 0.03, 200))
  onset = np.append(grid, hand)
  length = np.append(np.full(300, 0.25), rng.uniform(0.1, 0.4, 200))
  order = np.argsort(onset, kind='stable')
  velocity = np.append(np.full(300, 90), rng.integers(40, 89, 200))
  first = groups.firsts(onset[order])
  heard = Played(
    np.arange(500),
    onset[order],
    (onset + length)[order],
    rng.integers(40, 80, 500),
    velocity[order],
    first,
  )
  rows = manner.rows(heard, onset[order])
  assert rows.shape == (500, manner.FACTS)
  sequenced = order < 300
  beside, whole, alike, loud = (np.abs(rows[:, c]) for c in (0, 3, 6, 7))
  assert beside[sequenced].mean() < beside[~sequenced].mean() / 2
  assert whole[sequenced].mean() < whole[~sequenced].mean() / 2
  assert alike[sequenced].min() > alike[~sequenced].mean()
  np.testing.assert_allclose(loud[sequenced], 0.6)
