"""Three other readers hear in our files what is in the piece.

symusic, mido and pretty_midi share nothing with our writer. pretty_midi
tells seconds, so its numbers are compared with ticks turned to seconds here.
"""

import io
import itertools
import warnings

import hypothesis
import mido
import numpy as np
import pretty_midi
import pytest
import symusic
from hypothesis import strategies as st

from aurl_jax.core.errors import MidiError
from aurl_jax.music import midi, rebuild, transform
from aurl_jax.music.notes import Notes, Text, Track
from tests.music.pieces import pieces

SETS = (
  'giantmidi', 'groove', 'hauptstimme', 'js_fakes', 'jsb_chorales',
  'multitrack', 'nottingham', 'openewld', 'openscore_lieder',
  'piano_midi_de', 'pop909', 's3_symphonies', 'when_in_rome',
)  # fmt: skip
EACH = 5


def told(notes):
  """What a reader has to find, sorted: notes, tempos, meters, keys, texts."""
  names = ('onset', 'duration', 'pitch', 'velocity', 'program', 'is_drum')
  columns = (getattr(notes, name).tolist() for name in names)
  return {
    'notes': sorted(zip(*columns, strict=True)),
    'tempos': [tuple(row) for row in notes.tempos.tolist()],
    'meters': [tuple(row) for row in notes.meters.tolist()],
    'keys': [tuple(row) for row in notes.keys.tolist()],
    'texts': sorted(
      (t.tick, f'chord:{t.text}' if t.kind == 'chord' else t.text)
      for t in notes.texts
      if t.kind != 'lyric'
    ),
    'controls': sorted(
      (tick, number, value)
      for tick, _, number, value in notes.controls.tolist()
    ),
    'bends': sorted((tick, value) for tick, _, value in notes.bends.tolist()),
  }


def by_mido(data):
  """The same, from mido's messages."""
  found = {key: [] for key in told(Notes.build(1))}
  file = mido.MidiFile(file=io.BytesIO(data))
  for track in file.tracks:
    tick, open_notes, program = 0, {}, {}
    for message in track:
      tick += message.time
      _by_mido(found, message, tick, open_notes, program)
    assert not any(open_notes.values())
  return {
    key: sorted(rows) if key in ('notes', 'texts', 'controls', 'bends')
    else rows
    for key, rows in found.items()
  }  # fmt: skip


def _by_mido(found, message, tick, open_notes, program):
  kind = message.type
  if kind == 'note_on' and message.velocity:
    key = message.channel, message.note
    open_notes.setdefault(key, []).append((tick, message.velocity))
  elif kind in ('note_on', 'note_off'):
    key = message.channel, message.note
    onset, velocity = open_notes[key].pop(0)
    found['notes'].append(
      (onset, tick - onset, message.note, velocity,
       program[message.channel], message.channel == 9)
    )  # fmt: skip
  elif kind == 'program_change':
    program[message.channel] = message.program
  elif kind == 'set_tempo':
    found['tempos'].append((tick, message.tempo))
  elif kind == 'time_signature':
    found['meters'].append((tick, message.numerator, message.denominator))
  elif kind == 'key_signature':
    found['keys'].append((tick, *_key(message.key)))
  elif kind == 'marker':
    # mido takes texts for latin-1.
    found['texts'].append((tick, message.text.encode('latin-1').decode()))
  elif kind == 'control_change':
    found['controls'].append((tick, message.control, message.value))
  elif kind == 'pitchwheel':
    found['bends'].append((tick, message.pitch))


def _key(name):
  minor = name.endswith('m')
  letter, sign = name.removesuffix('m')[0], name.removesuffix('m')[1:]
  fifths = 'FCGDAEB'.index(letter) - 1 + {'': 0, '#': 7, 'b': -7}[sign]
  return fifths - 3 * minor, minor


