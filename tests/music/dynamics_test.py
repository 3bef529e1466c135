"""Ranks are counted by loops, not by the code that is judged."""

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from aurl_jax.music.dynamics import Dynamics
from aurl_jax.music.notes import Notes
from tests.music.pieces import pieces


@hypothesis.given(pieces(last=400), st.floats(0, 1))
def test_never_swaps_two_notes(notes, strength):
  changed = Dynamics(strength=strength)(notes)
  changed.check()
  table = Dynamics(strength=strength).table(notes)
  assert (np.diff(table[np.unique(notes.velocity)]) >= 0).all()
  expected = sorted(
    (o, t, p, d, table[v])
    for o, t, p, d, v in zip(
      notes.onset, notes.track, notes.pitch, notes.duration, notes.velocity,
      strict=True,
    )
  )  # fmt: skip
  found = zip(
    changed.onset, changed.track, changed.pitch, changed.duration,
    changed.velocity, strict=True,
  )  # fmt: skip
  assert list(found) == expected


@hypothesis.given(pieces(last=400))
def test_no_strength_changes_nothing(notes):
  assert Dynamics(strength=0)(notes) == notes


def test_whole_strength_gives_the_target():
  rng = np.random.default_rng(0)
  for low, high in ((1, 30), (60, 127), (1, 127)):
    velocity = rng.integers(low, high + 1, 5000)
    notes = Notes.build(
      4, {'onset': np.arange(5000), 'duration': 1, 'pitch': 60,
          'velocity': velocity},
    )  # fmt: skip
    changed = Dynamics(mean=70, spread=12)(notes).velocity
    assert abs(changed.mean() - 70) < 1
    assert abs(changed.std() - 12) < 1
    for q, z in ((0.16, -1), (0.5, 0), (0.84, 1)):
      assert abs(np.quantile(changed, q) - (70 + 12 * z)) <= 2


def test_one_velocity_goes_to_the_mean():
  notes = Notes.build(4, {'onset': [0, 1], 'duration': 1, 'pitch': 60})
  assert Dynamics(mean=90)(notes).velocity.tolist() == [90, 90]
  half = Dynamics(mean=90, strength=0.5)(notes)
  assert half.velocity.tolist() == [77, 77]


@pytest.mark.parametrize(
  'options', [{'strength': -0.1}, {'mean': 0}, {'spread': 0}]
)
def test_options_out_of_range(options):
  with pytest.raises(ValueError, match='must lie'):
    Dynamics(**options)
