"""Gains of a set over another: who wins, by how much, how surely."""

import numpy as np
import pytest

from aurl_jax.evaluation import gains, overlap
from tests.tokens import pieces


def chorales(first, count=12):
  return [pieces.chorale(seed) for seed in range(first, first + count)]


def test_what_varies_like_music_gains_over_what_does_not():
  music, alike = chorales(100), chorales(0)
  strange = [pieces.piece(seed, notes=80) for seed in range(12)]
  found = gains.gains(alike, strange, music, samples=20)
  assert tuple(found) == overlap.USUAL
  sets = [overlap.overlaps(set_, music) for set_ in (alike, strange)]
  for name, gain in found.items():
    means = [(s[name].one + s[name].other) / 2 for s in sets]
    assert gain.estimate == pytest.approx(means[0] - means[1], abs=1e-9)
  assert found['interval'].low > 0
  other = gains.gains(strange, alike, music, samples=20)['interval']
  assert other.estimate == pytest.approx(-found['interval'].estimate)
  assert other.high < 0


def test_a_set_gains_nothing_over_itself():
  found = gains.gains(chorales(0), chorales(0), chorales(50), samples=8)
  for gain in found.values():
    assert (gain.estimate, gain.low, gain.high) == (0, 0, 0)


def test_draws_are_of_pairs_and_of_the_seed():
  sets = chorales(0, 6), chorales(20, 6), chorales(50, 5)
  one, again, other = (
    gains.gains(*sets, features=['range'], samples=30, seed=seed)['range']
    for seed in (0, 0, 1)
  )
  assert one == again
  assert one.estimate == other.estimate
  assert (one.low, one.high) != (other.low, other.high)
  # By hand: the same draws, pieces of both sets by the same numbers.
  draws = np.random.default_rng(0).integers(0, 6, (30, 6))
  told = []
  for rows in draws:
    means = [
      overlap.overlaps([set_[row] for row in rows], sets[2])['range']
      for set_ in sets[:2]
    ]
    told.append(sum(m.one + m.other for m in means[:1]) / 2 - means[1].mean)
  low, high = np.percentile(told, [2.5, 97.5])
  assert (one.low, one.high) == pytest.approx((low, high), abs=1e-9)


def test_sets_that_make_no_pairs_are_refused():
  with pytest.raises(ValueError, match='6 and 5 pieces make no pairs'):
    gains.gains(chorales(0, 6), chorales(0, 5), chorales(9, 3))
  with pytest.raises(ValueError, match='two or more'):
    gains.gains(chorales(0, 1), chorales(3, 1), chorales(9, 3))
