import pytest

from aurl_jax.core.errors import MidiError
from aurl_jax.music import midi_chunks
from tests.music import smf

SOUND = smf.file(smf.track(*smf.NOTE), smf.track(*smf.NOTE))


def test_tracks_are_found():
  layout = midi_chunks.layout(SOUND)
  assert layout.sound
  assert layout.ticks_per_beat == 480
  assert layout.sections == (midi_chunks.Section(480, layout.spans),)
  bodies = [SOUND[start:end] for start, end in layout.spans]
  assert bodies == [smf.track(*smf.NOTE)[8:]] * 2
  assert midi_chunks.ends_itself(SOUND, layout.spans[0][1])
  assert not midi_chunks.ends_itself(SOUND, layout.spans[0][1] - 1)


TRACK = smf.track(*smf.NOTE)
UNSOUND = {
  'a header cut off': b'MThd\0\0\0\6\0',
  'no header': TRACK,
  'format 2': smf.file(TRACK, format_=2),
  'no time': smf.file(TRACK, division=0),
  'film frames': smf.file(TRACK, division=0xE728),
  'no tracks': smf.file(),
  'more tracks than declared': smf.file(TRACK, TRACK, count=1),
  'two tracks in format 0': smf.file(TRACK, TRACK, format_=0),
  'trailing bytes': smf.file(TRACK) + bytes(5),
  'an unknown chunk': smf.file(smf.chunk(b'abc', b'XFIH'), TRACK, count=1),
  'a track cut off': smf.file(TRACK[:-2]),
}


@pytest.mark.parametrize('data', UNSOUND.values(), ids=UNSOUND.keys())
def test_what_is_not_as_it_says_is_left_to_salvage(data):
  assert midi_chunks.layout(data) is None


def test_nothing_and_too_much_are_refused():
  with pytest.raises(MidiError) as caught:
    midi_chunks.layout(b'')
  assert caught.value.code == 'empty'
  data = smf.file(smf.track(*smf.NOTE), smf.track(*smf.NOTE))
  limits = midi_chunks.Limits(bytes=40)
  with pytest.raises(MidiError, match=r'Limits\(bytes=') as caught:
    midi_chunks.layout(data, limits)
  assert caught.value.code == 'too_large'
  with pytest.raises(MidiError, match='at most 1;') as caught:
    midi_chunks.layout(data, midi_chunks.Limits(tracks=1))
  assert caught.value.code == 'too_many_tracks'
  assert midi_chunks.layout(data, midi_chunks.Limits(tracks=2)) is not None


def test_a_log_tells_many_of_a_kind_in_one():
  log = midi_chunks.Log()
  for place in range(24):
    log.tell('many', str(place), 'done')
  log.tell('one', 'here', 'done')
  assert [issue.where for issue in log.issues[:20]] == [*map(str, range(20))]
  assert log.issues[20:] == (
    midi_chunks.Issue('one', 'here', 'done'),
    midi_chunks.Issue('many', 'file', '4 more of this kind'),
  )
