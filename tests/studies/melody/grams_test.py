"""Words are equal where tuples of intervals and ratios are."""

import collections
import math

import hypothesis
import pytest
from hypothesis import strategies as st

from aurl_jax.studies.melody import grams
from tests.studies.melody.melodies import line_of, lines


def told(found, steps):
  """The words of a line as tuples."""
  gaps = [b - a for a, b in zip(found.onset, found.onset[1:], strict=False)]
  rows = []
  for place in range(len(gaps) - steps + 1):
    word = []
    for i in range(place, place + steps):
      step = int(found.pitch[i + 1] - found.pitch[i])
      ratio = math.log2(gaps[i] / gaps[i - 1]) if i > place else 0.0
      bins = sum(ratio >= edge for edge in (-1.5, -0.5, 0.5, 1.5))
      word.append((max(-24, min(24, step)), bins))
    rows.append(tuple(word))
  return rows


@hypothesis.given(lines(most=60), st.integers(1, 8))
def test_equal_numbers_are_equal_words(found, steps):
  want = told(found, steps)
  got = grams.words(found, steps).tolist()
  assert len(got) == len(want)
  names = dict(zip(got, want, strict=True))
  assert [names[g] for g in got] == want
  assert len(set(got)) == len(set(want))


def test_without_rhythm_only_intervals_count():
  one, other = line_of([60, 62, 64]), line_of([50, 52, 54], [1, 3, 1])
  assert grams.words(one, 2, rhythm=False) == grams.words(
    other, 2, rhythm=False
  )
  assert grams.words(one, 2) != grams.words(other, 2)


@hypothesis.given(lines())
def test_entropy(found):
  steps = [
    max(-24, min(24, int(b - a)))
    for a, b in zip(found.pitch, found.pitch[1:], strict=False)
  ]
  counts = collections.Counter(steps).values()
  want = -sum(c / len(steps) * math.log2(c / len(steps)) for c in counts)
  assert grams.entropy(found, 1) == pytest.approx(want, abs=1e-9)


def test_no_words():
  assert math.isnan(grams.entropy(line_of([60])))
  assert len(grams.words(line_of([]), 3)) == 0
  with pytest.raises(ValueError, match=r'1\.\.8'):
    grams.words(line_of([60, 61]), 9)
