import struct

import pytest

from aurl_jax.core.errors import MidiError
from aurl_jax.music import midi_chunks
from tests.music import smf

SOUND = smf.file(smf.track(*smf.NOTE), smf.track(*smf.NOTE))


def header(length=6, format_=1, count=1, division=480):
  return struct.pack('>4sIHHH', b'MThd', length, format_, count, division)


def test_tracks_are_found():
  layout = midi_chunks.layout(SOUND)
  assert layout.sound
  assert (layout.format, layout.ticks_per_beat) == (1, 480)
  bodies = [SOUND[start:end] for start, end in layout.spans]
  assert bodies == [smf.track(*smf.NOTE)[8:]] * 2
  assert midi_chunks.ends_itself(SOUND, layout.spans[0][1])
  assert not midi_chunks.ends_itself(SOUND, layout.spans[0][1] - 1)


NOTHING = {
  'empty': b'',
  'no_header': b'<html>',
  'header': b'MThd\0\0\0\6\0',
  'format_2': smf.file(smf.track(*smf.NOTE), format_=2),
  'division': smf.file(smf.track(*smf.NOTE), division=0),
  'smpte': smf.file(smf.track(*smf.NOTE), division=0xE728),
  'no_tracks': smf.file(),
}


@pytest.mark.parametrize(('code', 'data'), NOTHING.items())
def test_what_holds_no_music_is_refused(code, data):
  with pytest.raises(MidiError) as caught:
    midi_chunks.layout(data)
  assert caught.value.code == code


def test_a_short_header_is_refused():
  with pytest.raises(MidiError) as caught:
    midi_chunks.layout(header(length=4) + smf.track(*smf.NOTE))
  assert caught.value.code == 'header'


def test_sizes_are_limited(monkeypatch):
  monkeypatch.setattr(midi_chunks, 'MAX_BYTES', 40)
  with pytest.raises(MidiError) as caught:
    midi_chunks.layout(SOUND)
  assert caught.value.code == 'too_large'
  monkeypatch.setattr(midi_chunks, 'MAX_BYTES', 4000)
  monkeypatch.setattr(midi_chunks, 'MAX_TRACKS', 1)
  with pytest.raises(MidiError) as caught:
    midi_chunks.layout(SOUND)
  assert caught.value.code == 'too_many_tracks'


TRACK = smf.track(*smf.NOTE)
ODD = {
  'track_count': (smf.file(TRACK, TRACK, count=1), 2),
  'format': (smf.file(TRACK, TRACK, format_=0), 2),
  'header': (header(length=8) + b'\0\0' + TRACK, 1),
  'trailing_bytes': (smf.file(TRACK) + bytes(5), 1),
  'unknown_chunk': (smf.file(smf.chunk(b'abc', b'XFIH'), TRACK, count=1), 1),
  'truncated': (smf.file(TRACK[:-2]), 1),
}


@pytest.mark.parametrize('code', ODD)
def test_oddities_are_told(code):
  data, found = ODD[code]
  layout = midi_chunks.layout(data)
  assert [issue.code for issue in layout.issues] == [code]
  assert not layout.sound
  assert len(layout.spans) == found


def test_a_format_that_does_not_exist_is_taken_for_1():
  layout = midi_chunks.layout(smf.file(TRACK, format_=9))
  assert layout.issues[0].action == 'format 9 taken for 1'


def test_a_track_never_reaches_past_the_file():
  layout = midi_chunks.layout(header() + smf.chunk(b'abc', length=2**32 - 1))
  assert layout.spans == ((22, 25),)
