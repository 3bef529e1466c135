"""The study of chords as a study."""

import json
import pickle

import hypothesis
import numpy as np
import pytest
from matplotlib.figure import Figure

from aurl_jax.music.notes import Notes
from aurl_jax.studies import study
from aurl_jax.studies.chords.study import Chords
from tests.music.pieces import pieces

CADENCE = [(48, 64, 67), (41, 57, 60), (43, 59, 65, 62), (48, 60, 64)]


def cadence(up=0, times=3):
  rows = [
    (4 * place, 4, pitch + up)
    for place, tones in enumerate(CADENCE * times)
    for pitch in tones
  ]
  columns = zip(('onset', 'duration', 'pitch'), np.array(rows).T, strict=True)
  return Notes.build(1, dict(columns))


def test_it_is_registered_and_pickles():
  found = study.load(['chords'])['chords']
  assert isinstance(found, study.Study)
  assert pickle.loads(pickle.dumps(found)) == found  # noqa: S301


def test_a_cadence_is_told():
  told = Chords().told(Chords().analyse(cadence()))
  json.dumps(told)
  assert [row['label'] for row in told['chords'][:4]] == [
    'C:maj', 'F:maj', 'G:7', 'C:maj',
  ]  # fmt: skip
  assert [row['numeral'] for row in told['numerals'][:4]] == [
    'I', 'IV', 'V7', 'I',
  ]  # fmt: skip
  assert [row['key'] for row in told['key']] == ['C major']
  assert told['chords'][1]['start'] == pytest.approx(2)
  best = told['progressions'][0]
  assert best == {'chords': ['I:maj', 'IV:maj', 'V:7', 'I:maj'], 'count': 3}


def test_features_of_a_cadence():
  facts = Chords().features(Chords().analyse(cadence()))
  # Nine more chords in 24 seconds: the last C of each time is the next one's.
  assert facts['chord_rate'] == pytest.approx(60 * 9 / 24)
  assert facts['chord_kinds'] == 3
  assert facts['chord_sevenths'] == pytest.approx(0.25)
  assert facts['chord_own'] == 1
  assert facts['key_changes'] == facts['chord_inverted'] == 0
  assert facts['chord_surprise'] == pytest.approx(0)


def test_a_piece_is_like_itself_in_any_key_and_unlike_another():
  home, away = (Chords().analyse(cadence(up)) for up in (0, 3))
  assert Chords().compare(home, away) == pytest.approx(
    {'chords': 1, 'transitions': 1, 'chord_pace': 1}
  )
  other = Chords().analyse(
    Notes.build(1, {'onset': 0, 'duration': 16, 'pitch': [45, 57, 60, 64]})
  )
  alike = Chords().compare(home, other)
  assert alike['chords'] == alike['transitions'] == 0
  assert Chords().validate(home, home) == dict.fromkeys(
    ('root', 'majmin', 'sevenths', 'key'), 1.0
  )
  assert Chords().validate(away, home)['key'] == 0


@hypothesis.given(pieces(last=2000))
def test_any_piece(notes):
  chords = Chords()
  found = chords.analyse(notes)
  json.dumps(chords.told(found))
  facts = chords.features(found)
  assert all(isinstance(value, float) for value in facts.values())
  alike = chords.compare(found, found)
  assert list(alike.values()) == pytest.approx([1, 1, 1])
  chords.draw(found, Figure().subplots())
