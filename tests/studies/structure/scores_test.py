"""Scores, against the slowest ways to work them out."""

import functools
import itertools

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from aurl_jax.studies.structure import scores

places = st.lists(st.integers(0, 12), unique=True, max_size=5).map(sorted)


def most_matched(found, truth, within):
  """The largest matching, of all ways to pair."""
  if not found:
    return 0
  best = most_matched(found[1:], truth, within)
  for k, place in enumerate(truth):
    if abs(found[0] - place) <= within:
      rest = truth[:k] + truth[k + 1 :]
      best = max(best, 1 + most_matched(found[1:], rest, within))
  return best


@hypothesis.given(places, places, st.integers(0, 3))
def test_boundaries_are_matched_as_well_as_can_be(found, truth, within):
  hits = most_matched(found, truth, within)
  got = scores.boundaries(np.array(found), np.array(truth), within)
  if found and truth:
    both = 2 * hits / (len(found) + len(truth))
    expected = (hits / len(found), hits / len(truth), both)
    assert got == pytest.approx(expected)
  else:
    assert got[2] == float(not found and not truth)


@hypothesis.given(
  st.lists(st.sampled_from('ABC'), min_size=1, max_size=6),
  st.lists(st.sampled_from('xyz'), min_size=1, max_size=6),
)
def test_pairs_are_counted_one_by_one(one, other):
  end = 6.0
  starts = [end * np.arange(len(x)) / len(x) for x in (one, other)]
  times = np.linspace(0, end, 60, False)
  names = [
    [x[max(k for k, s in enumerate(at) if s <= t)] for t in times]
    for x, at in zip((one, other), starts, strict=True)
  ]
  both = found = truth = 0
  for a, b in itertools.combinations(range(60), 2):
    alike = [part[a] == part[b] for part in names]
    found, truth = found + alike[0], truth + alike[1]
    both += all(alike)
  got = scores.pairs((starts[0], one), (starts[1], other), end)
  assert got[:2] == pytest.approx((both / found, both / truth))


@hypothesis.given(st.text('ABC', max_size=6), st.text('ABC', max_size=6))
def test_edits_are_the_fewest(one, other):
  @functools.cache
  def fewest(a, b):
    if not a or not b:
      return len(a) + len(b)
    if a[0] == b[0]:
      return fewest(a[1:], b[1:])
    return 1 + min(fewest(a[1:], b), fewest(a, b[1:]), fewest(a[1:], b[1:]))

  assert scores.edits(one, other) == fewest(one, other)
