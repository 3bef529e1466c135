import pytest

from aurl_jax.core.errors import MidiError
from aurl_jax.music import midi_chunks, midi_events
from tests.music import smf


class Read:
  """What a track gave."""

  def __init__(self, body, ticks_per_beat=480):
    self.log, self.remarks = midi_chunks.Log(), midi_chunks.Log()
    self.events = midi_events.read_events(
      body, 'track 3', ticks_per_beat, self.log, self.remarks
    )
    self.channel, self.metas = self.events.channel, self.events.metas
    self.end = self.events.end
    self.issues = self.log.issues


def read(*events, end=True):
  return Read(smf.track(*events, end=end)[8:])


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
  assert events.issues == ()


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


NOTES = [
  event
  for pitch in range(60, 70)
  for event in ((7, smf.on(pitch)), (200, smf.off(pitch)))
]
"""Enough to make a place sure; 20 messages."""
LONG_ZERO = b'\x80\x80\x80\x80\x80\x80\x00'


def sound():
  return smf.track(*NOTES)[8:]


def pitches(events):
  return [pitch for _, _, pitch, _ in events.channel]


GARBAGE = {
  'running_status': b'\x00\x3c\x40',
  'number': b'\x80' * 40,
  'meta_length': b'\x00\xff\x01\x83\x7f',
  'exclusive_length': b'\x00\xf0\x83\x7f',
}


@pytest.mark.parametrize('code', GARBAGE)
def test_reading_goes_on_behind_garbage(code):
  events = Read(GARBAGE[code] + sound())
  assert codes(events) == [code]
  assert events.channel == Read(sound()).channel
  assert events.issues[0].where == 'track 3, byte 0' or 'length' in code
  assert 'passed over' in events.issues[0].action


@pytest.mark.parametrize('code', GARBAGE)
def test_garbage_to_the_end_is_left_out(code):
  start = b'\x07\x90\x3c\x40' if code != 'running_status' else b''
  events = Read(start + GARBAGE[code])
  assert codes(events) == [code]
  assert len(events.channel) == bool(start)
  assert 'left out' in events.issues[0].action


def test_a_data_byte_too_high_is_mended():
  events = read(*NOTES, (0, b'\x90\xbc\xc0'), *NOTES, (5, b'\xc3\x80'), *NOTES)
  assert events.channel[20] == (2070, 0x90, 60, 127)
  assert events.channel[41] == (4145, 0xC3, 127, 0)
  assert len(events.channel) == 62
  assert codes(events) == ['data_byte'] * 2
  assert events.issues[0].action == 'taken for 60 and 127'
  assert events.issues[1].action == 'taken for 127'


@pytest.mark.parametrize('lost', [1, 2])
def test_a_lost_byte_costs_two_events_at_most(lost):
  message = bytearray(smf.on(60))
  del message[lost]
  events = read(*NOTES, (3, bytes(message)), *NOTES)
  sound_ones = pitches(read(*NOTES))
  assert pitches(events)[:20] == sound_ones
  assert pitches(events)[-19:] == sound_ones[1:]
  assert 40 <= len(events.channel) <= 41
  assert events.issues


REAL_TIME = {
  'as an event of its own': b'\x05\xf8' + b'\x02\x90\x3c\x40',
  'behind the delta time': b'\x07\xf8\x90\x3c\x40',
  'behind the status': b'\x07\x90\xf8\x3c\x40',
  'among the data': b'\x07\x90\x3c\xf8\x40',
  'behind the data, then a delta': b'\x07\x90\x3c\x40\x00\xf8',
}


@pytest.mark.parametrize('body', REAL_TIME.values(), ids=REAL_TIME.keys())
def test_a_clock_message_costs_nothing(body):
  behind = (0, smf.off(60))
  exact = read(*NOTES, (7, smf.on(60)), behind, *NOTES)
  start = smf.track(*NOTES, end=False)[8:]
  events = Read(start + body + smf.track(behind, *NOTES)[8:])
  assert events.channel == exact.channel
  assert codes(events) == ['system_message']


def test_a_clock_before_a_meta_costs_nothing():
  tempo = smf.meta(0x51, b'\x07\xa1\x20')
  events = read(*NOTES, (4, b'\xf8' + tempo), *NOTES)
  assert events.metas == [(2074, 0x51, b'\x07\xa1\x20')]
  assert codes(events) == ['system_message']


def test_a_status_that_means_nothing_costs_one_event():
  events = read(*NOTES, (4, b'\xf4\x3c\x40'), *NOTES)
  assert pitches(events) == pitches(read(*NOTES)) * 2
  assert codes(events) == ['system_message']


def test_long_numbers_are_read():
  events = Read(LONG_ZERO + smf.on(60) + b'\0' + smf.END)
  assert events.channel == [(0, 0x90, 60, 64)]
  assert codes(events) == ['long_number']


def test_a_cut_event_is_told():
  events = Read(b'\x00' + smf.on(60)[:2])
  assert codes(events) == ['cut_event']
  assert events.channel == []


def test_a_track_needs_an_end_and_nothing_after_it():
  assert codes(read((0, smf.on(60)), end=False)) == ['no_end_of_track']
  events = read((0, smf.on(60)), (0, smf.END), (0, b'\x40'))
  assert codes(events) == ['after_end']
  assert len(events.channel) == 1


def test_music_behind_the_end_is_kept():
  events = read(*NOTES, (0, smf.END), *NOTES)
  assert codes(events) == ['after_end']
  assert len(events.channel) == 40


def test_exclusive_events_may_come_in_parts():
  parts = ((0, b'\xf0\x02\x01\x02'), (3, b'\xf7\x02\x01\xf7'))
  assert codes(read(*parts)) == []
  assert codes(read(parts[0])) == ['exclusive_open']
  assert codes(read(parts[0], *parts)) == ['exclusive_open']


def test_no_tick_passes_the_limit():
  late = [(2**28 - 1, smf.on(60))] * 9
  events = read(*late)
  last = 8 * (2**28 - 1)
  assert events.channel[-2:] == [(last, 0x90, 60, 64)] * 2
  assert events.end == last
  assert codes(events) == ['ticks']


def test_a_delta_time_of_hours_is_remarked():
  body = smf.track((2**21, smf.on(60)))[8:]
  events = Read(body, ticks_per_beat=1)
  assert events.channel == [(2**21, 0x90, 60, 64)]
  assert events.issues == ()
  assert [remark.code for remark in events.remarks.issues] == ['huge_delta']
  assert Read(body, ticks_per_beat=480).remarks.issues == ()


def test_events_are_limited():
  log = midi_chunks.Log()
  limits = midi_chunks.Limits(events=2)
  body = smf.track(*smf.NOTE, *smf.NOTE)[8:]
  with pytest.raises(MidiError, match=r'Limits\(events=') as caught:
    midi_events.read_events(body, 'track 0', 480, log, log, limits)
  assert caught.value.code == 'too_many_events'


@pytest.mark.slow
@pytest.mark.parametrize(
  'body', [b'\xff', b'\0', b'\x90', b'\xf8', b'\0\xf8', b'\0\xff\x01']
)
def test_garbage_alone_ends(body):
  events = Read(body * 30_000)
  assert events.channel == []
  assert 1 <= len(events.issues) <= 100
