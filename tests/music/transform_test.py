import fractions

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from aurl_jax.music import time, transform
from aurl_jax.music.notes import Notes, Text, Track
from tests.music.pieces import pieces


def rows(notes, *names):
  columns = [getattr(notes, name).tolist() for name in names]
  return list(zip(*columns, strict=True))


def scale(pitches, **rest):
  columns = {'onset': range(len(pitches)), 'duration': 1, 'pitch': pitches}
  return Notes.build(4, columns, **rest)


@hypothesis.given(pieces(nested=True), st.integers(-140, 140))
def test_transposing_moves_pitches_but_not_drums(piece, semitones):
  moved = [
    p if d else p + semitones for p, d in rows(piece, 'pitch', 'is_drum')
  ]
  heard = [
    p for p, d in zip(moved, piece.is_drum.tolist(), strict=True) if not d
  ]
  if heard and not 0 <= min(heard) <= max(heard) <= 127:
    with pytest.raises(transform.TransformError) as caught:
      transform.transpose(piece, semitones)
    assert caught.value.code == 'pitch_range'
    return
  result = transform.transpose(piece, semitones)
  result.check()
  names = ('onset', 'track', 'pitch', 'duration', 'velocity')
  before = zip(rows(piece, *names), moved, strict=True)
  assert rows(result, *names) == sorted(
    (onset, track, pitch, duration, velocity)
    for (onset, track, _, duration, velocity), pitch in before
  )


@hypothesis.given(pieces(), st.integers(-60, 60))
def test_octaves_fold_pitches_back(piece, semitones):
  result = transform.transpose(
    piece, semitones, low=40, high=80, outside='octave'
  )
  heard = result.pitch[~result.is_drum]
  assert ((heard >= 40) & (heard <= 80)).all()
  classes = np.sort((piece.pitch[~piece.is_drum] + semitones) % 12)
  assert np.array_equal(np.sort(heard % 12), classes)


def test_octaves_cannot_fold_into_less_than_an_octave():
  with pytest.raises(transform.TransformError, match='octave'):
    transform.transpose(scale([61]), 0, low=62, high=66, outside='octave')
  with pytest.raises(ValueError, match='outside'):
    transform.transpose(scale([61]), 0, outside='clip')


@pytest.mark.parametrize('semitones', range(-13, 14))
def test_keys_move_with_the_tonic(semitones):
  piece = scale([60], keys=[(0, sharps, False) for sharps in range(-7, 8)])
  moved = transform.transpose(piece, semitones).keys['fifths']
  assert ((moved >= -5) & (moved <= 6)).all()
  tonics = (7 * np.arange(-7, 8) + semitones) % 12
  assert np.array_equal(7 * moved % 12, tonics)


def test_chords_move_along():
  piece = scale(
    [60], texts=[Text(0, -1, 'chord', 'Am7/G'), Text(0, -1, 'lyric', 'A')]
  )
  moved = transform.transpose(piece, 3)
  assert [text.text for text in moved.texts] == ['Cm7/Bb', 'A']


def test_velocities_are_scaled_within_their_range():
  piece = Notes.build(
    4,
    {
      'onset': range(4),
      'duration': 1,
      'pitch': 60,
      'velocity': [1, 50, 101, 127],
    },
  )
  assert transform.scale_velocity(piece, 0.5).velocity.tolist() == [
    1,
    25,
    50,
    64,
  ]
  assert transform.scale_velocity(piece, 9).velocity.tolist() == [
    9,
    127,
    127,
    127,
  ]
  assert transform.scale_velocity(piece, 0).velocity.tolist() == [1] * 4


def test_stretching_changes_the_seconds_only():
  piece = scale([60, 62, 64], tempos=[(1, 400_000)])
  slow = transform.stretch(piece, 1.5)
  assert rows(slow, 'onset', 'duration') == rows(piece, 'onset', 'duration')
  assert time.duration_seconds(slow) == pytest.approx(
    1.5 * time.duration_seconds(piece)
  )
  slowest = transform.stretch(piece, 1e9)
  assert set(slowest.tempos['microseconds'].tolist()) == {2**24 - 1}


def test_selected_tracks_take_what_is_theirs():
  piece = Notes.build(
    4,
    {'onset': range(3), 'duration': 1, 'pitch': [60, 61, 62],
     'track': [0, 1, 2]},
    tracks=[Track('a'), Track('b', 5), Track('c', 6)],
    controls=[(0, 0, 7, 1), (0, 2, 7, 2)],
    bends=[(0, 1, 3)],
    texts=[Text(0, 2, 'lyric', 'la'), Text(0, -1, 'marker', 'A'),
           Text(0, 1, 'lyric', 'lo')],
    tempos=[(0, 400_000)],
  )  # fmt: skip
  chosen = transform.select_tracks(piece, [2, 0])
  assert chosen.tracks == (Track('c', 6), Track('a'))
  assert rows(chosen, 'pitch', 'track', 'program') == [(60, 1, 0), (62, 0, 6)]
  assert chosen.controls.tolist() == [(0, 0, 7, 2), (0, 1, 7, 1)]
  assert len(chosen.bends) == 0
  assert [t.text for t in chosen.texts] == ['A', 'la']
  assert chosen.tempos.tolist() == [(0, 400_000)]
  with pytest.raises(transform.TransformError, match='no track'):
    transform.select_tracks(piece, [3])


@hypothesis.given(pieces())
def test_selecting_all_tracks_changes_nothing(piece):
  everything = range(len(piece.tracks))
  assert transform.select_tracks(piece, everything) == piece


@hypothesis.given(pieces(nested=True))
def test_no_pitch_sounds_twice_after_clipping(piece):
  clipped = transform.clip_overlaps(piece)
  clipped.check()
  sounding = {}
  for onset, track, pitch, duration in rows(
    clipped, 'onset', 'track', 'pitch', 'duration'
  ):
    assert sounding.get((track, pitch), 0) <= onset
    sounding[track, pitch] = onset + duration
  kept = set(rows(piece, 'onset', 'track', 'pitch'))
  assert rows(clipped, 'onset', 'track', 'pitch') == sorted(kept)


@hypothesis.given(pieces(nested=True), st.integers(1, 7))
def test_finer_ticks_are_exact(piece, factor):
  ticks = piece.ticks_per_beat * factor
  hypothesis.assume(ticks <= 32767)
  finer = transform.resample(piece, ticks)
  names = ('onset', 'duration', 'pitch', 'velocity', 'track')
  assert finer.onset.tolist() == (piece.onset * factor).tolist()
  assert transform.resample(finer, piece.ticks_per_beat) == piece
  assert rows(finer, *names[2:]) == rows(piece, *names[2:])


@hypothesis.given(pieces(nested=True), st.integers(1, 100))
def test_coarser_ticks_are_the_nearest(piece, ticks):
  coarse = transform.resample(piece, ticks)
  coarse.check()

  def moved(tick):
    beats = fractions.Fraction(tick * ticks, piece.ticks_per_beat)
    return int(beats + fractions.Fraction(1, 2))

  expected = sorted(
    (
      moved(onset),
      track,
      pitch,
      max(moved(onset + length) - moved(onset), min(length, 1)),
      velocity,
    )
    for onset, track, pitch, length, velocity in rows(
      piece, 'onset', 'track', 'pitch', 'duration', 'velocity'
    )
  )
  names = ('onset', 'track', 'pitch', 'duration', 'velocity')
  assert rows(coarse, *names) == expected
  assert [t.tick for t in coarse.texts] == [moved(t.tick) for t in piece.texts]
