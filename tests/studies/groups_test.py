"""Groups and surroundings, against loops."""

import hypothesis
import numpy as np
from hypothesis import strategies as st

from aurl_jax.music import time
from aurl_jax.studies import groups
from tests.music.pieces import pieces


@hypothesis.given(pieces(last=2000))
def test_groups(notes):
  heard = groups.played(notes)
  assert (heard.index == np.flatnonzero(~notes.is_drum)).all()
  firsts, begun = [], None
  for place, index in enumerate(heard.index):
    now = float(time.ticks_to_seconds(notes, int(notes.onset[index])))
    if begun is None or now > begun + groups.TOGETHER:
      firsts.append(place)
      begun = now
  assert heard.first.tolist() == firsts
  assert heard.sizes.sum() == len(heard.index)
  assert (np.diff(heard.group) >= 0).all()


@hypothesis.given(
  st.lists(st.tuples(st.integers(0, 40), st.integers(0, 127)), min_size=1),
  st.integers(0, 5),
)
def test_local(rows, seconds):
  rows.sort()
  onset = np.array([row[0] for row in rows], float)
  values = np.array([row[1] for row in rows])
  mean, deviation = groups.local(onset, values, seconds)
  for place, at in enumerate(onset):
    near = values[np.abs(onset - at) <= seconds]
    assert np.isclose(mean[place], near.mean())
    assert np.isclose(deviation[place], near.std(), atol=1e-4)
