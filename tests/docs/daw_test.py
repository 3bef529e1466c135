"""What `docs/HOW_TO_DAW.md` says of our files, read with mido."""

import io

import mido
import numpy as np
import pytest

from aurl_jax.music import midi
from aurl_jax.music.events import Text, Track
from aurl_jax.music.notes import Notes


@pytest.fixture(scope='module')
def notes():
  """A bar of 4/4 and one of 3/4, piano and drums, that gets slower."""
  return Notes.build(
    4,
    {
      'onset': [0, 4, 0, 16],
      'duration': [4, 4, 1, 4],
      'pitch': [60, 64, 36, 67],
      'velocity': [70, 90, 100, 50],
      'track': [0, 0, 1, 0],
    },
    tracks=[Track('keys', 5), Track('kit', 0, True)],
    tempos=[(0, 500_000), (16, 600_000)],
    meters=[(0, 4, 4), (16, 3, 4)],
    keys=[(0, 1, False)],
    texts=[Text(0, -1, 'chord', 'G:maj'), Text(16, -1, 'marker', 'B')],
  )


def messages(piece, **options):
  file = mido.MidiFile(file=io.BytesIO(midi.write(piece, **options)))
  return file, [list(track) for track in file.tracks]


def kinds(track):
  return [message.type for message in track]


def test_format_ticks_and_tracks(notes):
  file, tracks = messages(notes)
  assert (file.type, file.ticks_per_beat) == (1, 4)
  assert len(tracks) == 3
  assert 'note_on' not in kinds(tracks[0])
  assert messages(notes, single=True)[0].type == 0


def test_tempo_meter_and_key_stand_on_the_first_track_at_every_change(notes):
  _, (first, *others) = messages(notes)
  assert kinds(first).count('set_tempo') == 2
  assert kinds(first).count('time_signature') == 2
  assert kinds(first).count('key_signature') == 1
  for track in others:
    assert not {'set_tempo', 'time_signature'} & set(kinds(track))


def test_sections_and_chords_are_markers(notes):
  _, (first, *_) = messages(notes)
  told = [m.text for m in first if m.type == 'marker']
  assert told == ['chord:G:maj', 'B']


def test_a_program_stands_first_and_drums_are_on_channel_10(notes):
  _, (_, piano, drums) = messages(notes)
  played = [m for m in piano if not m.is_meta]
  assert (played[0].type, played[0].program) == ('program_change', 5)
  assert {m.channel for m in drums if not m.is_meta} == {9}
  assert 9 not in {m.channel for m in played}


def test_each_note_has_its_end_and_its_velocity(notes):
  _, tracks = messages(notes)
  on = [m for t in tracks for m in t if m.type == 'note_on']
  off = [m for t in tracks for m in t if m.type == 'note_off']
  assert sorted(m.velocity for m in on) == sorted(notes.velocity)
  assert len(on) == len(off) == len(notes)


def test_more_ticks_move_nothing(notes):
  from aurl_jax.music import transform

  finer = transform.resample(notes, 480)
  file, _ = messages(finer)
  assert file.ticks_per_beat == 480
  assert np.array_equal(finer.onset, notes.onset * 120)
