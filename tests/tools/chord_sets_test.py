"""Chorales with analyses, and whether labels lie at their notes."""

import numpy as np
import pytest

from aurl_jax.music.chords import Chord
from aurl_jax.music.notes import Notes


@pytest.fixture(scope='module')
def tool(load_tool, tool_folder):
  return load_tool('chord_sets')


@pytest.mark.parametrize(
  ('text', 'file'),
  [
    ('Composer: Bach\nBWV: 269\n', 'bwv269.mxl'),
    ('BWV: 153.1\n', 'bwv153.1.mxl'),
    ('BWV: 248(2).12\n', 'bwv248.12-2.mxl'),
    ('BWV: 41.6s\n', 'bwv41.6.mxl'),
  ],
)
def test_the_file_of_a_number(tool, text, file):
  assert tool._chorale(text) == file


def test_how_much_of_the_notes_is_of_the_chords(tool):
  notes = Notes.build(
    4, {'onset': [0, 0, 4], 'duration': [4, 8, 4], 'pitch': [60, 64, 61]}
  )
  rows = [(0, 4, Chord(0, 'maj', None), 0), (4, 8, Chord(9, 'maj', None), 0)]
  # C and E in C major, then E and C sharp in A major.
  assert tool.fitting(tool.Labelled('x', notes, rows)) == 1
  rows = [(0, 8, Chord(0, 'maj', None), 0)]
  assert tool.fitting(tool.Labelled('x', notes, rows)) == 12 / 16


@pytest.mark.slow
def test_the_chorales(tool):
  pytest.importorskip('music21')
  found = list(tool.chorales())
  names = [piece.name.removeprefix('riemenschneider') for piece in found]
  gone = {'011', '014', '015', '017'}
  assert names == [f'{k:03}' for k in range(1, 21) if f'{k:03}' not in gone]
  first = found[0]
  # "Aus meines Herzens Grunde": an upbeat of one beat, G major, I then I IV6.
  assert first.rows[0][:2] == (0, 480)
  chords = [(c.root, c.quality, c.bass) for _, _, c, _ in first.rows[:4]]
  assert chords == [
    (7, 'maj', 7), (7, 'maj', 7), (0, 'maj', 4), (2, 'maj', 6)
  ]  # fmt: skip
  assert {row[3] for row in first.rows} == {7}
  assert first.notes.meters.tolist()[:2] == [(0, 1, 4), (480, 3, 4)]
  for piece in found:
    assert len(piece.notes.tracks) == 4
    edges = np.array([row[:2] for row in piece.rows])
    assert (edges[1:, 0] >= edges[:-1, 0]).all()
    assert 0.8 < tool.fitting(piece) <= 1
