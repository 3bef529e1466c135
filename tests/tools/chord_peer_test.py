"""What music21 says of chords that anyone can read."""

import numpy as np
import pytest

from aurl_jax.music.notes import Notes


@pytest.fixture(scope='module')
def tool(load_tool, tool_folder):
  pytest.importorskip('music21')
  return load_tool('chord_peer')


@pytest.mark.parametrize(
  ('pitches', 'label'),
  [
    ([48, 64, 67], 'C:maj'),
    ([52, 60, 69], 'A:min'),
    ([59, 62, 65, 67], 'G:7'),
    ([59, 62, 65], 'B:dim'),
    ([60, 72], 'N'),
    ([], 'N'),
  ],
)
def test_chords(tool, pitches, label):
  assert tool.named(pitches).label(bass=False) == label


def test_a_cadence_in_g(tool):
  chords = [[43, 59, 62, 67], [48, 60, 64, 67], [50, 57, 60, 66], [43, 59, 62]]
  rows = [(4 * k, pitch) for k, chord in enumerate(chords) for pitch in chord]
  onset, pitch = np.array(rows).T
  notes = Notes.build(4, {'onset': onset, 'duration': 4, 'pitch': pitch})
  found = tool.hear(notes)
  labels = [chord.label(bass=False) for chord in found.chords()]
  assert labels == ['G:maj', 'C:maj', 'D:7', 'G:maj']
  assert set(found.key.tolist()) == {7}
  np.testing.assert_allclose(found.ends[:-1], found.starts[1:])
  assert tool.key(Notes.build(4)) == -1
