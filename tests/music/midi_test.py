import collections
import contextlib
import csv
import json
import pathlib
import random
import subprocess
import sys

import hypothesis
import numpy as np
import pytest
import symusic
from hypothesis import strategies as st

from aurl_jax.core.errors import MidiError
from aurl_jax.music import midi, note_sequence, time
from aurl_jax.music.notes import Notes, Text, Track
from tests.music import broken, smf
from tests.music.pieces import pieces

seeds = st.integers(0, 2**32)


@hypothesis.given(pieces())
def test_reading_what_was_written_gives_the_piece(piece):
  reading = midi.read(midi.write(piece))
  assert reading.notes == piece
  assert reading.issues == ()


@hypothesis.given(pieces(last=2**30 - 1, most=4))
def test_the_last_ticks_come_back(piece):
  assert midi.read(midi.write(piece)).notes == piece


@hypothesis.given(pieces(nested=True))
def test_nested_notes_swap_ends_and_nothing_else(piece):
  back = midi.read(midi.write(piece)).notes
  for name in ('onset', 'pitch', 'track', 'program'):
    assert np.array_equal(getattr(back, name), getattr(piece, name))

  def ends(notes):
    rows = zip(
      notes.track.tolist(),
      notes.pitch.tolist(),
      (notes.onset + notes.duration).tolist(),
      strict=True,
    )
    return collections.Counter(rows)

  assert ends(back) == ends(piece)


def test_a_path_is_read_and_written(tmp_path):
  piece = Notes.build(480, {'onset': 0, 'duration': 480, 'pitch': 60})
  path = tmp_path / 'new' / 'piece.mid'
  data = midi.write(piece, path)
  assert path.read_bytes() == data
  assert midi.read(path).notes == midi.read(str(path)).notes == piece
  assert list(path.parent.iterdir()) == [path]


def test_a_missing_file_is_an_os_error(tmp_path):
  with pytest.raises(FileNotFoundError):
    midi.read(tmp_path / 'none.mid')


def test_chords_are_markers_for_other_readers():
  piece = Notes.build(
    480,
    {'onset': 0, 'duration': 480, 'pitch': 60},
    texts=[Text(480, -1, 'chord', 'A:min7'), Text(0, -1, 'marker', 'verse')],
  )
  score = symusic.Score.from_midi(midi.write(piece))
  assert [(m.time, m.text) for m in score.markers] == [
    (0, 'verse'),
    (480, 'chord:A:min7'),
  ]


def test_a_program_change_and_channels_split_a_track():
  data = smf.file(
    smf.track(
      (0, smf.name('all')),
      (0, smf.on(60)), (480, smf.off(60)),
      (0, smf.program(40)), (0, smf.on(62)), (480, smf.off(62)),
      (0, smf.on(36, channel=9)), (10, smf.off(36, channel=9)),
    )
  )  # fmt: skip
  notes = midi.read(data).notes
  assert notes.tracks == (
    Track('all', 0, False),
    Track('all', 40, False),
    Track('all', 0, True),
  )
  assert notes.track.tolist() == [0, 1, 2]
  assert notes.onset.tolist() == [0, 480, 960]


@pytest.mark.slow
def test_no_broken_byte_gives_another_error_or_broken_notes():
  source = random.Random(5)
  sound = smf.file(
    smf.track((0, smf.meta(0x51, b'\x07\xa1\x20')), (0, smf.name('t'))),
    smf.track(
      *[
        event
        for pitch in range(40, 60)
        for event in ((3, smf.on(pitch)), (200, smf.off(pitch)))
      ]
    ),
  )
  for _ in range(400):
    data = bytearray(sound)
    for _ in range(source.randint(1, 6)):
      data[source.randrange(len(data))] = source.randrange(256)
    if source.random() < 0.3:
      del data[source.randrange(len(data)) :]
    with contextlib.suppress(MidiError):
      midi.read(bytes(data)).notes.check()


@hypothesis.given(st.binary(max_size=200))
def test_arbitrary_bytes_are_refused_by_name(data):
  with pytest.raises(MidiError) as caught:
    midi.read(data)
  assert caught.value.code in ('empty', 'no_header', 'no_tracks')


