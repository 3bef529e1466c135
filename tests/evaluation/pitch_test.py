"""Metrics of pitch, judged by piano rolls in plain Python and by MusPy."""

import json
import math
import pathlib

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from aurl_jax.evaluation import musical, pitch, rhythm
from aurl_jax.music import midi, scales
from aurl_jax.music.notes import Notes, Track
from tests.tokens import pieces

EMPTY = Notes.build(4)
GOLDEN = pathlib.Path(__file__).parent / 'golden' / 'muspy.json'
METRICS = {
  'pitches_used': pitch.pitches_used,
  'pitch_classes_used': pitch.pitch_classes_used,
  'pitch_range': musical.pitch_range,
  'pitch_entropy': pitch.pitch_entropy,
  'pitch_class_entropy': pitch.pitch_class_entropy,
  'scale_consistency': pitch.scale_consistency,
  'polyphony': pitch.polyphony,
  'polyphony_rate': pitch.polyphony_rate,
  'empty_beat_rate': rhythm.empty_beat_rate,
  'drum_pattern_consistency': rhythm.drum_pattern_consistency,
  'empty_bar_rate': rhythm.empty_bar_rate,
  'groove_consistency': rhythm.groove_consistency,
}


def roll(notes):
  """The pitches that sound at each tick, drums aside."""
  found = [set() for _ in range(notes.end)]
  for on, length, key, drum in zip(
    notes.onset, notes.duration, notes.pitch, notes.is_drum, strict=True
  ):
    for tick in range(on, on + length) if not drum else ():
      found[tick].add(int(key))
  return found


def bits(counts):
  total = sum(counts)
  return -sum(c / total * math.log2(c / total) for c in counts if c)


@hypothesis.given(seed=st.integers(0, 2**32 - 1))
def test_it_counts_as_a_piano_roll_does(seed):
  notes = pieces.piece(seed, notes=25)
  hypothesis.assume(notes.end)
  keys = [int(k) for k in notes.pitch[~notes.is_drum]]
  assert pitch.pitches_used(notes) == len(set(keys))
  assert pitch.pitch_classes_used(notes) == len({k % 12 for k in keys})
  ticks = roll(notes)
  some = [len(tick) for tick in ticks if tick]
  if some:
    assert pitch.polyphony(notes) == pytest.approx(sum(some) / len(some))
    told = bits([keys.count(k) for k in range(128)])
    assert pitch.pitch_entropy(notes) == pytest.approx(told, abs=1e-12)
    classes = [k % 12 for k in keys]
    told = bits([classes.count(k) for k in range(12)])
    assert pitch.pitch_class_entropy(notes) == pytest.approx(told, abs=1e-12)
  for above in (0, 1, 2, 5):
    many = sum(len(tick) > above for tick in ticks) / len(ticks)
    assert pitch.polyphony_rate(notes, above) == pytest.approx(many)


def test_scales_by_hand():
  keys = [60, 62, 64, 65, 67, 68, 71, 66]
  notes = Notes.build(4, {'onset': range(8), 'duration': 1, 'pitch': keys})
  assert pitch.scale_rate(notes, scales.parse('C major')) == 6 / 8
  assert pitch.scale_rate(notes, scales.parse('C harmonic minor')) == 6 / 8
  # Of the naturals E minor lacks F and A flat; none has more of them.
  assert pitch.scale_consistency(notes) == 6 / 8


def test_what_is_not_there_is_nan():
  drums = Notes.build(
    4, {'onset': [0], 'duration': 2, 'pitch': 38}, tracks=[Track(is_drum=True)]
  )
  for notes in (EMPTY, drums):
    assert pitch.pitches_used(notes) == pitch.pitch_classes_used(notes) == 0
    for name in ('pitch_entropy', 'scale_consistency', 'polyphony'):
      assert math.isnan(METRICS[name](notes))
  assert math.isnan(pitch.polyphony_rate(EMPTY))
  assert pitch.polyphony_rate(drums) == 0
  assert np.isnan(pitch.pitch_distribution(EMPTY)).all()


def test_muspy_says_the_same_of_real_files(shared_data):
  golden = json.loads(GOLDEN.read_text())
  assert len(golden) == 200
  told = 0
  for name, wanted in golden.items():
    notes = midi.read(shared_data / name).notes
    for metric, value in wanted.items():
      found = METRICS[metric](notes)
      if metric == 'pitch_range' and value == -127:
        # MusPy's, of drums alone.
        value = None
      if value is None:
        assert math.isnan(found), (name, metric)
        continue
      assert found == pytest.approx(value, abs=1e-6), (name, metric)
      told += 1
  assert told > 2000
