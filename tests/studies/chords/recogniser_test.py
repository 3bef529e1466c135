"""Chords that are written out are heard again."""

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from aurl_jax.music import chords as chords_lib
from aurl_jax.music.notes import Notes, Text, Track
from aurl_jax.studies.chords import recogniser as chords
from aurl_jax.studies.chords.recogniser import Recogniser
from tests.music.pieces import pieces

TRIADS = {'maj': (0, 4, 7), 'min': (0, 3, 7)}


def written(progression, beats=4, ticks=480):
  """Close chords with a low root, `beats` beats each."""
  rows = []
  for place, (root, kind) in enumerate(progression):
    pitches = [36 + root, *(60 + (root + step) % 12 for step in TRIADS[kind])]
    for beat in range(beats):
      rows += [((place * beats + beat) * ticks, ticks, p) for p in pitches]
  names = ('onset', 'duration', 'pitch')
  return Notes.build(ticks, dict(zip(names, np.array(rows).T, strict=True)))


@hypothesis.given(
  st.lists(
    st.tuples(st.integers(0, 11), st.sampled_from(['maj', 'min'])),
    min_size=1, max_size=8,
  )
)  # fmt: skip
def test_written_triads_are_heard(progression):
  texts = Recogniser()(written(progression)).chords
  heard = [(text.tick, text.text) for text in texts]
  expected = []
  for place, (root, kind) in enumerate(progression):
    label = f'{chords_lib.ROOTS[root]}:{kind}'
    if not expected or expected[-1][1] != label:
      expected.append((place * 4 * 480, label))
  assert heard == expected


def test_transposed_music_has_transposed_chords():
  random = np.random.default_rng(3)
  onset = 240 * np.repeat(np.arange(60), 3)
  pitch = random.integers(40, 76, len(onset))
  indices = []
  for step in (0, 5):
    notes = Notes.build(
      480, {'onset': onset, 'duration': 300, 'pitch': pitch + step}
    )
    indices.append(Recogniser().recognise(notes)[1])
  for low, high in zip(*indices, strict=True):
    first, second = map(chords_lib.from_index, (low.item(), high.item()))
    assert first.quality == second.quality
    assert first.root is None or (first.root + 5) % 12 == second.root


@hypothesis.given(pieces(last=4000))
def test_any_piece(notes):
  heard = Recogniser(replace=True)(notes)
  heard.check()
  assert len(heard) == len(notes)
  ticks = [text.tick for text in heard.chords]
  assert ticks == sorted(set(ticks))
  assert all(chords_lib.parse(text.text) for text in heard.chords)
  others = [text for text in notes.texts if text.kind != 'chord']
  assert [text for text in heard.texts if text.kind != 'chord'] == others


@hypothesis.given(pieces(last=4000), st.lists(st.integers(0, 5000)))
def test_any_bounds(notes, bounds):
  starts, ends = chords.segments(notes, np.unique(np.array(bounds, int)))
  assert (ends > starts).all()
  assert (starts[1:] == ends[:-1]).all()
  starts, index = Recogniser().recognise(notes, np.unique(bounds).astype(int))
  assert len(starts) == len(index)


def test_symbols_that_are_there_stay():
  notes = written([(0, 'maj')])
  named = notes.replace(texts=(Text(0, -1, 'chord', 'Am7'),))
  assert Recogniser()(named) is named
  assert Recogniser(replace=True)(named).chords[0].text == 'C:maj'


def test_a_long_silence_is_no_chord():
  columns = {'onset': [0, 480 * 10**6], 'duration': 960, 'pitch': [60, 67]}
  texts = Recogniser(change=0.5)(Notes.build(480, columns)).chords
  assert len(texts) <= 3
  assert 'N' in [text.text for text in texts]


def test_drums_are_no_chord():
  drums = [Track(is_drum=True)]
  notes = Notes.build(
    480, {'onset': [0, 480], 'duration': 9, 'pitch': 36}, tracks=drums
  )
  assert not Recogniser()(notes).chords


def test_a_price_below_nothing():
  with pytest.raises(ValueError, match='0 or more'):
    Recogniser(change=-1)
