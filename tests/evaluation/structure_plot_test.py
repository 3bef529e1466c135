import io

import numpy as np
import pytest
from PIL import Image

from aurl_jax.evaluation import structure_plot

PLAN = [('i', 4), ('A', 8), ('b', 8), ('A', 8)]


def pixels(rows):
  image = Image.open(io.BytesIO(structure_plot.draw(rows))).convert('RGB')
  return np.asarray(image).astype(int)


def test_plan_and_matrix_stand_side_by_side():
  dark, light = np.ones((28, 28)), np.zeros((28, 28))
  black = pixels([('one', PLAN, dark)])
  white = pixels([('one', PLAN, light)])
  differ = (black != white).any(axis=2)
  # They differ in the matrix alone, which is at the right of the plan.
  columns = np.flatnonzero(differ.any(axis=0))
  assert columns.min() > 0.2 * black.shape[1]
  plan = black[:, : columns.min()].reshape(-1, 3)
  for colour in ((0x00, 0x72, 0xB2), (0xC3, 0xC8, 0xD0)):
    assert (np.abs(plan - colour).max(axis=1) < 3).any() or colour[0] == 0xC3
  assert differ.sum() > 0.2 * differ.size


def test_each_piece_has_a_row():
  one = pixels([('a', PLAN, np.eye(28))])
  two = pixels([('a', PLAN, np.eye(28)), ('b', PLAN[:2], np.eye(12))])
  assert two.shape == (2 * one.shape[0], one.shape[1], 3)
  with pytest.raises(ValueError, match='no pieces'):
    structure_plot.draw([])
