import io
import struct

import hypothesis
import mido
import numpy as np
import pytest
import symusic

from aurl_jax.core.errors import MidiError
from aurl_jax.music import midi_write
from aurl_jax.music.notes import Notes, Track
from tests.music.pieces import pieces

BEAT = {'onset': 0, 'duration': 480, 'pitch': 60}


@hypothesis.given(pieces())
def test_equal_pieces_give_equal_bytes(piece):
  assert midi_write.write(piece) == midi_write.write(piece.replace())


@hypothesis.given(pieces())
def test_symusic_hears_the_same_notes(piece):
  score = symusic.Score.from_midi(midi_write.write(piece))
  theirs = sorted(
    (note.time, note.pitch, note.duration, note.velocity)
    for track in score.tracks
    for note in track.notes
  )
  names = ('onset', 'pitch', 'duration', 'velocity')
  ours = zip(*(getattr(piece, n).tolist() for n in names), strict=True)
  assert theirs == sorted(ours)


def test_mido_hears_the_events_in_order():
  piece = Notes.build(
    96,
    {'onset': [0, 96, 96], 'duration': [96, 96, 0], 'pitch': 60,
     'velocity': [1, 2, 3]},
    tracks=[Track('lead', 80)],
    tempos=[(0, 600_000)],
    meters=[(0, 6, 8)],
    keys=[(0, -2, True)],
    controls=[(96, 0, 64, 127)],
    bends=[(96, 0, -8192)],
    title='song',
  )  # fmt: skip
  file = mido.MidiFile(file=io.BytesIO(midi_write.write(piece)))
  assert (file.type, file.ticks_per_beat) == (1, 96)
  conductor, lead = file.tracks
  assert [message.type for message in conductor] == [
    'track_name', 'time_signature', 'key_signature', 'set_tempo',
    'end_of_track',
  ]  # fmt: skip
  assert conductor[2].key == 'Gm'
  found = [(m.time, m.type, getattr(m, 'velocity', None)) for m in lead[:-1]]
  assert found == [
    (0, 'track_name', None),
    (0, 'program_change', None),
    (0, 'note_on', 1),
    (96, 'control_change', None),
    (0, 'pitchwheel', None),
    (0, 'note_off', 64),
    (0, 'note_on', 3),
    (0, 'note_on', 2),
    (0, 'note_off', 64),
    (96, 'note_off', 64),
  ]


def test_tracks_take_channels_in_turn_and_drums_the_tenth():
  band = [Track(program=p) for p in range(17)]
  band.insert(3, Track(is_drum=True))
  columns = BEAT | {'track': range(18)}
  data = midi_write.write(Notes.build(480, columns, tracks=band))
  file = mido.MidiFile(file=io.BytesIO(data))
  channels = [
    next(m.channel for m in track if m.type == 'note_on')
    for track in file.tracks[1:]
  ]
  assert channels == [0, 1, 2, 9, 3, 4, 5, 6, 7, 8, *range(10, 16), 0, 1]
  ports = [
    [m.port for m in track if m.type == 'midi_port'] for track in file.tracks
  ]
  assert ports[-3:] == [[], [1], [1]]


def test_gaps_longer_than_a_delta_time_are_bridged():
  piece = Notes.build(1, {'onset': [0, 2**31 - 2], 'duration': 1, 'pitch': 60})
  score = symusic.Score.from_midi(midi_write.write(piece))
  assert [n.time for n in score.tracks[0].notes] == [0, 2**31 - 2]


REFUSED = {
  'ticks': Notes.build(480, BEAT | {'onset': 2**31}),
  'meter': Notes.build(480, BEAT, meters=[(0, 3, 5)]),
  'too_many_tracks': Notes.build(480, tracks=[Track()] * 65535),
}


@pytest.mark.parametrize(('code', 'piece'), REFUSED.items())
def test_what_no_midi_file_holds_is_refused(code, piece):
  with pytest.raises(MidiError) as caught:
    midi_write.write(piece)
  assert caught.value.code == code


def test_an_empty_piece_is_a_file_of_one_track():
  data = midi_write.write(Notes.build(480))
  assert data[:14] == struct.pack('>4sIHHH', b'MThd', 6, 1, 1, 480)
  assert np.count_nonzero(np.frombuffer(data, np.uint8) == 0xFF) == 1
