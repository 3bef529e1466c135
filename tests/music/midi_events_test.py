import pytest

from aurl_jax.core.errors import MidiError
from aurl_jax.music import midi_events
from tests.music import smf


def read(*events, end=True):
  return midi_events.read_events(smf.track(*events, end=end)[8:], 'track 0')


def codes(events):
  return [issue.code for issue in events.issues]


def test_events_are_read_in_order():
  events = read(
    (0, smf.name('a')),
    (5, smf.on(60, 70, 2)),
    (200, smf.program(4, 2)),
    (20_000, smf.bend(0)),
    (3_000_000, smf.off(60, 3, 2)),
  )
  assert events.metas == [(0, 3, b'a')]
  assert events.channel == [
    (5, 0x92, 60, 70),
    (205, 0xC2, 4, 0),
    (20_205, 0xE0, 0, 64),
    (3_020_205, 0x82, 60, 3),
  ]
  assert events.end == 3_020_205
  assert events.issues == []


def test_running_status_is_kept():
  events = read((0, smf.on(60)), (1, b'\x3e\x40'), (1, b'\x3c\x00'))
  assert [event[2:] for event in events.channel] == [
    (60, 64),
    (62, 64),
    (60, 0),
  ]
  events = read((0, b'\xd3\x05'), (1, b'\x06'))
  assert [event[1:] for event in events.channel] == [(0xD3, 5, 0), (0xD3, 6, 0)]


def test_running_status_across_a_meta_is_told():
  events = read((0, smf.on(60)), (0, smf.meta(1, b'x')), (1, b'\x3e\x40'))
  assert len(events.channel) == 2
  assert codes(events) == ['running_status']


def test_exclusive_and_system_events_are_passed_over():
  events = read(
    (0, b'\xf0\x02\x01\xf7'), (0, b'\xf7\x01\x05'), (0, b'\xf2\x01\x02'),
    (0, b'\xf8'), (0, smf.on(60)),
  )  # fmt: skip
  assert len(events.channel) == 1
  assert codes(events) == ['system_message'] * 2


BREAKS = {
  'running_status': b'\x00\x3c\x40',
  'data_byte': b'\x00\x90\x3c\xf1\x00',
  'number': b'\x80\x80\x80\x80\x80\x80\x00',
  'meta_length': b'\x00\xff\x01\x7f\x00',
  'exclusive_length': b'\x00\xf0\x7f\x00',
}


@pytest.mark.parametrize(('code', 'body'), BREAKS.items())
def test_what_comes_before_a_break_is_kept(code, body):
  start = b'\x07' + smf.on(60)
  events = midi_events.read_events(start + body, 'track 3')
  if code == 'running_status':
    # A note has been sounding, so its status runs on.
    assert codes(events) == ['no_end_of_track']
    events = midi_events.read_events(body, 'track 3')
    assert events.channel == []
  else:
    assert events.channel == [(7, 0x90, 60, 64)]
  assert codes(events) == [code]
  assert events.issues[0].where.startswith('track 3, byte ')


def test_a_cut_event_is_told():
  events = midi_events.read_events(b'\x00' + smf.on(60)[:2], 'track 0')
  assert codes(events) == ['cut_event']
  assert events.channel == []


def test_a_track_needs_an_end_and_nothing_after_it():
  assert codes(read((0, smf.on(60)), end=False)) == ['no_end_of_track']
  assert codes(read((0, smf.END), (0, smf.on(60)))) == ['after_end']


def test_ticks_and_events_are_limited(monkeypatch):
  late = [(2**28 - 1, smf.on(60))] * 9
  with pytest.raises(MidiError) as caught:
    read(*late)
  assert caught.value.code == 'ticks'
  monkeypatch.setattr(midi_events, 'MAX_EVENTS', 2)
  with pytest.raises(MidiError) as caught:
    read(*smf.NOTE, *smf.NOTE)
  assert caught.value.code == 'too_many_events'
