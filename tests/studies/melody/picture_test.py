"""A picture has a bar for each note and each occurrence of a motif."""

import numpy as np
from matplotlib import figure

from aurl_jax.studies.melody import picture
from tests.studies.melody.melodies import line_of


def test_bars_lie_where_notes_are():
  axes = figure.Figure().subplots()
  tune = line_of([60, 64, 67, 60, 64, 67])
  spans = np.array([[0.0, 1.5], [1.5, 3.0]])
  picture.draw(axes, tune, tune.start[:1], [spans])
  black = [p for p in axes.patches if p.get_facecolor() == (0, 0, 0, 1)]
  assert [p.get_x() for p in black] == tune.start.tolist()
  middles = [p.get_y() + p.get_height() / 2 for p in black]
  np.testing.assert_allclose(middles, tune.pitch)
  low = min(tune.pitch)
  below = [p for p in axes.patches if p.get_y() + p.get_height() < low]
  told = {p.get_x() for p in below if p.get_height() == 1}
  assert {0.0, 1.5} <= told


def test_silence_is_an_empty_picture():
  axes = figure.Figure().subplots()
  picture.draw(axes, line_of([]), np.zeros(0), [])
  assert not axes.patches
