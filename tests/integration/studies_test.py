"""What every study of ours keeps to, whatever it is given."""

import json
import math
import pickle

import hypothesis
import pytest
from matplotlib.figure import Figure

from aurl_jax.music.notes import Notes, Track
from aurl_jax.studies import analysis, corpus, study
from tests.music.pieces import pieces
from tests.studies import outside

NAMES = tuple(study.BUILT_IN)


@pytest.fixture(scope='module')
def studies():
  if not NAMES:
    pytest.skip('no study is built in yet')
  return study.load(NAMES)


def drums(count=8):
  columns = {'onset': [i * 240 for i in range(count)], 'duration': 120}
  kit = [Track(name='kit', program=0, is_drum=True)]
  return Notes.build(480, {**columns, 'pitch': 36}, tracks=kit)


def one(**changes):
  columns = {'onset': 0, 'duration': 480, 'pitch': 60} | changes
  return Notes.build(480, columns)


ODD = {
  'nothing': Notes.build(480),
  'one note': one(),
  'one note without length': one(duration=0),
  'one note, late': one(onset=480 * 4000),
  'drums': drums(),
  'one drum': drums(1),
  'one tick': Notes.build(1, {'onset': [0, 1], 'duration': 1, 'pitch': 60}),
  'a unison of voices': Notes.build(
    480,
    {
      'onset': [0, 0, 480, 480],
      'duration': 480,
      'pitch': [60, 60, 127, 0],
      'track': [0, 1, 0, 1],
    },
  ),
}


def keeps_to_it(name, studied, notes):
  found = studied.analyse(notes)
  told = json.loads(json.dumps(studied.told(found), allow_nan=False))
  features = studied.features(found)
  for feature, value in features.items():
    assert isinstance(value, int | float), (name, feature, value)
    assert not math.isinf(value), (name, feature)
  for how, alike in studied.compare(found, found).items():
    assert math.isnan(alike) or -1e-9 <= alike <= 1 + 1e-9, (name, how, alike)
  for part in told.values():
    if isinstance(part, list):
      for row in part:
        if isinstance(row, dict) and {'start', 'end'} <= set(row):
          assert 0 <= row['start'] <= row['end'], (name, row)
  return told


@pytest.mark.parametrize('piece', ODD)
@pytest.mark.parametrize('name', NAMES)
def test_odd_pieces_are_heard(studies, name, piece):
  keeps_to_it(name, studies[name], ODD[piece])


@pytest.mark.parametrize('name', NAMES)
@hypothesis.given(notes=pieces(nested=True, last=2_000, most=20))
def test_any_piece_is_heard(studies, name, notes):
  keeps_to_it(name, studies[name], notes)


@pytest.mark.parametrize('name', NAMES)
def test_a_study_is_drawn_even_of_nothing(studies, name):
  for notes in (Notes.build(480), drums(), outside.song()):
    studied = studies[name]
    studied.draw(studied.analyse(notes), Figure().subplots())


def test_studies_pickle_and_tell_apart_what_they_tell(studies):
  again = pickle.loads(pickle.dumps(studies))  # noqa: S301
  (rows,) = corpus.stream(
    [corpus.Item('song', outside.song(count=60))], again, workers=0
  )
  assert [row['study'] for row in rows] == list(NAMES)
  assert not any('error' in row for row in rows)
  # Raises where two tell the same.
  told = corpus.merged(rows)
  assert len(told) >= len(NAMES)
  for name in NAMES:
    assert analysis.recipe(studies[name]) == analysis.recipe(again[name])