def by_symusic(data):
  """The same, from symusic's score."""
  score = symusic.Score.from_midi(data)
  tracks = [(t, t.program, t.is_drum) for t in score.tracks]
  return {
    'notes': sorted(
      (n.time, n.duration, n.pitch, n.velocity, program, drum)
      for track, program, drum in tracks
      for n in track.notes
    ),
    'tempos': [(t.time, t.mspq) for t in score.tempos],
    'meters': [
      (m.time, m.numerator, m.denominator) for m in score.time_signatures
    ],
    'keys': [(k.time, k.key, bool(k.tonality)) for k in score.key_signatures],
    'texts': sorted((m.time, m.text) for m in score.markers),
  }


def seconds_of(notes):
  """Rows (onset s, end s, pitch, velocity, program, drum), sorted.

  Seconds by adding up one tempo after another.
  """
  rows = [(0, 500_000), *((int(t), int(m)) for t, m in notes.tempos)]

  def clock(tick):
    total = 0.0
    for (start, micros), (stop, _) in itertools.pairwise([*rows, (tick, 0)]):
      total += max(0, min(stop, tick) - start) * micros
    return total / 1e6 / notes.ticks_per_beat

  times = {
    tick: clock(tick)
    for tick in {
      *notes.onset.tolist(),
      *(notes.onset + notes.duration).tolist(),
    }
  }
  names = ('onset', 'duration', 'pitch', 'velocity', 'program', 'is_drum')
  return sorted(
    (p, drum, times[o], times[o + d], v, program)
    for o, d, p, v, program, drum in zip(
      *(getattr(notes, n).tolist() for n in names), strict=True
    )
  )


def check_pretty_midi(data, notes):
  with warnings.catch_warnings():
    warnings.simplefilter('ignore')
    read = pretty_midi.PrettyMIDI(io.BytesIO(data))
  found = sorted(
    (n.pitch, i.is_drum, n.start, n.end, n.velocity, i.program)
    for i in read.instruments
    for n in i.notes
  )
  wanted = seconds_of(notes)
  assert len(found) == len(wanted)
  if wanted:
    np.testing.assert_allclose(np.array(found), np.array(wanted), atol=1e-5)
  meters = [
    (read.time_to_tick(m.time), m.numerator, m.denominator)
    for m in read.time_signature_changes
  ]
  assert meters == told(notes)['meters']


def check(notes, *, single=False):
  data = midi.write(notes, single=single)
  wanted = told(notes)
  assert by_mido(data) == wanted
  heard = by_symusic(data)
  assert heard == {key: wanted[key] for key in heard}
  return data


SONG = Notes.build(
  480,
  {
    # Late, early and uneven: the timing of hands.
    'onset': [3, 478, 965, 1431, 0, 960, 7, 953],
    'duration': [470, 455, 431, 500, 950, 940, 60, 61],
    'pitch': [60, 62, 64, 65, 40, 43, 36, 38],
    'velocity': [1, 64, 127, 90, 80, 81, 100, 101],
    'track': [0, 0, 0, 0, 1, 1, 2, 2],
  },
  tracks=[Track('lead', 80), Track('bass', 33), Track('kit', 0, True)],
  tempos=[(0, 600_000), (960, 487_311)],
  meters=[(0, 3, 4), (1440, 6, 8)],
  keys=[(0, -3, True), (1440, 2, False)],
  controls=[(0, 0, 64, 127), (470, 0, 64, 0), (0, 1, 7, 99), (5, 1, 11, 3)],
  bends=[(100, 0, -8192), (120, 0, 8191), (130, 0, 0)],
  texts=[
    Text(0, -1, 'marker', 'verse'),
    Text(1440, -1, 'marker', 'chorus'),
    Text(0, -1, 'chord', 'C:min7'),
  ],
  title='Song',
)


