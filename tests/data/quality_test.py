"""Facts are counted by loops; every limit refuses and accepts."""

import hypothesis
import pytest

from aurl_jax.data import quality
from aurl_jax.data.quality import Filter
from aurl_jax.music import time
from aurl_jax.music.notes import Notes, Track
from tests.music.pieces import pieces

SCALE = Notes.build(
  480,
  {
    'onset': [0, 480, 960, 3840],
    'duration': [480, 960, 480, 480],
    'pitch': [60, 62, 60, 60],
    'velocity': [64, 64, 70, 64],
  },
)
"""At 120 bpm: 4.5 seconds, a silence of 2.5, three bars."""

LIMITS = [
  ('few_notes', {'min_notes': 5}, {'min_notes': 4}),
  ('many_notes', {'max_notes': 3}, {'max_notes': 4}),
  ('short', {'min_seconds': 5}, {'min_seconds': 4.5}),
  ('long', {'max_seconds': 4}, {'max_seconds': 4.5}),
  ('few_bars', {'min_bars': 4}, {'min_bars': 3}),
  ('many_bars', {'max_bars': 2}, {'max_bars': 3}),
  ('silence', {'max_silence': 2}, {'max_silence': 2.5}),
  ('silent', {'max_silence_share': 0.5}, {'max_silence_share': 0.6}),
  ('polyphony', {'max_polyphony': 1}, {'max_polyphony': 2}),
  ('few_pitches', {'min_pitches': 3}, {'min_pitches': 2}),
  ('one_pitch', {'max_pitch_share': 0.7}, {'max_pitch_share': 0.75}),
  ('dense', {'max_density': 0.5}, {'max_density': 1}),
  ('flat', {'min_velocities': 3}, {'min_velocities': 2}),
  ('many_tracks', {'max_tracks': 0}, {'max_tracks': 1}),
]


@pytest.mark.parametrize(('code', 'refuses', 'accepts'), LIMITS)
def test_limits(code, refuses, accepts):
  assert [reason.code for reason in Filter(**refuses)(SCALE)] == [code]
  assert Filter(**accepts)(SCALE) == ()


def test_several_reasons_say_what_was_found():
  reasons = Filter(min_notes=10, max_silence=1)(SCALE)
  assert [reason.text for reason in reasons] == [
    '4 notes; at least 10',
    '2.5 seconds without a note; at most 1',
  ]


def test_drums_only():
  drums = Notes.build(
    480, {'onset': [0], 'duration': 1, 'pitch': 36},
    tracks=[Track(is_drum=True)],
  )  # fmt: skip
  assert Filter()(drums) == ()
  (reason,) = Filter(allow_drums_only=False)(drums)
  assert reason.code == 'drums_only'
  assert Filter(allow_drums_only=False)(SCALE) == ()


@hypothesis.given(pieces(last=3000))
def test_facts(notes):
  found = quality.facts(notes)
  rows = [
    (int(o), int(o + d), int(p))
    for o, d, p, drum in zip(
      notes.onset, notes.duration, notes.pitch, notes.is_drum, strict=True
    )
    if not drum
  ]
  held = [row for row in rows if row[1] > row[0]]
  most = max((sum(a <= at < b for a, b, _ in held) for at, _, _ in held),
             default=0)  # fmt: skip
  assert found['polyphony'] == most
  counts = {}
  for _, _, pitch in rows:
    counts[pitch] = counts.get(pitch, 0) + 1
  assert found['pitches'] == len(counts)
  assert found['pitch_share'] == pytest.approx(
    max(counts.values(), default=0) / max(1, len(rows))
  )
  if len(notes) and notes.end < 10**6:
    # `bar_starts` leaves out bars that begin at the tick of another.
    assert found['bars'] >= len(time.bar_starts(notes)) - (notes.end == 0)


def test_an_empty_piece():
  assert not any(quality.facts(Notes.build(480)).values())
  assert Filter(min_notes=1)(Notes.build(480))[0].code == 'few_notes'


def test_a_huge_piece_is_counted_without_listing_its_bars():
  notes = Notes.build(480, {'onset': [0, 2**50], 'duration': 480, 'pitch': 60})
  assert quality.facts(notes)['bars'] > 2**39
