"""The compiled readers against their twins in Python, on all kinds of bytes."""

import json
import random
import subprocess
import sys

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from aurl_jax.core.errors import MidiError
from aurl_jax.music import (
  midi,
  midi_chunks,
  midi_native,
  midi_parts,
  midi_resync,
  midi_salvage,
  midi_whole,
  midi_write,
)
from tests.music import broken, hostile, smf
from tests.music.pieces import pieces

seeds = st.integers(0, 2**32)


def outcome(data, native):
  """Notes, issues and remarks, or why there are none."""
  try:
    layout = midi_chunks.layout(data) or midi_salvage.layout(data)
    notes = midi_parts.assemble(layout, native)
  except MidiError as error:
    return error.code, str(error)
  notes.check()
  return notes, layout.issues.issues, layout.remarks.issues


def check(data):
  exact = outcome(data, False)
  assert outcome(data, True) == exact
  whole = midi_whole.read(data, midi_chunks.LIMITS)
  if whole is not None:
    whole[0].check()
    assert (*whole, ()) == exact
  return whole is not None


def controls_of(source):
  """A file whose controls meet notes, programs and channels in any way."""
  channels, tick, events = (0, 9), 0, []
  for _ in range(source.randint(1, 40)):
    channel = source.choice(channels)
    make = source.choice([
      lambda c: smf.on(source.choice([60, 61]), source.choice([0, 9]), c),
      lambda c: smf.off(source.choice([60, 61]), 0, c),
      lambda c: smf.control(7, source.randrange(128), c),
      lambda c: smf.bend(source.randrange(-8192, 8192), c),
      lambda c: smf.program(source.choice([0, 3, 5]), c),
      lambda c: b'\xd0\x05'[:2],
    ])  # fmt: skip
    events.append((source.choice([0, 0, 1, 200, 20_000]), make(channel)))
  del tick
  return smf.track(*events)


@hypothesis.given(pieces())
def test_what_was_written_is_read_whole(piece):
  data = midi_write.write(piece)
  # A bar shorter than a tick must be remarked, which is for the other reader.
  assert check(data) or outcome(data, False)[2]


@hypothesis.given(seeds)
@hypothesis.settings(max_examples=100)
def test_controls_and_programs_find_their_parts(seed):
  source = random.Random(seed)
  tracks = [controls_of(source) for _ in range(source.randint(1, 3))]
  assert check(smf.file(*tracks))


@pytest.mark.parametrize(
  'mutate', [*broken.MENDED, *broken.LOSING, *broken.UNSEEN]
)
@hypothesis.given(piece=pieces(most=8), seed=seeds)
@hypothesis.settings(max_examples=10)
def test_a_broken_file_is_read_alike(mutate, piece, seed):
  hypothesis.assume(len(piece))
  check(mutate(midi_write.write(piece), random.Random(seed)))


METAS = [
  smf.meta(3, b'n'), smf.meta(3, b'caf\xe9'), smf.meta(5, b'la'),
  smf.meta(6, b'chord:C'), smf.meta(0x51, b'\x07\xa1\x20'),
  smf.meta(0x51, bytes(3)), smf.meta(0x58, b'\x03\x02\x18\x08'),
  smf.meta(0x58, b'\x01\x0f\x18\x08'), smf.meta(0x58, b'\x00\x02'),
  smf.meta(0x59, b'\xfd\x01'), smf.meta(0x59, b'\x08\x01'),
  smf.meta(0x54, bytes(5)), smf.meta(0x54, b'\x18\0\0\0\0'),
  smf.meta(1, b'x' * 200), smf.meta(0x7F), b'\xf0\x02\x41\xf7', b'\xf0\x01\x41',
  b'\xf7\x01\x41', b'\xf7\x02\x41\xf7',
]  # fmt: skip


@hypothesis.given(st.lists(st.sampled_from(METAS), max_size=6), st.booleans())
@hypothesis.settings(max_examples=100)
def test_metas_are_taken_alike(metas, silent):
  events = [(5, meta) for meta in metas]
  check(smf.file(smf.track(*events, *([] if silent else smf.NOTE))))


@pytest.mark.parametrize('count', [0, 1, 3, 65535])
def test_a_wrong_number_of_tracks_is_no_whole_file(count):
  data = smf.file(smf.track(*smf.NOTE), smf.track(*smf.NOTE), count=count)
  assert midi_whole.read(data, midi_chunks.LIMITS) is None
  check(data)


PARTS = [
  b'\0\xff\x2f\0', b'\0\x90\x3c\x40', b'\x10\x3c\0', b'\x81\0\x80\x3c\x40',
  b'\0\xff\x51\x03abc', b'\0\xff\x03\x02ab', b'\0\xf0\x02\x01\xf7',
  b'\0\xc0\x01', b'\xff', b'\0\xf8', b'\x80\x80\x80', b'\0\xff\x2f', b'\x95',
]  # fmt: skip


@hypothesis.given(st.lists(st.sampled_from(PARTS), max_size=14), seeds)
@hypothesis.settings(max_examples=200)
def test_reading_goes_on_at_the_same_place(parts, cut):
  data = b''.join(parts)
  data = data[: cut % (len(data) + 1)]
  found = midi_native.scanner().resume(np.frombuffer(data, np.uint8), 0)
  assert found == midi_resync.resume(data, 0)


STATUSES = [0x85, 0x90, 0xA0, 0xB9, 0xC0, 0xD0, 0xE0]
LOST = [
  *PARTS, b'\xf8', b'\xf2\1\2', b'\xf4', b'\xf6', b'\xf1', b'\x90', b'\xbc',
  b'\xc0\x40', b'\x3c\xf8\x40', b'\0\x90\xbc\xc0', b'\0\x3c\x40' * 7,
  b'\0\x90\x3c\x40' * 7, b'\0\xc0\1' * 7, b'\0\xf7\0', b'\xff\1\0',
]  # fmt: skip
losses = st.lists(
  st.one_of(st.sampled_from(LOST), st.binary(max_size=3)), max_size=7
).map(b''.join)


