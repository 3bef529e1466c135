import io
import pathlib
import random
import struct
import subprocess
import sys

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from aurl_jax.core.errors import MidiError
from aurl_jax.music import cut, midi, midi_cursor, midi_stream
from tests.music import broken, smf
from tests.music.pieces import pieces


def sections(data, beats, **limits):
  return list(midi_stream.stream(io.BytesIO(data), beats=beats, **limits))


def outcome(function, *arguments):
  """The code of the error that a call raises, '' for none."""
  try:
    function(*arguments)
  except MidiError as error:
    return error.code
  return ''


def check_like_read(data, beats):
  """All sections are the piece, and each holds what stands in its window."""
  reading = midi.read(data)
  found = sections(data, beats)
  for section in found:
    section.notes.check()
    assert section.end - section.start == beats * section.notes.ticks_per_beat
    ticks = [section.notes.onset, section.notes.tempos['tick']]
    ticks += [section.notes.controls['tick'], section.notes.bends['tick']]
    ticks.append(np.array([text.tick for text in section.notes.texts], int))
    for tick in ticks:
      assert ((tick >= section.start) & (tick < section.end)).all()
  starts = [section.start for section in found]
  assert starts == sorted(set(starts))
  assert midi_stream.concatenate(found) == reading.notes
  assert sorted(found[0].issues) == sorted(reading.issues)
  assert sorted(found[0].remarks) == sorted(reading.remarks)
  assert not any(s.issues or s.remarks for s in found[1:])
  return found


windows = st.sampled_from([1, 3, 64, 10_000])


@hypothesis.given(pieces(ticks_per_beat=480), windows)
def test_sections_are_the_piece(piece, beats):
  found = check_like_read(midi.write(piece), beats)
  assert midi_stream.concatenate(found) == piece


@pytest.mark.slow
@hypothesis.given(pieces(nested=True, last=2**30 - 1, most=6), st.just(4096))
def test_sections_of_nested_notes_and_late_ticks(piece, beats):
  check_like_read(midi.write(piece), beats)


def stop_at_end(piece, start, end):
  """What a section holds alone, but no note sounds past its end."""
  return cut.slice_ticks(piece, 0, end - start)


@hypothesis.given(pieces(ticks_per_beat=480), windows)
def test_a_section_alone_is_a_slice(piece, beats):
  for section in sections(midi.write(piece), beats):
    alone = section.alone()
    inside = (piece.onset >= section.start) & (piece.onset < section.end)
    assert alone.duration.tolist() == piece.duration[inside].tolist()
    ticks = section.start, section.end
    assert stop_at_end(alone, *ticks) == cut.slice_ticks(piece, *ticks)


# Few channels, pitches and programs, so that all meet.
channels = st.sampled_from([0, 1, 9])
pitches = st.sampled_from([60, 61])
small = st.integers(0, 2)
events = st.one_of(
  st.builds(smf.on, pitches, st.integers(0, 3), channels),
  st.builds(smf.on, pitches, st.just(5), channels),
  st.builds(smf.off, pitches, st.just(0), channels),
  st.builds(smf.program, small, channels),
  st.builds(smf.control, small, small, channels),
  st.builds(smf.bend, small, channels),
  st.builds(smf.meta, st.just(0x51), st.sampled_from([b'\7\0\0', bytes(3)])),
  st.builds(smf.meta, st.just(0x54), st.sampled_from([bytes(5), b'\xff'])),
  st.builds(smf.meta, st.sampled_from([1, 3, 5, 6]), st.binary(max_size=3)),
  st.sampled_from([
    smf.meta(0x7F, bytes(200)), b'\xf0\x02\x01\xf7', b'\xf7\x01\xf3',
    b'\xf0\x03\x01\x02\x03\0\xf7\x01\xf7', b'\xd0\x07', b'\xa0\x40\x40',
  ]),
)  # fmt: skip
deltas = st.sampled_from([0, 0, 0, 1, 2, 100, 2**22])
tracks = st.lists(st.tuples(deltas, events), max_size=40)


@hypothesis.given(
  st.lists(tracks, min_size=1, max_size=3), st.sampled_from([1, 2, 100])
)
def test_any_events_are_shared_out_as_read_does(bodies, beats):
  data = smf.file(*(smf.track(*body) for body in bodies), division=2)
  expected, found = outcome(midi.read, data), outcome(sections, data, beats)
  assert found == expected
  if not expected:
    check_like_read(data, beats)


@pytest.mark.slow
def test_blocks_are_cut_anywhere(monkeypatch):
  body = []
  for index in range(300):
    body += [(index % 200, smf.on(40 + index % 9)), (7, smf.control(1, 3))]
    body.append((0, smf.meta(6, b'm' * (index % 150))))
    body.append((3, smf.off(40 + index * 7 % 9)))
    if index % 30 == 0:
      body.append((0, smf.meta(0x7F, bytes(9000))))
  data = smf.file(smf.track(*body), smf.track(*body[::-1]))
  check_like_read(data, 16)
  monkeypatch.setattr(midi_cursor, '_SMALLEST', 64)
  monkeypatch.setattr(midi_cursor, '_LARGEST', 131)
  monkeypatch.setattr(midi_cursor, '_ROOM', 40)
  check_like_read(data, 16)


