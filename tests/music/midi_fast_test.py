import random

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from aurl_jax.music import (
  midi_chunks,
  midi_fast,
  midi_parts,
  midi_salvage,
  midi_write,
)
from tests.music import smf
from tests.music.pieces import pieces


def both(data):
  """The fast reading, if there is one, and the exact one."""
  layout = midi_chunks.layout(data)
  exact = midi_parts.assemble(layout)
  return midi_fast.read_fast(layout), exact, layout.issues.issues


def test_sound_files_are_read_fast():
  events = [
    event
    for pitch in range(20)
    for event in ((480, smf.on(60 + pitch)), (4800, smf.off(60 + pitch)))
  ]
  data = smf.file(
    smf.track(
      (0, smf.name('title')),
      (0, smf.meta(0x51, b'\x0a\xd0\xe1')),
      (0, smf.meta(0x58, b'\x03\x02\x18\x08')),
      (0, smf.meta(0x59, b'\xfd\x01')),
      (960, smf.meta(0x06, b'chord:Am')),
      (0, smf.meta(0x05, b'la')),
    ),
    smf.track(
      (0, smf.name('flute')),
      (0, smf.program(73)),
      (0, smf.control(64, 127)),
      (0, smf.bend(-300)),
      *events,
    ),
  )
  fast, exact, issues = both(data)
  assert fast is not None
  assert fast == exact
  assert issues == ()
  fast.check()


AT_ONCE = {
  'tempo': lambda k: smf.meta(0x51, (250_000 * (1 + k % 4)).to_bytes(3)),
  'meter': lambda k: smf.meta(0x58, bytes([1 + k % 5, 2, 24, 8])),
  'key': lambda k: smf.meta(0x59, bytes([k % 7, 0])),
  'control': lambda k: smf.control(64, k % 2 * 127),
  'bend': lambda k: smf.bend(100 * (k % 3)),
}


