"""Excerpts side by side, judged by their pixels."""

import io

import numpy as np
import pytest
from matplotlib import image

from aurl_jax.music import panels
from aurl_jax.music.notes import Notes, Track


def pixels(data):
  return image.imread(io.BytesIO(data))[..., :3]


def notes(*pitches, tracks=None, **columns):
  onset = 4 * np.arange(len(pitches))
  told = {'onset': onset, 'duration': 4, 'pitch': pitches} | columns
  return Notes.build(4, told, tracks=tracks)


def coloured(data):
  """Where the picture is neither grey nor white, [rows, columns]."""
  return np.ptp(pixels(data), axis=-1) > 0.3


def test_a_place_for_each_excerpt_and_equal_bytes_for_equal_music():
  one, other = notes(60, 62), notes(60, 67)
  first = panels.draw([[one, other], [other, None]], [['a', 'b'], ['c', '']])
  assert first == panels.draw(
    [[one, other], [other, None]], [['a', 'b'], ['c', '']]
  )
  assert first != panels.draw([[other, one], [other, None]])
  high, wide, _ = pixels(first).shape
  single = pixels(panels.draw([[one]])).shape
  assert (high, wide) == (2 * single[0], 2 * single[1])
  found = coloured(first)
  assert not found[high // 2 :, wide // 2 :].any()
  for rows in (slice(0, high // 2), slice(high // 2, high)):
    assert found[rows, : wide // 2].any()


def test_all_are_drawn_on_one_scale():
  low, high = notes(40, velocity=127), notes(80, velocity=127)
  found = coloured(panels.draw([[low, high]]))
  wide = found.shape[1]
  left = np.flatnonzero(found[:, : wide // 2].any(axis=1))
  right = np.flatnonzero(found[:, wide // 2 :].any(axis=1))
  # The lower note is further down.
  assert left.min() > right.max()
  # A note of half the time takes half the width.
  both = coloured(panels.draw([[notes(60, velocity=127), notes(60, 60)]]))
  ends = [
    np.ptp(np.flatnonzero(part.any(axis=0)))
    for part in (both[:, : wide // 2], both[:, wide // 2 :])
  ]
  assert ends[1] == pytest.approx(2 * ends[0], abs=4)


def test_drums_are_grey_and_empty_excerpts_are_empty():
  drums = notes(36, 38, tracks=[Track(is_drum=True)])
  empty = Notes.build(4, {'onset': [], 'duration': [], 'pitch': []})
  assert not coloured(panels.draw([[drums, empty]])).any()
  assert pixels(panels.draw([[drums, empty]])).min() < 0.5


@pytest.mark.parametrize('rows', [[], [[]], [[notes(60)], []]])
def test_rows_that_are_none_are_refused(rows):
  with pytest.raises(ValueError, match='rows of excerpts'):
    panels.draw(rows)
