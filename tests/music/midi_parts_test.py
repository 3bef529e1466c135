import pytest

from aurl_jax.core.errors import MidiError
from aurl_jax.music import midi, midi_chunks, midi_parts
from aurl_jax.music.notes import Text, Track
from tests.music import smf


def read(*tracks):
  layout = midi_chunks.layout(smf.file(*tracks))
  notes = midi_parts.assemble(layout)
  notes.check()
  return notes, [issue.code for issue in layout.issues.issues]


def rows(notes):
  columns = ('onset', 'duration', 'pitch', 'velocity', 'track')
  return list(zip(*(getattr(notes, c).tolist() for c in columns), strict=True))


def test_the_first_end_belongs_to_the_first_start():
  notes, codes = read(
    smf.track(
      (0, smf.on(60, 1)), (10, smf.on(60, 2)), (10, smf.off(60)),
      (10, smf.on(60, 0)),
    )
  )  # fmt: skip
  assert rows(notes) == [(0, 20, 60, 1, 0), (10, 20, 60, 2, 0)]
  assert codes == []


def test_notes_that_never_end_stop_with_their_track():
  notes, codes = read(
    smf.track((5, smf.on(60)), (0, smf.on(60)), (0, smf.on(62)),
              (10, smf.off(60)), (85, smf.control(7, 7)))
  )  # fmt: skip
  assert sorted(rows(notes)) == [
    (5, 10, 60, 64, 0), (5, 95, 60, 64, 0), (5, 95, 62, 64, 0),
  ]  # fmt: skip
  assert codes == ['never_ended']


def test_controls_wait_for_the_notes_of_their_channel():
  notes, codes = read(
    smf.track(
      (0, smf.control(7, 1)), (0, smf.program(3)), (0, smf.bend(5)),
      *smf.NOTE, (0, smf.control(7, 2)),
    )
  )  # fmt: skip
  assert notes.tracks == (Track('', 3),)
  assert notes.controls.tolist() == [(0, 0, 7, 1), (480, 0, 7, 2)]
  assert notes.bends.tolist() == [(0, 0, 5)]
  assert codes == []


def test_a_pedal_track_without_notes_stays():
  notes, codes = read(
    smf.track(*smf.NOTE),
    smf.track((0, smf.name('pedal')), (10, smf.control(64, 127))),
  )
  assert notes.tracks == (Track(), Track('pedal'))
  assert notes.controls.tolist() == [(10, 1, 64, 127)]
  assert codes == []


def test_tracks_without_notes_stay_if_they_name_an_instrument():
  notes, _ = read(
    smf.track((0, smf.name('title'))),
    smf.track((0, smf.name('words only'))),
    smf.track((0, smf.name('flute')), (0, smf.program(73))),
    smf.track((0, smf.program(8, 9))),
  )
  assert notes.title == 'title'
  assert notes.tracks == (Track('flute', 73), Track('', 8, True))
  assert len(notes) == 0


def test_texts_belong_to_their_track():
  notes, _ = read(
    smf.track((3, smf.meta(6, b'chord:Am')), (0, smf.meta(6, b'A'))),
    smf.track((0, smf.meta(5, b'la')), *smf.NOTE),
  )
  assert notes.texts == (
    Text(0, 0, 'lyric', 'la'),
    Text(3, -1, 'chord', 'Am'),
    Text(3, -1, 'marker', 'A'),
  )


BAD_METAS = {
  'tempo': [(0x51, bytes(3)), (0x51, b'\x01\x02')],
  'meter': [
    (0x58, b'\x00\x02\x18\x08'),
    (0x58, b'\x04\x10\x18\x08'),
    (0x58, b''),
  ],
  'key': [(0x59, b'\x08\x00'), (0x59, b'\x01\x02'), (0x59, b'\x01')],
}


@pytest.mark.parametrize('code', BAD_METAS)
def test_impossible_metas_are_left_out_and_told(code):
  events = [(0, smf.meta(*bad)) for bad in BAD_METAS[code]]
  notes, codes = read(smf.track(*events, *smf.NOTE))
  assert codes == [code] * len(events)
  assert len(notes.tempos) == len(notes.meters) == len(notes.keys) == 0


def test_metas_are_read():
  notes, codes = read(
    smf.track(
      (0, smf.meta(0x51, b'\xff\xff\xff')),
      (0, smf.meta(0x58, b'\x07\x0f\0\0')),
      (1, smf.meta(0x59, b'\xf9\x01')), *smf.NOTE,
    )
  )  # fmt: skip
  assert notes.tempos.tolist() == [(0, 2**24 - 1)]
  assert notes.meters.tolist() == [(0, 7, 2**15)]
  assert notes.keys.tolist() == [(1, -7, True)]
  assert codes == []


def test_texts_that_are_no_utf8_are_latin_1():
  data = smf.file(smf.track((0, smf.meta(3, b'caf\xe9')), *smf.NOTE))
  reading = midi.read(data)
  assert reading.notes.tracks == (Track('café'),)
  assert reading.issues == ()
  assert [remark.code for remark in reading.remarks] == ['text_encoding']