def is_repaired_for_good(reading):
  """Whether a repaired piece is sound when it is written and read again."""
  reading.notes.check()
  again = midi.read(midi.write(reading.notes))
  return again.notes == reading.notes and again.issues == ()


def read_or_none(data):
  """What is read, None for what is refused."""
  with contextlib.suppress(MidiError):
    return midi.read(data)
  return None


def break_it(piece, mutate, seed):
  """A piece that sounds, as a file, and what a mutation makes of it."""
  hypothesis.assume(len(piece))
  data = midi.write(piece)
  return mutate(data, random.Random(seed))


def same_music(notes, piece):
  """Equal, but for what a header tells."""
  names = ('onset', 'duration', 'pitch', 'velocity', 'track')
  tables = ('tempos', 'meters', 'keys', 'controls', 'bends')
  return (notes.tracks, notes.texts, notes.title) == (
    piece.tracks, piece.texts, piece.title,
  ) and all(
    np.array_equal(getattr(notes, name), getattr(piece, name))
    for name in names + tables
  )  # fmt: skip


@pytest.mark.parametrize('mutate', broken.MENDED)
@hypothesis.given(piece=pieces(), seed=seeds)
def test_a_broken_shape_costs_no_event_and_is_told(mutate, piece, seed):
  reading = midi.read(break_it(piece, mutate, seed))
  assert same_music(reading.notes, piece)
  assert reading.issues
  assert is_repaired_for_good(reading)


@pytest.mark.parametrize('mutate', broken.ODD)
@hypothesis.given(piece=pieces(), seed=seeds)
def test_an_odd_shape_is_remarked_and_costs_nothing(mutate, piece, seed):
  reading = midi.read(break_it(piece, mutate, seed))
  assert reading.notes == piece
  assert reading.issues == ()
  assert reading.remarks


@pytest.mark.parametrize('mutate', broken.LOSING)
@hypothesis.given(piece=pieces(), seed=seeds)
def test_what_is_lost_is_told(mutate, piece, seed):
  reading = read_or_none(break_it(piece, mutate, seed))
  if reading is not None:
    assert reading.issues
    assert is_repaired_for_good(reading)


@pytest.mark.parametrize('mutate', broken.UNSEEN)
@hypothesis.given(piece=pieces(), seed=seeds)
def test_whatever_is_read_can_be_written(mutate, piece, seed):
  reading = read_or_none(break_it(piece, mutate, seed))
  assert reading is None or is_repaired_for_good(reading)


def test_the_broken_set_is_read_as_it_is_labelled(shared_data):
  folder = shared_data.parent / 'broken_midi'
  if not folder.is_dir():
    pytest.skip(f'no broken files at {folder}')
  with (folder / 'MANIFEST.csv').open(newline='') as manifest:
    rows = list(csv.DictReader(manifest))
  agreed, recall = 0, []
  for row in rows:
    expected, found = row['expected'], int(row['oracle_notes'] or 0)
    label, count = 'reject', 0
    reading = read_or_none((folder / row['file']).read_bytes())
    if reading is not None:
      label = 'repair' if reading.issues else 'parse'
      count = len(reading.notes)
      assert is_repaired_for_good(reading), row['file']
    agreed += label == expected or (
      expected == 'repair_or_reject' and label != 'parse'
    )
    if expected == 'repair' and found:
      recall.append(min(1, count / found))
  assert agreed >= 0.95 * len(rows)
  assert np.mean(recall) >= 0.98


def columns_of(score):
  """Notes of symusic as sorted rows."""
  return sorted(
    (note.time, index, note.pitch, note.duration, note.velocity)
    for index, track in enumerate(
      track for track in score.tracks if len(track.notes)
    )
    for note in track.notes
  )


