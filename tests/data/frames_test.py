"""Frames of four voices: judged by sounding them again, and refused."""

import json

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from aurl_jax.core.errors import DataError
from aurl_jax.data import frames

ROWS = st.lists(
  st.lists(st.sampled_from([-1, 48, 60, 61, 127, 0]), min_size=4, max_size=4),
  min_size=1,
  max_size=20,
)


@hypothesis.given(ROWS)
def test_frames_sound_as_they_are_written(rows):
  notes = frames.notes_of(np.array(rows))
  again = [[-1] * 4 for _ in rows]
  for on, length, pitch, voice in zip(
    notes.onset, notes.duration, notes.pitch, notes.track, strict=True
  ):
    for cell in range(on, on + length):
      assert again[cell][voice] == -1
      again[cell][voice] = int(pitch)
  assert again == rows


def test_equal_pitches_are_one_note(tmp_path):
  path = tmp_path / 'some.json'
  path.write_text(json.dumps([[[60, 55, 52, -1]] * 3, [[60, 55, 52, 48]]]))
  one, other = frames.read(path)
  assert one.duration.tolist() == [3, 3, 3]
  assert [track.name for track in other.tracks] == list(frames.VOICES)


@pytest.mark.parametrize(
  ('text', 'match'),
  [
    ('{', 'cannot be read'),
    ('{}', 'no list of pieces'),
    ('[]', 'no list of pieces'),
    ('[[[60, 55, 52]]]', 'piece 0 is no list of four'),
    ('[[[60, 55, 52, 48], [60]]]', 'piece 0 is no list of four'),
    ('[[[60, 55, 52, 48.5]]]', 'piece 0 is no list of four'),
    ('[[[60, 55, 52, 48]], [[60, 55, 52, 128]]]', 'piece 1 has pitches out'),
  ],
)
def test_other_forms_are_refused(tmp_path, text, match):
  path = tmp_path / 'odd.json'
  path.write_text(text)
  with pytest.raises(DataError, match=match) as told:
    frames.read(path)
  assert told.value.code == 'frames'
  assert str(path) in str(told.value)


def test_a_file_that_is_not_there(tmp_path):
  with pytest.raises(DataError, match='cannot be read'):
    frames.read(tmp_path / 'none.json')


def test_all_chorales_are_read(shared_data):
  found = frames.read(shared_data / 'jsb_chorales' / 'jsb16_valid.json')
  assert len(found) == 76
  assert min(map(len, found)) > 50
