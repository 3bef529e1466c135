"""Similarity of bars and its indicators, by plain loops."""

import itertools
import math

import numpy as np
import pytest

from aurl_jax.evaluation import structure
from aurl_jax.music.notes import Notes


def music(seed, bars, meters=()):
  """Random notes in every bar of 16 ticks."""
  rng = np.random.default_rng(seed)
  onset = np.sort(rng.integers(0, 16 * bars, 9 * bars))
  return Notes.build(
    4,
    {
      'onset': onset,
      'duration': rng.integers(1, 24, len(onset)),
      'pitch': rng.integers(40, 90, len(onset)),
    },
    meters=meters,
  )


def cosine(a, b):
  size = math.sqrt(sum(x * x for x in a)) * math.sqrt(sum(x * x for x in b))
  if not any(a) and not any(b):
    return 1.0
  return sum(x * y for x, y in zip(a, b, strict=True)) / size if size else 0.0


def slow(notes, edges):
  """The matrix, tick by tick."""
  views = []
  for start, end in itertools.pairwise(edges):
    length = end - start
    chroma, begun = [0.0] * 48, [0] * 16
    for onset, duration, pitch in zip(
      notes.onset.tolist(),
      notes.duration.tolist(),
      notes.pitch.tolist(),
      strict=True,
    ):
      if start <= onset < end:
        begun[(onset - start) * 16 // length] += 1
      for tick in range(max(onset, start), min(onset + duration, end)):
        chroma[(tick - start) * 4 // length * 12 + pitch % 12] += 4 / length
    views.append((chroma, begun))
  return [
    [(cosine(a, c) + cosine(b, d)) / 2 for c, d in views] for a, b in views
  ]


@pytest.mark.parametrize(
  ('meters', 'edges'),
  [
    ((), range(0, 97, 16)),
    ([(0, 3, 4), (24, 4, 4)], [0, 12, 24, 40, 56, 72, 88, 104]),
  ],
)
def test_the_matrix_is_what_plain_loops_find(meters, edges):
  notes = music(3, 6, meters)
  found = structure.similarity(notes)
  np.testing.assert_allclose(found, slow(notes, list(edges)), atol=1e-12)
  np.testing.assert_allclose(np.diag(found), 1)


def test_bars_without_notes_are_alike_and_drums_have_no_pitch():
  gap = Notes.build(4, {'onset': [0, 48], 'duration': 4, 'pitch': 60})
  found = structure.similarity(gap)
  assert found.shape == (4, 4)
  assert found[1, 2] == 1
  assert found[0, 1] == 0
  assert len(structure.similarity(Notes.build(4))) == 0


def repeated(order, bars=4):
  """A piece whose sections of so many bars stand in an order of letters."""
  sections = {letter: music(ord(letter), bars) for letter in set(order)}
  columns = {'onset': [], 'duration': [], 'pitch': []}
  for place, letter in enumerate(order):
    part = sections[letter]
    columns['onset'] += (part.onset + place * bars * 16).tolist()
    ends = bars * 16 - part.onset
    columns['duration'] += np.minimum(part.duration, ends).tolist()
    columns['pitch'] += part.pitch.tolist()
  return Notes.build(4, columns)


@pytest.mark.parametrize(
  ('order', 'whole'),
  [('A' * 6, 'short'), ('ABC' * 3, 'mid'), ('ABCDE' * 3, 'long')],
)
def test_what_returns_at_a_distance_is_found_from_its_band_on(order, whole):
  found = structure.indicators(structure.similarity(repeated(order)))
  names = list(structure.BANDS)
  for name in names[: names.index(whole)]:
    assert found[name] < 0.9
  assert found[whole] == pytest.approx(1)
  alone = structure.indicators(structure.similarity(repeated('ABCDEFGHIJK')))
  assert max(alone.values()) < 0.9


def test_indicators_are_means_of_the_best_matches():
  matrix = structure.similarity(music(5, 30))
  found = structure.indicators(matrix, stretch=3)
  for name, (low, high) in structure.BANDS.items():
    best = []
    for i in range(28):
      matches = [
        np.mean([matrix[i + k, j + k] for k in range(3)])
        for j in range(28)
        if low <= abs(i - j) <= high
      ]
      best += [max(matches)] if matches else []
    assert found[name] == pytest.approx(np.mean(best))
  short = structure.indicators(matrix[:5, :5])
  assert math.isnan(short['long'])
  assert not math.isnan(short['short'])
  assert all(
    math.isnan(v) for v in structure.indicators(matrix[:2, :2]).values()
  )


def test_the_distance_is_that_of_sorted_samples():
  rng = np.random.default_rng(0)
  one, other = rng.normal(size=40), rng.normal(1, 2, size=40)
  paired = np.mean(np.abs(np.sort(one) - np.sort(other)))
  assert structure.wasserstein(one, other) == pytest.approx(paired)
  # Of other sizes: each value as often as makes them equal.
  third = rng.normal(size=10)
  paired = np.mean(np.abs(np.sort(one) - np.sort(np.repeat(third, 4))))
  assert structure.wasserstein(one, third) == pytest.approx(paired)
  assert structure.wasserstein(one, one) == 0
