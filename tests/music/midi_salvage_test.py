import struct

import pytest

from aurl_jax.core.errors import MidiError
from aurl_jax.music import midi_chunks, midi_salvage
from tests.music import smf

TRACK = smf.track(*smf.NOTE)
LONG = smf.track(*smf.NOTE, *smf.NOTE)
OPEN = smf.track(*smf.NOTE, end=False)


def header(length=6, format_=1, count=1, division=480):
  return struct.pack('>4sIHHH', b'MThd', length, format_, count, division)


def lying(track, by):
  """A track whose length says `by` bytes more than it has."""
  return smf.chunk(track[8:], length=len(track) - 8 + by)


def riff(data, outer=0, inner=0):
  size = struct.pack('<I', len(data) + inner)
  body = b'RMIDdata' + size + data + bytes(len(data) % 2)
  return b'RIFF' + struct.pack('<I', len(body) + outer) + body


def found(data):
  """The bytes of each track, and the codes of issues and of remarks."""
  layout = midi_salvage.layout(data)
  return (
    [data[start:end] for start, end in layout.spans],
    [issue.code for issue in layout.issues.issues],
    [issue.code for issue in layout.remarks.issues],
  )


MENDED = {
  'more tracks than declared':
    (smf.file(TRACK, LONG, count=1), [TRACK, LONG], ['track_count']),
  'fewer tracks than declared':
    (smf.file(TRACK, LONG, count=9), [TRACK, LONG], ['track_count']),
  'no tracks declared': (smf.file(TRACK, count=0), [TRACK], ['track_count']),
  'two tracks in format 0':
    (smf.file(TRACK, LONG, format_=0), [TRACK, LONG], ['format']),
  'a format that does not exist':
    (smf.file(TRACK, format_=9), [TRACK], ['format']),
  'a long header':
    (header(8) + b'\0\0' + TRACK, [TRACK], ['header_length']),
  'a length of the header that lies':
    (header(99) + TRACK, [TRACK], ['header_length']),
  'a header without division':
    (header(4)[:-2] + TRACK, [TRACK], ['header_length', 'division']),
  'no header': (TRACK + LONG, [TRACK, LONG], ['no_header']),
  'bytes before the header':
    (b'\x1a' * 9 + smf.file(TRACK), [TRACK], ['leading_bytes']),
  'bytes before a track without header':
    (b'abcdefgh' + TRACK, [TRACK], ['no_header', 'leading_bytes']),
  'bytes between tracks':
    (smf.file(TRACK, b'\1\2\3' + LONG, count=2), [TRACK, LONG], ['junk']),
  'bytes behind': (smf.file(TRACK) + bytes(5), [TRACK], ['trailing_bytes']),
  'a length too short':
    (smf.file(lying(TRACK, -5), LONG), [TRACK, LONG], ['length']),
  'a length of nothing':
    (smf.file(smf.chunk(TRACK[8:], length=0), LONG), [TRACK, LONG],
     ['length']),
  'a length into the next track':
    (smf.file(lying(TRACK, 3), LONG), [TRACK, LONG], ['length']),
  'a length over the next track':
    (smf.file(lying(TRACK, len(LONG)), LONG), [TRACK, LONG], ['length']),
  'a length past the file':
    (smf.file(smf.chunk(TRACK[8:], length=2**32 - 1)), [TRACK],
     ['truncated']),
  'a track cut off': (smf.file(TRACK[:-2]), [TRACK[:-2]], ['truncated']),
  'a name cut off':
    (smf.file(TRACK, LONG[:6]), [TRACK], ['truncated', 'track_count']),
  'a chunk past the file':
    (smf.file(TRACK, smf.chunk(b'a', b'XFIH', 99), count=1), [TRACK],
     ['trailing_bytes']),
  'no time': (smf.file(TRACK, division=0), [TRACK], ['division']),
  'no frames': (smf.file(TRACK, division=0xE700), [TRACK], ['division']),
  'two files':
    (smf.file(TRACK) + smf.file(LONG), [TRACK, LONG], ['second_file']),
  'a RIFF that lies':
    (riff(smf.file(TRACK), outer=70), [TRACK],
     ['riff_length', 'trailing_bytes']),
  'a RIFF that lies about the file':
    (riff(smf.file(TRACK), inner=70), [TRACK],
     ['riff_length', 'trailing_bytes']),
  'another header without tracks':
    (smf.file(TRACK) + header(division=96), [TRACK], ['header']),
  'a header cut off behind': (smf.file(TRACK) + b'MThd', [TRACK], ['header']),
}  # fmt: skip


