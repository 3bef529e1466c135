"""The study as a whole: what it tells, and of what it makes no fuss."""

import json
import math
import pickle

import hypothesis
import numpy as np
import pytest
from matplotlib import figure

from aurl_jax.music.notes import Notes, Track
from aurl_jax.studies import study
from aurl_jax.studies.melody.study import Melody
from tests.music.pieces import pieces
from tests.studies.melody.melodies import notes_of

THEME = [60, 64, 62, 67, 65, 72, 71, 60]
LONG = [1, 0.5, 0.5, 1, 1, 0.5, 0.5, 2]


def theme(up=0):
  """A tune in a track of its own, over long chords."""
  rng = np.random.default_rng(2)
  pitches, lengths = [], []
  for shift in (0, 5, 0, 7):
    pitches += [*rng.integers(58, 74, 6), *(p + shift for p in THEME)]
    lengths += [*rng.choice([0.5, 1], 6), *LONG]
  tune = notes_of([p + up for p in pitches], lengths)
  many = len(tune)
  return Notes.build(
    480,
    {
      'onset': [*tune.onset, 0, 0],
      'duration': [*tune.duration, 9600, 9600],
      'pitch': [*tune.pitch, 36, 43],
      'velocity': 80,
      'track': [0] * many + [1, 1],
    },
    tracks=[Track('Voice'), Track('Piano')],
    tempos=[(0, 500_000), (4800, 250_000)],
  )


def test_it_is_a_study_and_travels():
  made = study.load(['melody'])['melody']
  assert isinstance(made, study.Study)
  assert pickle.loads(pickle.dumps(made)) == made  # noqa: S301


def test_what_is_told():
  hears = Melody(given='Voice')
  found = hears.analyse(theme())
  told = json.loads(json.dumps(hears.told(found)))['melody']
  assert set(told) == {'notes', 'tracks', 'contour', 'scale', 'motifs'}
  notes = theme()
  tune = notes.track == 0
  assert [n['pitch'] for n in told['notes']] == notes.pitch[tune].tolist()
  assert told['tracks'] == {'Voice': 1.0}
  # Ten beats of half a second, then a quarter of a second each.
  beats = notes.onset[tune] / 480
  want = np.where(beats < 10, beats / 2, 5 + (beats - 10) / 4)
  got = [n['start'] for n in told['notes']]
  np.testing.assert_allclose(got, want, atol=1e-3)
  motif = told['motifs'][0]
  starts = [row['start'] for row in motif['occurrences']]
  assert len(starts) >= 4
  assert set(starts) <= {round(s, 4) for s in got}
  assert told['contour']['phrases'][0]['start'] == 0
  assert told['scale']['kind'] in told['scale']['name']


def test_a_tune_in_another_key_is_alike():
  hears = Melody(given='Voice')
  one, other = hears.analyse(theme()), hears.analyse(theme(3))
  alike = hears.compare(one, other)
  assert alike == pytest.approx(dict.fromkeys(alike, 1.0), abs=1e-6)
  scale = notes_of(range(40, 70)).replace(tracks=(Track('Voice'),))
  far = hears.compare(one, hears.analyse(scale))
  assert far['melody_edit'] < 0.5
  scores = hears.validate(other, one)
  assert scores['note_f'] < 0.3
  assert hears.validate(one, one)['note_f'] == 1
  assert hears.validate(one, one)['raw_pitch'] == 1


@hypothesis.given(pieces(last=3000))
def test_any_piece(notes):
  hears = Melody()
  found = hears.analyse(notes)
  json.dumps(hears.told(found), allow_nan=False)
  numbers = hears.features(found)
  assert all(isinstance(value, float) for value in numbers.values())
  assert 0 <= numbers['melody_share'] <= 1
  assert len(found.chance) == len(found.line)
  alike = hears.compare(found, found)
  for value in alike.values():
    assert math.isnan(value) or value == pytest.approx(1)
  hears.draw(found, figure.Figure().subplots())


def test_features_by_hand():
  numbers = Melody(given='Voice').features(
    Melody(given='Voice').analyse(
      Notes.build(
        480,
        {
          'onset': [0, 480, 960, 1440],
          'duration': 480,
          'pitch': [60, 60, 67, 62],
        },
        tracks=[Track('Voice')],
      )
    )
  )
  assert numbers['melody_range'] == 7
  assert numbers['melody_pitch'] == 62.25
  assert numbers['melody_interval'] == 4
  assert numbers['melody_leaps'] == pytest.approx(2 / 3)
  assert numbers['melody_repeated'] == pytest.approx(1 / 3)
  assert numbers['melody_share'] == 1


def test_it_draws_what_it_found():
  hears = Melody(given='Voice')
  found = hears.analyse(theme())
  axes = figure.Figure().subplots()
  hears.draw(found, axes)
  black = [p for p in axes.patches if p.get_facecolor() == (0, 0, 0, 1)]
  assert len(black) == len(found.line)
  names = [text.get_text() for text in axes.get_legend().get_texts()]
  assert names == [f'motif {n + 1}' for n in range(len(found.motifs))]