def check_like_symusic(path: pathlib.Path) -> None:
  """What symusic finds must be there, and what is more must be an issue."""
  reading = midi.read(path)
  score = symusic.Score.from_midi(path.read_bytes())
  notes = reading.notes
  notes.check()
  heard = np.unique(notes.track)
  number = {int(track): place for place, track in enumerate(heard)}
  ours = sorted(
    (onset, number[track], pitch, duration, velocity)
    for onset, track, pitch, duration, velocity in zip(
      notes.onset.tolist(),
      notes.track.tolist(),
      notes.pitch.tolist(),
      notes.duration.tolist(),
      notes.velocity.tolist(),
      strict=True,
    )
  )
  theirs = columns_of(score)
  if 'never_ended' not in {issue.code for issue in reading.issues}:
    assert ours == theirs, path
  else:
    assert not collections.Counter(theirs) - collections.Counter(ours), path
  assert notes.ticks_per_beat == score.ticks_per_quarter
  assert notes.tempos.tolist() == [(t.time, t.mspq) for t in score.tempos]


def midi_files(folder: pathlib.Path) -> list[pathlib.Path]:
  bad = (folder / 'KNOWN_BAD.txt').read_text()
  return [
    path
    for path in sorted(folder.rglob('*.mid'))
    if path.relative_to(folder).as_posix() not in bad
  ]


def test_shared_files_read_as_symusic_reads_them(shared_data):
  for path in midi_files(shared_data)[::211]:
    check_like_symusic(path)


@pytest.mark.slow
def test_all_shared_files_read_as_symusic_reads_them(shared_data):
  paths = midi_files(shared_data)
  assert len(paths) > 7000
  for path in paths:
    check_like_symusic(path)


@pytest.mark.slow
def test_all_shared_files_survive_writing(shared_data):
  for path in midi_files(shared_data):
    piece = midi.read(path).notes
    assert midi.read(midi.write(piece)).notes == piece, path


def test_importing_music_loads_no_plotting_and_no_proto():
  code = (
    'import sys; from aurl_jax.music import midi, transform, chords\n'
    'print([m for m in ("matplotlib", "google.protobuf") if m in sys.modules])'
  )
  run = subprocess.run(
    [sys.executable, '-c', code], capture_output=True, text=True, check=False
  )
  assert (run.returncode, run.stdout.strip()) == (0, '[]'), run.stderr


def test_a_pick_up_bar_and_all_that_is_told_survive_every_format():
  piece = Notes.build(
    480,
    {'onset': [0, 480, 1920], 'duration': 480, 'pitch': [55, 60, 64]},
    tracks=[Track('voice', 52)],
    meters=[(0, 1, 4), (480, 3, 4), (1920, 6, 8)],
    keys=[(0, -1, False), (480, 2, True)],
    tempos=[(0, 500_000), (480, 400_000), (700, 600_000)],
    texts=[
      Text(0, 0, 'lyric', 'Oh'), Text(480, 0, 'lyric', 'say'),
      Text(480, -1, 'chord', 'F:maj'), Text(1920, -1, 'marker', 'B'),
    ],
  )  # fmt: skip
  # The pick-up is a bar of its own, which the next meter ends.
  assert time.bar_starts(piece).tolist() == [0, 480, 1920]
  once = midi.read(midi.write(piece)).notes
  assert once == piece
  again = note_sequence.from_note_sequence(note_sequence.to_note_sequence(once))
  assert midi.read(midi.write(again)).notes == piece


def test_fresh_mutations_are_read_as_they_must(tmp_path, repository):
  for index, pitches in enumerate((range(40, 90), range(60, 70))):
    onsets = [240 * step for step in range(len(pitches))]
    columns = {'onset': onsets, 'duration': 200, 'pitch': list(pitches)}
    midi.write(Notes.build(480, columns), tmp_path / f'{index}.mid')
  run = subprocess.run(
    [sys.executable, 'tools/mutate_midi.py', tmp_path, '--count=300'],
    cwd=repository, capture_output=True, text=True, check=False,
  )  # fmt: skip
  assert run.returncode == 0, run.stdout + run.stderr
  found = json.loads(run.stdout)
  assert (found['files'], found['crashes'], found['timeouts']) == (300, 0, 0)
  assert found['not_idempotent'] == 0
