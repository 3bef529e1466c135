"""Likeness by definition: against plain programs, and what changes nothing."""

import itertools
import math

import hypothesis
import numpy as np
import pytest
import scipy.optimize
from hypothesis import strategies as st

from aurl_jax.studies.melody import contour, likeness
from aurl_jax.studies.melody.line import Line
from tests.studies.melody.melodies import line_of, lines

NAMES = ('edit', 'geometric', 'transport')


def moved(found, up, slower):
  return Line(
    found.onset * slower,
    found.duration * slower,
    found.pitch + up,
    found.start * slower,
    found.end * slower,
  )


@hypothesis.given(lines(), st.integers(-12, 12))
def test_a_tune_is_like_itself_in_any_key(found, up):
  told = likeness.compare(found, moved(found, up, 1))
  assert told == pytest.approx(dict.fromkeys(NAMES, 1.0), abs=1e-9)


@hypothesis.given(lines(), lines())
def test_likeness_lies_in_its_range_and_is_mutual(one, other):
  told, back = likeness.compare(one, other), likeness.compare(other, one)
  assert told == pytest.approx(back, abs=1e-9)
  assert all(0 <= value <= 1 for value in told.values())


@hypothesis.given(lines())
def test_speed_changes_no_edits_and_no_curve(found):
  slow = moved(found, 0, 2)
  assert likeness.edit(found, slow) == pytest.approx(1)
  assert likeness.transport(found, slow) == pytest.approx(1)


@hypothesis.given(lines(most=8), lines(most=8))
def test_geometric_is_the_best_of_all_shifts(one, other):
  best = 0
  a = set(zip(one.cells.tolist(), one.pitch.tolist(), strict=True))
  b = set(zip(other.cells.tolist(), other.pitch.tolist(), strict=True))
  for (t, p), (u, q) in itertools.product(a, b):
    shifted = {(x + u - t, y + q - p) for x, y in a}
    best = max(best, len(shifted & b))
  want = best / max(len(a), len(b))
  assert likeness.geometric(one, other) == pytest.approx(want)


def test_notes_on_one_point_coincide_once():
  trill = line_of([60, 60, 62], [0.01, 1.0, 1.0])
  assert len(trill) > len(set(trill.cells.tolist()))
  assert likeness.geometric(trill, trill) == 1


@hypothesis.given(lines(most=8), lines(most=8))
def test_transport_is_the_optimum_of_a_linear_program(one, other):
  points = 8
  curves = []
  for found in (one, other):
    curve = contour.sampled(found, points)
    curves.append(curve - curve.mean())
  cost = [
    math.hypot((i - j) / points * 12, curves[0][i] - curves[1][j])
    for i in range(points)
    for j in range(points)
  ]
  rows = np.zeros((2 * points, points * points))
  for i, j in itertools.product(range(points), range(points)):
    rows[i, i * points + j] = rows[points + j, i * points + j] = 1
  best = scipy.optimize.linprog(
    cost, A_eq=rows, b_eq=np.full(2 * points, 1 / points)
  )
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(likeness, '_POINTS', points)
    got = likeness.transport(one, other)
  assert got == pytest.approx(math.exp(-best.fun / 6), abs=1e-6)


def test_edits_cost_more_the_more_there_are():
  tune = [60, 62, 64, 65, 67, 65, 64, 62, 60, 67, 72, 60]
  one = [*tune[:5], 66, *tune[6:]]
  two = [*tune[:3], 70, 58, *tune[5:]]
  likes = [likeness.edit(line_of(tune), line_of(t)) for t in (tune, one, two)]
  assert likes[0] == 1 > likes[1] > likes[2] > 0


def test_a_note_in_two_costs_less_than_another_note():
  tune = line_of([60, 64, 67, 72, 67], 1.0)
  passing = line_of([60, 62, 64, 67, 72, 67], [0.5, 0.5, 1, 1, 1, 1])
  other = line_of([60, 62, 66, 67, 72, 67], [0.5, 0.5, 1, 1, 1, 1])
  assert likeness.edit(tune, passing) > likeness.edit(tune, other) > 0.4


def test_a_part_is_found_in_the_whole():
  rng = np.random.default_rng(0)
  whole = line_of(rng.integers(55, 80, 60))
  part = line_of(whole.pitch[20:32] + 5)
  assert likeness.edit(part, whole, local=True) == pytest.approx(1)
  assert likeness.edit(whole, part, local=True) == pytest.approx(1)
  assert likeness.edit(part, whole) < 0.4


def test_too_few_notes():
  for one, other in itertools.permutations([line_of([60]), line_of([60, 62])]):
    told = likeness.compare(one, other)
    assert all(math.isnan(value) for value in told.values())