@pytest.mark.parametrize(
  'mutate', [*broken.MENDED, *broken.LOSING, *broken.UNSEEN]
)
@hypothesis.settings(max_examples=4)
@hypothesis.given(piece=pieces(), seed=st.integers(0, 2**32))
def test_what_read_would_mend_is_refused_or_equal(mutate, piece, seed):
  hypothesis.assume(len(piece))
  data = mutate(midi.write(piece), random.Random(seed))
  code = outcome(sections, data, 2**22)
  if not code:
    check_like_read(data, 2**22)
  elif code != 'unsound':
    assert code == outcome(midi.read, data)


FAULTS = {
  'empty': b'',
  'unsound': smf.file(smf.track(*smf.NOTE))[:-1],
  'tempo': smf.file(smf.track((0, smf.meta(0x51, bytes(3))))),
  'long_event': smf.file(
    smf.track((0, smf.meta(1, bytes(1 << 24))), *smf.NOTE)
  ),
}


@pytest.mark.parametrize('code', FAULTS)
def test_what_is_refused_names_the_file(code, tmp_path):
  path = tmp_path / 'piece.mid'
  path.write_bytes(FAULTS[code])
  with pytest.raises(MidiError, match='piece') as caught:
    next(midi_stream.stream(path))
  assert caught.value.code == code


def test_limits_name_the_remedy():
  many = smf.file(smf.track(*smf.NOTE * 50))
  limits = midi.Limits(events=20)
  with pytest.raises(MidiError, match='shorter windows') as caught:
    sections(many, 64, limits=limits)
  assert caught.value.code == 'too_many_events'
  assert len(sections(many, 4, limits=limits)) == 13
  with pytest.raises(MidiError) as caught:
    sections(many, 4, limits=midi.Limits(bytes=10))
  assert caught.value.code == 'too_large'
  stuck = smf.file(smf.track(*[(0, smf.on(60))] * 66_000))
  with pytest.raises(MidiError) as caught:
    sections(stuck, 4)
  assert caught.value.code == 'too_many_open'
  with pytest.raises(ValueError, match='at least 1'):
    sections(many, 0)
  with pytest.raises(cut.TransformError, match='nothing'):
    midi_stream.concatenate([])


def test_a_path_is_streamed_and_empty_windows_are_left_out(tmp_path):
  path = tmp_path / 'piece.mid'
  later = (2**27, smf.on(60)), (1, smf.off(60))
  path.write_bytes(smf.file(smf.track(*smf.NOTE, *later), division=1))
  found = list(midi.stream(path, beats=4))
  assert [section.start for section in found] == [0, (2**27 + 480) // 4 * 4]
  assert midi.concatenate(found) == midi.read(path).notes


def test_a_file_without_events_has_a_section():
  (section,) = sections(smf.file(smf.track((0, smf.name('x')))), 4)
  assert section.notes.title == 'x'
  assert (len(section.notes), section.start, section.end) == (0, 0, 4 * 480)


def test_shared_files_are_streamed_as_they_are_read(shared_data):
  paths = sorted(shared_data.rglob('*.mid'))[::1500]
  assert paths
  for path in paths:
    data = pathlib.Path(path).read_bytes()
    reading = midi.read(data)
    codes = {issue.code for issue in reading.issues} - {'never_ended'}
    if not codes and not reading.remarks:
      check_like_read(data, 32)


MEASURE = """
import resource, sys
from aurl_jax.music import midi

def peak():
  return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

list(midi.stream(sys.argv[1]))
before, notes = peak(), 0
for section in midi.stream(sys.argv[2]):
  notes += len(section.notes)
print(peak() - before, notes)
"""


@pytest.mark.slow
def test_a_large_file_takes_little_memory(tmp_path):
  # Notes by running status, of which `read` takes over 500 MiB.
  beat = b''.join(
    struct.pack('6B', 0, pitch, 64, 30, pitch, 0) for pitch in range(40, 56)
  )
  count = (30 << 20) // len(beat)
  head = smf.number(0) + smf.on(30) + smf.number(30) + b'\x1e\0'
  body = head + beat * count + smf.number(0) + smf.END
  small, large = tmp_path / 'small.mid', tmp_path / 'large.mid'
  small.write_bytes(smf.file(smf.track(*smf.NOTE)))
  large.write_bytes(smf.file(smf.chunk(body), division=4800))
  assert large.stat().st_size > 30_000_000
  run = subprocess.run(
    [sys.executable, '-c', MEASURE, small, large],
    capture_output=True, text=True, check=False,
  )  # fmt: skip
  assert run.returncode == 0, run.stderr
  grown, notes = map(int, run.stdout.split())
  assert notes == 16 * count + 1
  assert grown < 32 << 20
