"""The study as a whole."""

import itertools
import json
import pickle

import hypothesis
import numpy as np
import pytest
from matplotlib.figure import Figure

from aurl_jax.music.notes import Notes
from aurl_jax.studies import study
from aurl_jax.studies.structure import drawing, finding
from aurl_jax.studies.structure.factors import Spectral
from aurl_jax.studies.structure.finding import Structure
from aurl_jax.studies.structure.lengths import Shortest
from tests.music.pieces import pieces
from tests.studies.structure import songs

FORM = '-AABA-'


@pytest.fixture(scope='module')
def heard():
  return Structure().analyse(songs.song(FORM))


def test_it_is_one_of_ours():
  made = study.load(['structure'])['structure']
  assert isinstance(made, Structure)
  assert pickle.loads(pickle.dumps(made)) == made  # noqa: S301


def test_it_tells_json_in_seconds(heard):
  told = json.loads(json.dumps(Structure().told(heard)))
  parts = told['sections']
  assert parts[0]['start'] == 0
  # 48 bars of four beats of half a second.
  assert parts[-1]['end'] == pytest.approx(96)
  for one, other in itertools.pairwise(parts):
    assert one['end'] == other['start'] > one['start']
  assert sum(part['bars'] for part in parts) == 48
  letters = ''.join(f'{part["label"]}{part["bars"]}' for part in parts)
  assert told['form']['string'] == letters
  assert len(told['intensity']['values']) == 48
  assert 0 <= told['climax']['seconds'] < 96


def test_the_shortest_description_may_be_the_finder():
  found = Structure(finder=Shortest(phrase=1.0, longest=12)).analyse(
    songs.song('ABAB')
  )
  assert found.told == 'A8B8A8B8'
  assert found.form == 'verse-chorus'
  assert len(Structure(finder=Spectral()).analyse(songs.song('ABAB'))) == 32


def test_a_piece_without_notes_is_told(heard):
  made = Structure()
  empty = made.analyse(Notes.build(480))
  told = made.told(empty)
  assert told['sections'] == []
  assert told['form'] == {'class': 'empty', 'string': ''}
  assert told['climax']['seconds'] is None
  assert all(np.isnan(v) for v in made.features(empty).values())
  assert set(made.compare(empty, empty).values()) == {1.0}
  assert set(made.compare(empty, heard).values()) == {0.0}
  assert made.validate(empty, heard)['labels'] == 0
  made.draw(empty, Figure().subplots())


def test_a_piece_is_like_itself(heard):
  made = Structure()
  assert made.compare(heard, heard) == pytest.approx(
    dict.fromkeys(made.compare(heard, heard), 1)
  )
  other = made.analyse(songs.song('ABC', bars=4))
  unlike = made.compare(heard, other)
  assert all(0 <= value < 1 for value in unlike.values())
  assert unlike == pytest.approx(made.compare(other, heard))


def test_it_is_right_about_itself_and_less_about_others(heard):
  made = Structure()
  assert set(made.validate(heard, heard).values()) == {1.0}
  late = finding.written(heard.seconds, [('A', 3), ('B', 40), ('A', 5)])
  assert made.validate(heard, late)['labels'] < 1


def test_features_are_those_of_the_sections(heard):
  found = Structure().features(heard)
  letters = heard.sections.letters
  assert found['sections'] == len(letters)
  assert found['letters'] == len(set(letters))
  bars = [
    size
    for letter, size in zip(letters, heard.bars.tolist(), strict=True)
    if letters.count(letter) > 1
  ]
  assert found['recurring'] == pytest.approx(sum(bars) / 48)
  assert found['climax'] == pytest.approx((heard.climax.bar + 0.5) / 48)


@hypothesis.settings(deadline=None, max_examples=40)
@hypothesis.given(pieces(last=3000))
def test_any_piece_is_told(notes):
  made = Structure()
  found = made.analyse(notes)
  json.dumps(made.told(found), allow_nan=False)
  assert (np.diff(found.seconds) > 0).all()
  assert sum(found.bars) == len(found)
  assert made.features(found).keys() == made.features(found).keys()
  assert all(0 <= v <= 1 for v in found.intensity)


def test_pictures_show_each_section(heard):
  axes = Figure().subplots(2)
  Structure().draw(heard, axes[0])
  drawing.matrix(heard, axes[1])
  letters = [text.get_text() for text in axes[0].texts]
  assert letters == list(heard.sections.letters)
  assert heard.told in axes[0].get_title(loc='left')
  assert axes[1].images[0].get_array().shape == (48, 48)


def test_a_long_piece_keeps_a_small_matrix():
  found = Structure().analyse(songs.song('AB' * 20))
  assert len(found) == 320
  assert found.matrix.shape == (160, 160)
