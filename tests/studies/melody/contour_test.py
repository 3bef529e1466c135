"""Shapes by hand, and cosines as the sums that define them."""

import math

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from aurl_jax.studies.melody import contour, line
from tests.studies.melody.melodies import line_of, lines, notes_of


@pytest.mark.parametrize(
  ('pitches', 'kind'),
  [
    ([60, 64, 67, 64, 60], 'convex'),
    ([67, 62, 60, 62, 67], 'concave'),
    ([60, 62, 64, 65], 'ascending'),
    ([72, 67, 64, 60], 'descending'),
    ([60, 60, 60], 'horizontal'),
    ([60, 64, 64, 64], 'ascending-horizontal'),
    ([67, 60, 60], 'descending-horizontal'),
    ([60, 60, 60, 65], 'horizontal-ascending'),
    ([60, 60, 60, 55], 'horizontal-descending'),
    ([60], 'horizontal'),
    ([], ''),
  ],
)
def test_classes(pitches, kind):
  assert contour.huron(line_of(pitches)) == kind


@hypothesis.given(lines(), st.integers(-12, 12))
def test_transposition_changes_no_shape(found, up):
  moved = line.Line(
    found.onset, found.duration, found.pitch + up, found.start, found.end
  )
  assert contour.huron(moved) == contour.huron(found)
  np.testing.assert_allclose(
    contour.cosine(moved), contour.cosine(found), atol=1e-9
  )


@hypothesis.given(lines())
def test_cosines_are_sums(found):
  pitch = contour.sampled(found)
  many = len(pitch)
  want = [
    2 / many * sum(
      (p - pitch.mean()) * math.cos(math.pi * k * (t + 0.5) / many)
      for t, p in enumerate(pitch)
    )
    for k in range(1, 6)
  ]  # fmt: skip
  np.testing.assert_allclose(contour.cosine(found), want, atol=1e-9)


def test_what_coefficients_say():
  falls = contour.cosine(line_of(range(80, 50, -1)))
  sags = contour.cosine(line_of([72, 66, 62, 60, 60, 62, 66, 72]))
  assert falls[0] > 5
  assert abs(falls[1]) < 1
  assert sags[1] > 3
  assert abs(sags[0]) < 1


def test_a_rest_goes_on():
  notes = notes_of([60, 62, 64])
  cut = notes.replace(duration=np.array([10, 10, 480]))
  assert contour.sampled(line.of(cut), 3).tolist() == [60, 62, 64]
