"""Metrics of harmony, judged tick by tick and by hand."""

import itertools
import math

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from aurl_jax.evaluation import harmony
from aurl_jax.music.notes import Notes, Text, Track
from tests.tokens import pieces

EMPTY = Notes.build(4)


def chords(*each, length=4, **options):
  """Chords one after the other, a beat each."""
  columns = [
    (4 * number, length, pitch)
    for number, pitches in enumerate(each)
    for pitch in pitches
  ]
  onset, duration, pitch = zip(*columns, strict=True)
  return Notes.build(
    4, {'onset': onset, 'duration': duration, 'pitch': pitch}, **options
  )


@hypothesis.given(seed=st.integers(0, 2**32 - 1))
def test_what_sounds_between_bounds_tick_by_tick(seed):
  notes = pieces.piece(seed, notes=15)
  rng = np.random.default_rng(seed)
  bounds = np.unique(rng.integers(0, notes.end + 9, 6))
  hypothesis.assume(len(bounds) > 1)
  wanted = np.zeros((len(bounds) - 1, 12))
  for on, length, key, drum in zip(
    notes.onset, notes.duration, notes.pitch, notes.is_drum, strict=True
  ):
    for row, (low, high) in enumerate(itertools.pairwise(bounds)):
      inside = range(max(on, low), min(on + length, high))
      wanted[row, key % 12] += 0 if drum else len(inside)
  np.testing.assert_array_equal(harmony.sounding(notes, bounds), wanted)


def test_chord_tones_of_written_chords():
  # C major for two beats, then G7, then none.
  texts = [
    Text(0, -1, 'chord', 'C:maj'),
    Text(8, -1, 'chord', 'G:7'),
    Text(16, -1, 'chord', 'N'),
  ]
  notes = chords([60, 64], [62, 67], [65], [66], [61], texts=texts)
  # C, E; not D, but G; F; not F sharp.
  assert harmony.chord_tone_rate(notes) == pytest.approx(4 / 6)


def test_chord_tones_of_chords_that_are_heard():
  triads = [[48, 60, 64, 67]] * 4 + [[43, 59, 62, 67]] * 4
  assert harmony.chord_tone_rate(chords(*triads)) == 1
  assert math.isnan(harmony.chord_tone_rate(EMPTY))


def test_tonal_space_is_that_of_the_paper():
  def point(c):
    return [
      math.sin(c * 7 * math.pi / 6),
      math.cos(c * 7 * math.pi / 6),
      math.sin(c * 3 * math.pi / 2),
      math.cos(c * 3 * math.pi / 2),
      0.5 * math.sin(c * 2 * math.pi / 3),
      0.5 * math.cos(c * 2 * math.pi / 3),
    ]

  single = harmony.tonal_centre(np.eye(12))
  np.testing.assert_allclose(single, [point(c) for c in range(12)], atol=1e-12)
  weights = np.zeros(12)
  weights[[0, 4, 7]] = 2, 1, 1
  wanted = np.average([point(0), point(4), point(7)], axis=0, weights=[2, 1, 1])
  np.testing.assert_allclose(harmony.tonal_centre(weights), wanted)
  # Neighbours by fifths and thirds are near, the tritone is far.
  away = harmony.tonal_distance(np.eye(12)[[0] * 12], np.eye(12))
  assert away[6] > away[7] > 0
  assert away[1] > away[4]


def test_change_of_harmony():
  still = chords([60, 64, 67], [60, 64, 67], [72, 76, 79])
  assert harmony.harmonic_change(still) == pytest.approx(0, abs=1e-12)
  near = harmony.harmonic_change(chords([60, 64, 67], [67, 71, 74]))
  far = harmony.harmonic_change(chords([60, 64, 67], [66, 70, 73]))
  assert far > near > 0
  # A beat of rest is passed over.
  gap = harmony.harmonic_change(chords([60, 64, 67], [], [67, 71, 74]))
  assert gap == pytest.approx(near)
  assert math.isnan(harmony.harmonic_change(chords([60])))


def spiral(fifths):
  """Chew's helix of radius 1 and a climb of the root of 2/15 a fifth."""
  turn = fifths * math.pi / 2
  return math.sin(turn), math.cos(turn), fifths * math.sqrt(2 / 15)


def test_tension_of_a_fifth_and_a_tritone():
  # C, G, and then B, F in C major: 0, 1; 5, -1 on the line of fifths.
  scale = [[60, 64, 67]] * 8
  found = harmony.tension(chords([60, 67]))
  assert found['diameter'] == pytest.approx(math.dist(spiral(0), spiral(1)))
  assert found['strain'] == pytest.approx(0, abs=1e-12)
  assert math.isnan(found['momentum'])
  plain = harmony.tension(chords(*scale))
  tense = harmony.tension(chords(*scale, [65, 71]))
  assert tense['diameter'] > plain['diameter']
  widest = math.dist(spiral(-1), spiral(5))
  triad = max(
    math.dist(spiral(a), spiral(b)) for a in (0, 1, 4) for b in (0, 1, 4)
  )
  assert plain['diameter'] == pytest.approx(triad)
  assert tense['diameter'] == pytest.approx((8 * triad + widest) / 9)
  assert plain['momentum'] == pytest.approx(0, abs=1e-12)
  # One step of eight goes from the middle of the triad to that of the tritone.
  middle = [
    np.mean([spiral(k) for k in cloud], axis=0).tolist()
    for cloud in ((0, 1, 4), (-1, 5))
  ]
  assert tense['momentum'] == pytest.approx(math.dist(*middle) / 8)
  assert tense['strain'] > plain['strain']


def test_fifths_lie_next_to_each_other_on_the_spiral():
  line = harmony.spiral(np.arange(-5, 8))
  assert line == pytest.approx(np.array([spiral(k) for k in range(-5, 8)]))


def test_what_is_not_there_is_nan():
  drums = Notes.build(
    4, {'onset': [0], 'duration': 2, 'pitch': 38}, tracks=[Track(is_drum=True)]
  )
  for notes in (EMPTY, drums):
    assert math.isnan(harmony.chord_tone_rate(notes))
    assert math.isnan(harmony.harmonic_change(notes))
    assert all(math.isnan(value) for value in harmony.tension(notes).values())