def test_a_bar_shorter_than_a_tick_is_remarked():
  meter = smf.meta(0x58, b'\x01\x0a\x18\x08')
  track = smf.track((0, meter), *smf.NOTE)
  short = midi.read(smf.file(track, division=96))
  assert short.notes.meters.tolist() == [(0, 1, 1024)]
  assert short.issues == ()
  assert [remark.code for remark in short.remarks] == ['short_bar']
  assert midi.read(smf.file(track, division=256)).remarks == ()


OFFSETS = {
  'sound': (b'\x00\x00\x00\x00\x00', []),
  'another rate': (b'\x61\x00\x00\x00\x00', []),
  'the last': (b'\x17\x3b\x3b\x1d\x63', []),
  'hour 24': (b'\x18\x00\x00\x00\x00', ['smpte_offset']),
  'minute 60': (b'\x00\x3c\x00\x00\x00', ['smpte_offset']),
  'four bytes': (b'\x00\x00\x00\x00', ['smpte_offset']),
}


@pytest.mark.parametrize(
  ('payload', 'expected'), OFFSETS.values(), ids=OFFSETS.keys()
)
def test_a_time_that_is_none_is_told(payload, expected):
  _, codes = read(smf.track((0, smf.meta(0x54, payload)), *smf.NOTE))
  assert codes == expected


def piece(*events, division=480, notes=smf.NOTE):
  return smf.file(smf.track(*events, *notes), division=division)


def test_pieces_follow_each_other_at_bars():
  tempo = (0, smf.meta(0x51, b'\x07\xa1\x21'))
  lyric = (0, smf.meta(5, b'la'))
  reading = midi.read(piece() + piece(tempo, lyric))
  notes = reading.notes
  notes.check()
  assert rows(notes) == [(0, 480, 60, 64, 0), (1920, 480, 60, 64, 0)]
  assert notes.texts == (Text(1920, 0, 'lyric', 'la'),)
  assert (1920, 500_001) in notes.tempos.tolist()
  assert [issue.code for issue in reading.issues] == ['second_file']


def test_what_a_piece_tells_behind_its_notes_is_kept():
  events = [*smf.NOTE, (1440, smf.control(64, 0)), (9, smf.meta(6, b'end'))]
  notes = midi.read(piece(notes=events) + piece()).notes
  assert rows(notes)[1][0] == 2 * 1920
  assert notes.controls.tolist() == [(1920, 0, 64, 0)]
  assert notes.texts == (Text(1929, 0, 'marker', 'end'),)


def test_ticks_are_made_equal_exactly_where_possible():
  data = piece() + piece(
    division=320, notes=[(0, smf.on(60)), (1, smf.off(60))]
  )
  reading = midi.read(data)
  assert reading.notes.ticks_per_beat == 960
  assert rows(reading.notes)[1][:2] == (4 * 960, 3)
  assert [issue.code for issue in reading.issues] == ['second_file']
  rounded = midi.read(piece(division=32000) + piece(division=31999))
  assert rounded.notes.ticks_per_beat == 32000
  codes = [issue.code for issue in rounded.issues]
  assert codes == ['second_file', 'ticks_per_beat']


def test_a_pattern_without_notes_takes_no_time():
  silent = smf.track((0, smf.name('title')))
  data = smf.file(silent, smf.track(*smf.NOTE), silent, format_=2)
  notes = midi.read(data).notes
  assert rows(notes) == [(0, 480, 60, 64, 0)]
  assert notes.title == 'title'


def test_pieces_past_the_last_tick_are_left_out():
  late = [(2**28 - 1, smf.control(7, 3))] * 7
  data = piece(*late) + piece() + piece(*late)
  reading = midi.read(data)
  assert len(reading.notes) == 2
  assert midi.read(midi.write(reading.notes)).notes == reading.notes
  codes = [issue.code for issue in reading.issues]
  assert codes == ['second_file', 'second_file', 'ticks']


def test_film_frames_have_one_tempo():
  tempo = (0, smf.meta(0x51, b'\x07\xa1\x21'))
  reading = midi.read(piece(tempo, division=0xE728))
  assert reading.notes.ticks_per_beat == 1000
  assert reading.notes.tempos.tolist() == [(0, 1_000_000)]
  assert reading.issues == ()
  codes = [remark.code for remark in reading.remarks]
  assert codes == ['smpte', 'smpte_tempo']


def test_a_broken_file_without_notes_is_refused():
  data = smf.file(smf.chunk(b'\x00\x90\xf1\x00'))
  with pytest.raises(MidiError) as caught:
    midi.read(data)
  assert caught.value.code == 'data_byte'


def test_tracks_are_numbered_through_all_pieces():
  loose = smf.track(*smf.NOTE, end=False)
  two = smf.file(smf.track(*smf.NOTE), smf.track(*smf.NOTE))
  one = smf.file(smf.track(*smf.NOTE))
  told = midi.read(two + one + smf.file(loose)).issues
  # Two tracks, one, and then the one that never ends.
  others = [issue.where for issue in told if issue.code != 'second_file']
  places = {where.partition(',')[0] for where in others}
  assert places == {'track 3'}
