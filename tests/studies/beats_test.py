"""Beats of pieces made by code, whose beats are known."""

import bisect

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from aurl_jax.music import midi, time
from aurl_jax.music.notes import Notes, Track
from aurl_jax.studies import beats as beats_lib
from tests.music.pieces import pieces

RISING = ((0, 48, 0.9), (0, 64, 0.3), (2, 67, 0.3), (4, 55, 0.4), (6, 67, 0.3))
"""Eighth of the bar, pitch, length in beats: a plain accompaniment."""


def tune(lengths, ticks=480):
  """A tune whose beats last so many seconds, told in seconds at 120 bpm."""
  beats = np.append(0, np.cumsum(lengths)) + 0.4
  rows = []
  for beat in range(len(lengths)):
    chord = (0, 5, 7, 0)[beat // 4 % 4]
    for eighth, pitch, length in RISING:
      if beat % 4 == eighth // 2:
        half = (eighth % 2) / 2
        start = beats[beat] + half * lengths[beat]
        rows.append((start, length * lengths[beat], pitch + chord, 70))
    for part in (0, 0.5):
      start = beats[beat] + part * lengths[beat]
      rows.append((start, lengths[beat] / 2.2, 72 + chord + beat % 3, 90))
  seconds = np.array(rows)
  second = 2 * ticks
  return beats, Notes.build(
    ticks,
    {
      'onset': np.rint(seconds[:, 0] * second),
      'duration': np.rint(seconds[:, 1] * second),
      'pitch': seconds[:, 2],
      'velocity': seconds[:, 3],
    },
  )


def hits(found, truth, window=0.07):
  """F-measure, each beat matched once, by bisection over sorted lists."""
  free, matched = sorted(found), 0
  for beat in truth:
    at = bisect.bisect_left(free, beat - window)
    if at < len(free) and free[at] <= beat + window:
      free.pop(at)
      matched += 1
  return 2 * matched / (len(found) + len(truth))


@pytest.mark.parametrize('length', [0.55, 0.7, 0.85])
def test_a_steady_tune(length):
  truth, notes = tune([length] * 48)
  found = beats_lib.track(notes)
  inside = [b for b in found.all() if truth[0] - 0.1 < b < truth[-2]]
  assert hits(inside, truth[:-2]) > 0.95


def test_a_tune_that_slows_down_and_hurries():
  bend = 0.7 * (1 + 0.25 * np.sin(np.arange(64) / 10))
  truth, notes = tune(bend.tolist())
  found = beats_lib.track(notes)
  inside = [b for b in found.all() if truth[0] - 0.1 < b < truth[-2]]
  assert hits(inside, truth[:-2]) > 0.9


def test_following_keeps_seconds_and_puts_beats_on_ticks():
  bend = 0.7 * (1 + 0.2 * np.sin(np.arange(64) / 9))
  truth, notes = tune(bend.tolist())
  followed = beats_lib.follow(notes)
  followed.check()
  before = np.sort(time.ticks_to_seconds(notes, notes.onset))
  after = np.sort(time.ticks_to_seconds(followed, followed.onset))
  assert np.abs(before - after).max() < 0.002
  grid = time.ticks_to_seconds(followed, 480 * np.arange(90))
  assert np.abs(truth[4:60, None] - grid).min(axis=1).max() < 0.04


def test_blocks_are_joined(monkeypatch):
  truth, notes = tune([0.7] * 96)
  monkeypatch.setattr(beats_lib, '_BLOCK', 20.0)
  found = beats_lib.track(notes)
  assert np.diff(found.seconds).min() > 0.1
  inside = [b for b in found.all() if truth[0] - 0.1 < b < truth[-2]]
  assert hits(inside, truth[:-2]) > 0.9


def test_the_tempo_map_of_the_piece_does_not_matter():
  _, notes = tune([0.7] * 40)
  slower = notes.replace(ticks_per_beat=240)  # twice the seconds
  fast = slower.replace(tempos=np.array([(0, 250_000)], notes.tempos.dtype))
  first, second = beats_lib.track(notes), beats_lib.track(fast)
  np.testing.assert_allclose(first.seconds, second.seconds, atol=1e-6)


def test_a_silence_is_filled_with_beats():
  _, notes = tune([0.7] * 40)
  late = np.where(notes.onset > 480 * 30, notes.onset + 960 * 3600, notes.onset)
  gap = Notes.build(
    480, {'onset': late, 'duration': notes.duration, 'pitch': notes.pitch}
  )
  found = beats_lib.track(gap)
  assert len(found) < 200
  assert 3600 / 1.5 < found.index[-1] < 3800 / 0.3
  followed = beats_lib.follow(gap, found)
  before = np.sort(time.ticks_to_seconds(gap, gap.onset))
  after = np.sort(time.ticks_to_seconds(followed, followed.onset))
  assert np.abs(before - after).max() < 0.002


@hypothesis.settings(max_examples=12)
@hypothesis.given(pieces(last=4000, ticks_per_beat=480))
def test_any_piece(notes):
  found = beats_lib.track(notes)
  assert (np.diff(found.seconds) > 0).all()
  assert (np.diff(found.index) > 0).all()
  assert (found.seconds >= 0).all()
  followed = beats_lib.follow(notes, found)
  followed.check()
  assert len(followed) == len(notes)
  if len(found) > 1:
    before = np.sort(time.ticks_to_seconds(notes, notes.onset))
    after = np.sort(time.ticks_to_seconds(followed, followed.onset))
    assert np.abs(before - after).max(initial=0) < 0.01


@pytest.mark.parametrize('onset', [[], [0], [0, 1], [0, 10**9], [5] * 9])
@pytest.mark.parametrize('drums', [False, True])
def test_few_notes(onset, drums):
  notes = Notes.build(
    480, {'onset': onset, 'duration': 10, 'pitch': 60},
    tracks=[Track(is_drum=drums)],
  )  # fmt: skip
  found = beats_lib.track(notes)
  assert len(beats_lib.follow(notes, found)) == len(notes)


@hypothesis.given(st.integers(0, 10**6))
def test_off_grid(seed):
  random = np.random.default_rng(seed)
  on = 120 * random.choice(1000, 200, replace=False)
  off = random.integers(0, 480 * 200, 200)
  for onset, low, high in ((on, 0, 0.01), (off, 0.7, 1)):
    notes = Notes.build(480, {'onset': onset, 'duration': 9, 'pitch': 60})
    assert low <= beats_lib.off_grid(notes) <= high


@pytest.mark.slow
def test_songs_without_their_tempo_map(shared_data):
  scores = []
  for song in sorted((shared_data / 'pop909/valid').iterdir()):
    notes = midi.read(song / f'{song.name}.mid').notes
    onset = time.ticks_to_seconds(notes, notes.onset)
    end = time.ticks_to_seconds(notes, notes.onset + notes.duration)
    played = Notes.build(
      1000,
      {
        'onset': np.rint(2000 * onset),
        'duration': np.rint(2000 * end) - np.rint(2000 * onset),
        'pitch': notes.pitch,
        'velocity': notes.velocity,
      },
    )
    rows = (song / 'beat_midi.txt').read_text().splitlines()
    truth = [float(row.split()[0]) for row in rows if row.strip()]
    found = beats_lib.track(played).all().tolist()
    # As mir_eval: what comes before 5 seconds does not count.
    late = [[beat for beat in one if beat >= 5] for one in (found, truth)]
    scores.append(hits(*late))
  assert np.mean(scores) >= 0.9
