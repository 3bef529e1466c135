"""Phrases end at long notes and rests, and strengths are those of the paper."""

import itertools

import hypothesis
import numpy as np

from aurl_jax.studies.melody import phrases
from tests.studies.melody.melodies import line_of, lines

PHRASE = ([60, 62, 64, 65, 67, 65, 64, 62], [0.5] * 7 + [2.5])


def test_long_notes_end_phrases():
  tune = line_of(PHRASE[0] * 4, PHRASE[1] * 4)
  assert phrases.starts(tune).tolist() == [0, 8, 16, 24]


@hypothesis.given(lines(most=12))
def test_strengths_are_those_of_the_model(found):
  # Cambouropoulos, step by step: s_i = x_i * (r_(i-1) + r_i).
  onset, pitch = found.onset.tolist(), found.pitch.tolist()
  ends = (found.onset + found.duration).tolist()
  many = len(onset) - 1
  total = [0.0] * (many + 1)
  if many >= 2:
    kinds = [
      (0.25, [abs(pitch[i + 1] - pitch[i]) for i in range(many)]),
      (0.5, [onset[i + 1] - onset[i] for i in range(many)]),
      (0.25, [max(onset[i + 1] - ends[i], 0) for i in range(many)]),
    ]
    for weight, x in kinds:
      r = [
        abs(x[i] - x[i + 1]) / (x[i] + x[i + 1])
        if x[i] + x[i + 1] > 1e-9
        else 0
        for i in range(many - 1)
      ]
      s = [
        x[i] * ((r[i - 1] if i else 0) + (r[i] if i < many - 1 else 0))
        for i in range(many)
      ]
      if max(s) > 1e-9:
        for i in range(many):
          total[i + 1] += weight * s[i] / max(s)
    if max(total) > 1e-9:
      total = [t / max(total) for t in total]
  np.testing.assert_allclose(phrases.strengths(found), total, atol=1e-6)


@hypothesis.given(lines())
def test_phrases_are_four_notes_and_cover_all(found):
  starts = phrases.starts(found).tolist()
  assert starts[0] == 0
  assert all(b - a >= 4 for a, b in itertools.pairwise(starts))


def test_nothing_has_no_phrase():
  assert phrases.starts(line_of([])).tolist() == []
