"""Metrics of rhythm, judged by loops in plain Python (MusPy: `pitch_test`)."""

import math

import hypothesis
import pytest
from hypothesis import strategies as st

from aurl_jax.evaluation import rhythm
from aurl_jax.music.notes import Notes, Track
from tests.tokens import pieces

EMPTY = Notes.build(4)


def at(*onsets, length=1, beat=4, **options):
  columns = {'onset': onsets, 'duration': length, 'pitch': 60}
  return Notes.build(beat, columns, **options)


@hypothesis.given(seed=st.integers(0, 2**32 - 1))
def test_beats_that_are_empty(seed):
  notes = pieces.piece(seed, notes=12)
  hypothesis.assume(len(notes))
  beat = notes.ticks_per_beat
  pairs = list(zip(notes.onset, notes.onset + notes.duration, strict=True))
  count = notes.end // beat + 1
  sounds = [
    any(on // beat <= n <= off // beat for on, off in pairs)
    for n in range(count)
  ]
  wanted = 1 - sum(sounds) / count
  assert rhythm.empty_beat_rate(notes) == pytest.approx(wanted)


def test_bars_that_are_empty_in_changing_meters():
  # Bars begin at 0, 16, 28, 40, 52; what ends at 17 is in the second.
  notes = at(0, 45, length=[17, 3], meters=[(0, 4, 4), (16, 3, 4)])
  assert rhythm.empty_bar_rate(notes) == 1 / 4


def test_neighbouring_bars_by_hand():
  # 0 and 4 against 0 and 8: two of 16 places differ; then 8 against none.
  notes = at(0, 4, 16, 24)
  assert rhythm.groove_consistency(notes) == 1 - 2 / 16
  later = at(0, 4, 16, 24, 47)
  # The last onset ends at 48, where a fourth bar begins, and is empty.
  assert rhythm.groove_consistency(later) == pytest.approx(1 - (2 + 3 + 1) / 48)
  assert math.isnan(rhythm.groove_consistency(at(0, 4)))


def test_bars_of_unlike_lengths_are_compared_as_far_as_the_shorter():
  # 4/4, then 3/4: place 13 of the first bar has no fellow.
  notes = at(0, 13, 16, length=1, meters=[(0, 4, 4), (16, 3, 4)])
  assert rhythm.groove_consistency(notes) == 1
  other = at(0, 13, 20, meters=[(0, 4, 4), (16, 3, 4)])
  assert rhythm.groove_consistency(other) == pytest.approx(1 - 2 / 12)


def test_drums_on_their_places():
  tracks = [Track(is_drum=True)]
  notes = at(0, 3, 6, 8, 12, 13, beat=12, tracks=tracks)
  assert rhythm.drum_pattern_rate(notes, 4) == 4 / 6
  assert rhythm.drum_pattern_rate(notes, 3) == 3 / 6
  assert rhythm.drum_pattern_consistency(notes) == 4 / 6
  # A beat of 5 ticks has no parts.
  odd = at(0, 5, 6, beat=5, tracks=tracks)
  assert rhythm.drum_pattern_rate(odd, 4) == 2 / 3
  assert math.isnan(rhythm.drum_pattern_rate(at(0), 4))


def test_intervals_between_onsets():
  notes = at(0, 0, 4, 8, 10, 40)
  assert rhythm.onset_intervals(notes).tolist() == [4, 4, 2, 30]
  # 4 twice of four, and two alone: 0.5 * 1 + 2 * 0.25 * 2 bits.
  assert rhythm.onset_entropy(notes) == pytest.approx(1.5)
  far = at(0, 32, 132)
  assert rhythm.onset_entropy(far) == 0
  assert math.isnan(rhythm.onset_entropy(at(0, 0)))


def test_onsets_a_second():
  # Eight beats at 120 a minute last four seconds.
  notes = at(0, 31, 31)
  assert rhythm.onsets_a_second(notes) == pytest.approx(3 / 4)
  assert math.isnan(rhythm.onsets_a_second(EMPTY))


@pytest.mark.parametrize(
  'metric',
  [
    rhythm.empty_beat_rate,
    rhythm.empty_bar_rate,
    rhythm.groove_consistency,
    rhythm.drum_pattern_consistency,
    rhythm.onset_entropy,
  ],
)
def test_what_is_not_there_is_nan(metric):
  assert math.isnan(metric(EMPTY))
