"""Scales that are walked up and down are told by their names."""

import hypothesis
import pytest
from hypothesis import strategies as st

from aurl_jax.music.scales import STEPS, Scale
from aurl_jax.studies.melody import scale
from tests.studies.melody.melodies import line_of, lines

WALKED = ('major', 'dorian', 'mixolydian', 'lydian', 'phrygian')


@pytest.mark.parametrize('kind', WALKED)
@pytest.mark.parametrize('tonic', [0, 5, 10])
def test_walks(kind, tonic):
  steps = [*STEPS[kind], 12]
  walk = [
    60 + tonic + step
    for step in [*steps, *steps[::-1], 7, 4 if 4 in steps else 3, 0]
  ]
  found = scale.find(line_of(walk))
  assert found.scale == Scale(tonic, kind)
  assert found.inside == pytest.approx(1)
  assert 0.1 < found.chance <= 1


def test_five_notes_are_pentatonic():
  walk = [60, 62, 64, 67, 69, 72, 69, 67, 64, 62, 60, 64, 67, 60] * 3
  assert scale.find(line_of(walk)).scale == Scale(0, 'major pentatonic')


def test_a_minor_key_with_its_leading_note():
  walk = [57, 59, 60, 62, 64, 65, 68, 69, 64, 60, 59, 57, 68, 69, 64, 60, 57]
  assert scale.find(line_of(walk)).scale == Scale(9, 'minor')


@hypothesis.given(lines(least=8), st.integers(-6, 6))
def test_transposed_tunes_have_transposed_scales(found, up):
  moved = type(found)(
    found.onset, found.duration, found.pitch + up, found.start, found.end
  )
  one, other = scale.find(found), scale.find(moved)
  assert other.chance == pytest.approx(one.chance)
  if one.chance > 0.51:
    assert other.scale == Scale((one.scale.tonic + up) % 12, one.scale.kind)


def test_silence_has_none():
  assert scale.find(line_of([])) is None
