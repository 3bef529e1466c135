"""Tunes, read again by music21's parser of ABC and by eye."""

import warnings
from fractions import Fraction

import hypothesis
import music21
import pytest
from hypothesis import strategies as st

from aurl_jax.music import abc_write, midi
from aurl_jax.music.notes import Notes, Text, Track
from aurl_jax.music.score_time import ScoreError


def tune(*rows, beat=12, **options):
  """A piece of rows (duration, pitch) in one line; pitch 0 is a rest."""
  columns = {'onset': [], 'duration': [], 'pitch': []}
  at = 0
  for length, pitch in rows:
    if pitch:
      for name, value in zip(columns, (at, length, pitch), strict=True):
        columns[name].append(value)
    at += length
  return Notes.build(beat, columns, **options)


def heard(text):
  """Rows (onset, duration, pitch) in quarter notes, by music21."""
  with warnings.catch_warnings():
    warnings.simplefilter('ignore')
    read = music21.converter.parse(text, format='abc')
  rows, waiting = [], {}
  for note in read.flatten().notes:
    if isinstance(note, music21.harmony.Harmony):
      continue
    start = Fraction(note.offset).limit_denominator(1000)
    end = start + Fraction(note.quarterLength).limit_denominator(1000)
    onset = waiting.pop((start, note.pitch.midi), start)
    if note.tie is not None and note.tie.type in ('start', 'continue'):
      waiting[end, note.pitch.midi] = onset
    else:
      rows.append((onset, end - onset, note.pitch.midi))
  assert not waiting
  return sorted(rows)


def wanted(piece):
  beat = piece.ticks_per_beat
  return [
    (Fraction(onset, beat), Fraction(length, beat), pitch)
    for onset, length, pitch in zip(
      piece.onset.tolist(),
      piece.duration.tolist(),
      piece.pitch.tolist(),
      strict=True,
    )
  ]


def test_a_tune_looks_as_it_is_written_by_hand():
  piece = tune(
    (12, 62), (6, 64), (6, 66), (12, 67), (12, 61),
    (4, 74), (4, 73), (4, 72), (36, 50), (12, 0), (30, 69), (6, 69),
    keys=[(0, 2, False)], tempos=[(0, 600_000)], title='A tune',
    texts=[Text(0, -1, 'chord', 'D:maj'), Text(48, -1, 'chord', 'F#m7b5/E')],
  )  # fmt: skip
  assert abc_write.write(piece).splitlines() == [
    'X:1', 'T:A tune', 'M:4/4', 'L:1/8', 'Q:1/4=100', 'K:D',
    '"D"D2 EF G2 C2 | "F#m7b5/E"(3:2:3dc=c D,2- D,4 | z2 A2- A3 A |]',
  ]  # fmt: skip


@hypothesis.given(
  st.lists(
    st.tuples(
      st.sampled_from([3, 4, 6, 8, 9, 12, 18, 24, 48]),
      st.just(0) | st.integers(45, 90),
    ),
    min_size=1,
    max_size=30,
  ),
  st.sampled_from([(4, 4), (3, 4), (6, 8)]),
  st.integers(-6, 6),
)
def test_music21_hears_the_tune(rows, meter, fifths):
  piece = tune(*rows, meters=[(0, *meter)], keys=[(0, fifths, False)])
  hypothesis.assume(len(piece))
  assert heard(abc_write.write(piece)) == wanted(piece)


def test_changes_of_meter_and_key_are_told_where_they_happen():
  piece = tune(
    *[(12, 67)] * 7, meters=[(0, 4, 4), (48, 3, 4)],
    keys=[(0, 0, False), (48, -1, True)],
  )  # fmt: skip
  text = abc_write.write(piece)
  assert text.splitlines()[-4:] == [
    'G2 G2 G2 G2 |', 'M:3/4', 'K:Dm', 'G2 G2 G2 |]',
  ]  # fmt: skip
  assert heard(text) == wanted(piece)


def test_a_pickup_stands_before_the_first_full_bar():
  piece = tune(*[(12, 67)] * 5, meters=[(0, 1, 4), (12, 4, 4)])
  lines = abc_write.write(piece).splitlines()
  assert 'M:4/4' in lines
  assert lines[-1] == 'G2 | G2 G2 G2 G2 |]'


def test_several_tunes_are_voices():
  piece = Notes.build(
    1,
    {'onset': 0, 'duration': 4, 'pitch': [60, 48], 'track': [0, 1]},
    tracks=[Track('high "x"'), Track('', 32)],
  )
  text = abc_write.write(piece)
  assert 'V:1 name="high \'x\'"\nC8 |]' in text
  assert 'V:2 name="Acoustic Bass"\nC,8 |]' in text


@pytest.mark.parametrize(
  ('columns', 'drums', 'code'),
  [
    ({'pitch': [60, 64]}, False, 'polyphony'),
    ({'pitch': [36]}, True, 'drums'),
  ],
)
def test_what_is_no_tune_is_refused(columns, drums, code):
  piece = Notes.build(
    1, {'onset': 0, 'duration': 1} | columns, tracks=[Track('x', 0, drums)]
  )
  with pytest.raises(ScoreError, match=r'track 0 \(x\)') as caught:
    abc_write.write(piece)
  assert caught.value.code == code


@pytest.mark.slow
def test_real_tunes_come_back(shared_data, tmp_path):
  folder = shared_data / 'nottingham' / 'train' / 'melody'
  paths = sorted(folder.glob('*.mid'))[::250]
  assert paths
  for path in paths:
    piece = midi.read(path).notes
    text = abc_write.write(piece, tmp_path / 'tune.abc')
    assert (tmp_path / 'tune.abc').read_text() == text
    assert heard(text) == wanted(piece)
