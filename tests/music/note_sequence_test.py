import subprocess
import sys

import hypothesis
import pytest

from aurl_jax.core.errors import AurlError, DataError
from aurl_jax.music import note_sequence
from aurl_jax.music.notes import Notes, Text, Track
from tests.music.pieces import pieces


@pytest.fixture(scope='module')
def NoteSequence():
  return note_sequence.load_proto().NoteSequence


@hypothesis.given(piece=pieces(nested=True))
def test_a_piece_comes_back(piece):
  proto = note_sequence.to_note_sequence(piece, 'an id', 'a file')
  data = proto.SerializeToString()
  assert (proto.id, proto.filename) == ('an id', 'a file')
  again = note_sequence.load_proto().NoteSequence.FromString(data)
  assert note_sequence.from_note_sequence(again) == piece


@hypothesis.given(piece=pieces(last=2**31, most=5))
def test_late_ticks_come_back(piece):
  proto = note_sequence.to_note_sequence(piece)
  assert note_sequence.from_note_sequence(proto) == piece


def test_the_fields_are_those_of_note_seq(NoteSequence):
  piece = Notes.build(
    480,
    {'onset': [480, 960], 'duration': 480, 'pitch': [60, 36], 'track': [0, 1],
     'velocity': 90},
    tracks=[Track('Flute', 73), Track('', 5, True)],
    tempos=[(0, 1_000_000)],
    meters=[(0, 3, 4)],
    keys=[(0, -3, True)],
    controls=[(480, 0, 64, 127)],
    bends=[(480, 0, -100)],
    texts=[Text(960, -1, 'chord', 'Cm')],
    title='Song',
  )  # fmt: skip
  assert note_sequence.to_note_sequence(piece) == NoteSequence(
    ticks_per_quarter=480,
    total_time=3.0,
    notes=[
      {'pitch': 60, 'velocity': 90, 'start_time': 1.0, 'end_time': 2.0,
       'instrument': 0, 'program': 73},
      {'pitch': 36, 'velocity': 90, 'start_time': 2.0, 'end_time': 3.0,
       'instrument': 1, 'program': 5, 'is_drum': True},
    ],
    tempos=[{'time': 0.0, 'qpm': 60.0}],
    time_signatures=[{'time': 0.0, 'numerator': 3, 'denominator': 4}],
    key_signatures=[{'time': 0.0, 'key': 0, 'mode': 1}],
    control_changes=[{'time': 1.0, 'control_number': 64, 'control_value': 127,
                      'instrument': 0, 'program': 73}],
    pitch_bends=[{'time': 1.0, 'bend': -100, 'instrument': 0, 'program': 73}],
    text_annotations=[{'time': 2.0, 'text': 'Cm', 'annotation_type': 1}],
    instrument_infos=[{'instrument': 0, 'name': 'Flute'}],
    sequence_metadata={'title': 'Song'},
  )  # fmt: skip


def test_sequences_of_others_are_read(NoteSequence):
  proto = NoteSequence(
    notes=[
      {'pitch': 60, 'start_time': 0.5, 'end_time': 1.0, 'instrument': 4,
       'program': 2},
      {'pitch': 62, 'velocity': 9, 'start_time': 1.0, 'end_time': 1.5,
       'instrument': 4, 'program': 7},
    ],
    key_signatures=[{'key': 2, 'mode': 4}, {'key': 7, 'mode': 3},
                    {'key': 4, 'mode': 2}],
    text_annotations=[{'time': 0.5, 'text': 'verse'},
                      {'time': 0.5, 'text': '1', 'annotation_type': 2}],
  )  # fmt: skip
  notes = note_sequence.from_note_sequence(proto)
  assert notes.ticks_per_beat == 220
  assert notes.onset.tolist() == [220, 440]
  assert notes.duration.tolist() == [220, 220]
  assert notes.velocity.tolist() == [1, 9]
  assert notes.tracks == (Track('', 2), Track('', 7))
  # D dorian and G mixolydian have no sharps, E has four.
  assert notes.keys.tolist() == [(0, 0, True), (0, 0, False), (0, 4, False)]
  assert notes.texts == (Text(220, -1, 'marker', 'verse'),)


@pytest.mark.parametrize(
  'fields',
  [
    {'notes': [{'pitch': 200}]},
    {'notes': [{'start_time': 2.0, 'end_time': 1.0}]},
    {'tempos': [{'qpm': 0.0}]},
    {'ticks_per_quarter': 40_000},
  ],
)
def test_values_out_of_range_are_refused(NoteSequence, fields):
  with pytest.raises(DataError) as caught:
    note_sequence.from_note_sequence(NoteSequence(id='odd', **fields))
  assert caught.value.code == 'note_sequence'
  assert "'odd'" in str(caught.value)


def test_a_missing_note_seq_is_told(monkeypatch):
  monkeypatch.setattr('importlib.util.find_spec', lambda name: None)
  note_sequence.load_proto.cache_clear()
  for name in [n for n in sys.modules if n.split('.')[0] == 'note_seq']:
    monkeypatch.delitem(sys.modules, name)
  with pytest.raises(AurlError) as caught:
    note_sequence.load_proto()
  assert caught.value.code == 'no_note_seq'


OURS = (
  'from aurl_jax.music import note_sequence\n'
  'ours = note_sequence.load_proto().NoteSequence\n'
)
THEIRS = (
  'import note_seq\n'
  'theirs = note_seq.protobuf.music_pb2.NoteSequence\n'
  'note_seq.sequences_lib.quantize_note_sequence(\n'
  '  theirs(tempos=[{"qpm": 120}]), 4)\n'
)


def run(code):
  done = subprocess.run(
    [sys.executable, '-W', 'ignore', '-c', code],
    capture_output=True,
    text=True,
    check=False,
  )
  assert done.returncode == 0, done.stderr


def test_loading_leaves_no_trace():
  run(
    OURS + 'import sys\n'
    'left = [n for n in sys.modules if n.partition(".")[0] == "note_seq"]\n'
    'assert left == [], left\n'
    'assert "pretty_midi" not in sys.modules\n'
  )


@pytest.mark.skipif(
  sys.version_info >= (3, 13), reason='note_seq needs audioop, gone in 3.13'
)
@pytest.mark.parametrize('parts', [(OURS, THEIRS), (THEIRS, OURS)])
def test_note_seq_still_imports_in_either_order(parts):
  run(''.join(parts) + 'assert ours is theirs\n')