@hypothesis.given(losses, st.sampled_from([0, *STATUSES]))
@hypothesis.settings(max_examples=300)
def test_places_score_alike(data, running):
  score = midi_native.scanner().score
  for place in range(len(data) + 1):
    found = score(np.frombuffer(data, np.uint8), place, running)
    assert found == midi_resync.score(data, place, running)


@hypothesis.given(losses, st.sampled_from(STATUSES))
@hypothesis.settings(max_examples=500)
def test_wrong_data_are_mended_alike(data, status):
  size = midi_resync.DATA_BYTES[status & 0xF0]
  for place in range(len(data) - size + 1):
    after = place + size
    if data[place:after].isascii():
      continue
    *found, next_ = midi_native.mender().data_bytes(
      np.frombuffer(data, np.uint8), place, after, status
    )
    found = bytes(byte for byte in found if byte >= 0)
    assert (found, next_) == midi_resync.data_bytes(data, place, after, status)


@hypothesis.given(losses, st.sampled_from([0, *STATUSES]))
@hypothesis.settings(max_examples=500)
def test_reading_goes_on_alike_behind_a_system_message(data, running):
  for place in range(len(data)):
    if data[place] < 0xF0 or data[place] in (0xF0, 0xF7, 0xFF):
      continue
    found = midi_native.mender().behind(
      np.frombuffer(data, np.uint8), place, running
    )
    assert found == midi_resync.behind(data, place, running)


@pytest.mark.slow
@hypothesis.given(st.lists(losses, min_size=1, max_size=20), st.booleans())
@hypothesis.settings(max_examples=300)
def test_tracks_of_losses_are_read_alike(bodies, is_late):
  # Nine such notes reach the last tick but for little; any pause passes it.
  late = b'\xf7\xff\xff\x7f\x90\x3c\x40' * 9 * is_late
  check(smf.file(smf.chunk(late + b''.join(bodies) + bytes(64))))


@pytest.mark.slow
def test_more_faults_than_the_loop_keeps_are_told_alike():
  source = random.Random(0)
  body = b''.join(
    source.choice([b'\0\x90\xbc\xc0', b'\0\xf8', b'\0\xff\1\0\0\x3c\x40'])
    for _ in range(2000)
  )
  data = smf.file(smf.chunk(b'\0\x90\x3c\x40' + body))
  check(data)
  for most in (1000, 1019, 1020, 1300):
    results = []
    for native in (False, True):
      layout = midi_chunks.layout(data, midi_chunks.Limits(faults=most))
      with pytest.raises(MidiError) as caught:
        midi_parts.assemble(layout, native)
      results.append((str(caught.value), layout.issues.issues))
    assert results[0] == results[1]


def test_limits_hold_in_both():
  data = smf.file(smf.track(*smf.NOTE * 40), smf.track(*smf.NOTE * 40))
  for native in (False, True):
    limits = midi_chunks.Limits(events=100)
    layout = midi_chunks.layout(data, limits)
    with pytest.raises(MidiError, match=r'Limits\(events=') as caught:
      midi_parts.assemble(layout, native)
    assert caught.value.code == 'too_many_events'
    limits = midi_chunks.Limits(events=160)
    layout = midi_chunks.layout(data, limits)
    assert len(midi_parts.assemble(layout, native)) == 80
  assert midi_whole.read(data, midi_chunks.Limits(events=159)) is None
  assert midi_whole.read(data, midi_chunks.Limits(tracks=1)) is None


def test_compiled_loops_are_loaded_when_reading_has_cost_as_much(monkeypatch):
  monkeypatch.setattr(midi_native, '_spent', 0.0)
  data = smf.file(smf.track(*smf.NOTE))
  first = midi.read(data)
  assert not midi_native.pays(len(data), 1e-6)
  assert midi_native.pays(4_000_000, 1e-6)
  assert midi.read(data) == first


@pytest.mark.slow
@pytest.mark.parametrize('kind', hostile.KINDS)
def test_hostile_bytes_are_read_alike_and_end(kind):
  data = hostile.KINDS[kind](6000)
  assert outcome(data, True) == outcome(data, False)


@pytest.mark.parametrize('kind', ['clocks', 'ends', 'data bytes too high'])
def test_faults_are_limited(kind):
  data = hostile.KINDS[kind](6000)
  limits = midi_chunks.Limits(faults=50)
  for native in (False, True):
    layout = midi_chunks.layout(data, limits)
    with pytest.raises(MidiError, match=r'Limits\(faults=') as caught:
      midi_parts.assemble(layout, native)
    assert caught.value.code == 'too_many_faults'


COSTLY = ['running note-ons of all pitches', 'lyrics', 'headers']


@pytest.mark.slow
@pytest.mark.parametrize('kind', COSTLY)
def test_memory_grows_with_the_bytes_at_most(kind, repository):
  # The costliest kinds; 1 MB takes 70 MB at most, 2 MB no more than twice.
  sizes = ['500000', '1000000', '2000000']
  run = subprocess.run(
    [sys.executable, '-m', 'tests.music.hostile', kind, *sizes],
    cwd=repository, capture_output=True, text=True, check=True,
  )  # fmt: skip
  rows = [json.loads(line) for line in run.stdout.splitlines()]
  assert len(rows) == 3
  for row in rows:
    assert row['megabytes'] <= 5 + 70e-6 * row['bytes'], row
