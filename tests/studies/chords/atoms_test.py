"""Atoms hold what sounds between onsets."""

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from aurl_jax.music.notes import Notes, Track
from aurl_jax.studies.chords import atoms
from tests.music.pieces import pieces

ROWS = st.lists(
  st.tuples(st.integers(0, 40), st.integers(1, 12), st.integers(36, 80)),
  min_size=1,
  max_size=25,
)


def built(rows, ticks=4):
  columns = zip(
    ('onset', 'duration', 'pitch'), zip(*rows, strict=True), strict=True
  )
  return Notes.build(ticks, {name: np.array(value) for name, value in columns})


@hypothesis.given(ROWS)
def test_what_sounds_is_counted_tick_by_tick(rows):
  heard = atoms.cut(built(rows))
  for row, (start, end) in enumerate(
    zip(heard.starts, heard.ends, strict=True)
  ):
    expected = np.zeros(12)
    for onset, duration, pitch in rows:
      for tick in range(onset, onset + duration):
        expected[pitch % 12] += 0.25 * (start <= tick < end)
    assert heard.sounding[row] == pytest.approx(expected)


@hypothesis.given(ROWS)
def test_atoms_begin_with_notes_or_silence(rows):
  heard = atoms.cut(built(rows))
  onsets = {row[0] for row in rows}
  ends = {row[0] + row[1] for row in rows}
  assert set(heard.starts.tolist()) <= {0} | onsets | ends
  assert onsets <= set(heard.starts.tolist())
  assert heard.struck.sum() == len(rows)


@hypothesis.given(pieces(last=4000))
def test_any_piece(notes):
  heard = atoms.cut(notes)
  assert (heard.ends > heard.starts).all()
  assert (heard.starts[1:] == heard.ends[:-1]).all()
  assert np.isfinite(heard.sounding).all()
  assert (heard.sounding >= -1e-9).all()
  total = heard.bass.sum(axis=1)
  assert np.isclose(total[heard.heard()], 1).all()


def test_what_is_struck_almost_together_is_one_atom():
  notes = built([(0, 400, 48), (20, 380, 64), (30, 370, 67)], ticks=480)
  heard = atoms.cut(notes)
  assert heard.starts.tolist() == [0]
  assert set(np.flatnonzero(heard.sounding[0])) == {0, 4, 7}


def test_a_tune_tells_less_than_the_chords_below():
  columns = {
    'onset': [0, 0, 0, 0],
    'duration': 4,
    'pitch': [48, 52, 55, 74],
    'track': [0, 0, 0, 1],
  }
  tracks = [Track('piano'), Track('voice')]
  heard = atoms.cut(Notes.build(4, columns, tracks=tracks))
  assert 0 < heard.sounding[0, 2] < heard.sounding[0, 0] / 2


def test_the_bass_is_the_lowest_note_around():
  # Broken chords: between its notes the low C stays the bass.
  rows = [(0, 1, 36), (1, 1, 52), (2, 1, 55), (3, 1, 60)]
  heard = atoms.cut(built(rows))
  assert heard.bass[0].argmax() == 0
  assert heard.bass[1, 4] == pytest.approx(1)


def test_no_notes():
  heard = atoms.cut(Notes.build(4))
  assert len(heard) == 0
  assert heard.sounding.shape == (0, 12)