@pytest.mark.parametrize(
  ('data', 'tracks', 'codes'), MENDED.values(), ids=MENDED.keys()
)
def test_what_is_wrong_is_mended_and_told(data, tracks, codes):
  bodies, issues, _ = found(data)
  assert bodies[0].startswith(tracks[0][8:])
  assert bodies[0].strip(b'\0\1\2\3') == tracks[0][8:].strip(b'\0')
  assert bodies[1:] == [track[8:] for track in tracks[1:]]
  assert issues == codes


ODD = {
  'unknown_chunk': smf.file(
    smf.chunk(b'abc', b'XFIH'), smf.chunk(b'', b'XFKM'), TRACK, count=1
  ),
  'repeated_header': header() + header() + TRACK,
  'riff': riff(smf.file(TRACK)),
  'smpte': smf.file(TRACK, division=0xE728),
}


@pytest.mark.parametrize('code', ODD)
def test_what_is_odd_is_remarked(code):
  bodies, issues, remarks = found(ODD[code])
  assert bodies == [TRACK[8:]]
  assert issues == []
  assert set(remarks) == {code}


def test_patterns_are_sections():
  layout = midi_salvage.layout(smf.file(TRACK, LONG, format_=2))
  assert [len(section.spans) for section in layout.sections] == [1, 1]
  assert layout.issues.issues == ()
  assert [remark.code for remark in layout.remarks.issues] == ['format_2']


def test_film_frames_are_beats_of_their_length():
  def section(division):
    (only,) = midi_salvage.layout(smf.file(TRACK, division=division)).sections
    return only.ticks_per_beat, only.micros

  assert section(0xE728) == (25 * 40, 1_000_000)
  assert section(0xE304) == (30 * 4, 1_001_000)
  assert section(0xE250) == (30 * 80, 1_000_000)


@pytest.mark.parametrize('cut', [0, 1, 2])
def test_a_header_that_is_repeated_inside_its_piece_changes_nothing(cut):
  tracks = [TRACK, LONG]
  tracks.insert(cut, header(count=2))
  layout = midi_salvage.layout(smf.file(*tracks, count=2))
  assert [len(section.spans) for section in layout.sections] == [2]
  assert layout.issues.issues == ()
  assert [r.code for r in layout.remarks.issues] == ['repeated_header']


def test_the_same_file_twice_is_two_files():
  data = smf.file(TRACK, LONG) * 2
  layout = midi_salvage.layout(data)
  assert [len(section.spans) for section in layout.sections] == [2, 2]
  assert [issue.code for issue in layout.issues.issues] == ['second_file']


def test_notes_that_look_like_a_chunk_stay_in_their_track():
  running = [(0, smf.on(65, 80)), *[(66, b'AP')] * 9]
  track = smf.track(*running)
  short = smf.chunk(track[8:], length=9)
  bodies, issues, _ = found(smf.file(short, LONG))
  assert bodies == [track[8:], LONG[8:]]
  assert issues == ['length']


def test_a_text_that_names_a_chunk_stays_a_text():
  track = smf.track((0, smf.name('MTrk MThd')), *smf.NOTE)
  bodies, _, _ = found(b'\0' + smf.file(track))
  assert bodies == [track[8:]]


@pytest.mark.parametrize(
  ('code', 'data'),
  [
    ('no_header', b'<html>'),
    ('no_header', b'RIFF' + bytes(40)),
    ('no_tracks', b'MThd\0\0\0\6\0'),
    ('no_tracks', smf.file()),
    ('no_tracks', b'MTrk'),
  ],
)
def test_what_holds_no_track_is_refused(code, data):
  with pytest.raises(MidiError) as caught:
    midi_salvage.layout(data)
  assert caught.value.code == code


def test_tracks_and_pieces_are_limited():
  limits = midi_chunks.Limits(pieces=1)
  with pytest.raises(MidiError) as caught:
    midi_salvage.layout(smf.file(TRACK, TRACK, format_=2), limits)
  assert caught.value.code == 'too_many_pieces'
  limits = midi_chunks.Limits(tracks=1)
  with pytest.raises(MidiError) as caught:
    midi_salvage.layout(smf.file(TRACK, TRACK), limits)
  assert caught.value.code == 'too_many_tracks'
  names = b'MTrk' * 40  # more than tracks could be
  with pytest.raises(MidiError) as caught:
    midi_salvage.layout(names, limits)
  assert caught.value.code == 'too_many_tracks'


@pytest.mark.parametrize('division', [1, 0x7FFE, 0x7FFF])
def test_every_division_of_a_beat_is_taken(division):
  layout = midi_salvage.layout(header(division=division) + TRACK)
  assert layout.issues.issues == ()
  assert [s.ticks_per_beat for s in layout.sections] == [division]
