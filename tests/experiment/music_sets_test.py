"""Sets of files: what is read, and what is done to their bars."""

import dataclasses

import numpy as np
import pytest

from aurl_jax.core.errors import DataError
from aurl_jax.experiment import music_sets
from aurl_jax.music import midi
from aurl_jax.music.notes import METER, Notes


def tune(beat=480, bars=24):
  """A tune over chords that change with each bar of four, told as 1/4."""
  columns = {'onset': [], 'duration': [], 'pitch': [], 'velocity': []}
  add = lambda *row: [columns[k].append(v) for k, v in zip(columns, row)]  # noqa: B905, E731
  for bar in range(bars):
    root = (60, 65, 67, 60)[bar % 4] - 12
    for pitch in (root, root + 4, root + 7):
      add(4 * beat * bar, 4 * beat, pitch, 90)
    for k in range(4):
      add(beat * (4 * bar + k), beat, root + 12 + (0, 4, 7, 4)[k], 70)
  meters = np.array([(0, 1, 4)], METER)
  notes = Notes.build(beat, columns)
  return dataclasses.replace(notes, meters=meters)


@pytest.fixture
def folder(tmp_path):
  midi.write(tune(), tmp_path / 'a.mid')
  (tmp_path / 'torn.mid').write_bytes(b'MThd')
  return tmp_path


def test_files_are_read_as_they_are(folder):
  found = music_sets.of_files(str(folder))
  assert (found.names, found.unread) == (['a.mid'], 1)
  assert found.pieces[0] == midi.read(folder / 'a.mid').notes
  assert found.pieces[0].meters['numerator'].tolist() == [1]


def test_bars_are_put_where_the_downbeats_are(folder):
  (piece,) = music_sets.music(str(folder), 1, 0, beats='align').pieces
  assert piece.meters[['numerator', 'denominator']].tolist() == [(4, 4)]
  plain = midi.read(folder / 'a.mid').notes
  assert piece.pitch.tolist() == plain.pitch.tolist()
  with pytest.raises(ValueError, match='beats is one of'):
    music_sets.of_files(str(folder), 'somehow')


def test_what_is_not_there_is_refused(tmp_path):
  with pytest.raises(DataError):
    music_sets.of_files(str(tmp_path / 'nowhere'))
  (tmp_path / 'torn.mid').write_bytes(b'MThd')
  with pytest.raises(DataError, match='none of 1 files'):
    music_sets.of_files(str(tmp_path))
