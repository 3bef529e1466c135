import pytest

from aurl_jax.music import midi_resync
from aurl_jax.music.midi_resync import SURE, Place
from tests.music import smf

NOTES = smf.track(*smf.NOTE, *smf.NOTE, *smf.NOTE, *smf.NOTE, end=False)[8:]
"""Eight events."""


def test_numbers_are_read():
  assert midi_resync.number(b'\x81\x00\x05', 0) == (128, 2)
  assert midi_resync.number(b'\x81\x00\x05', 2) == (5, 3)
  assert midi_resync.number(b'\x80' * 9, 0) == (0, -1)
  assert midi_resync.number(b'\x80' * 8 + b'\1', 0, 9) == (1, 9)
  with pytest.raises(IndexError):
    midi_resync.number(b'\x80', 0)


SCORES = {
  'sound': (NOTES, 0, SURE),
  'one event to the end': (b'\0' + smf.on(60), 0, SURE),
  'nothing': (b'', 0, 0),
  'two events, then a wrong one': (NOTES[:9] + b'\0\xf4\0\0', 0, 2),
  'no status': (b'\0\x3c\x40', 0, 0),
  'running status': (b'\0\x3c\x40' * 8, 0x90, SURE),
  'the end of the track': (b'\0' + smf.END, 0, SURE),
  'an end that is none': (b'\0' + smf.END + b'\0\0', 0, 1),
  'a meta that ends too late': (b'\0\xff\x01\x09abc', 0, 0),
  'a tempo of five bytes': (b'\0' + smf.meta(0x51, bytes(5)) + NOTES, 0, 0),
  'a type above 127': (b'\0\xff\x90\0' + NOTES, 0, 0),
  'hours of rest': (b'\xc0\x80\x80\0' + smf.on(60), 0, 0),
}


@pytest.mark.parametrize(
  ('chunk', 'running', 'expected'), SCORES.values(), ids=SCORES.keys()
)
def test_places_are_scored_by_what_can_be_read(chunk, running, expected):
  assert midi_resync.score(chunk, 0, running) == expected


def test_data_too_high_is_capped_and_a_pitch_loses_a_bit():
  def data(first, second, status):
    chunk = bytes([first, second]) + NOTES
    found, place = midi_resync.data_bytes(chunk, 0, 2, status)
    assert place == 2
    return tuple(found)

  assert data(60, 0xC0, 0x90) == (60, 127)
  assert data(0xBC, 0x80, 0x90) == (60, 127)
  assert data(0xBC, 0x40, 0x85) == (60, 64)
  assert data(0x87, 0xFF, 0xB0) == (127, 127)
  assert data(0x80, 0xC1, 0xE0) == (127, 127)


def test_two_wrong_events_in_a_row_are_both_kept():
  chunk = b'\xbc\xc0\x10\x80\x3c\xff' + NOTES
  assert midi_resync.data_bytes(chunk, 0, 2, 0x90) == (b'\x3c\x7f', 2)


def test_a_clock_among_data_is_taken_out():
  chunk = b'\x3c\xf8\x40' + NOTES
  assert midi_resync.data_bytes(chunk, 0, 2, 0x90) == (b'\x3c\x40', 3)


def test_an_event_without_data_is_left_out():
  chunk = b'\x81\x00\x90\x3c\x40' + NOTES
  data, place = midi_resync.data_bytes(chunk, 0, 2, 0x90)
  assert (data, place) == (b'', 0)


BEHIND = {
  'a delta time': (b'\xf8' + NOTES, 0x90, Place(1, True)),
  'a delta time and running status':
    (b'\xf8' + b'\1\x3c\x40' * 9, 0x90, Place(1, True)),
  'a long delta time and running status':
    (b'\xf8' + b'\x81\1\x3c\x40' * 9, 0x90, Place(1, True)),
  'the rest of an event':
    (b'\xf8\x90\x3c\x40' + NOTES, 0x90, Place(1, False)),
  'the rest of a meta': (b'\xf8\xff\1\0' + NOTES, 0, Place(1, False)),
  'the rest of the end': (b'\xf8' + smf.END, 0x90, Place(1, False)),
  'data of a song position': (b'\xf2\1\2' + NOTES, 0, Place(3, True)),
  'data of a status that means nothing':
    (b'\xf4\x3c\x40' + NOTES, 0x90, Place(3, True)),
  'nothing': (b'\xf2\1', 0, Place(2, True)),
}  # fmt: skip


@pytest.mark.parametrize(
  ('chunk', 'running', 'place'), BEHIND.values(), ids=BEHIND.keys()
)
def test_reading_goes_on_behind_a_system_message(chunk, running, place):
  assert midi_resync.behind(chunk, 0, running) == place


def test_the_first_sure_place_is_found():
  # What comes just before a delta time cannot be told from its beginning.
  assert midi_resync.resume(b'\x90' * 9 + b'\xff' * 9 + NOTES, 0) == 17
  assert midi_resync.resume(b'\x90' * 9 + bytes(9) + NOTES, 0) == 18
  assert midi_resync.resume(b'\x90' * 90, 0) == -1
  assert midi_resync.resume(b'', 0) == -1
