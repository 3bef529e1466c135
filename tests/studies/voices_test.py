"""Polyphony is counted tick by tick, melodies are put there by hand."""

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from aurl_jax.music import midi
from aurl_jax.music.notes import Notes
from aurl_jax.studies import voices
from aurl_jax.studies.voices import Voices
from tests.music.pieces import pieces


def most_at_once(notes):
  tuned = [
    (int(o), int(o + d))
    for o, d, drum in zip(
      notes.onset, notes.duration, notes.is_drum, strict=True
    )
    if d > 0 and not drum
  ]
  return max((sum(a <= at < b for a, b in tuned) for at, _ in tuned), default=0)


@hypothesis.given(pieces(last=3000), st.integers(0, 3))
def test_any_piece(notes, inner):
  left = Voices(inner=inner)(notes)
  left.check()
  assert most_at_once(left) <= inner + 2
  assert left.is_drum.sum() == notes.is_drum.sum()
  assert left.tracks == notes.tracks
  before = sorted(zip(notes.onset, notes.track, notes.pitch, strict=True))
  for place in zip(left.onset, left.track, left.pitch, strict=True):
    before.remove(place)


@hypothesis.given(pieces(last=3000))
def test_more_voices_keep_more(notes):
  sizes = [len(Voices(inner=inner)(notes)) for inner in range(4)]
  assert sizes == sorted(sizes)
  assert len(Voices(inner=200)(notes)) == len(notes)


def test_a_loud_tune_below_soft_high_notes_is_the_melody():
  rows = []
  for beat in range(64):
    at = beat * 480
    rows += [(at, 460, 67 + beat % 5, 105), (at, 470, 43, 60)]
    rows += [(at, 100, 79, 50), (at + 240, 100, 81, 50)]
  table = np.array(rows)
  names = ('onset', 'duration', 'pitch', 'velocity')
  notes = Notes.build(480, dict(zip(names, table.T, strict=True)))
  tune = (notes.velocity == 105) & (notes.onset % 480 == 0)
  assert voices.melody(notes)[tune].mean() > 0.95
  assert not voices.skyline(notes)[tune].any()


def test_skyline_is_the_top_of_each_chord():
  notes = Notes.build(
    480, {'onset': [0, 0, 3, 480], 'duration': 9, 'pitch': [60, 64, 70, 50]}
  )
  assert notes.pitch[voices.skyline(notes)].tolist() == [70, 50]


def test_no_voices():
  with pytest.raises(ValueError, match='0 or more'):
    Voices(inner=-1)


@pytest.mark.slow
def test_melodies_of_pop909_are_kept(shared_data):
  recalls = []
  for song in sorted((shared_data / 'pop909/valid').iterdir()):
    notes = midi.read(song / f'{song.name}.mid').notes
    names = [track.name for track in notes.tracks]
    tune = notes.track == names.index('MELODY')
    names = ('onset', 'duration', 'pitch', 'velocity')
    merged = Notes.build(
      notes.ticks_per_beat,
      {name: getattr(notes, name) for name in names},
      tempos=notes.tempos,
    )
    left = Voices(inner=1)(merged)
    kept = set(zip(left.onset.tolist(), left.pitch.tolist(), strict=True))
    truth = set(
      zip(notes.onset[tune].tolist(), notes.pitch[tune].tolist(), strict=True)
    )
    recalls.append(len(truth & kept) / len(truth))
  assert np.mean(recalls) >= 0.98