@pytest.mark.parametrize('single', [False, True])
def test_a_song_with_every_nuance(single):
  data = check(SONG, single=single)
  check_pretty_midi(data, SONG)
  assert data[8:12] == (b'\0\0\0\1' if single else b'\0\1\0\4')
  read = midi.read(data)
  assert read.issues == ()
  programs = [track.program for track in SONG.tracks]
  assert [track.program for track in read.notes.tracks] == programs
  np.testing.assert_array_equal(read.notes.controls, SONG.controls)


@hypothesis.given(pieces(most=12).filter(lambda p: len(p.tracks) < 16))
def test_one_track_holds_what_many_do(piece):
  """Format 0 read by us: all but names, and drum tracks are one."""
  back = midi.read(midi.write(piece, single=True))
  assert back.issues == ()
  for name in ('tempos', 'meters', 'keys'):
    np.testing.assert_array_equal(
      getattr(back.notes, name), getattr(piece, name)
    )
  pitched = ~piece.is_drum
  heard = ~back.notes.is_drum
  names = ('onset', 'duration', 'pitch', 'velocity', 'program')
  assert sorted(
    zip(*(getattr(back.notes, n)[heard].tolist() for n in names), strict=True)
  ) == sorted(
    zip(*(getattr(piece, n)[pitched].tolist() for n in names), strict=True)
  )
  strokes = ('onset', 'pitch', 'velocity')
  assert sorted(
    zip(
      *(getattr(back.notes, n)[~heard].tolist() for n in strokes), strict=True
    )
  ) == sorted(
    zip(*(getattr(piece, n)[~pitched].tolist() for n in strokes), strict=True)
  )
  texts = sorted(t._replace(track=-1) for t in piece.texts)
  assert sorted(t._replace(track=-1) for t in back.notes.texts) == texts


def test_format_0_has_15_channels_for_pitches():
  band = [Track(program=n) for n in range(15)] + [Track(is_drum=True)] * 2
  piece = Notes.build(
    4, {'onset': 0, 'duration': 4, 'pitch': 60, 'track': range(17)},
    tracks=band,
  )  # fmt: skip
  read = midi.read(midi.write(piece, single=True)).notes
  assert sorted(t.program for t in read.tracks) == [0, *range(15)]
  more = Notes.build(4, tracks=[*band, Track(program=15)])
  with pytest.raises(MidiError, match='16 tracks') as caught:
    midi.write(more, single=True)
  assert caught.value.code == 'too_many_tracks'


@hypothesis.given(st.data())
def test_pretty_midi_hears_made_pieces(data):
  piece = peaceful(data.draw(pieces(most=12, ticks_per_beat=480)))
  # It has one list of notes for all of a channel.
  hypothesis.assume(len(piece.tracks) < 16)
  hypothesis.assume(
    len({*zip(piece.tempos['tick'].tolist())}) == len(piece.tempos)
  )
  hypothesis.assume(all(micros > 1000 for _, micros in piece.tempos))
  found = midi.write(piece.replace(meters=piece.meters[:0], texts=()))
  check_pretty_midi(found, piece.replace(meters=piece.meters[:0]))


def peaceful(notes):
  """Without what readers disagree on.

  Overlapping equal pitches end in another order for each of them, and
  pretty_midi leaves out notes without length.
  """
  notes = transform.clip_overlaps(notes)
  long = notes.duration > 0
  names = ('onset', 'duration', 'pitch', 'velocity', 'track')
  columns = {name: getattr(notes, name)[long] for name in names}
  return rebuild.rebuilt(notes, columns)


def test_files_of_real_music_come_back(shared_data):
  """Five files of each set, read, written, and read by the three others."""
  tried = 0
  for name in SETS:
    paths = sorted((shared_data / name).rglob('*.mid'))
    for path in paths[:: max(1, len(paths) // EACH)][:EACH]:
      notes = midi.read(path).notes
      if len(notes) > 6000:
        continue
      notes = peaceful(notes)
      data = check(notes)
      check_pretty_midi(data, notes)
      tried += 1
  assert tried >= 40
