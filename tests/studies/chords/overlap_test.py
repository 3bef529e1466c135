"""The weighted overlap, instant by instant and as mir_eval counts it."""

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from aurl_jax.music import chords as chords_lib
from aurl_jax.studies.chords import overlap
from aurl_jax.studies.chords.finding import Harmony

ROWS = st.lists(
  st.tuples(
    st.integers(1, 4),
    st.integers(0, chords_lib.SIZE - 1) | st.integers(0, 5),
    st.integers(0, 3),
  ),
  min_size=1,
  max_size=8,
)


def harmony(rows):
  length, chord, key = np.array(rows, np.int64).T
  ends = np.cumsum(length).astype(float)
  none = np.full(len(rows), -1)
  return Harmony(ends - length, ends, chord, none, key, np.zeros(0))


def at(rows, second):
  """(chord, key) at half past a second, or nothing."""
  for length, chord, key in rows:
    if second < length:
      return chords_lib.from_index(chord), key
    second -= length
  return chords_lib.Chord(), -1


@hypothesis.given(ROWS, ROWS)
def test_second_by_second(found, truth):
  count = sum(row[0] for row in truth)
  pairs = [(at(found, s), at(truth, s)) for s in range(count)]
  scores = overlap.scores(harmony(found), harmony(truth))
  root = np.mean([one[0].root == two[0].root for one, two in pairs])
  key = np.mean([one[1] == two[1] for one, two in pairs])
  assert scores['root'] == pytest.approx(root)
  assert scores['key'] == pytest.approx(key)
  plain = ('maj', 'min', 'maj7', 'min7', '7', '')
  judged = [(a[0], b[0]) for a, b in pairs if b[0].quality in plain]
  if judged:
    same = np.mean([a == b for a, b in judged])
    assert scores['sevenths'] == pytest.approx(same)
  else:
    assert np.isnan(scores['sevenths'])


@hypothesis.given(ROWS, ROWS)
def test_as_mir_eval(found, truth):
  chord = pytest.importorskip('mir_eval').chord
  weight, one, two = overlap.pair(harmony(found), harmony(truth))
  heard, true = (
    [chords_lib.from_index(i).label() for i in row.tolist()]
    for row in (one, two)
  )
  scores = overlap.scores(harmony(found), harmony(truth))
  for name in ('root', 'majmin', 'sevenths'):
    right = getattr(chord, name)(true, heard)
    if (right >= 0).any():
      theirs = chord.weighted_accuracy(right, weight)
      assert scores[name] == pytest.approx(theirs)


def test_what_is_true_but_not_heard_counts():
  short, long = harmony([(1, 1, 0)]), harmony([(4, 1, 0)])
  assert overlap.scores(short, long)['root'] == pytest.approx(0.25)
  assert overlap.scores(long, short)['root'] == 1
