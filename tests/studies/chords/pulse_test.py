"""Levels of the bar, written or found."""

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from aurl_jax.music.notes import Notes
from aurl_jax.studies.chords import atoms, pulse
from tests.music.pieces import pieces


def found(notes):
  return pulse.find(notes, atoms.cut(notes))


@pytest.mark.parametrize(
  ('meter', 'step', 'levels'),
  [
    ((4, 4), 2, [0, 3, 2, 3, 1, 3, 2, 3]),
    ((3, 4), 2, [0, 3, 2, 3, 2, 3]),
    ((6, 8), 2, [0, 3, 3, 1, 3, 3]),
    ((2, 2), 2, [0, 4, 3, 4, 1, 4, 3, 4]),
  ],
)
def test_written_meters_are_believed(meter, step, levels):
  count = 4 * len(levels)
  notes = Notes.build(
    4,
    {'onset': step * np.arange(count), 'duration': step, 'pitch': 60},
    meters=[(0, *meter)],
  )
  beat = found(notes)
  assert beat.levels.tolist() == levels * 4
  bar = step * len(levels)
  assert beat.bars.tolist() == [bar * row for row in range(5)]


@hypothesis.given(st.integers(100, 380), st.integers(0, 3))
def test_a_click_beside_the_ticks_is_found(shift, upbeats):
  """Chords on every fourth beat of a pulse that lies beside the grid."""
  shift += 12 * (min(shift % 120, 120 - shift % 120) < 30) * 3
  rows = []
  for beat in range(64):
    tick = shift + 480 * beat
    rows.append((tick, 470, 72))
    if beat % 4 == upbeats:
      root = 36 + 7 * (beat // 4) % 12
      rows += [(tick, 1900, root), (tick, 1900, root + 16)]
  columns = dict(
    zip(('onset', 'duration', 'pitch'), np.array(rows).T, strict=True)
  )
  notes = Notes.build(480, columns, meters=[(0, 1, 4)])
  beat = found(notes)
  starts = atoms.cut(notes).starts
  strong = starts[(beat.levels == 0) & (starts > 0)]
  lines = (strong - shift) / 480
  assert np.allclose(lines % 4, upbeats, atol=0.1)


@hypothesis.given(pieces(last=4000))
def test_any_piece(notes):
  beat = found(notes)
  assert len(beat.levels) == len(atoms.cut(notes))
  assert ((beat.levels >= 0) & (beat.levels < pulse.LEVELS)).all()
  assert (np.diff(beat.bars) > 0).all()
