"""What onsets look like, against loops."""

import hypothesis
import numpy as np
from hypothesis import strategies as st

from aurl_jax.music.notes import Notes, Track
from aurl_jax.studies import onsets
from tests.music.pieces import pieces


@hypothesis.given(pieces(last=4000, ticks_per_beat=480))
def test_marks_are_in_range(notes):
  found = onsets.find(notes)
  assert found.marks.shape == (len(found), len(onsets.MARKS))
  assert (found.marks >= 0).all()
  assert (found.marks < np.array(onsets.MARKS)).all()
  assert (np.diff(found.seconds) > 0).all()


@hypothesis.given(st.lists(st.integers(0, 3000), min_size=1, max_size=60))
def test_height_above_the_lowest_note_around(ticks):
  ticks = sorted(set(ticks))
  pitch = [40 + (7 * tick) % 31 for tick in ticks]
  notes = Notes.build(
    8, {'onset': np.array(ticks), 'duration': 1, 'pitch': pitch}
  )  # a tick is 62.5 ms: no two are one chord
  found = onsets.find(notes)
  for place, tick in enumerate(ticks):
    near = [p for t, p in zip(ticks, pitch, strict=True) if abs(t - tick) <= 24]
    height = pitch[place] - min(near)
    expected = sum(height >= edge for edge in (1, 5, 12))
    assert found.marks[place, 1] == expected


def test_drums_alone_have_onsets():
  notes = Notes.build(
    480, {'onset': [0, 0, 480], 'duration': 9, 'pitch': [36, 42, 38]},
    tracks=[Track(is_drum=True)],
  )  # fmt: skip
  assert onsets.find(notes).seconds.tolist() == [0.0, 0.5]