@pytest.mark.parametrize('count', [3, 10, 20, 30, 60, 200])
@pytest.mark.parametrize('kind', AT_ONCE)
def test_of_events_at_one_tick_the_last_one_stays_the_last(kind, count):
  odd = (count // 3, count - 1)
  told = [AT_ONCE[kind](int(k in odd)) for k in range(count)]
  data = smf.file(smf.track(*((0, event) for event in told), *smf.NOTE))
  fast, exact, _ = both(data)
  assert fast is None or fast == exact
  table = {
    'tempo': exact.tempos,
    'meter': exact.meters,
    'key': exact.keys,
    'control': exact.controls,
    'bend': exact.bends,
  }[kind]
  assert len(table) == count
  plain, *values = table.tolist()
  assert [k for k, row in enumerate(values, 1) if row != plain] == list(odd)


NEVER_ENDED = smf.track((0, smf.on(50)), *smf.NOTE)
LOSSES = {
  'never ended': [NEVER_ENDED],
  'never ended twice': [smf.track((0, smf.on(50)), (0, smf.on(50)), *smf.NOTE)],
  'controls without notes': [
    smf.track(*smf.NOTE, (0, smf.control(7, 3, channel=4)))
  ],
  'bends without notes': [smf.track(*smf.NOTE, (0, smf.bend(3, channel=4)))],
  'an empty track': [smf.track(*smf.NOTE), smf.track((0, smf.program(5)))],
  'controls of two programs': [
    smf.track((0, smf.control(7, 3)), *smf.NOTE, (0, smf.program(4)), *smf.NOTE)
  ],
  'a tempo of zero': [smf.track((0, smf.meta(0x51, bytes(3))), *smf.NOTE)],
  'a long denominator': [
    smf.track((0, smf.meta(0x58, b'\x04\x09\x18\x08')), *smf.NOTE)
  ],
  'a key of nine sharps': [
    smf.track((0, smf.meta(0x59, b'\x09\x00')), *smf.NOTE)
  ],
  'a lyric among notes': [smf.track(*smf.NOTE, (0, smf.meta(5, b'la')))],
  'a name that is not UTF-8': [
    smf.track((0, smf.meta(3, b'caf\xe9')), *smf.NOTE)
  ],
  'a film time that is none': [
    smf.track((0, smf.meta(0x54, b'\x18\0\0\0\0')), *smf.NOTE)
  ],
  'no end': [smf.track(*smf.NOTE, end=False)],
  'ticks past 31 bits': [
    smf.track(*[(2**28 - 1, smf.control(7, 3))] * 9, *smf.NOTE)
  ],
}


@pytest.mark.parametrize('tracks', LOSSES.values(), ids=LOSSES.keys())
def test_what_symusic_would_lose_is_left_to_the_exact_reader(tracks):
  layout = midi_chunks.layout(smf.file(*tracks))
  assert midi_fast.read_fast(layout) is None


def test_a_wrong_count_of_tracks_is_left_to_the_exact_reader():
  data = smf.file(smf.track(*smf.NOTE), smf.track(*smf.NOTE), count=1)
  assert midi_fast.read_fast(midi_salvage.layout(data)) is None


@hypothesis.given(pieces())
def test_a_fast_reading_is_the_exact_one(piece):
  fast, exact, _ = both(midi_write.write(piece))
  if fast is not None:
    fast.check()
    assert fast == exact


def random_events(source: random.Random) -> list[tuple[int, bytes]]:
  """(tick, event) of mostly sound music, with deltas of one to three bytes."""
  events, tick = [], 0
  for _ in range(source.randint(0, 25)):
    channel, pitch = source.choice([0, 0, 5]), source.choice([60, 61, 64, 72])
    end = tick + source.choice([1, 120, 480, 9000])
    silent = source.choice([smf.off, smf.on])
    events.append((tick, smf.on(pitch, 100, channel)))
    events.append((end, silent(pitch, 0, channel)))
    tick += source.choice([0, 1, 120, 480, 8500, 16300, 40_000])
  odd = [
    smf.on(60), smf.off(33), smf.control(7, 3), smf.control(64, 100, 4),
    smf.program(5), smf.program(0, 5), smf.bend(5), b'\xd0\x05',
    b'\xa0\x3c\x05', smf.meta(0x51, bytes([7, 0xC1, source.randint(0, 255)])),
    smf.meta(1, b'words'), b'\xf0\x03\x7e\x7f\xf7',
  ]  # fmt: skip
  if source.random() < 0.3:
    for _ in range(source.randint(1, 4)):
      events.append((source.randint(0, tick), source.choice(odd)))
  return sorted(events, key=lambda event: event[0])


def random_track(source: random.Random) -> bytes:
  """A legal track; half of them with running status."""
  events = random_events(source)
  if source.random() < 0.6:
    program = smf.program(source.choice([0, 5]), source.choice([0, 5]))
    events.insert(0, (0, program))
  if source.random() < 0.6:
    events.insert(0, (0, smf.name('abc')))
  body, running, last = b'', None, 0
  may_run = source.choice([0, 0.5, 1])
  for tick, event in events:
    body += smf.number(tick - last)
    last = tick
    runs = event[0] == running and source.random() < may_run
    body += event[1:] if runs else event
    running = event[0] if event[0] < 0xF0 else None
  return smf.chunk(body + smf.number(0) + smf.END)


@hypothesis.given(st.integers(0, 2**32))
@hypothesis.settings(max_examples=100)
def test_a_random_file_is_read_exactly_or_not_at_all(seed):
  source = random.Random(seed)
  tracks = [random_track(source) for _ in range(source.randint(1, 3))]
  fast, exact, issues = both(smf.file(*tracks))
  if fast is not None:
    fast.check()
    assert fast == exact
    assert issues == ()


def test_nothing_sounds_different_where_ends_have_no_note():
  data = smf.file(smf.track((0, smf.off(44)), *smf.NOTE))
  fast, exact, issues = both(data)
  assert fast is None
  assert np.array_equal(exact.pitch, [60])
  assert issues == ()
