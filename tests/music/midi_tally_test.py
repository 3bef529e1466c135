import numpy as np
import pytest

from aurl_jax.music import midi_chunks, midi_tally
from aurl_jax.music.notes import Text
from tests.music import smf


def tally(*tracks):
  layout = midi_chunks.layout(smf.file(*tracks))
  return midi_tally.tally_bytes(layout, np.frombuffer(layout.data, np.uint8))


def low_bytes(*events):
  """Bytes below 128 of events and of the one that ends each delta time."""
  return sum(1 + sum(byte < 128 for byte in event) for event in events)


def test_metas_and_programs_are_counted():
  head = [
    smf.name('a name'),
    smf.meta(0x51, b'\x07\xa1\x20'),
    smf.meta(0x58, b'\x03\x02\x18\x08'),
    b'\xf0\x02\x41\xf7',
    smf.program(40, 2),
  ]
  later = [smf.meta(0x51, b'\x07\xc1\x20'), smf.program(41, 3)]
  found = tally(
    smf.track(
      *[(0, event) for event in head],
      (9000, smf.on(60)),
      (9000, smf.off(60)),
      *[(0, event) for event in later],
      (0, smf.on(61)),
    )
  )
  assert found.low == low_bytes(*head, *later, smf.END)
  assert found.metas == {0x51: 2, 0x58: 1, 0x59: 0, 0x2F: 1}
  assert found.programs == {(0, 2, 40), (0, 3, 41)}


def test_words_of_a_track_without_notes_are_read():
  found = tally(
    smf.track(
      (0, smf.name('title')), (5, smf.meta(5, b'la')),
      (300, smf.meta(6, b'chord:C')),
    ),
    smf.track(*smf.NOTE),
  )  # fmt: skip
  assert found.title == 'title'
  assert found.texts == [
    Text(5, -1, 'lyric', 'la'),
    Text(305, -1, 'chord', 'C'),
  ]


UNSURE = {
  'no end': [smf.track(*smf.NOTE, end=False)],
  'four bytes of delta': [smf.track((2**21, smf.on(60)))],
  'only a program': [smf.track((0, smf.program(3)))],
  'words among notes': [smf.track(*smf.NOTE, (0, smf.meta(5, b'la')))],
  'words before notes': [smf.track((0, smf.meta(6, b'A')), *smf.NOTE)],
  'an end in the middle': [smf.track(*smf.NOTE, (0, smf.END), *smf.NOTE)],
  'status that runs across a meta': [
    smf.track((0, smf.on(60)), (0, smf.meta(1, b'x')), (0, b'\x3c\x00'))
  ],
}


@pytest.mark.parametrize('tracks', UNSURE.values(), ids=UNSURE.keys())
def test_what_needs_the_exact_reader_is_told(tracks):
  with pytest.raises(midi_tally.Unsure):
    tally(*tracks)


def test_so_many_long_deltas_may_pass_the_limit():
  events = [(16_383, smf.control(7, 7))] * 140_000
  with pytest.raises(midi_tally.Unsure):
    tally(smf.track(*events))
