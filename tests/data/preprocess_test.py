"""The steps, their order, and that nothing is done unasked."""

import dataclasses
import json

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from aurl_jax.core import config
from aurl_jax.data.preprocess import BEATS, Preprocess
from aurl_jax.music import time
from aurl_jax.music.dynamics import Dynamics
from aurl_jax.music.notes import Notes
from aurl_jax.music.snap import Snap
from aurl_jax.studies.chords.recogniser import Recogniser
from aurl_jax.studies.voices import Voices
from tests.music.pieces import pieces

OPTIONS = st.builds(
  Preprocess,
  beats=st.sampled_from(BEATS),
  quantise=st.sampled_from([0, 0.5, 1]),
  triplets=st.booleans(),
  velocity=st.sampled_from([0, 0.5, 1]),
  voices=st.sampled_from([None, 0, 2]),
  chords=st.booleans(),
)


@hypothesis.given(pieces(last=2000))
def test_nothing_is_done_unasked(notes):
  assert Preprocess()(notes) is notes


@hypothesis.settings(max_examples=15)
@hypothesis.given(pieces(last=2000, ticks_per_beat=480), OPTIONS)
def test_any_piece_with_any_options(notes, options):
  done = options(notes)
  done.check()
  assert done.tracks == notes.tracks
  if options.voices is None:
    assert len(done) == len(notes)


@hypothesis.given(pieces(last=2000))
def test_the_order(notes):
  options = Preprocess(quantise=1, velocity=0.5, voices=1, chords=True)
  expected = Recogniser()(
    Voices(inner=1)(Dynamics(strength=0.5)(Snap()(notes)))
  )
  assert options(notes) == expected


def test_options_are_a_config_section():
  options = Preprocess(beats='auto', quantise=0.5, voices=2)
  text = json.dumps(dataclasses.asdict(options))
  assert Preprocess(**json.loads(text)) == options
  name = 'aurl_jax.data.preprocess:Preprocess'
  built = config.build({'name': name, 'quantise': 1.0, 'chords': True}, 'data')
  assert built == Preprocess(quantise=1.0, chords=True)


def test_beats_are_tracked_where_ticks_mean_nothing():
  random = np.random.default_rng(0)
  beats = 0.31 + 0.63 * np.arange(80)
  onset = np.sort(np.append(beats, beats + 0.315)) + random.normal(
    0, 0.004, 160
  )
  columns = {
    'onset': np.rint(960 * onset).astype(int), 'duration': 200,
    'pitch': 48 + 12 * (np.arange(160) % 2) + np.arange(160) // 16 % 5,
  }  # fmt: skip
  played = Notes.build(480, columns)
  done = Preprocess(beats='auto')(played)
  assert len(done.tempos)
  assert not len(played.tempos)
  before = np.sort(time.ticks_to_seconds(played, played.onset))
  after = np.sort(time.ticks_to_seconds(done, done.onset))
  assert np.abs(before - after).max() < 0.002
  exact = Notes.build(480, columns | {'onset': 240 * np.arange(160)})
  assert Preprocess(beats='auto')(exact) is exact


def test_bar_lines_go_to_downbeats():
  beat = np.arange(64)
  chord = np.array([[48, 64, 67], [45, 60, 64], [53, 60, 69], [55, 62, 71]])
  bass = {
    'onset': 5 * 480 + 91 + 480 * np.repeat(beat[::4], 3), 'duration': 1920,
    'pitch': chord[np.arange(16) % 4].ravel(),
  }  # fmt: skip
  notes = Notes.build(480, bass, meters=[(0, 1, 4)], tempos=[(0, 600_000)])
  done = Preprocess(beats='align')(notes)
  assert done.meters.tolist() == [(0, 4, 4)]
  assert done.tempos.tolist() == notes.tempos.tolist()
  assert done.onset.tolist() == (notes.onset - notes.onset[0]).tolist()
  waltz = notes.replace(meters=np.array([(0, 3, 4)], notes.meters.dtype))
  assert Preprocess(beats='align')(waltz) is waltz


@pytest.mark.parametrize(
  'options',
  [{'beats': 'never'}, {'quantise': 2}, {'velocity': -1}, {'voices': -1}],
)
def test_options_out_of_range(options):
  with pytest.raises(ValueError, match=r'not|must'):
    Preprocess(**options)
