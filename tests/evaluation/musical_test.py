"""Figures of pieces, judged by loops in plain Python."""

import itertools
import math

import numpy as np
import pytest

from aurl_jax.evaluation import musical
from aurl_jax.music import time
from aurl_jax.music.notes import Notes, Track
from tests.tokens import pieces

EMPTY = Notes.build(4)


def line(*pitches, length=4, **options):
  """Returns notes one after the other, a beat each."""
  count = len(pitches)
  onset = [4 * i for i in range(count)]
  columns = {'onset': onset, 'duration': length, 'pitch': list(pitches)}
  return Notes.build(4, columns, **options)


def moved(notes, semitones):
  pitch = np.where(notes.is_drum, notes.pitch, notes.pitch + semitones)
  columns = {
    name: getattr(notes, name)
    for name in ('onset', 'duration', 'velocity', 'track')
  }
  return Notes.build(
    notes.ticks_per_beat,
    columns | {'pitch': pitch},
    tracks=notes.tracks,
    meters=notes.meters,
  )


def middling(seed):
  """Returns a random piece that is free to move by two octaves."""
  notes = pieces.piece(seed, notes=40)
  pitch = np.where(notes.is_drum, notes.pitch, 30 + notes.pitch // 2)
  return moved(notes.replace(pitch=pitch), 0)


def test_chroma_counts_onsets_bar_by_bar():
  notes = line(60, 64, 67, 72, 61)
  expected = np.zeros((2, 12))
  expected[0, [0, 4, 7]], expected[1, 1] = [2, 1, 1], 1
  np.testing.assert_array_equal(musical.chroma(notes), expected)


def test_chroma_similarity_by_hand():
  one, other = line(60, 64, 67, 72), line(60, 60, 61, 67)
  # (2, 1, 1) of C, E, G against (2, 1, 1) of C, C#, G: 4 + 1 of 6.
  assert musical.chroma_similarity(one, other) == pytest.approx(5 / 6)
  assert musical.chroma_similarity(one, line(61)) == 0
  assert musical.chroma_similarity(one, one) == pytest.approx(1)


@pytest.mark.parametrize('seed', range(6))
def test_likeness_is_symmetric_full_with_itself_and_transposes(seed):
  one, other = middling(seed), middling(seed + 50)
  for function in (musical.chroma_similarity, musical.groove_likeness):
    found = function(one, other)
    assert found == pytest.approx(function(other, one), nan_ok=True)
    shifted = function(moved(one, 5), moved(other, 5))
    assert found == pytest.approx(shifted, nan_ok=True)
    assert not found < 0
    if len(one):
      assert function(one, one) == pytest.approx(1)


def slow_grooves(notes, positions):
  """Bar by bar, place by place, over exact fractions."""
  starts = time.bar_starts(notes, int(notes.onset[-1]) + 1).tolist()
  changes = time.meter_changes(notes)
  rows = []
  for start in starts:
    meter = [c for c in changes if c[0] <= start][-1]
    end = start + 4 * notes.ticks_per_beat * meter[1] / meter[2]
    end = min([end, *(c[0] for c in changes if c[0] > start)])
    inside = [o for o in notes.onset.tolist() if start <= o < end]
    places = {
      math.floor((o - start) * positions / (end - start)) for o in inside
    }
    rows.append([place in places for place in range(positions)])
  return rows


@pytest.mark.parametrize('seed', range(8))
def test_groove_similarity_is_the_mean_over_pairs_of_bars(seed):
  # Meters of whole ticks, so that bars have the same ends in both.
  notes = pieces.piece(seed, ticks_per_beat=480)
  if not len(notes):
    assert math.isnan(musical.groove_similarity(notes))
    return
  rows = slow_grooves(notes, 16)
  assert musical.grooves(notes, 16).tolist() == rows
  pairs = [
    sum(x == y for x, y in zip(a, b, strict=True)) / 16
    for a, b in itertools.combinations(rows, 2)
  ]
  expected = sum(pairs) / len(pairs) if pairs else math.nan
  found = musical.groove_similarity(notes, 16)
  assert found == pytest.approx(expected, nan_ok=True)


def test_a_steady_rhythm_is_all_alike():
  assert musical.groove_similarity(line(*[60] * 16)) == 1
  half = musical.groove_similarity(line(60, 60, 60, 60, 60), 4)
  assert half == pytest.approx(1 / 4)


def test_counts_by_hand():
  notes = line(60, 64, 59, length=2)
  assert musical.onset_density(notes) == pytest.approx(3 / 2.5)
  assert musical.pitch_range(notes) == 5
  assert musical.mean_length(notes) == 0.5
  assert musical.intervals(notes).tolist() == [4, -5]
  found = musical.interval_histogram(notes)
  assert found[24 + 4] == found[24 - 5] == 0.5
  lengths = musical.length_histogram(notes)
  assert lengths.tolist() == [0, 0, 0, 1, 0, 0, 0, 0, 0]


def test_lengths_have_a_bin_an_octave():
  beats = [1 / 16, 1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8, 16, 64]
  columns = {'onset': 0, 'duration': [int(64 * b) for b in beats], 'pitch': 60}
  columns['pitch'] = list(range(60, 70))
  found = musical.length_histogram(Notes.build(64, columns))
  np.testing.assert_allclose(found * 10, [1, 1, 1, 1, 1, 1, 1, 1, 2])


def test_intervals_follow_the_upper_line_of_each_track():
  columns = {
    'onset': [0, 0, 0, 4, 4, 8],
    'duration': 4,
    'pitch': [60, 67, 40, 65, 41, 100],
    'track': [0, 0, 1, 0, 1, 0],
  }
  notes = Notes.build(4, columns)
  assert sorted(musical.intervals(notes).tolist()) == [-2, 1, 35]
  assert musical.interval_histogram(notes)[-1] == pytest.approx(1 / 3)


def test_drums_count_in_rhythm_alone():
  columns = {'onset': [0, 4], 'duration': 4, 'pitch': [36, 90]}
  notes = Notes.build(4, columns, tracks=[Track(is_drum=True)])
  found = musical.features(notes)
  for name in ('pitch_class', 'range', 'length', 'interval'):
    assert np.isnan(found[name]).all(), name
  assert found['density'].tolist() == [1]
  assert found['groove'].sum() == 2


@pytest.mark.parametrize('seed', range(6))
def test_features_but_pitch_class_stay_when_transposed(seed):
  notes = middling(seed)
  one, other = musical.features(notes), musical.features(moved(notes, -7))
  assert tuple(one) == musical.FEATURES
  for name in musical.FEATURES:
    expected = one[name]
    if name == 'pitch_class':
      expected = np.roll(expected, -7)
    np.testing.assert_allclose(other[name], expected)
    if name not in ('range', 'density', 'groove') and len(one):
      total = one[name].sum()
      assert np.isnan(total) or total == pytest.approx(1)


def test_without_notes_there_are_no_figures():
  assert all(np.isnan(x).all() for x in musical.features(EMPTY).values())
  for function in (musical.chroma_similarity, musical.groove_likeness):
    assert math.isnan(function(EMPTY, line(60)))
  assert math.isnan(musical.groove_similarity(line(60)))
